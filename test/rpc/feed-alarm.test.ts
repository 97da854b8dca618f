/** When what is measured of a feed is an alarm: what lasts, and nothing else. */
import fc from "fast-check";
import t from "tap";
import type { AppliedValue } from "../../lanes/price-state.ts";
import { type AlarmChange, FeedAlarms, LOOK_PERIOD_MS } from "../../rpc/feed-alarm.ts";
import type { FeedLook } from "../../rpc/feed-look.ts";
import { ETH, feedPolicy } from "../lanes/fixtures/reports.ts";

const START = 1_700_000_000_000;
const SETTINGS = { gapBps: 100, spreadBps: 200, feeds: new Map() };
/** ETH/USD of the fixture: maxAgeMs, minEpochMs, jumpHoldMs, and two blocks. */
const GAP_PATIENCE = 2000 + 50 + 1500 + 2 * 1000;
const SPREAD_PATIENCE = 2000 + 2 * 1000;
/** Two blocks are less than three looks. */
const STALE_PATIENCE = 3 * LOOK_PERIOD_MS;

interface Seen {
  readonly gapBps?: number | null;
  readonly spreadBps?: number | null;
  /** Of the value; `null` where there is none. */
  readonly ageMs?: number | null;
}

const policy = feedPolicy();

function lookOf(seen: Seen, nowMs: number, feed = policy.document.feeds[0]!): FeedLook {
  const { gapBps = 0, spreadBps = 0, ageMs = 0 } = seen;
  const rest = { value: 1n, confidence: 0n, session: 0, status: 0, appliedMs: 0 } as const;
  const applied: AppliedValue | null = ageMs === null ? null : { ...rest, timeMs: nowMs - ageMs };
  const isStale = ageMs === null || ageMs > feed.readableAgeMs;
  return { feed, applied, entries: [], counted: 5, isStale, gapBps, spreadBps };
}

/** Looks again and again; returns what has changed, with the time since the first look. */
function run(
  seen: readonly Seen[],
  stepMs: number,
  alarms = new FeedAlarms(policy, SETTINGS),
  feed = policy.document.feeds[0]!,
) {
  return seen.flatMap((each, index) => {
    const nowMs = START + index * stepMs;
    return alarms
      .take([lookOf(each, nowMs, feed)], nowMs)
      .map((change) => ({ atMs: nowMs - START, ...change }));
  });
}

const told = (changes: readonly (AlarmChange & { readonly atMs: number })[]) =>
  changes.map(({ atMs, alarm, hasBegun }) => [alarm.kind, hasBegun ? "began" : "ended", atMs]);

const times = <T>(count: number, value: T): T[] => Array.from({ length: count }, () => value);

t.test("each kind begins after its patience, and ends after it", (t) => {
  const cases = [
    ["gap", { gapBps: 100.01 }, GAP_PATIENCE],
    ["spread", { spreadBps: 200.01 }, SPREAD_PATIENCE],
    ["stale", { ageMs: 3001 }, STALE_PATIENCE],
    ["stale", { ageMs: null }, STALE_PATIENCE],
  ] as const;
  for (const [kind, seen, patienceMs] of cases) {
    const stepMs = 50;
    const looks = patienceMs / stepMs + 1;
    const quiet = times(300, {});
    t.same(told(run([...times(looks - 1, seen), ...quiet], stepMs)), [], `${kind}: not yet`);
    t.same(told(run([...times(looks, seen), ...quiet], stepMs)), [
      [kind, "began", patienceMs],
      [kind, "ended", 2 * patienceMs],
    ]);
  }
  t.end();
});

t.test("what the policy explains is none: the slowest feed of a group holds up all", (t) => {
  const slow = { id: "B", group: 1, minEpochMs: 10_000 };
  const grouped = feedPolicy([{ group: 1 }, slow]);
  const alarms = new FeedAlarms(grouped, SETTINGS);
  const seen = times(100, { gapBps: 500 });
  const [began] = run(seen, 500, alarms, grouped.document.feeds[0]);
  t.match(began, { atMs: 15_500, feed: { id: "ETH/USD" } });
  t.end();
});

t.test("one look above is no alarm, nor what swings around the threshold", (t) => {
  const swinging = times(100, [{ gapBps: 900, spreadBps: 900 }, {}]).flat();
  t.same(run(swinging, LOOK_PERIOD_MS), []);
  t.same(run([{ gapBps: 900 }, ...times(20, { gapBps: null })], LOOK_PERIOD_MS), []);
  t.end();
});

t.test("an alarm that swings is one alarm, and a look that finds nothing to compare none", (t) => {
  const above = { gapBps: 900 };
  const lasting = times(7, above);
  const swings = times(50, [{}, {}, { gapBps: null }, above]).flat();
  const changes = run([...lasting, ...swings, ...times(9, {})], LOOK_PERIOD_MS);
  t.same(
    told(changes).map(([, what]) => what),
    ["began", "ended"],
  );
  const holes = run(times(10, [above, { gapBps: null }]).flat(), LOOK_PERIOD_MS);
  t.same(told(holes), [["gap", "began", 6000]], "nor does it end what has not begun");
  t.end();
});

