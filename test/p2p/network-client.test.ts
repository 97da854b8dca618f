import { join } from "node:path";
import type { Worker } from "node:worker_threads";
import t, { type Test } from "tap";
import { toHex, ZERO_HASH } from "../../lanes/bytes.ts";
import type { VerifiedReport } from "../../lanes/report-rules.ts";
import { DEPOSIT_TYPE } from "../../lanes/transaction.ts";
import type { NodeError } from "../../node/errors.ts";
import { type Logger, silentLogger } from "../../node/log.ts";
import { ThreadLoad } from "../../node/thread-load.ts";
import type { NetworkHandlers, NetworkOptions } from "../../node/p2p/network.ts";
import { createNetwork, type Network } from "../../node/p2p/network-client.ts";
import { decodeSignedBlock } from "../../node/primitives/block.ts";
import type { UserTransaction } from "../../node/primitives/transaction.ts";
import { PreemptionSignal } from "../../node/preemption-signal.ts";
import type { Receipt } from "../../node/primitives/receipt.ts";
import { createStore } from "../../node/storage/chain-store.ts";
import { loadPolicy } from "../lanes/fixtures/policy.ts";
import { feedPolicyJson, signedReport } from "../lanes/fixtures/reports.ts";
import { createFixtureChain, ROLLUP_HASH } from "../storage/fixtures/chain.ts";
import { CHAIN_ID, DOMAIN, makeBlock, SEQUENCER } from "./fixtures/blocks.ts";
import { FAST_SELECTOR, FEED, signed, testPolicyDocument } from "../sequencer/fixtures/rig.ts";
import { admitted } from "./fixtures/receipts.ts";
import { connected, until } from "./fixtures/hosts.ts";

const HANDLERS: NetworkHandlers = {
  onBlock: async () => undefined,
  onSubmit: async () => ({ ok: false, code: "TX_MALFORMED", data: { at: "sequencer" } }),
  onReport: async () => ({ ok: false, code: "REPORT_REPLAYED", data: { last: "7" } }),
  onKeyUse: async () => ({ sequence: 7n, isSuspended: false }),
  onStatus: async () => ({ chainId: CHAIN_ID, genesisHash: ZERO_HASH, unsafe: 0, safe: 0 }),
};

const RECEIPT: Receipt = {
  type: DEPOSIT_TYPE,
  status: 1,
  cumulativeGasUsed: 0n,
  gasUsed: 0n,
  effectiveGasPrice: 0n,
  contractAddress: null,
  logs: [],
  logsBloom: new Uint8Array(256),
  depositNonce: 0n,
  depositReceiptVersion: 1n,
  l1Fee: 0n,
};

/** A data folder whose only block is this one. */
async function folderWith(t: Test, name: string, bytes: Uint8Array): Promise<string> {
  const dataDir = join(t.testdirName, name);
  const decoded = decodeSignedBlock(bytes);
  if (!decoded.ok) throw new Error(decoded.code);
  const { hash, header, laneData, signature } = decoded.value;
  const store = await createStore({ dataDir });
  t.teardown(() => store.close());
  const { genesis } = createFixtureChain(1);
  const transactions = decoded.value.transactions.filter((tx) => tx.type === DEPOSIT_TYPE);
  const ref = { number: header.number, hash };
  await store.initialize(
    {
      ...genesis,
      stored: { ...genesis.stored, block: { hash, header, transactions }, laneData, signature },
      receipts: transactions.map(() => RECEIPT),
      heads: { unsafe: ref, safe: ref, finalized: ref },
    },
    ROLLUP_HASH,
  );
  return dataDir;
}

function optionsFor(dataDir: string): NetworkOptions {
  return {
    ...DOMAIN,
    role: "follower",
    listen: ["/ip4/127.0.0.1/tcp/0"],
    peers: [],
    identityFile: join(dataDir, "p2p-identity"),
    dataDir,
    sequencer: SEQUENCER,
    policy: testPolicyDocument(),
    preemption: PreemptionSignal.create().memory,
    logLevel: "info",
  };
}

interface Started {
  readonly network: Network;
  readonly failures: NodeError[];
  readonly address: string;
}

