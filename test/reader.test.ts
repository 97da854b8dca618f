import fc from "fast-check";
import t from "tap";
import { loadPolicy } from "./lanes/fixtures/policy.ts";
import { bytesToBigint, fromHex, type Hex, ZERO_ADDRESS } from "../lanes/bytes.ts";
import type { PendingSlice } from "../node/api.ts";
import { packSlice } from "../node/execution/slice-codec.ts";
import { keccakHex } from "../node/primitives/hash.ts";
import { EMPTY_TRIE_ROOT, headerHash } from "../node/primitives/header.ts";
import {
  type BlockId,
  type LogEntry,
  type LogFilter,
  openReader,
  type Reader,
} from "../node/reader.ts";
import { type RollupConfig, rollupConfigSchema } from "../node/rollup-config.ts";
import { createStore } from "../node/storage/chain-store.ts";
import { findLogs } from "../node/storage/logs.ts";
import type { BlockCommit, Store } from "../node/storage/store.ts";
import { AS_IT_IS, makeRequest } from "./execution/fixtures/call.ts";
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

const policy = loadPolicy();

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
  undoBlocks = 100,
): Promise<Opened> {
  const chain = createFixtureChain(21);
  const store = await createStore({ dataDir, undoBlocks });
  const commits = [change(chain.genesis)];
  await store.initialize(commits[0]!, ROLLUP_HASH);
  for (let i = 0; i < blocks; i++) {
    const commit = change(chain.next());
    commits.push(commit);
    await store.commitBlock(commit);
  }
  const reader = await openReader({ dataDir, rollup, policy });
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
const TRACE = { onlyTopCall: false, withLog: false, bytesMax: 10_000, timeoutMs: 5000 };
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

const request = makeRequest({ from: ZERO_ADDRESS, to: CONTRACT, gasLimit: 1_000_000n });
const options = { overrides: AS_IT_IS, timeoutMs: 5000, gasMax: 1_000_000n };
const LATEST: BlockId = { kind: "tag", tag: "latest" };
const at = (number: number): BlockId => ({ kind: "number", number });

/** What the contract returns: the number of the block whose state it sees, plus one. */
async function ask(reader: Reader, id: BlockId): Promise<number> {
  const result = await reader.call(id, request, options);
  if (!result.ok || !result.value.success) throw new Error(JSON.stringify(result));
  return Number(bytesToBigint(result.value.output));
}

t.test("calls run on the state of any block that is kept", async (t) => {
  const { reader, commits, close } = await openChain(t.testdir(), 6, withContract, 4);
  for (let number = 2; number <= 6; number++) {
    t.equal(await ask(reader, at(number)), number + 1);
    const { hash } = commits[number]!.stored.block;
    t.equal(await ask(reader, { kind: "hash", hash }), number + 1);
    const estimate = await reader.estimateGas(at(number), request, options);
    t.ok(estimate.ok && estimate.value > 21_000n && estimate.value < 30_000n);
    t.equal(
      reader.stateAt(at(number), (state) => state.slot(CONTRACT, SLOT_ZERO)),
      BigInt(number + 1),
    );
  }
  t.equal(await ask(reader, LATEST), 7);
  t.equal(await ask(reader, { kind: "tag", tag: "pending" }), 7, "no open block is known");
  const gone = { code: "STATE_NOT_AVAILABLE", data: { block: 1, oldest: 2, head: 6 } };
  await t.rejects(ask(reader, at(1)), gone);
  await t.rejects(reader.estimateGas(at(1), request, options), gone);
  await t.rejects(reader.proof(at(1), CONTRACT, []), gone);
  await t.rejects(reader.trace(at(2), null, TRACE), gone, "a trace starts from the block before");
  t.throws(() => reader.stateAt(at(1), () => 0), gone);
  const earliest: BlockId = { kind: "tag", tag: "earliest" };
  t.throws(() => reader.stateAt(earliest, () => 0), { ...gone, data: { block: 0 } });
  for (const id of [at(7), { kind: "hash", hash: ROLLUP_HASH } as const]) {
    await t.rejects(ask(reader, id), { code: "BLOCK_NOT_FOUND" });
    t.throws(() => reader.stateAt(id, () => 0), { code: "BLOCK_NOT_FOUND" });
    await t.rejects(reader.proof(id, CONTRACT, []), { code: "BLOCK_NOT_FOUND" });
    await t.rejects(reader.trace(id, null, TRACE), { code: "BLOCK_NOT_FOUND" });
  }
  t.equal(await reader.trace(at(0), null, TRACE), null, "genesis executes nothing");
  await close();
});

t.test("a call keeps its snapshot while the store goes on", async (t) => {
  const { reader, store, commits, close } = await openChain(t.testdir(), 4, withContract);
  const running = ask(reader, at(4));
  const older = ask(reader, at(3));
  await store.rollback(1);
  t.equal(await running, 5, "the head it was asked for, though that block is gone");
  t.equal(await older, 4, "and an older one");
  t.equal(commits.length, 5);
  t.equal(await ask(reader, LATEST), 2);
  await t.rejects(ask(reader, { kind: "hash", hash: commits[3]!.stored.block.hash }), {
    code: "BLOCK_NOT_FOUND",
  });
  await close();
});

/** The open block on the head of `commits`: the contract's slot is `value`, in its own block. */
function sliceOn(commits: readonly BlockCommit[], index: number, value: bigint): PendingSlice {
  const { block } = commits.at(-1)!.stored;
  const { number, timestamp, gasLimit, baseFeePerGas, beneficiary, prevRandao } = block.header;
  return {
    environment: {
      number: number + 1,
      timestamp: timestamp + 1,
      gasLimit,
      baseFee: baseFeePerGas,
      beneficiary,
      prevRandao,
    },
    parentHash: block.hash,
    index,
    slice: packSlice({
      writes: [
        {
          address: CONTRACT,
          after: { nonce: 1n, balance: 0n, codeHash: CODE_HASH, storageRoot: EMPTY_TRIE_ROOT },
          storageCleared: false,
          slots: [{ slot: SLOT_ZERO, value }],
        },
      ],
      codes: [],
      transactions: [],
      receipts: [],
    }),
  };
}

/** A block at the same height with another hash. */
function otherThan(commit: BlockCommit): BlockCommit {
  const { block } = commit.stored;
  const header = { ...block.header, timestamp: block.header.timestamp + 1 };
  const hash = headerHash(header);
  return {
    ...commit,
    stored: { ...commit.stored, block: { ...block, hash, header } },
    heads: { ...commit.heads, unsafe: { number: header.number, hash } },
  };
}

t.test("pending is the open block over the very head it stands on", async (t) => {
  const { reader, store, commits, close } = await openChain(t.testdir(), 4, withContract);
  const pending: BlockId = { kind: "tag", tag: "pending" };
  reader.pending.add(sliceOn(commits, 0, 40n));
  t.equal(await ask(reader, pending), 40);
  reader.pending.add(sliceOn(commits, 1, 41n));
  t.equal(await ask(reader, pending), 41);
  t.equal(await ask(reader, LATEST), 5);
  t.equal(await ask(reader, at(4)), 5);
  t.equal(
    reader.stateAt(pending, (state) => state.slot(CONTRACT, SLOT_ZERO)),
    41n,
  );
  // Creates a contract whose code is the number of the block.
  const creation = { ...request, to: null, data: fromHex("0x4360005260206000f3") };
  for (const [id, number] of [
    [pending, 5],
    [LATEST, 4],
    [at(2), 2],
  ] as const) {
    const created = await reader.call(id, creation, options);
    t.ok(created.ok && bytesToBigint(created.value.output) === BigInt(number));
  }
  const estimate = await reader.estimateGas(pending, request, options);
  t.ok(estimate.ok);
  // The head moves: what stood on the old one no longer counts, whatever its number.
  await store.rollback(3);
  t.equal(await ask(reader, pending), 4);
  await store.commitBlock(commits[4]!);
  t.equal(await ask(reader, pending), 41, "the same block is head again");
  await store.rollback(3);
  await store.commitBlock(otherThan(commits[4]!));
  t.equal(await ask(reader, pending), 5, "another block of the same height is not");
  await close();
});
