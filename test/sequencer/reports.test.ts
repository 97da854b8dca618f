/**
 * Reports from the desk to a price that contracts read: taken in, promised, followed, derived, and
 * through a crash.
 */
import { join } from "node:path";
import t, { type Test } from "tap";
import { checkAdmissionReceipt } from "../../lanes/admission.ts";
import { type Hex, ZERO_ADDRESS } from "../../lanes/bytes.ts";
import { addressOf } from "../../node/primitives/signature.ts";
import { openReader } from "../../node/reader.ts";
import { JOURNAL_REPORT } from "../../node/storage/store.ts";
import { describeFeeds, describePublisher } from "../../rpc/feeds.ts";
import { AdmissionReceipts } from "../../node/admission-receipts.ts";
import { trustOf } from "../../rpc/sdk/trust.ts";
import { batchHashOf, batchOf } from "../chain/fixtures/cheater.ts";
import { loadPolicy } from "../lanes/fixtures/policy.ts";
import { ETH, feedPolicyJson, publisherKey, signedReport } from "../lanes/fixtures/reports.ts";
import { decoded } from "./fixtures/decoded.ts";
import { createVerifier } from "../../node/sequencer/verifier.ts";
import { readPriceFeeds } from "./fixtures/price-feeds.ts";
import {
  FAST_SELECTOR,
  FEED,
  l1Block,
  localVerifier,
  openRig,
  openSequencer,
  type Rig,
  type SequencerRig,
  signed,
  testPolicyDocument,
} from "./fixtures/rig.ts";

const { publishers, feeds } = feedPolicyJson();
const POLICY = { ...testPolicyDocument(), publishers, feeds };
const policy = loadPolicy(POLICY);

async function open(t: Test, name: string): Promise<Rig> {
  const rig = await openRig(join(t.testdirName, name), "follower", { policy: POLICY });
  t.teardown(() => rig.close());
  return rig;
}

/** All publishers say nearly this now. */
async function sayAll(
  { reports, clock }: SequencerRig,
  value: bigint,
  { sequence = 1n, publishTimeMs = clock.nowMs() } = {},
) {
  const answers = [1, 2, 3, 4, 5].map((publisher) =>
    reports.submit(
      signedReport(policy, publisher, {
        value: value + BigInt(publisher),
        sequence,
        publishTimeMs,
      }),
    ),
  );
  return Promise.all(answers);
}

const blocksOf = ({ published }: SequencerRig) => published.map((bytes) => decoded(bytes));

const reportsIn = async ({ store }: Rig) =>
  (await store.loadJournal()).filter(({ kind }) => kind === JOURNAL_REPORT);

const appliedIn = ({ chain }: Rig) => chain.head().laneState.prices.feeds.get(ETH)?.applied;

t.test("five reports are one price, for contracts, followers and whoever derives", async (t) => {
  t.testdir({ leader: {}, follower: {}, deriver: {} });
  const leader = await open(t, "leader");
  const others = { follower: await open(t, "follower"), deriver: await open(t, "deriver") };
  const run = await openSequencer(leader);
  await run.build(1);
  const answers = await sayAll(run, 2000n);
  const receipts = new AdmissionReceipts();
  const trust = trustOf(leader.rollup);
  for (const answer of answers) {
    if (!answer.ok) throw new Error(answer.code);
    const receipt = receipts.of(answer.admission);
    t.match(checkAdmissionReceipt(receipt, trust), { ok: true });
    t.match(receipt.leaf, { hash: answer.hash, lane: "fast", rank: 0 });
    const lie = { ...receipt, leaf: { ...receipt.leaf, deadlineBlock: 0 } };
    t.match(checkAdmissionReceipt(lie, trust), { ok: false, data: { part: "deadlineBlock" } });
  }
  t.equal((await reportsIn(leader)).length, 5, "durable before it is acknowledged");
  const fast = await signed(1, { nonce: 0, to: FEED, data: `${FAST_SELECTOR}00` });
  await run.admission.submit(fast);
  await run.build(2);
  const blocks = blocksOf(run);
  const [epoch, ...more] = blocks.flatMap(({ laneData }) =>
    laneData.flashblocks.flatMap((flashblock) => flashblock.epoch ?? []),
  );
  t.equal(epoch?.reports.length, 5);
  t.same(
    more.map(({ reports }) => reports),
    more.map(() => []),
    "what nobody says again only repeats itself when its heartbeat asks for it",
  );
  const numbers = answers.map((answer) => (answer.ok ? answer.accepted : 0n));
  t.ok(numbers.every((number) => number < (epoch?.cut ?? 0n)));
  t.match(appliedIn(leader), { value: 2003n, session: 0, status: 0 });
  const priced = blocks.find(({ laneData }) =>
    laneData.flashblocks.some((flashblock) => flashblock.epoch === epoch),
  );
  const types = priced?.transactions.map(({ type }) => type) ?? [];
  t.ok(types.indexOf(2) > types.lastIndexOf(0x7e), "the fast one stands behind the price");

  for (const [index, block] of blocks.entries()) {
    t.match(await others.follower.chain.importSigned(block), { ok: true });
    const orderHashes = leader.store.blockByNumber(block.header.number)?.orderHashes ?? [];
    const origin = l1Block(others.follower.chain.head().origin.number);
    const place = { index, previousBatchHash: batchHashOf(index - 1) };
    const batch = batchOf({ block, orderHashes, origin }, place);
    t.same(await others.deriver.safe.applyBatch(batch), { valid: true });
  }
  for (const { chain } of Object.values(others)) {
    t.equal(chain.head().hash, leader.chain.head().hash);
    t.same(chain.head().laneState, leader.chain.head().laneState);
  }

  const dataDir = join(t.testdirName, "leader", "db");
  const reader = await openReader({ dataDir, rollup: leader.rollup, policy });
  t.teardown(() => reader.close());
  const market = await readPriceFeeds(reader, "getMarket", [ETH]);
  t.match(market, { value: 2003n, session: 0, status: 0 });

  await sayAll(run, 2000n, { sequence: 2n });
  await run.build(3);
  const kept = await reportsIn(leader);
  t.equal(kept.length, 5, "the journal keeps the last of each key, and no other");
});

