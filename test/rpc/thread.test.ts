/** The RPC thread itself over a real store: reads at fixed blocks while blocks are committed. */
import { verifyMerkleProof } from "@ethereumjs/mpt";
import { RLP } from "@ethereumjs/rlp";
import t, { type Test } from "tap";
import { bytesToBigint, fromHex, type Hex } from "../../lanes/bytes.ts";
import {
  NODE_API_CHANNEL,
  NODE_EVENTS_CHANNEL,
  type NodeEvents,
  type PendingSlice,
} from "../../node/api.ts";
import { packSlice } from "../../node/execution/slice-codec.ts";
import { connect, type Remote, serve } from "../../node/port.ts";
import { PreemptionSignal } from "../../node/preemption-signal.ts";
import { createRpcThread } from "../../rpc/thread.ts";
import { assemble } from "../parity/assembler.ts";
import { feedPolicy, feedPolicyJson, signedReport } from "../lanes/fixtures/reports.ts";
import { ALICE, CONTRACTS, lower, makeConfig, sign, words } from "../execution/fixtures/chain.ts";
import { createStoredChain, type StoredChain } from "../execution/fixtures/stored-chain.ts";
import { createFakeNode, type FakeNode } from "./fixture-node.ts";
import { POLICY_JSON } from "./fixture-chain.ts";

const STORE = CONTRACTS.store.address;
const READER: Hex = "0xc0000000000000000000000000000000000000b0";
const SLOT = words(1n);

/** Calls the store contract, whose slot 1 it cannot see, and returns the number of the block. */
const PROGRAM = `7 0 MSTORE 0 0 64 0 0 ${STORE} GAS CALL POP NUMBER 0 MSTORE 32 0 RETURN`;

type Ask = (method: string, params: readonly unknown[]) => Promise<unknown>;

interface Opened {
  readonly chain: StoredChain;
  readonly ask: Ask;
  readonly events: Remote<NodeEvents>;
  readonly node: FakeNode;
  readonly metricsUrl: string;
  close(): Promise<void>;
}

async function open(t: Test, undoBlocks: number, policy: object = POLICY_JSON): Promise<Opened> {
  const dataDir = t.testdir();
  const alloc = { [READER]: { nonce: 1, code: assemble(PROGRAM) } };
  const rollup = { ...makeConfig({ alloc }), policy: { ...policy } };
  const chain = await createStoredChain(dataDir, { rollup, undoBlocks });
  const thread = createRpcThread({
    dataDir,
    rollup,
    host: "127.0.0.1",
    port: 0,
    metrics: { host: "127.0.0.1", port: 0 },
    divergence: { gapBps: 100, spreadBps: 200, feeds: new Map() },
    logLevel: "silent",
    clientVersion: "test",
    preemption: PreemptionSignal.create().memory,
  });
  const node = createFakeNode();
  serve(thread.worker, NODE_API_CHANNEL, { ...node.remote });
  const events = connect<NodeEvents>(thread.worker, NODE_EVENTS_CHANNEL);
  const { port, metricsPort } = await thread.start();
  const url = `http://127.0.0.1:${port}`;
  let id = 0;
  return {
    chain,
    node,
    metricsUrl: `http://127.0.0.1:${metricsPort}/metrics`,
    events: events.remote,
    async ask(method, params) {
      const body = JSON.stringify({ jsonrpc: "2.0", id: id++, method, params });
      const headers = { "content-type": "application/json" };
      const response = await fetch(url, { method: "POST", headers, body });
      const { result, error } = (await response.json()) as { result?: unknown; error?: unknown };
      if (error !== undefined) throw new Error(JSON.stringify(error));
      return result;
    },
    async close() {
      events.close();
      await thread.stop();
      await chain.close();
    },
  };
}

const quantity = (value: number): string => `0x${value.toString(16)}`;

