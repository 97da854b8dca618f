/** Transactions with conditions: executed where these hold, or not at all. */
import { join } from "node:path";
import t, { type Test } from "tap";
import type { Hex } from "../../lanes/bytes.ts";
import type { TransactionConditions } from "../../node/primitives/conditions.ts";
import type { UserTransaction } from "../../node/primitives/transaction.ts";
import { loadPolicy } from "../lanes/fixtures/policy.ts";
import { feedPolicyJson, signedReport } from "../lanes/fixtures/reports.ts";
import { decoded } from "./fixtures/decoded.ts";
import {
  FAST_SELECTOR,
  FEED,
  LOOPER,
  openRig,
  openSequencer,
  type Rig,
  type SequencerRig,
  signed,
  testPolicyDocument,
} from "./fixtures/rig.ts";

const NONE: TransactionConditions = {
  ...{ blockNumberMin: null, blockNumberMax: null, timestampMin: null, timestampMax: null },
  ...{ priceEpochMin: null, slots: [] },
};
const { publishers, feeds } = feedPolicyJson();
const POLICY = { ...testPolicyDocument(), publishers, feeds };
const policy = loadPolicy(POLICY);
const ZERO: Hex = `0x${"00".repeat(32)}`;
const ONE: Hex = `0x${"01".padStart(64, "0")}`;

async function open(t: Test): Promise<Rig> {
  const rig = await openRig(join(t.testdirName, "leader"), "sequencer", { policy: POLICY });
  t.teardown(() => rig.close());
  return rig;
}

const send = (
  { admission }: SequencerRig,
  transaction: UserTransaction,
  change: Partial<TransactionConditions>,
) => admission.submit(transaction, false, { ...NONE, ...change });

/** Block of each, 0 for none. */
const blocksOf = ({ published }: SequencerRig, sent: readonly UserTransaction[]): number[] =>
  sent.map(({ hash }) => {
    const found = published
      .map(decoded)
      .find(({ transactions }) => transactions.some((each) => each.hash === hash));
    return found?.header.number ?? 0;
  });

t.test("too early waits, too late and another slot fail; each is answered for", async (t) => {
  t.testdir({ leader: {} });
  const run = await openSequencer(await open(t));
  await run.build(1);
  const plain = (from: number) => signed(from, { nonce: 0, value: 1n });
  const sent = await Promise.all([0, 1, 2, 3, 4, 5].map(plain));
  const [late, soon, past, kept, changed, timed] = sent as [
    ...[UserTransaction, UserTransaction, UserTransaction],
    ...[UserTransaction, UserTransaction, UserTransaction],
  ];
  t.match(await send(run, late, { blockNumberMin: 5 }), { ok: true });
  t.match(await send(run, soon, { blockNumberMin: 2, blockNumberMax: 100 }), { ok: true });
  t.match(await send(run, past, { blockNumberMax: 1 }), { ok: true });
  const slot = { address: FEED, slot: ZERO };
  t.match(await send(run, kept, { slots: [{ ...slot, value: ZERO }] }), { ok: true });
  t.match(await send(run, changed, { slots: [{ ...slot, value: ONE }] }), { ok: true });
  t.match(await send(run, timed, { timestampMax: 1_000 }), { ok: true });
  await run.build(6);
  const [ofLate, ofSoon, ...others] = blocksOf(run, sent);
  t.ok((ofLate ?? 0) >= 5);
  t.ok((ofSoon ?? 0) >= 2);
  t.same([others[0], others[2], others[3]], [0, 0, 0]);
  t.ok((others[1] ?? 0) > 0);
  const code = "CONDITION_FAILED";
  const dropped = [past, changed, timed].map(({ hash }) => ({ hash, code }));
  const byHash = (a: { hash: string }, b: { hash: string }) => (a.hash < b.hash ? -1 : 1);
  t.same(
    run.dropped.map(({ hash, code: why }) => ({ hash, code: why })).sort(byHash),
    dropped.sort(byHash),
  );
});