async function startNetwork(
  t: Test,
  dataDir: string,
  choices: Partial<NetworkOptions> & {
    readonly handlers?: Partial<NetworkHandlers>;
    readonly log?: Logger;
  } = {},
): Promise<Started> {
  const { handlers, log = silentLogger, ...options } = choices;
  const failures: NodeError[] = [];
  const network = await createNetwork(
    { ...optionsFor(dataDir), ...options },
    { ...HANDLERS, ...handlers },
    log,
    new ThreadLoad("test"),
    (error) => failures.push(error),
  );
  t.teardown(() => network.stop());
  await network.start();
  const [address] = (await network.info()).addresses;
  return { network, failures, address: address ?? "" };
}

t.test("two worker threads: gossip, ranges from the store, submissions", async (t) => {
  t.testdir();
  const block = makeBlock({ number: 0, timestamp: 1000 });
  const signal = PreemptionSignal.create();
  const submitted: UserTransaction[] = [];
  const sequencer = await startNetwork(t, await folderWith(t, "sequencer", block), {
    role: "sequencer",
    preemption: signal.memory,
    handlers: {
      onSubmit: async (transaction) => {
        submitted.push(transaction);
        return { ok: false, code: "POOL_FULL", data: { hash: transaction.hash } };
      },
    },
  });
  const received: string[] = [];
  const follower = await startNetwork(t, await folderWith(t, "follower", block), {
    peers: [sequencer.address],
    handlers: {
      onBlock: async (bytes, peerId) => {
        received.push(`${peerId} ${toHex(bytes)}`);
      },
    },
  });
  await connected({ ...follower.network, start: async () => undefined }, 1);
  t.equal(await follower.network.bestPeerHead(), 0);
  t.same((await follower.network.blocksByRange(0, 5)).map(toHex), [toHex(block)]);
  const malformed = await follower.network.submitTransaction(Uint8Array.of(1));
  t.match(malformed, { ok: false, code: "TX_MALFORMED" });
  const normal = await signed(0, { nonce: 0 });
  const call = { to: FEED, data: `${FAST_SELECTOR}00` } as const;
  // Nobody has a wei in these folders.
  const fast = await signed(0, { nonce: 1, ...call, maxFeePerGas: 0n, tip: 0n });
  const unpaid = await signed(0, { nonce: 1, ...call });
  for (const [transaction, raises] of [
    [normal, false],
    [unpaid, false],
    [fast, true],
    [fast, false],
  ] as const) {
    signal.lower();
    const answer = await follower.network.submitTransaction(transaction.raw);
    t.match(answer, { ok: false, code: "POOL_FULL", data: { hash: transaction.hash } });
    t.equal(submitted.at(-1)?.sender, transaction.sender, "decoded, with its sender");
    t.equal(signal.isRaised(), raises, "a fast one makes others give way");
  }
  let sent = "";
  for (let number = 1; received.length === 0 && number < 100; number++) {
    const next = makeBlock({ number });
    sent = toHex(next);
    await sequencer.network.publishBlock(next);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await until("a block", () => received.length > 0);
  const { peerId } = await sequencer.network.info();
  t.ok(received.some((line) => line === `${peerId} ${sent}`));
  await follower.network.stop();
  await follower.network.stop();
  t.same(follower.failures, [], "stopping is not failing");
  await t.rejects(follower.network.info(), { code: "WORKER_FAILED" });
});

t.test("two worker threads: reports, their receipts, and what gives way to them", async (t) => {
  t.testdir();
  const block = makeBlock({ number: 0, timestamp: 1000 });
  const { publishers, feeds } = feedPolicyJson();
  const document = { ...testPolicyDocument(), publishers, feeds };
  const policy = loadPolicy(document);
  const signal = PreemptionSignal.create();
  const reports: VerifiedReport[] = [];
  const sequencer = await startNetwork(t, await folderWith(t, "sequencer", block), {
    role: "sequencer",
    policy: document,
    preemption: signal.memory,
    handlers: {
      onReport: async (report) => {
        reports.push(report);
        if (report.report.sequence > 9n)
          return { ok: false, code: "REPORT_SEQUENCE_TOO_HIGH", data: { last: "9" } };
        return admitted(report, { policyHash: policy.hash });
      },
    },
  });
  const follower = await startNetwork(t, await folderWith(t, "follower", block), {
    peers: [sequencer.address],
    policy: document,
  });
  await connected({ ...follower.network, start: async () => undefined }, 1);
  const now = Date.now();
  const submit = async (sequence: bigint, publishTimeMs: number) => {
    signal.lower();
    const report = signedReport(policy, 1, { sequence, publishTimeMs, value: 7n });
    const answer = await follower.network.submitReport(report.source, report.bytes);
    return { report, answer, raised: signal.isRaised() };
  };
  const first = await submit(2n, now);
  t.equal(reports.at(-1)?.hash, first.report.hash, "verified, with its publisher");
  t.match(first.answer, {
    ok: true,
    hash: first.report.hash,
    admission: { index: 1, path: Array },
  });
  t.ok(first.raised, "one that may be news makes others give way");
  const again = await submit(2n, now);
  t.match(again, { answer: { code: "REPORT_REPLAYED", data: { last: "2" } }, raised: false });
  const old = await submit(3n, now - 100_000);
  t.match(old, { answer: { code: "REPORT_STALE" }, raised: false });
  t.equal(reports.length, 1, "the sequencing thread hears of neither");
  const late = await submit(4n, now - 10_000);
  t.match(late, { answer: { ok: true }, raised: false }, "late, and the sequencer's to judge");
  const high = await submit(10n, now);
  t.match(high.answer, { code: "REPORT_SEQUENCE_TOO_HIGH", data: { last: "9" } });
  t.ok(high.raised);
  const use = { sequence: 7n, isSuspended: false };
  t.same(await follower.network.keyUse(reports[0]!.key), use);
});

t.test("lines below the log level stay in the worker", async (t) => {
  t.testdir();
  const block = makeBlock({ number: 0, timestamp: 1000 });
  for (const logLevel of ["debug", "info", "warn"] as const) {
    const lines: string[] = [];
    const note = (level: string) => (message: string) => {
      lines.push(`${level}: ${message}`);
    };
    const log = { ...silentLogger, debug: note("debug"), info: note("info") };
    const dataDir = await folderWith(t, logLevel, block);
    const { network } = await startNetwork(t, dataDir, { logLevel, log });
    await network.publishBlock(block);
    // Comes behind every line.
    await network.info();
    const expected = ["info: p2p started", "debug: block not gossiped"];
    t.same(lines, expected.slice(logLevel === "warn" ? 2 : 0, logLevel === "info" ? 1 : 2));
  }
});

t.test("errors of the start come through, and leave a worker that can be stopped", async (t) => {
  t.testdir();
  const block = makeBlock({ number: 0, timestamp: 1000 });
  const dataDir = await folderWith(t, "one", block);
  const first = await startNetwork(t, dataDir);
  const listen = first.address.slice(0, first.address.indexOf("/p2p/"));
  await t.rejects(startNetwork(t, dataDir, { listen: [listen] }), { code: "PORT_BUSY" });
  await t.rejects(startNetwork(t, dataDir, { peers: ["/ip4/127.0.0.1/tcp/1"] }), {
    code: "CONFIG_INVALID",
  });
});

t.test("a worker that dies fails its callers and says so once", async (t) => {
  t.testdir();
  let worker: Worker | undefined;
  process.once("worker", (started) => {
    worker = started;
  });
  const dataDir = await folderWith(t, "one", makeBlock({ number: 0, timestamp: 1000 }));
  const sequencer = await startNetwork(t, dataDir, {
    role: "sequencer",
    handlers: {
      onStatus: () => new Promise(() => undefined),
    },
  });
  const follower = await startNetwork(t, dataDir + "-2", {}).catch((error: unknown) => error);
  t.match(follower, { code: /STORAGE/ }, "a folder without a store is an error of the start");
  const pending = sequencer.network.bestPeerHead();
  pending.catch(() => undefined);
  await worker?.terminate();
  await t.rejects(pending, { code: "WORKER_FAILED" });
  await t.rejects(sequencer.network.publishBlock(new Uint8Array(1)), { code: "WORKER_FAILED" });
  t.match(sequencer.failures, [{ code: "WORKER_FAILED", data: { worker: "p2p" } }]);
  t.equal(sequencer.failures.length, 1);
});

t.test("calls before the start are refused", async (t) => {
  t.testdir();
  const dataDir = await folderWith(t, "one", makeBlock({ number: 0, timestamp: 1000 }));
  const network = await createNetwork(
    optionsFor(dataDir),
    HANDLERS,
    silentLogger,
    new ThreadLoad("test"),
    () => undefined,
  );
  t.teardown(() => network.stop());
  await t.rejects(network.info(), { code: "NOT_ACCEPTING" });
});
