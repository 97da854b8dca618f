/**
 * Liquidations whose rule names a feed: fast right behind the price, and normal where nobody stands
 * for it. ACCEPTANCE row 13.
 */
import { join } from "node:path";
import t, { type Test } from "tap";
import { ZERO_HASH } from "../../lanes/bytes.ts";
import { StoredClasses } from "../../node/chain/stored-classes.ts";
import { signedFlashblock } from "../../node/chain/signed-flashblock.ts";
import type { SubmitAnswer } from "../../node/api.ts";
import { batchHashOf, batchOf } from "../chain/fixtures/cheater.ts";
import { loadPolicy } from "../lanes/fixtures/policy.ts";
import { feedPolicyJson, signedReport } from "../lanes/fixtures/reports.ts";
import { decoded } from "./fixtures/decoded.ts";
import {
  FEED,
  l1Block,
  LOOPER,
  openRig,
  openSequencer,
  type Rig,
  type SequencerRig,
  signed,
  testPolicyDocument,
} from "./fixtures/rig.ts";

const SELECTOR = "0x0000000a";
const RANK = 2;
const document = testPolicyDocument() as { fast: { classes: readonly unknown[] } };
const rule = { to: FEED, selectors: [SELECTOR], maxGas: 200_000, feeds: ["ETH/USD"] };
/** What it calls uses up its gas and fails. */
const failing = { ...rule, to: LOOPER };
/** Longer than the virtual clock runs on while anything waits for a disk. */
const LONG_MS = 1_000_000;
const { publishers, feeds } = feedPolicyJson([{ readableAgeMs: LONG_MS }]);
const POLICY = {
  ...document,
  ...{ publishers, feeds, graceMs: 0 },
  fast: {
    ...document.fast,
    classes: [
      ...document.fast.classes,
      { name: "liquidation", gasShareBps: 2000, order: "tip", rules: [rule, failing] },
    ],
  },
};
const policy = loadPolicy(POLICY);

async function open(t: Test, name: string, graceMs = 0): Promise<Rig> {
  const document = { ...POLICY, graceMs };
  const rig = await openRig(join(t.testdirName, name), "follower", { policy: document });
  t.teardown(() => rig.close());
  return rig;
}

const liquidation = (from: number, nonce = 0) =>
  signed(from, { nonce, to: FEED, data: `${SELECTOR}00`, gas: 100_000n });

async function submit(run: SequencerRig, from: number, nonce = 0) {
  const transaction = await liquidation(from, nonce);
  const answer: SubmitAnswer = await run.admission.submit(transaction);
  if (!answer.ok) throw new Error(answer.code);
  return { hash: transaction.hash, lane: answer.lane, rank: answer.rank };
}

async function sayAll({ reports, clock }: SequencerRig, value: bigint, sequence: bigint) {
  const said = { value, sequence, publishTimeMs: clock.nowMs() };
  for (const publisher of [1, 2, 3, 4, 5])
    t.match(await reports.submit(signedReport(policy, publisher, said)), { ok: true });
}

const classes = new StoredClasses(policy);

/** Where a transaction stands: its block, its flashblock, its rank, and how many are before it. */
function placeOf({ store }: Rig, hash: string) {
  for (let number = 1; number <= store.heads().unsafe.number; number++) {
    const stored = store.blockByNumber(number);
    if (stored === null) continue;
    const index = stored.block.transactions.findIndex((each) => each.hash === hash);
    if (index === -1) continue;
    const { rank } = classes.of(store, stored)[index] ?? { rank: -1 };
    const counts = stored.laneData.flashblocks.map(({ txCount }) => txCount);
    let flashblock = 0;
    let start = 0;
    while (index >= start + (counts[flashblock] ?? 0)) start += counts[flashblock++] ?? 0;
    const epoch = stored.laneData.flashblocks[flashblock]?.epoch ?? null;
    return { number, flashblock, rank, behind: index - start, hasEpoch: epoch !== null };
  }
  return null;
}

