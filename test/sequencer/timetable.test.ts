/** Block times and origins: the plan always meets the rules that importers check. */
import fc from "fast-check";
import t from "tap";
import { checkOrigin, nextPosition } from "../../node/chain/origin.ts";
import type { L1Origin } from "../../node/primitives/l1-origin.ts";
import { flashblockTime, planBlock } from "../../node/sequencer/timetable.ts";
import { GENESIS_ORIGIN, l1Block } from "./fixtures/rig.ts";

const origin = (number: number, timestamp: number): L1Origin => ({ ...l1Block(number), timestamp });
const NOW = 1_800_000_000;

t.test("an ordinary block ends at its own timestamp, one block time away", async (t) => {
  const plan = planBlock({
    nowMs: NOW * 1000 + 250,
    parentTimestamp: NOW,
    origin: origin(10, NOW - 4),
    child: null,
    blockTime: 1,
  });
  t.match(plan, { timestamp: NOW + 1, depositOnly: false, sealAtMs: (NOW + 1) * 1000 });
});

t.test("a child of the origin is taken only once its time has come", async (t) => {
  const input = {
    nowMs: NOW * 1000,
    parentTimestamp: NOW,
    origin: origin(10, NOW - 4),
    blockTime: 1,
  };
  t.equal(planBlock({ ...input, child: origin(11, NOW + 1) }).origin.number, 11);
  t.equal(planBlock({ ...input, child: origin(11, NOW + 2) }).origin.number, 10);
});

t.test(
  "far behind L1, blocks hold deposits only and hurry while the origin advances",
  async (t) => {
    const input = {
      nowMs: NOW * 1000,
      parentTimestamp: NOW - 7200,
      origin: origin(10, NOW - 7201),
      blockTime: 1,
    };
    const hurried = planBlock({ ...input, child: origin(11, NOW - 7000) });
    t.match(hurried, { depositOnly: true, timestamp: NOW - 7000, sealAtMs: NOW * 1000 });
    const waiting = planBlock({ ...input, child: null });
    t.match(waiting, { depositOnly: true, timestamp: NOW - 7199, sealAtMs: (NOW + 1) * 1000 });
  },
);

t.test("property: every plan passes the origin rules", async (t) => {
  const seconds = fc.integer({ min: -10_000, max: 10_000 });
  fc.assert(
    fc.property(
      fc.record({
        parent: seconds,
        originLag: fc.nat(20_000),
        childAfter: fc.option(fc.nat(8000)),
      }),
      fc.integer({ min: 1, max: 12 }),
      fc.boolean(),
      ({ parent, originLag, childAfter }, blockTime, withUsers) => {
        const parentTimestamp = NOW + parent;
        const old = origin(GENESIS_ORIGIN.number, parentTimestamp - originLag);
        const child =
          childAfter === null
            ? null
            : origin(GENESIS_ORIGIN.number + 1, old.timestamp + 1 + childAfter);
        const plan = planBlock({
          nowMs: NOW * 1000,
          parentTimestamp,
          origin: old,
          child,
          blockTime,
        });
        const position = { number: old.number, hash: old.hash, sequenceNumber: 3 };
        const verdict = checkOrigin({
          parentTimestamp,
          parent: position,
          timestamp: plan.timestamp,
          origin: plan.origin,
          sequenceNumber: nextPosition(position, plan.origin).sequenceNumber,
          blockTime,
          userTransactions: withUsers && !plan.depositOnly ? 1 : 0,
        });
        return verdict.ok && plan.timestamp >= parentTimestamp + blockTime;
      },
    ),
    { numRuns: 1000 },
  );
  t.pass("1000 plans");
});

t.test("origin rules", async (t) => {
  const parent = { number: 10, hash: l1Block(10).hash, sequenceNumber: 4 };
  const good = {
    parentTimestamp: NOW,
    parent,
    timestamp: NOW + 1,
    origin: origin(10, NOW),
    sequenceNumber: 5,
    blockTime: 1,
    userTransactions: 3,
  };
  const rule = (change: Partial<typeof good>): unknown => {
    const verdict = checkOrigin({ ...good, ...change });
    return verdict.ok ? null : verdict.data["rule"];
  };
  t.equal(rule({}), null);
  t.equal(rule({ origin: origin(11, NOW), sequenceNumber: 0 }), null);
  t.equal(rule({ origin: origin(12, NOW), sequenceNumber: 0 }), "O1");
  t.equal(
    rule({ origin: { ...origin(11, NOW), parentHash: l1Block(3).hash }, sequenceNumber: 0 }),
    "O1",
  );
  t.equal(rule({ origin: { ...origin(10, NOW), hash: l1Block(3).hash } }), "O1");
  t.equal(rule({ sequenceNumber: 4 }), "O1 sequence number");
  t.equal(rule({ origin: origin(10, NOW + 2) }), "O2");
  t.equal(rule({ origin: origin(10, NOW - 1800) }), "O2 drift");
  t.equal(rule({ origin: origin(10, NOW - 1800), userTransactions: 0 }), null);
  t.equal(
    rule({ origin: origin(10, NOW - 1800), userTransactions: 0, timestamp: NOW + 2 }),
    "O2 drift time",
  );
});

t.test("flashblock time is now, clamped into the block and never going back", async (t) => {
  t.equal(flashblockTime(5_500, 5_000, 4, 6), 5_500);
  t.equal(flashblockTime(4_000, 0, 4, 6), 4_001);
  t.equal(flashblockTime(9_000, 5_000, 4, 6), 6_000);
  t.equal(flashblockTime(5_100, 5_200, 4, 6), 5_200);
});

t.test("after the clock was set back, blocks go on, and T comes back to the clock", async (t) => {
  const plan = planBlock({
    nowMs: NOW * 1000,
    parentTimestamp: NOW + 1200,
    origin: origin(10, NOW - 4),
    child: null,
    blockTime: 1,
  });
  t.match(plan, { timestamp: NOW + 1201, sealAtMs: (NOW + 2) * 1000 });
});