/** Block `number` writes its number into the store contract's slot 1. */
async function grow(chain: StoredChain): Promise<void> {
  const number = chain.head().header.number + 1;
  const data = words(1n, BigInt(number));
  await chain.block([await sign(ALICE, { nonce: number - 1, to: STORE, data, gas: 100_000n })]);
}

async function checkProof(t: Test, ask: Ask, number: number): Promise<void> {
  const { stateRoot } = (await ask("eth_getBlockByNumber", [quantity(number)])) as {
    stateRoot: Hex;
  };
  const proof = (await ask("eth_getProof", [STORE, [SLOT], quantity(number)])) as {
    accountProof: Hex[];
    storageHash: Hex;
    storageProof: { value: Hex; proof: Hex[] }[];
  };
  const verify = (root: Hex, key: Hex, nodes: readonly Hex[]) =>
    verifyMerkleProof(fromHex(key), nodes.map(fromHex), {
      root: fromHex(root),
      useKeyHashing: true,
    });
  const account = RLP.decode(await verify(stateRoot, STORE, proof.accountProof)) as Uint8Array[];
  t.equal(`0x${Buffer.from(account[2]!).toString("hex")}`, proof.storageHash);
  const [slot] = proof.storageProof;
  t.equal(slot!.value, quantity(number));
  const value = RLP.decode(await verify(proof.storageHash, SLOT, slot!.proof)) as Uint8Array;
  t.equal(bytesToBigint(value), BigInt(number), `block ${number}`);
}

t.test("reads at fixed blocks stay what they were while blocks are committed", async (t) => {
  const { chain, ask, close } = await open(t, 40);
  for (let i = 0; i < 10; i++) await grow(chain);
  let committing = true;
  let reads = 0;
  const pinned = Array.from({ length: 10 }, (_, i) => i + 1);
  const readForever = async (number: number): Promise<void> => {
    const block = quantity(number);
    const { hash } = (await ask("eth_getBlockByNumber", [block])) as { hash: Hex };
    while (committing) {
      const [storage, nonce, call] = await Promise.all([
        ask("eth_getStorageAt", [STORE, SLOT, block]),
        ask("eth_getTransactionCount", [lower(ALICE.address), { blockHash: hash }]),
        ask("eth_call", [{ to: READER }, block]),
      ]);
      const expected = [words(BigInt(number)), block, words(BigInt(number))];
      if (storage !== expected[0] || nonce !== expected[1] || call !== expected[2])
        t.same([storage, nonce, call], expected, `block ${number}`);
      await checkProof(t, ask, number);
      reads += 1;
    }
  };
  const commit = async (): Promise<void> => {
    for (let i = 0; i < 25; i++) {
      await grow(chain);
      if (i % 8 === 7) await chain.rollback(chain.head().header.number - 3);
    }
    committing = false;
  };
  await Promise.all([commit(), ...pinned.map(readForever)]);
  t.ok(reads > 20, `${reads} rounds of reads`);
  for (let i = 0; i < 45; i++) await grow(chain);
  await t.rejects(ask("eth_getStorageAt", [STORE, SLOT, "0x1"]), /STATE_NOT_AVAILABLE.*oldest/);
  await checkProof(t, ask, chain.head().header.number - 39);
  await close();
});

t.test("old transactions are traced, estimates and calls run where they are asked", async (t) => {
  const { chain, ask, close } = await open(t, 40);
  for (let i = 0; i < 5; i++) await grow(chain);
  const { transactions } = (await ask("eth_getBlockByNumber", ["0x3"])) as { transactions: Hex[] };
  t.match(await ask("debug_traceTransaction", [transactions[0], { tracer: "callTracer" }]), {
    to: STORE,
    input: words(1n, 3n),
    type: "CALL",
    gas: "0x186a0",
  });
  t.match(await ask("debug_traceCall", [{ to: READER }, "0x2", { tracer: "callTracer" }]), {
    calls: [{ from: READER, to: STORE }],
    output: words(2n),
  });
  const first = Number(await ask("eth_estimateGas", [{ to: STORE, data: words(1n, 9n) }, "0x0"]));
  const later = Number(await ask("eth_estimateGas", [{ to: STORE, data: words(1n, 9n) }, "0x1"]));
  t.ok(first > later + 10_000, "the slot was empty in genesis");
  await close();
});

