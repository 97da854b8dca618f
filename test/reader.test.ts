import fc from "fast-check";
import t from "tap";
import { fromHex, type Hex, ZERO_ADDRESS } from "../lanes/bytes.ts";
import type { CallRequest } from "../node/execution/engine.ts";
import { keccakHex } from "../node/primitives/hash.ts";
import { type LogEntry, type LogFilter, openReader, type Reader } from "../node/reader.ts";
import { type RollupConfig, rollupConfigSchema } from "../node/rollup-config.ts";
import { createStore } from "../node/storage/chain-store.ts";
import { findLogs } from "../node/storage/logs.ts";
import type { BlockCommit, Store } from "../node/storage/store.ts";
import { addressAt, createFixtureChain, ROLLUP_HASH, slotAt } from "./storage/fixtures/chain.ts";

const rollup: RollupConfig = rollupConfigSchema.parse({
  version: 1,
  chainId: 901,
  l1ChainId: 900,
  settlement: ZERO_ADDRESS,
  genesis: {
    timestamp: 1_800_000_000,
    l1Origin: { number: 0, hash: `0x${"00".repeat(32)}` },
    gasLimit: "60000000",
    baseFee: "7",
    alloc: {},
  },
  eip1559: { denominator: 250, elasticity: 6 },
  system: {
    batcher: ZERO_ADDRESS,
    baseFeeScalar: 0,
    blobBaseFeeScalar: 0,
    operatorFeeScalar: 0,
    operatorFeeConstant: "0",
  },
  sequencer: ZERO_ADDRESS,
  policy: {},
  originConfirmations: 1,
  sequencingWindow: 100,
  challengeWindow: 100,
  l1BlobSchedule: [{ timestamp: 0, baseFeeUpdateFraction: 5007716 }],
});

interface Opened {
  readonly store: Store;
  readonly reader: Reader;
  readonly commits: readonly BlockCommit[];
  readonly close: () => Promise<void>;
}

async function openChain(
  dataDir: string,
  blocks: number,
  change = (commit: BlockCommit): BlockCommit => commit,
): Promise<Opened> {
  const chain = createFixtureChain(21);
  const store = await createStore({ dataDir });
  const commits = [change(chain.genesis)];
  await store.initialize(commits[0]!, ROLLUP_HASH);
  for (let i = 0; i < blocks; i++) {
    const commit = change(chain.next());
    commits.push(commit);
    await store.commitBlock(commit);
  }
  const reader = await openReader({ dataDir, rollup });
  const close = async (): Promise<void> => {
    await reader.close();
    await store.close();
  };
  return { store, reader, commits, close };
}

/** All logs of the chain in order, found without blooms or indexes. */
function allLogs(commits: readonly BlockCommit[]): LogEntry[] {
  return commits.flatMap(({ stored: { block }, receipts }) => {
    let logIndex = 0;
    return receipts.flatMap(({ logs }, transactionIndex) =>
      logs.map((log) => ({
        log,
        blockNumber: block.header.number,
        blockHash: block.hash,
        transactionHash: block.transactions[transactionIndex]!.hash,
        transactionIndex,
        logIndex: logIndex++,
      })),
    );
  });
}

function passes(
  { log }: LogEntry,
  addresses: readonly Hex[],
  topics: readonly (Hex | readonly Hex[] | null)[],
): boolean {
  if (addresses.length > 0 && !addresses.includes(log.address)) return false;
  return topics.every((wanted, i) => {
    const topic = log.topics[i];
    if (topic === undefined) return false;
    if (wanted === null || wanted.length === 0) return true;
    return typeof wanted === "string" ? topic === wanted : wanted.includes(topic);
  });
}

t.test("logs are those that an exhaustive search finds", async (t) => {
  const { reader, commits, close } = await openChain(t.testdir(), 40);
  const every = allLogs(commits);
  t.ok(every.length > 100);
  // Indexes beyond the fixture's are words that no log has.
  const address = fc.nat(14).map(addressAt);
  const topic = fc.nat(12).map(slotAt);
  const topics = fc.array(fc.oneof(fc.constant(null), topic, fc.array(topic, { maxLength: 4 })), {
    maxLength: 4,
  });
  let hits = 0;
  fc.assert(
    fc.property(
      fc.array(address, { maxLength: 3 }),
      topics,
      fc.nat(45),
      fc.nat(45),
      (addresses, wanted, fromBlock, toBlock) => {
        const found = reader.logs({ fromBlock, toBlock, addresses, topics: wanted });
        const expected = every.filter(
          (entry) =>
            entry.blockNumber >= fromBlock &&
            entry.blockNumber <= toBlock &&
            passes(entry, addresses, wanted),
        );
        hits += expected.length;
        t.strictSame(found, { ok: true, value: expected });
      },
    ),
    { numRuns: 100 },
  );
  t.ok(hits > 50, `${hits} logs were found`);
  const { hash } = commits[7]!.stored.block;
  t.strictSame(reader.logs({ blockHash: hash, addresses: [], topics: [] }), {
    ok: true,
    value: every.filter(({ blockNumber }) => blockNumber === 7),
  });
  await close();
});

