/** Epochs: the same for all, never a liar's, and as soon as the rules allow. Rows 1 to 4, 11. */
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import t from "tap";
import type { Hex } from "../../lanes/bytes.ts";
import { computeEpoch, type FeedUpdate, isUseful, mergeReports } from "../../lanes/epoch.ts";
import { selectEpoch } from "../../lanes/epoch-selection.ts";
import type { Policy } from "../../lanes/policy.ts";
import { HISTORY_MAX, NO_PRICES, type PriceState } from "../../lanes/price-state.ts";
import type { VerifiedReport } from "../../lanes/report-rules.ts";
import { ETH, feedIdOf, feedPolicy, heard } from "./fixtures/reports.ts";

const START = 1_700_000_000_000;
const BTC = feedIdOf("BTC/USD");
const policy = feedPolicy([{}, { id: "BTC/USD" }]);

/** A chain of epochs: what is said, and what comes of it. */
class Chain {
  state: PriceState = NO_PRICES;
  readonly #policy: Policy;

  constructor(of: Policy = policy) {
    this.#policy = of;
  }

  /** One flashblock at this time. */
  step(reports: readonly VerifiedReport[], timeMs: number): readonly FeedUpdate[] {
    const epoch = selectEpoch(this.#policy, this.state, reports, timeMs);
    if (epoch === null) return [];
    this.state = { ...this.state, epoch: this.state.epoch + 1, feeds: epoch.feeds };
    return epoch.updates;
  }

  /** Publishers 1, 2, … say these of ETH/USD. */
  say(values: readonly bigint[], timeMs: number, sequence = 1n): readonly FeedUpdate[] {
    const reports = values.map((value, at) =>
      heard(at + 1, { value, sequence, publishTimeMs: timeMs }),
    );
    return this.step(reports, timeMs);
  }
}

const said = fc.record({
  publisher: fc.integer({ min: 1, max: 5 }),
  hot: fc.nat(1),
  sequence: fc.bigInt(1n, 6n),
  ageMs: fc.integer({ min: -400, max: 2400 }),
  value: fc.bigInt(-3n, 400n),
  btc: fc.option(fc.bigInt(1n, 400n)),
});
type Wish = typeof said extends fc.Arbitrary<infer T> ? T : never;

function reportsOf(wishes: readonly Wish[], nowMs = START): VerifiedReport[] {
  return wishes.map(({ publisher, hot, sequence, ageMs, value, btc }) =>
    heard(publisher, {
      ...{ hot, sequence, publishTimeMs: nowMs - ageMs },
      observations: [{ value }, ...(btc === null ? [] : [{ feedId: BTC, value: btc }])],
    }),
  );
}

t.test("rows 1, 2: any order of arrival, and any repetition, makes one state", (t) => {
  const wishes = fc.array(said, { maxLength: 12 });
  const run = fc.check(
    fc.property(wishes, fc.infiniteStream(fc.nat()), (list, random) => {
      const reports = reportsOf(list);
      const once = mergeReports(policy, new Map(), reports, START);
      const keyed = reports.map((report) => [random.next().value as number, report] as const);
      const shuffled = keyed.sort(([a], [b]) => a - b).map(([, report]) => report);
      const again = mergeReports(policy, new Map(), [...shuffled, ...reports], START);
      const isImproved = reports.some((each) => isUseful(policy, once, each, START));
      return isDeepStrictEqual(again, once) && !isImproved;
    }),
    { numRuns: 10_000 },
  );
  t.equal(fc.defaultReportMessage(run), undefined);
  t.end();
});

t.test(
  "rows 3, 4: what is too old or too far ahead is not taken, and shuts nobody out",
  async (t) => {
    const ahead = heard(1, { value: 5n, sequence: 2n ** 40n, publishTimeMs: START + 251 });
    const late = heard(1, { value: 5n, publishTimeMs: START - 2001 });
    const honest = heard(1, { value: 7n, sequence: 2n, publishTimeMs: START });
    t.equal(mergeReports(policy, new Map(), [ahead, late], START).size, 0);
    const merged = mergeReports(policy, new Map(), [ahead, honest, late], START);
    t.same(
      merged.get(ETH)?.entries.map(({ value }) => value),
      [7n],
    );
    const just = [START + 250, START - 2000].map((publishTimeMs) => heard(2, { publishTimeMs }));
    for (const each of just) t.ok(isUseful(policy, merged, each, START));
    const chain = new Chain();
    const reports = [1, 2, 3, 4, 5].map((by) => heard(by, { value: 9n, publishTimeMs: START }));
    t.same(chain.step(reports, START + 2001), [], "fresh when it was taken in, stale in its block");
    t.equal(chain.step(reports, START + 2000).length, 1);
  },
);

/** The element of this index in order, by counting. */
function element(values: readonly bigint[], index: number): bigint {
  const found = values.find(
    (value) =>
      values.filter((other) => other < value).length <= index &&
      values.filter((other) => other <= value).length > index,
  );
  if (found === undefined) throw new RangeError("no such element");
  return found;
}

t.test("a value is the middle of what is fresh, and within what the honest say", async (t) => {
  fc.assert(
    fc.property(fc.array(said, { minLength: 4, maxLength: 15 }), (wishes) => {
      const merged = mergeReports(policy, new Map(), reportsOf(wishes), START);
      const { updates } = computeEpoch(policy, { feeds: merged, suspended: [] }, START);
      const entries = merged.get(ETH)?.entries ?? [];
      const update = updates.find(({ feedId }) => feedId === ETH);
      // The first value needs `jumpQuorum`, which is all five.
      t.equal(update !== undefined, entries.length === 5);
      if (update === undefined) return;
      const values = entries.map(({ value }) => value);
      t.equal(update.value, element(values, 2));
      const spread = (element(values, 3) - element(values, 1)) / 2n;
      t.equal(update.confidence, spread);
      const times = entries.map(({ publishTimeMs }) => BigInt(publishTimeMs));
      t.equal(BigInt(update.timeMs), element(times, 2));
      for (const liars of [[1, 2], [3, 5], [4]]) {
        const honest = entries.filter(({ publisher }) => !liars.includes(publisher));
        t.ok(
          honest.some(({ value }) => value <= update.value),
          "not below all of them",
        );
        t.ok(
          honest.some(({ value }) => value >= update.value),
          "nor above",
        );
      }
    }),
    { numRuns: 2000 },
  );
});

t.test("row 7: a publisher has one vote, with however many keys it speaks", async (t) => {
  const chain = new Chain();
  const [first, second] = [0, 1].map((hot) =>
    [1, 2, 3].map((by) => heard(by, { hot, value: 9n, publishTimeMs: START + hot })),
  );
  const six = [...(first ?? []), ...(second ?? [])];
  t.equal(new Set(six.map(({ key }) => key)).size, 6);
  t.same(chain.step(six, START + 1), [], "six keys of three publishers are three");
  const rest = [4, 5].map((by) => heard(by, { value: 9n, publishTimeMs: START }));
  t.equal(chain.step([...six, ...rest], START + 2).length, 1, "five publishers are enough");
});

t.test("a feed is due when it has moved, at its heartbeat, or in another session", async (t) => {
  const chain = new Chain();
  const five = (value: bigint) => Array<bigint>(5).fill(value);
  t.same(chain.say([100_000n, 100_000n, 100_000n, 100_000n], START), [], "four are no first value");
  t.match(chain.say(five(100_000n), START), [{ value: 100_000n, status: 0, timeMs: START }]);
  t.same(chain.say(five(100_500n), START + 49), [], "minEpochMs");
  t.match(chain.say(five(100_050n), START + 50), [{ value: 100_050n }], "5 bps to the point");
  t.same(chain.say(five(100_099n), START + 500), [], "less than 5 bps");
  t.match(chain.say(five(100_099n), START + 1050), [{ value: 100_099n }], "the heartbeat");
  const closed = [1, 2, 3, 4, 5].map((by) =>
    heard(by, {
      publishTimeMs: START + 1200,
      observations: [{ value: 100_099n, session: by < 4 ? 5 : 2 }],
    }),
  );
  t.match(chain.step(closed, START + 1200), [{ session: 5 }]);
  t.equal(chain.state.epoch, 4);
});

t.test("of equally many sessions the highest counts", async (t) => {
  const chain = new Chain(feedPolicy([{ quorum: 4, jumpQuorum: 4 }]));
  const split = [1, 2, 3, 4].map((by) =>
    heard(by, { publishTimeMs: START, observations: [{ value: 9n, session: by < 3 ? 2 : 3 }] }),
  );
  t.match(chain.step(split, START), [{ session: 3 }]);
});

t.test("row 11: a jump waits for all, or for its time; a reversal begins anew", async (t) => {
  const chain = new Chain();
  chain.say(Array<bigint>(5).fill(1000n), START);
  const four = (value: bigint, atMs: number) =>
    chain.say(Array<bigint>(4).fill(value), START + atMs, BigInt(atMs));
  t.match(four(1100n, 2100), [{ value: 1100n, status: 0 }], "10 % is no jump");
  t.match(four(1101n, 2200), [{ value: 1100n, status: 1 }], "held, and said");
  t.match(four(1300n, 3600), [{ value: 1100n, status: 1 }]);
  t.match(four(899n, 3650), [{ value: 1100n, status: 1 }], "the other way");
  t.match(four(1301n, 3700), [{ value: 1100n, status: 1 }], "and back");
  t.match(four(1302n, 5199), [{ value: 1100n, status: 1 }]);
  t.match(four(1303n, 5249), [{ value: 1303n, status: 0 }], "1.5 s after it turned");
  t.match(four(1310n, 5300), [{ value: 1310n, status: 0 }], "and on at once");
  t.match(
    chain.say(Array<bigint>(5).fill(600n), START + 5400, 9000n),
    [{ value: 600n, status: 0 }],
    "all five are enough",
  );
});

t.test("row 11: a jump that is over is said at once, and the next one waits again", async (t) => {
  const hour = 3_600_000;
  const slow = feedPolicy([
    { heartbeatMs: hour, readableAgeMs: 2 * hour, quorum: 4, jumpQuorum: 5, minEpochMs: 50 },
  ]);
  const chain = new Chain(slow);
  const four = (value: bigint, atMs: number) =>
    chain.say(Array<bigint>(4).fill(value), START + atMs, BigInt(atMs + 2));
  chain.say(Array<bigint>(5).fill(1000n), START);
  t.match(four(1200n, 3000), [{ value: 1000n, status: 1 }], "held");
  t.same(four(1000n, 3020), [], "too soon");
  t.match(four(1000n, 3050), [{ value: 1000n, status: 0 }], "it is back where it was");
  t.equal(chain.state.feeds.get(ETH)?.jump, null);
  t.same(four(1000n, 3150), [], "said once");
  t.match(four(1200n, 1_800_000), [{ value: 1000n, status: 1 }], "half an hour is no hold");
  t.match(four(1001n, 1_800_100), [{ value: 1001n, status: 0 }], "nearly where it was");
});

t.test("a crash is followed within the hold, with one publisher dead and one lying", async (t) => {
  const chain = new Chain();
  const honest = (ms: number): bigint =>
    ms < 0 ? 100_000n : ms < 3000 ? 100_000n - BigInt(Math.floor((40_000 * ms) / 3000)) : 60_000n;
  chain.say(Array<bigint>(5).fill(100_000n), START - 100);
  let lastGood = START;
  let worstLag = 0;
  for (let ms = 0; ms <= 8000; ms += 50) {
    const lie = 100_000n + BigInt(ms * 10);
    const value = honest(ms);
    chain.say([value, value, value, lie], START + ms, BigInt(ms + 2));
    const applied = chain.state.feeds.get(ETH)?.applied;
    if (applied === undefined || applied === null) throw new Error("no value");
    t.ok(applied.value <= 100_000n, "never the liar's");
    const error = applied.value - value;
    // Within 5 bps of what the honest say now.
    if (error * 10_000n <= 5n * applied.value) lastGood = START + ms;
    worstLag = Math.max(worstLag, START + ms - lastGood);
  }
  t.equal(chain.state.feeds.get(ETH)?.applied?.value, 60_000n);
  t.ok(worstLag <= 1500, `${worstLag} ms behind`);
  t.ok(worstLag > 0, "the jump was held");
});

t.test("a group applies together or not at all: a 10:1 split", async (t) => {
  const split = feedPolicy([
    {},
    { id: "ACME/USD", group: 7 },
    { id: "ACME/multiplier", kind: "multiplier", group: 7 },
  ]);
  const [price, multiplier] = [feedIdOf("ACME/USD"), feedIdOf("ACME/multiplier")];
  const chain = new Chain(split);
  const say = (count: number, values: readonly [bigint, bigint], atMs: number) =>
    chain.step(
      Array.from({ length: count }, (_, at) =>
        heard(at + 1, {
          ...{ publishTimeMs: START + atMs, sequence: BigInt(atMs) },
          observations: [
            { feedId: price, value: values[0] },
            { feedId: multiplier, value: values[1] },
          ],
        }),
      ),
      START + atMs,
    );
  t.match(say(5, [50_000n, 1n], 0), [{ feedId: price }, { feedId: multiplier }]);
  const held = say(4, [5_000n, 10n], 2100);
  t.match(held, [
    { feedId: price, value: 50_000n, status: 1 },
    { feedId: multiplier, value: 1n, status: 1 },
  ]);
  t.match(say(4, [5_000n, 10n], 3600), [
    { feedId: price, value: 5_000n, status: 0 },
    { feedId: multiplier, value: 10n, status: 0 },
  ]);
  const alone = [1, 2, 3, 4, 5].map((by) =>
    heard(by, {
      ...{ publishTimeMs: START + 6000, sequence: 9999n },
      observations: [{ feedId: price, value: 6_000n }],
    }),
  );
  t.same(chain.step(alone, START + 6000), [], "the multiplier is too old by then");
});

t.test("a suspended key, and one that the policy has taken away, are not heard", async (t) => {
  const chain = new Chain();
  chain.say(Array<bigint>(5).fill(1000n), START);
  const reports = [1, 2, 3, 4].map((by) =>
    heard(by, { value: 1050n, sequence: 2n, publishTimeMs: START + 100 }),
  );
  const key = reports[0]?.key as Hex;
  const state = { ...chain.state, suspended: [key] };
  t.equal(selectEpoch(policy, state, reports, START + 100)?.updates[0]?.value, 1050n);
  t.notOk(
    selectEpoch(policy, state, reports, START + 100)?.reports.some((report) => report.key === key),
  );
  const without = { ...policy, publisherOfKey: new Map([...policy.publisherOfKey].slice(2)) };
  const entries = chain.state.feeds.get(ETH)?.entries ?? [];
  const { updates } = computeEpoch(without, chain.state, START + 1000);
  t.equal(entries.length, 5);
  t.equal(updates.length, 1, "four are left");
  const fewer = { ...policy, publisherOfKey: new Map([...policy.publisherOfKey].slice(4)) };
  t.same(computeEpoch(fewer, chain.state, START + 1000).updates, []);
});

t.test("an epoch lists what is complete for the feeds that it applies", async (t) => {
  let epochs = 0;
  fc.assert(
    fc.property(fc.array(fc.array(said, { maxLength: 14 }), { maxLength: 6 }), (rounds) => {
      const chain = new Chain();
      for (const [round, wishes] of rounds.entries()) {
        const timeMs = START + 300 * round;
        const waiting = reportsOf(wishes, timeMs);
        const before = chain.state;
        const epoch = selectEpoch(policy, before, waiting, timeMs);
        if (epoch === null) continue;
        epochs += 1;
        const newest = mergeReports(policy, before.feeds, waiting, timeMs);
        for (const { feedId } of epoch.updates)
          t.same(epoch.feeds.get(feedId)?.entries, newest.get(feedId)?.entries);
        for (const report of epoch.reports) t.ok(isUseful(policy, before.feeds, report, timeMs));
        const feeds = mergeReports(policy, before.feeds, epoch.reports.toReversed(), timeMs);
        const again = computeEpoch(policy, { feeds, suspended: [] }, timeMs);
        t.same(again.updates, epoch.updates, "a follower has the list and nothing else");
        t.same(again.feeds, epoch.feeds);
        chain.step(waiting, timeMs);
      }
    }),
    { numRuns: 1000 },
  );
  t.ok(epochs > 100, `${epochs} epochs`);
});

t.test("what is remembered is bounded", async (t) => {
  const chain = new Chain(
    feedPolicy([{ minEpochMs: 0, deviationBps: 0, jumpWindowMs: 86_400_000 }]),
  );
  for (let at = 0; at < 3 * HISTORY_MAX; at++)
    chain.say(Array<bigint>(5).fill(1000n + BigInt(at % 7)), START + at, BigInt(at + 1));
  t.equal(chain.state.feeds.get(ETH)?.history.length, HISTORY_MAX);
  const short = new Chain();
  for (let at = 0; at < 400; at++)
    short.say(
      Array<bigint>(5).fill(100_000n + 100n * BigInt(at % 7)),
      START + 50 * at,
      BigInt(at + 1),
    );
  t.equal(short.state.feeds.get(ETH)?.history.length, 101, "the window, and one before it");
});