t.test("pending is what the sequencing thread tells, and latest without it", async (t) => {
  const { chain, ask, events, close } = await open(t, 40);
  for (let i = 0; i < 3; i++) await grow(chain);
  const alice = lower(ALICE.address);
  const read = () =>
    Promise.all([
      ask("eth_getStorageAt", [STORE, SLOT, "pending"]),
      ask("eth_call", [{ to: READER }, "pending"]),
      ask("eth_getTransactionCount", [alice, "pending"]),
      ask("eth_getBalance", [READER, "pending"]),
      ask("eth_getCode", [READER, "pending"]),
    ]);
  const code = assemble(PROGRAM);
  t.same(await read(), [words(3n), words(3n), "0x3", "0x0", code]);
  const { hash, header } = chain.head();
  const sliceOf = (index: number, value: bigint): PendingSlice => ({
    environment: {
      number: 4,
      timestamp: header.timestamp + 1,
      gasLimit: header.gasLimit,
      baseFee: header.baseFeePerGas,
      beneficiary: header.beneficiary,
      prevRandao: header.prevRandao,
    },
    parentHash: hash,
    index,
    slice: packSlice({
      writes: [
        {
          address: STORE,
          after: { ...chain.store.state.account(STORE)! },
          storageCleared: false,
          slots: [{ slot: SLOT, value }],
        },
        {
          address: READER,
          after: { ...chain.store.state.account(READER)!, balance: value },
          storageCleared: false,
          slots: [],
        },
      ],
      codes: [],
      transactions: [],
      receipts: [],
    }),
  });
  // A call over the port is answered, so the slice is there when it resolves.
  await events.pendingSlice(sliceOf(0, 40n));
  t.same(await read(), [words(40n), words(4n), "0x3", "0x28", code]);
  await events.pendingSlice(sliceOf(1, 41n));
  t.same(await read(), [words(41n), words(4n), "0x3", "0x29", code]);
  t.equal(await ask("eth_getStorageAt", [STORE, SLOT, "latest"]), words(3n));
  await events.pendingSlice(sliceOf(3, 43n));
  t.same(await read(), [words(3n), words(3n), "0x3", "0x0", code], "a slice is missing");
  await grow(chain);
  t.same(await read(), [words(4n), words(4n), "0x4", "0x0", code], "the head has moved");
  await close();
});

t.test(
  "the thread looks at the feeds by itself, and tells Prometheus on a port of its own",
  async (t) => {
    const { chain, node, metricsUrl, close } = await open(t, 40, feedPolicyJson());
    const policy = feedPolicy();
    await grow(chain);
    const scrape = async () => (await fetch(metricsUrl)).text();
    let text = "";
    // It looks once a second, and what is told may be a second old.
    for (let i = 0; i < 50 && !text.includes('publishers{feed="ETH/USD"} 1'); i++) {
      const said = { value: 2000n, publishTimeMs: Date.now(), sequence: BigInt(i + 1) };
      node.reports[0] = signedReport(policy, 1, said);
      await new Promise((resolve) => setTimeout(resolve, 100));
      text = await scrape();
    }
    t.match(text, /^pricelane_feed_fresh_publishers\{feed="ETH\/USD"\} 1$/m);
    t.match(text, /^pricelane_head_number\{head="unsafe"\} 1$/m);
    t.match(text, /^pricelane_peers 2$/m, "what the sequencing thread has been asked");
    await close();
    await t.rejects(scrape(), /fetch failed/, "it ends with the thread");
  },
);
