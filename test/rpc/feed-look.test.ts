/** What one look at the feeds measures, from the newest block's state and the reports that wait. */
import t from "tap";
import type { FeedState, PriceState, PublisherEntry } from "../../lanes/price-state.ts";
import { addressOf } from "../../node/primitives/signature.ts";
import { lookAtFeeds } from "../../rpc/feed-look.ts";
import { ETH, feedIdOf, feedPolicy, heard, publisherKey } from "../lanes/fixtures/reports.ts";
import { feedsContext } from "./fixture-feeds.ts";

const NOW = 1_700_000_100_000;
const policy = feedPolicy([{}, { id: "BTC/USD" }]);

const applied = (value: bigint, timeMs = NOW - 100): FeedState => ({
  applied: { value, confidence: 0n, timeMs, session: 0, status: 0, appliedMs: timeMs },
  history: [],
  jump: null,
  entries: [],
});

function entry(publisher: number, value: bigint, publishTimeMs = NOW - 100): PublisherEntry {
  const { key, report, hash } = heard(publisher, { value, publishTimeMs });
  const { sequence } = report;
  const said = { confidence: 0n, session: 0 };
  return { publisher, key, publishTimeMs, sequence, reportHash: hash, value, ...said };
}

/** What is measured of ETH/USD. */
async function look(
  state: FeedState,
  waiting: readonly [number, bigint, number?][] = [],
  more = {},
) {
  const prices: Partial<PriceState> = { feeds: new Map([[ETH, state]]), ...more };
  const reports = waiting.map(([publisher, value, publishTimeMs = NOW]) =>
    heard(publisher, { value, publishTimeMs, sequence: 2n }),
  );
  const { feeds } = await lookAtFeeds(
    feedsContext(policy, () => prices, reports),
    NOW,
  );
  return feeds[0]!;
}

t.test("the gap is from the chain to the newest report, the spread from low to high", async (t) => {
  const waiting: [number, bigint, number?][] = [
    [1, 10_050n, NOW - 5],
    [2, 10_200n, NOW - 1],
    [3, 10_100n, NOW - 3],
  ];
  t.match(await look(applied(10_000n), waiting), {
    ...{ gapBps: 200, spreadBps: 149.25, counted: 3, isStale: false },
  });
  t.match(await look(applied(10_300n), waiting), { gapBps: 97.08 }, "to either side");
});

t.test("what nothing is known of has no number", async (t) => {
  t.match(await look(applied(10_000n)), { gapBps: null, spreadBps: null, counted: 0 });
  t.match(await look(applied(10_000n), [[1, 10_100n]]), { gapBps: 100, spreadBps: null });
  const none = { applied: null, history: [], jump: null, entries: [] };
  t.match(await look(none, [[1, 10_100n]]), { gapBps: null, isStale: true, counted: 1 });
  const { feeds } = await lookAtFeeds(
    feedsContext(policy, () => ({})),
    NOW,
  );
  t.same(
    feeds.map(({ feed, isStale }) => [feed.feedId, isStale]),
    [
      [ETH, true],
      [feedIdOf("BTC/USD"), true],
    ],
  );
});

t.test("a follower measures what stands in blocks", async (t) => {
  const state = { ...applied(10_000n), entries: [entry(1, 10_000n), entry(2, 10_150n, NOW - 50)] };
  t.match(await look(state), { gapBps: 150, spreadBps: 150, counted: 2 });
  const { maxAgeMs } = policy.document.feeds[0]!;
  const old = { ...state, entries: [entry(1, 10_000n), entry(2, 10_150n, NOW - maxAgeMs - 1)] };
  t.match(await look(old), { gapBps: 0, spreadBps: null, counted: 1 }, "and nothing old");
});

t.test("what a suspended key has said is told, and not compared", async (t) => {
  const entries = [entry(1, 10_000n), entry(2, 10_001n), entry(3, 90_000n, NOW - 10)];
  const state = { ...applied(10_000n), entries };
  t.match(await look(state), { gapBps: 80_000, counted: 3 });
  const suspended = [addressOf(publisherKey(3))];
  const heardOfTwo = await look(state, [], { suspended });
  t.match(heardOfTwo, { gapBps: 0, spreadBps: 1, counted: 2 });
  t.equal(heardOfTwo.entries.length, 3);
});