t.test("a liquidation waits for the price and stands right behind it, for everybody", async (t) => {
  t.testdir({ leader: {}, follower: {}, deriver: {} });
  const leader = await open(t, "leader");
  const others = { follower: await open(t, "follower"), deriver: await open(t, "deriver") };
  const run = await openSequencer(leader);
  await run.build(1);
  const early = await submit(run, 0);
  t.match(early, { lane: "normal", rank: 255 }, "nobody has said a price yet");
  await sayAll(run, 2000n, 1n);
  await run.build(2);
  const place = placeOf(leader, early.hash);
  t.match(place, { rank: RANK, hasEpoch: true }, "promoted by the price");
  t.ok((place?.behind ?? 9) <= 2, "behind it, and attributes at most");
  await sayAll(run, 2100n, 2n);
  await run.build(1);
  const late = await submit(run, 1);
  t.match(late, { lane: "fast", rank: RANK });
  await run.build(2);
  t.match(placeOf(leader, late.hash), { rank: RANK });
  const blocks = run.published.map((bytes) => decoded(bytes));
  for (const [index, block] of blocks.entries()) {
    const { number } = block.header;
    t.match(await others.follower.chain.importSigned(block), { ok: true });
    for (const at of block.laneData.flashblocks.keys())
      t.ok(signedFlashblock(leader.store, { rollup: leader.rollup, classes, number, index: at }));
    const orderHashes = leader.store.blockByNumber(number)?.orderHashes ?? [];
    const origin = l1Block(others.follower.chain.head().origin.number);
    const where = { index, previousBatchHash: batchHashOf(index - 1) };
    const batch = batchOf({ block, orderHashes, origin }, where);
    t.same(await others.deriver.safe.applyBatch(batch), { valid: true });
  }
  t.equal(others.deriver.chain.head().hash, leader.chain.head().hash);
  const newest = leader.store.blockByNumber(leader.store.heads().unsafe.number);
  const nowhere = { blockByNumber: () => null };
  t.same(classes.of(nowhere, newest!), classes.of(leader.store, newest!), "it is remembered");
  const other = { ...newest!, block: { ...newest!.block, hash: ZERO_HASH } };
  t.throws(() => classes.of(nowhere, other), { code: "STORAGE_CORRUPT" }, "by its hash");
});

t.test("one that was promised the normal lane stands in the block, though it fails", async (t) => {
  t.testdir({ leader: {} });
  const leader = await open(t, "leader");
  const run = await openSequencer(leader);
  await run.build(1);
  const doomed = await signed(0, { nonce: 0, to: LOOPER, data: `${SELECTOR}00`, gas: 100_000n });
  const next = await signed(0, { nonce: 1, value: 1n });
  for (const each of [doomed, next])
    t.match(await run.admission.submit(each), { ok: true, lane: "normal" });
  await sayAll(run, 2000n, 1n);
  await run.build(2);
  t.match(placeOf(leader, doomed.hash), { rank: RANK });
  t.match(placeOf(leader, next.hash), { rank: 255 }, "what follows is not stuck");
  t.same(run.dropped, []);
  const late = await signed(1, { nonce: 0, to: LOOPER, data: `${SELECTOR}00`, gas: 100_000n });
  t.match(await run.admission.submit(late), { ok: true, lane: "fast" });
  await run.build(2);
  t.match(run.dropped, [{ hash: late.hash, code: "TX_REVERTED" }], "a fast one does not");
});

t.test("at a stale price it leaves the fast lane, with an answer", async (t) => {
  t.testdir({ leader: {} });
  const leader = await open(t, "leader");
  const run = await openSequencer(leader);
  await run.build(1);
  await sayAll(run, 2000n, 1n);
  await run.build(1);
  const promised = await submit(run, 0);
  t.match(promised, { lane: "fast" });
  run.clock.advance(LONG_MS + 1);
  await run.build(2);
  t.match(run.dropped, [{ hash: promised.hash, code: "CLASS_CHANGED" }]);
  t.equal(placeOf(leader, promised.hash), null);
  const normal = await submit(run, 1);
  t.match(normal, { lane: "normal" });
  await run.build(2);
  t.match(placeOf(leader, normal.hash), { rank: 255 });
});

t.test("after an outage there is a time of grace", async (t) => {
  t.testdir({ leader: {} });
  const leader = await open(t, "leader", LONG_MS);
  const run = await openSequencer(leader);
  await run.build(1);
  await sayAll(run, 2000n, 1n);
  await run.build(1);
  run.clock.advance(40_000);
  await run.build(1);
  await sayAll(run, 2000n, 2n);
  await run.build(1);
  const graced = await submit(run, 0);
  t.match(graced, { lane: "normal" }, "though the price is fresh");
  await run.build(2);
  t.match(placeOf(leader, graced.hash), { rank: 255 });
  // Half of a time that the clock cannot run on for: an outage again, and no grace by now.
  t.ok(leader.chain.head().laneState.prices.graceEndMs > run.clock.nowMs());
});