t.test("results that are corrected let go of the reports that they were made with", async (t) => {
  t.testdir({ leader: {} });
  const leader = await open(t, "leader");
  const thread = localVerifier(leader);
  let lies = 0;
  const check: typeof thread.check = async (...args) => {
    const mismatch = await thread.check(...args);
    if (lies === 0) return mismatch;
    lies -= 1;
    return { transaction: 0, part: "receipt", detail: "planted" };
  };
  const verifier = createVerifier([{ ...thread, check }], { sampleEvery: 1 });
  const run = await openSequencer(leader, { verifier });
  await run.build(1);
  await sayAll(run, 2000n);
  await sayAll(run, 2100n, { sequence: 2n });
  lies = 1;
  await run.build(3);
  t.equal(lies, 0, "a block was built again");
  await sayAll(run, 2200n, { sequence: 3n });
  await run.build(2);
  t.match(appliedIn(leader), { value: 2203n });
  t.equal((await reportsIn(leader)).length, 5);
});

t.test("after the clock was set back, what it says is stale is refused", async (t) => {
  t.testdir({ leader: {} });
  const run = await openSequencer(await open(t, "leader"));
  await run.build(2);
  run.clock.advance(-10_000);
  const answers = await sayAll(run, 2000n);
  t.match(answers[0], { ok: false, code: "REPORT_STALE" });
});

t.test("a node says what it knows of feeds and keys, and how far they are apart", async (t) => {
  t.testdir({ leader: {} });
  const leader = await open(t, "leader");
  const run = await openSequencer(leader);
  await run.build(1);
  const publishTimeMs = run.clock.nowMs();
  await sayAll(run, 10_000n, { publishTimeMs });
  await run.build(2);
  // How far the clock went on is not known: only these two are fresh for sure.
  const nowMs = run.clock.nowMs();
  for (const [publisher, value] of [
    [4, 10_103n],
    [5, 10_203n],
  ] as const) {
    const late = { value, sequence: 2n, publishTimeMs: nowMs };
    t.match(await run.reports.submit(signedReport(policy, publisher, late)), { ok: true });
  }
  const dataDir = join(t.testdirName, "leader", "db");
  const reader = await openReader({ dataDir, rollup: leader.rollup, policy });
  t.teardown(() => reader.close());
  const node = { keyUse: (key: Hex) => Promise.resolve(run.reports.useOf(key)) };
  const waitingReports = () => Promise.resolve(run.reports.book.reports());
  const alarms = [
    { kind: "gap", sinceMs: 7, measured: 99.97, threshold: 50 },
    { kind: "stale", sinceMs: 8, measured: null, threshold: 3000 },
  ] as const;
  const alarmsOf = (feedId: Hex) => (feedId === ETH ? alarms : []);
  const context = { reader, policy, node, waitingReports, alarmsOf };
  const told = (await describeFeeds(context, nowMs)) as { feeds: readonly object[] };
  const fresh = { publishTimeMs: nowMs, isFresh: true };
  t.match(told, {
    suspended: [],
    feeds: [
      {
        ...{ id: "ETH/USD", feedId: ETH, gapBps: 99.97 },
        applied: { value: "10003", status: 0 },
        publishers: [
          { publisher: 1, value: "10001" },
          {},
          {},
          { publisher: 4, value: "10103", ...fresh },
          { publisher: 5, value: "10203", ...fresh },
        ],
        alarms: [
          { kind: "gap", sinceMs: 7, bps: 99.97, thresholdBps: 50 },
          { kind: "stale", sinceMs: 8, ageMs: null, thresholdMs: 3000 },
        ],
      },
    ],
  });
  const alone = (await describeFeeds(context, nowMs + 1_999)) as { feeds: readonly object[] };
  t.match(alone.feeds[0], { spreadBps: 98.98 });
  const before = (await describeFeeds(context, publishTimeMs + 1)) as { feeds: readonly object[] };
  t.match(before.feeds[0], { isStale: false });
  const later = (await describeFeeds(context, nowMs + 60_000)) as { feeds: readonly object[] };
  t.match(later.feeds[0], { isStale: true, gapBps: null, spreadBps: null });
  const key = addressOf(publisherKey(5));
  t.match(await describePublisher(context, key), {
    ...{ id: 5, sequence: "0x2", isSuspended: false, feedSet: policy.document.feedSet },
    feeds: [{ id: "ETH/USD", feedId: ETH, decimals: 8 }],
  });
  t.equal(await describePublisher(context, ZERO_ADDRESS), null);
  const starting = { ...context, node: { keyUse: () => Promise.resolve(null) } };
  await t.rejects(describePublisher(starting, key), { code: "NOT_ACCEPTING" });
});