t.test("where nobody has looked for long, it begins anew; slow looks are looks", (t) => {
  const alarms = new FeedAlarms(policy, SETTINGS);
  const look = (atMs: number) => alarms.take([lookOf({ gapBps: 900 }, atMs)], atMs);
  t.same(look(START), []);
  t.same(look(START + 10_001), [], "it says nothing of the time between");
  t.same(alarms.of(ETH), []);
  t.match(look(START + 20_001), [{ hasBegun: true, alarm: { sinceMs: START + 10_001 } }]);
  t.same(look(START + 3_600_000), [], "what has begun ends where a look says so");
  const slow = run(times(3, { ageMs: 4000 }), STALE_PATIENCE + 2000);
  t.same(told(slow), [["stale", "began", STALE_PATIENCE + 2000]]);
  t.end();
});

t.test("an alarm says since when, how far, and what is allowed; a feed has its own", (t) => {
  const own = new Map([["ETH/USD", { gapBps: 50, spreadBps: 60 }]]);
  const alarms = new FeedAlarms(policy, { ...SETTINGS, feeds: own });
  const seen = [...times(7, { gapBps: 51, spreadBps: 59 }), { gapBps: 70 }, { gapBps: 2 }];
  run(seen, LOOK_PERIOD_MS, alarms);
  const gap = { kind: "gap", sinceMs: START, measured: 70, threshold: 50 };
  t.same(alarms.of(ETH), [gap], "as the last look above found it");
  t.same(alarms.of(`0x${"00".repeat(32)}`), []);
  run(times(7, { gapBps: 51, spreadBps: 61, ageMs: 4000 }), LOOK_PERIOD_MS, alarms);
  t.same(
    alarms.of(ETH).map(({ kind, measured }) => [kind, measured]),
    [
      ["gap", 51],
      ["spread", 61],
      ["stale", 4000],
    ],
  );
  t.end();
});

/** Looks at uneven times: above, below or nothing to compare. */
const history = fc.array(
  fc.record({
    waitMs: fc.integer({ min: 1, max: 4 * LOOK_PERIOD_MS }),
    gapBps: fc.oneof(
      { weight: 4, arbitrary: fc.double({ min: 100.01, max: 5000, noNaN: true }) },
      { weight: 1, arbitrary: fc.double({ min: 0, max: 100, noNaN: true }) },
      { weight: 1, arbitrary: fc.constant(null) },
    ),
  }),
  { maxLength: 120 },
);

t.test("begins and ends take turns, and each has its reason in the looks before", (t) => {
  let began = 0;
  const holds = fc.property(history, (looks) => {
    const alarms = new FeedAlarms(policy, SETTINGS);
    let nowMs = START;
    let isOn = false;
    const seen: { readonly atMs: number; readonly isAbove: boolean | null }[] = [];
    for (const { waitMs, gapBps } of looks) {
      nowMs += waitMs;
      seen.push({ atMs: nowMs, isAbove: gapBps === null ? null : gapBps > 100 });
      const changes = alarms.take([lookOf({ gapBps }, nowMs)], nowMs);
      if (changes.length > 1) return false;
      for (const { hasBegun } of changes) {
        if (hasBegun === isOn) return false;
        isOn = hasBegun;
        const since = nowMs - GAP_PATIENCE;
        // Since the last look before the patience: what is heard of between was never below.
        const first = seen.findLastIndex(({ atMs, isAbove }) => atMs <= since && isAbove === true);
        const during = seen.filter(({ atMs }) => atMs > since);
        if (hasBegun) {
          began += 1;
          const whole = seen.slice(first);
          if (first < 0 || whole.some(({ isAbove }) => isAbove === false)) return false;
          if (gapBps === null || gapBps <= 100) return false;
        } else if (during.some(({ isAbove }) => isAbove === true)) return false;
      }
      if (alarms.of(ETH).length !== (isOn ? 1 : 0)) return false;
    }
    return true;
  });
  fc.assert(holds, { numRuns: 300 });
  t.ok(began > 50, `${began} alarms`);
  t.end();
});

t.test("what never is above is never an alarm, and what always is, is one", (t) => {
  const steps = fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 20, maxLength: 60 });
  const count = (waits: readonly number[], gapBps: number): number => {
    const alarms = new FeedAlarms(policy, SETTINGS);
    let nowMs = START;
    return waits.reduce((changes, waitMs) => {
      nowMs += waitMs;
      return changes + alarms.take([lookOf({ gapBps }, nowMs)], nowMs).length;
    }, 0);
  };
  const below = fc.double({ min: 0, max: 100, noNaN: true });
  const silent = fc.property(steps, below, (waits, gapBps) => count(waits, gapBps) === 0);
  const above = fc.double({ min: 100.01, max: 1e6, noNaN: true });
  const long = fc.property(steps, above, (waits, gapBps) => {
    const lasts = waits.slice(1).reduce((sum, waitMs) => sum + waitMs, 0);
    return count(waits, gapBps) === (lasts >= GAP_PATIENCE ? 1 : 0);
  });
  for (const holds of [silent, long])
    t.doesNotThrow(() => {
      fc.assert(holds);
    });
  t.end();
});