t.test("it waits for its price, and stands behind it in the same block", async (t) => {
  t.testdir({ leader: {} });
  const rig = await open(t);
  const run = await openSequencer(rig);
  await run.build(1);
  const normal = await signed(0, { nonce: 0, value: 1n });
  const fast = await signed(1, { nonce: 0, to: FEED, data: `${FAST_SELECTOR}00` });
  t.match(await send(run, normal, { priceEpochMin: 1 }), { ok: true, lane: "normal" });
  t.match(await send(run, fast, { priceEpochMin: 1 }), { ok: true, lane: "fast" });
  await run.build(2);
  t.same(blocksOf(run, [normal, fast]), [0, 0]);
  const said = { value: 2000n, publishTimeMs: run.clock.nowMs() };
  for (const publisher of [1, 2, 3, 4, 5])
    t.match(await run.reports.submit(signedReport(policy, publisher, said)), { ok: true });
  await run.build(2);
  const [ofNormal, ofFast] = blocksOf(run, [normal, fast]);
  const priced = run.published
    .map(decoded)
    .find(({ laneData }) => laneData.flashblocks.some(({ epoch }) => epoch !== null));
  t.equal(ofFast, priced?.header.number);
  t.equal(ofNormal, priced?.header.number);
  t.equal(rig.chain.head().laneState.prices.epoch >= 1, true);
});

t.test("in the normal lane one that fails is paid for, as ever", async (t) => {
  t.testdir({ leader: {} });
  const run = await openSequencer(await open(t));
  await run.build(1);
  const failing = await signed(0, { nonce: 0, to: LOOPER, gas: 100_000n });
  t.match(await send(run, failing, { blockNumberMin: 1 }), { ok: true, lane: "normal" });
  await run.build(2);
  t.same(run.dropped, []);
  t.ok((blocksOf(run, [failing])[0] ?? 0) > 0);
});

t.test("it is alone, and it does not wait for ever", async (t) => {
  t.testdir({ leader: {} });
  const run = await openSequencer(await open(t));
  await run.build(1);
  const [first, second] = [
    await signed(0, { nonce: 0, value: 1n }),
    await signed(0, { nonce: 1, value: 1n }),
  ];
  const never = { blockNumberMin: 1_000_000 };
  t.match(await send(run, second, never), { ok: false, code: "NONCE_TOO_HIGH" });
  t.match(await send(run, first, never), { ok: true });
  t.match(await run.admission.submit(second), { ok: false, code: "SENDER_LIMIT" });
  const other = [
    await signed(1, { nonce: 0, value: 1n }),
    await signed(1, { nonce: 1, value: 1n }),
  ];
  t.match(await run.admission.submit(other[1]!), { ok: true });
  t.match(await send(run, other[0]!, never), { ok: false, code: "SENDER_LIMIT" });
  run.clock.advance(60_000);
  await run.build(2);
  t.match(run.dropped, [{ hash: first.hash, code: "CONDITION_FAILED" }]);
});

t.test("conditions are there after a crash", async (t) => {
  t.testdir({ leader: {} });
  const rig = await open(t);
  const run = await openSequencer(rig);
  await run.build(1);
  const early = await signed(0, { nonce: 0, value: 1n });
  const slots = [{ address: FEED, slot: ZERO, value: ONE }];
  const wrong = await signed(1, { nonce: 0, value: 1n });
  t.match(await send(run, early, { blockNumberMin: 6 }), { ok: true });
  t.match(await send(run, wrong, { blockNumberMin: 4, slots }), { ok: true });
  await rig.close();
  const again = await openSequencer(await open(t));
  await again.build(7);
  const [ofEarly] = blocksOf(again, [early]);
  t.ok((ofEarly ?? 0) >= 6, `in block ${ofEarly}`);
  t.match(again.dropped, [{ hash: wrong.hash, code: "CONDITION_FAILED" }]);
});