t.test("what was acknowledged is there after a crash", async (t) => {
  t.testdir({ leader: {} });
  const rig = await open(t, "leader");
  const run = await openSequencer(rig);
  await run.build(1);
  const publishTimeMs = run.clock.nowMs();
  await sayAll(run, 3000n, { publishTimeMs });
  await rig.close();
  const again = await open(t, "leader");
  const restarted = await openSequencer(again);
  t.equal(restarted.reports.book.reports().length, 5);
  const [first] = await sayAll(restarted, 3000n, { publishTimeMs });
  t.match(first, { ok: false, code: "REPORT_REPLAYED" }, "and nobody says it twice");
  await restarted.build(2);
  t.match(appliedIn(again), { value: 3003n });
  await again.close();
  const third = await open(t, "leader");
  const last = await openSequencer(third);
  const [replayed] = await sayAll(last, 3000n, { publishTimeMs });
  t.match(replayed, { ok: false, code: "REPORT_REPLAYED" }, "nor what an epoch has listed");
});

t.test("a promised price is promised after a crash too", async (t) => {
  t.testdir({ leader: {} });
  const rig = await open(t, "leader");
  let isCrashed = false;
  const run = await openSequencer(rig, {
    onFlashblock({ leaves }) {
      if (isCrashed || leaves.length === 0 || run.reports.book.reports().length > 0) return;
      isCrashed = run.flashblocks.length > 2;
      if (isCrashed) throw new Error("crash");
    },
  });
  await run.build(1);
  const publishTimeMs = run.clock.nowMs();
  await sayAll(run, 4000n, { publishTimeMs });
  await t.rejects(run.build(3), { message: "crash" });
  const told = run.flashblocks.map(({ header, resultRoot }) => ({ header, resultRoot }));
  await rig.chain.exclusive(() => Promise.resolve());
  await rig.close();
  const again = await open(t, "leader");
  const restarted = await openSequencer(again);
  const [replayed] = await sayAll(restarted, 4000n, { publishTimeMs });
  t.match(replayed, { ok: false, code: "REPORT_REPLAYED" });
  await restarted.build(2);
  const rebuilt = restarted.flashblocks.map(({ header, resultRoot }) => ({ header, resultRoot }));
  const last = told.at(-1);
  t.same(
    rebuilt.find(
      ({ header }) =>
        header.blockNumber === last?.header.blockNumber && header.index === last.header.index,
    ),
    last,
  );
  t.match(appliedIn(again), { value: 4003n });
});

t.test("who signs two reports for one sequence is out, for everybody", async (t) => {
  t.testdir({ leader: {}, follower: {} });
  const leader = await open(t, "leader");
  const follower = await open(t, "follower");
  const run = await openSequencer(leader);
  await run.build(1);
  await sayAll(run, 5000n);
  await run.build(1);
  const publishTimeMs = run.clock.nowMs();
  const lie = (value: bigint) =>
    run.reports.submit(signedReport(policy, 2, { value, sequence: 2n, publishTimeMs }));
  t.match(await lie(5001n), { ok: true });
  t.match(await lie(9999n), { ok: false, code: "REPORT_CONFLICT" });
  t.match(await lie(5002n), { ok: false, code: "REPORT_KEY_SUSPENDED" });
  await run.build(2);
  const liar = addressOf(publisherKey(2));
  t.same(leader.chain.head().laneState.prices.suspended, [liar]);
  await sayAll(run, 5100n, { sequence: 3n });
  await run.build(2);
  t.match(appliedIn(leader), { value: 5103n }, "the other four are enough: 1, 3, 4, 5");
  for (const block of blocksOf(run))
    t.match(await follower.chain.importSigned(block), { ok: true });
  t.same(follower.chain.head().laneState, leader.chain.head().laneState);
  await leader.close();
  const again = await open(t, "leader");
  const restarted = await openSequencer(again);
  const answers = await sayAll(restarted, 5100n, { sequence: 9n });
  t.same(
    answers.map((answer) => (answer.ok ? "taken" : answer.code)),
    ["taken", "REPORT_KEY_SUSPENDED", "taken", "taken", "taken"],
  );
});

t.test("nothing is taken in by who has stopped", async (t) => {
  t.testdir({ leader: {} });
  const run = await openSequencer(await open(t, "leader"));
  run.admission.close();
  const [first] = await sayAll(run, 1n);
  t.match(first, { ok: false, code: "NOT_ACCEPTING" });
});
