/** Which epoch a flashblock begins with, and under which number it is applied. */
import t from "tap";
import { NO_LANE_PRICES } from "../../lanes/lane-data.ts";
import { genesisLaneState } from "../../lanes/lane-state.ts";
import type { ChainTip } from "../../node/chain/chain.ts";
import { ReportBook } from "../../node/sequencer/report-book.ts";
import { Pricing } from "../../node/sequencer/pricing.ts";
import { listed } from "../lanes/fixtures/planted-epochs.ts";
import { feedPolicy, reportBytes, signedReport } from "../lanes/fixtures/reports.ts";

const START_S = 1_700_000_000;
const policy = feedPolicy();

const hasRoom = () => true;

function pricingAfter(
  seconds: number,
  reports: Pick<ReportBook, "version" | "reports" | "conflicts" | "prune"> = new ReportBook(
    policy,
    () => 0,
  ),
  clock = { monotonicMs: () => 1000 * seconds },
): Pricing {
  const { orderHash, prices, accepted } = genesisLaneState(START_S);
  const tip: ChainTip = {
    ...{ number: 7, timestamp: START_S, timestampMs: 1000 * START_S, orderHash, lastForced: 0 },
    ...{ origin: { number: 1, hash: orderHash, sequenceNumber: 0 }, accepted, prices },
    isCommitted: true,
  };
  let number = 40n;
  const nextNumber = () => ++number;
  return new Pricing(START_S + seconds, tip, { policy, clock, reports, nextNumber });
}

/** Five reports of one price. */
function pricesAt(timeMs: number) {
  const bytes = [1, 2, 3, 4, 5].map((by) => reportBytes(policy, by, { publishTimeMs: timeMs }));
  return { conflicts: [], epoch: { cut: 50n, reports: listed(bytes) } };
}

t.test("only the first flashblock after more than 30 seconds has an epoch", async (t) => {
  const timeMs = 1000 * (START_S + 31);
  t.same(pricingAfter(30).begin(timeMs, hasRoom), { prices: NO_LANE_PRICES, transaction: null });
  const late = pricingAfter(31);
  const { prices, transaction } = late.begin(timeMs, hasRoom);
  t.same(prices, { conflicts: [], epoch: { cut: 41n, reports: [] } });
  t.ok(transaction);
  t.match(late.tip, { accepted: 0n, prices: { epoch: 1, cut: 41n } });
  t.same(late.begin(timeMs, hasRoom), { prices: NO_LANE_PRICES, transaction: null });
});

t.test("what is executed again has the epoch that it had, or none of it holds", async (t) => {
  const timeMs = 1000 * (START_S + 31);
  const promised = pricingAfter(31).begin(timeMs, hasRoom);
  t.same(pricingAfter(31).again(promised.prices, timeMs), promised);
  const code = { code: "VERIFICATION_FAILED" };
  t.throws(() => pricingAfter(31).again(NO_LANE_PRICES, timeMs), code);
  t.throws(() => pricingAfter(30).again(promised.prices, timeMs), code, "there was no outage");
  const later = pricingAfter(1);
  later.begin(1000 * START_S + 1, hasRoom);
  later.placed(51n);
  t.throws(() => later.again(pricesAt(1000 * START_S + 9), 1000 * START_S + 9), code, "the cut");
});

t.test("a flashblock that nothing went into does not count", async (t) => {
  const timeMs = 1000 * START_S + 500;
  const applied = (isTakenBack: boolean) => {
    const pricing = pricingAfter(1);
    pricing.begin(timeMs, hasRoom);
    if (isTakenBack) {
      pricing.begin(timeMs, hasRoom);
      pricing.takeBack();
    }
    return pricing.again(pricesAt(timeMs), timeMs).transaction;
  };
  t.ok(applied(false));
  t.same(applied(true), applied(false));
});

t.test("one conflict a flashblock, where there is room, until the chain knows of it", async (t) => {
  const timeMs = 1000 * START_S + 500;
  const reports = new ReportBook(policy, () => 0);
  for (const by of [1, 2])
    for (const value of [1n, 2n]) {
      const report = signedReport(policy, by, { publishTimeMs: timeMs, value });
      if (reports.check(report, [], timeMs).ok) reports.put(report, 1n);
    }
  const pricing = pricingAfter(1, reports);
  const told = (room: () => boolean) => pricing.begin(timeMs, room).prices.conflicts.length;
  t.equal(
    told(() => false),
    0,
  );
  t.equal(told(hasRoom), 1);
  t.equal(pricing.tip.prices.suspended.length, 1);
  pricing.takeBack();
  t.same(pricing.tip.prices.suspended, [], "nobody was told");
  t.equal(told(hasRoom), 1);
  t.equal(told(hasRoom), 1);
  t.equal(told(hasRoom), 0);
  t.equal(pricing.tip.prices.suspended.length, 2);
});

t.test(
  "an epoch without room waits for the next block; a look costs nothing meanwhile",
  async (t) => {
    const timeMs = 1000 * START_S + 500;
    const reports = new ReportBook(policy, () => 0);
    for (const by of [1, 2, 3, 4, 5])
      reports.put(signedReport(policy, by, { publishTimeMs: timeMs }), BigInt(by));
    const full = pricingAfter(1, reports);
    t.ok(full.isDue(timeMs));
    t.equal(full.untilLookMs(), 10, "what was found holds for a while");
    t.same(
      full.begin(timeMs, () => false),
      { prices: NO_LANE_PRICES, transaction: null },
    );
    t.equal(full.untilLookMs(), Infinity);
    t.notOk(full.isDue(timeMs));
    const next = pricingAfter(1, reports);
    const { prices, transaction } = next.begin(timeMs, (asked, feeds) => {
      t.ok(asked.epoch === null || feeds === 1);
      return true;
    });
    t.equal(prices.epoch?.reports.length, 5);
    t.ok(transaction);
    t.same(reports.reports(), [], "the chain has them");
  },
);

t.test("a look that takes long is had seldom", async (t) => {
  let nowMs = 0;
  let looks = 0;
  const reports = {
    ...{ version: 0, conflicts: () => [], prune: () => undefined },
    reports() {
      looks += 1;
      nowMs += 8;
      return [];
    },
  };
  const pricing = pricingAfter(1, reports, { monotonicMs: () => nowMs });
  const timeMs = 1000 * START_S + 500;
  for (; nowMs < 4000; nowMs += 1) {
    reports.version += 1;
    pricing.isDue(timeMs);
  }
  t.ok(looks >= 90 && looks <= 101, `${looks} looks of 8 ms in 4 s: a fifth of the time`);
});