t.test("a block whose bloom excludes the filter is not read", async (t) => {
  const { reader, commits, close } = await openChain(t.testdir(), 10);
  const absent = addressAt(900);
  let reads = 0;
  const chain = {
    ...reader.chain,
    receipts: (number: number) => {
      reads += 1;
      return reader.chain.receipts(number);
    },
  };
  const filter = { fromBlock: 0, toBlock: 10, topics: [] };
  t.same(findLogs(chain, { ...filter, addresses: [absent] }), { ok: true, value: [] });
  t.ok(reads < 3, `${reads} of ${commits.length} blocks were read for an absent address`);
  findLogs(chain, { ...filter, addresses: [] });
  t.ok(reads >= commits.length);
  await close();
});

t.test("limits of a log query", async (t) => {
  const { reader, close } = await openChain(t.testdir(), 2);
  const word = slotAt(0);
  const range = { fromBlock: 0, toBlock: 2 };
  const cases: [filter: LogFilter, limit: string, max: number, found: number][] = [
    [{ ...range, addresses: [], topics: [word, word, word, word, word] }, "topics", 4, 5],
    [
      { ...range, addresses: [addressAt(1)], topics: [word, new Array<Hex>(999).fill(word)] },
      "alternatives",
      1000,
      1001,
    ],
    [{ fromBlock: -9_998, toBlock: 5, addresses: [], topics: [] }, "blocks", 10_000, 10_001],
  ];
  for (const [filter, limit, max, found] of cases)
    t.strictSame(reader.logs(filter), {
      ok: false,
      code: "LIMIT_EXCEEDED",
      data: { limit, max, found },
    });
  t.match(reader.logs({ blockHash: ROLLUP_HASH, addresses: [], topics: [] }), {
    ok: false,
    code: "BLOCK_NOT_FOUND",
  });
  t.same(reader.logs({ fromBlock: 3, toBlock: 9, addresses: [], topics: [] }), {
    ok: true,
    value: [],
  });
  await close();
});

t.test("too many results are refused, not cut", async (t) => {
  const log = { address: addressAt(1), topics: [], data: new Uint8Array(0) };
  const { reader, close } = await openChain(t.testdir(), 3, (commit) => ({
    ...commit,
    receipts: commit.receipts.map((receipt, i) =>
      i === 0 ? { ...receipt, logs: new Array<typeof log>(5000).fill(log) } : receipt,
    ),
  }));
  t.match(reader.logs({ fromBlock: 0, toBlock: 3, addresses: [], topics: [] }), {
    ok: false,
    code: "LIMIT_EXCEEDED",
    data: { limit: "results", max: 10_000 },
  });
  t.ok(reader.logs({ fromBlock: 0, toBlock: 1, addresses: [], topics: [] }).ok);
  await close();
});

/** `SLOAD(0)` returned as a word. */
const LOAD_CODE = fromHex("0x5f545f5260205ff3");
const CODE_HASH = keccakHex(LOAD_CODE);
const CONTRACT = addressAt(500);
const SLOT_ZERO: Hex = `0x${"00".repeat(32)}`;

function withContract(commit: BlockCommit): BlockCommit {
  const { number } = commit.stored.block.header;
  const account = {
    nonce: 1n,
    balance: 0n,
    codeHash: CODE_HASH,
    storageRoot: ROLLUP_HASH,
  };
  return {
    ...commit,
    diff: {
      codes: number === 0 ? [{ hash: CODE_HASH, code: LOAD_CODE }] : [],
      accounts: [
        {
          address: CONTRACT,
          before: number === 0 ? null : account,
          after: account,
          storageCleared: false,
          slots: [{ slot: SLOT_ZERO, before: BigInt(number), after: BigInt(number + 1) }],
        },
      ],
    },
    trie: [],
  };
}

const request: CallRequest = {
  from: ZERO_ADDRESS,
  to: CONTRACT,
  data: new Uint8Array(0),
  value: 0n,
  gasLimit: 1_000_000n,
  gasPrice: 0n,
};

t.test("calls run on the state of the head and of no other block", async (t) => {
  const { reader, close } = await openChain(t.testdir(), 4, withContract);
  const result = await reader.call(request, 4);
  t.equal(result.success, true);
  t.equal(BigInt(`0x${Buffer.from(result.output).toString("hex")}`), 5n);
  const estimate = await reader.estimateGas(request, 4);
  t.ok(estimate.ok && estimate.value > 21_000n && estimate.value < 30_000n);
  t.equal(
    reader.stateAt(4, (state) => state.slot(CONTRACT, SLOT_ZERO)),
    5n,
  );
  for (const block of [3, 5]) {
    const refusal = { code: "STATE_NOT_AVAILABLE", data: { block, head: 4 } };
    await t.rejects(reader.call(request, block), refusal);
    await t.rejects(reader.estimateGas(request, block), refusal);
    t.throws(() => reader.stateAt(block, () => 0), refusal);
  }
  await close();
});

t.test("a call keeps its snapshot while the store goes on", async (t) => {
  const { reader, store, commits, close } = await openChain(t.testdir(), 4, withContract);
  const running = reader.call(request, 4);
  await store.rollback(1);
  const { output } = await running;
  t.equal(output.at(-1), 5, "the head it was asked for, though that block is gone");
  t.equal(commits.length, 5);
  t.equal((await reader.call(request, 1)).output.at(-1), 2);
  await close();
});
