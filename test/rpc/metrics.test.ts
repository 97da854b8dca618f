/** What Prometheus is told, over HTTP and read back. */
import { readFileSync } from "node:fs";
import t, { type Test } from "tap";
import { NodeError } from "../../node/errors.ts";
import { silentLogger } from "../../node/log.ts";
import type { FeedAlarm } from "../../rpc/feed-alarm.ts";
import type { FeedLook } from "../../rpc/feed-look.ts";
import { DEFAULT_LIMITS } from "../../rpc/limits.ts";
import { createMetrics } from "../../rpc/metrics.ts";
import { createMetricsServer } from "../../rpc/metrics-server.ts";
import { feedPolicy } from "../lanes/fixtures/reports.ts";
import { createManualClock } from "./fixture-clock.ts";
import { parseExposition } from "./fixture-exposition.ts";

const START = 1_700_000_000_000;
const ODD_ID = String.raw`a"b\c{},=d`;
const policy = feedPolicy([{}, { id: ODD_ID }, { id: "NEW/USD" }]);
const [ETH, ODD, NEW] = policy.document.feeds as [
  FeedLook["feed"],
  FeedLook["feed"],
  FeedLook["feed"],
];

const applied = (timeMs: number) =>
  ({ value: 1n, confidence: 0n, timeMs, session: 0, status: 0, appliedMs: timeMs }) as const;

const none = {
  applied: null,
  entries: [],
  counted: 0,
  isStale: true,
  gapBps: null,
  spreadBps: null,
};

async function open(t: Test) {
  const clock = createManualClock(START);
  const state = {
    looks: [
      {
        ...none,
        feed: ETH,
        applied: applied(START - 1500),
        counted: 5,
        gapBps: 12.5,
        spreadBps: 30,
      },
      { ...none, feed: ODD, applied: applied(START - 90_000), counted: 1, gapBps: 0 },
      { ...none, feed: NEW },
    ] as readonly FeedLook[],
    asked: 0,
    fails: false,
  };
  const alarm: FeedAlarm = { kind: "spread", sinceMs: START, measured: 30, threshold: 20 };
  const ref = (number: number) => ({ number, hash: ETH.feedId });
  const metrics = createMetrics({
    watch: {
      newest: () => state.looks,
      alarmsOf: (feedId) => (feedId === ETH.feedId ? [alarm] : []),
    },
    chain: { heads: () => ({ unsafe: ref(300), safe: ref(200), finalized: ref(100) }) },
    node: {
      peerCount: () => Promise.resolve(3),
      async poolStatus() {
        state.asked += 1;
        if (state.fails) throw new NodeError("TIMEOUT");
        return { pending: 7, queued: 2 };
      },
    },
    clock,
  });
  const options = { host: "127.0.0.1", port: 0, limits: DEFAULT_LIMITS };
  const server = createMetricsServer(options, { metrics, log: silentLogger });
  const url = `http://127.0.0.1:${await server.start()}/metrics`;
  t.teardown(() => server.stop());
  const scrape = async () => {
    const response = await fetch(url);
    return { response, ...parseExposition(response.ok ? await response.text() : "") };
  };
  return { scrape, state, clock };
}

t.test("every metric is told with its labels, and nothing that is not known", async (t) => {
  const { scrape } = await open(t);
  const { response, samples } = await scrape();
  t.equal(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  const odd = `feed=${ODD_ID}`;
  t.same(
    [...samples],
    [
      ["pricelane_feed_gap_bps feed=ETH/USD", 12.5],
      [`pricelane_feed_gap_bps ${odd}`, 0],
      ["pricelane_feed_spread_bps feed=ETH/USD", 30],
      ["pricelane_feed_age_seconds feed=ETH/USD", 1.5],
      [`pricelane_feed_age_seconds ${odd}`, 90],
      ["pricelane_feed_fresh_publishers feed=ETH/USD", 5],
      [`pricelane_feed_fresh_publishers ${odd}`, 1],
      ["pricelane_feed_fresh_publishers feed=NEW/USD", 0],
      ["pricelane_feed_alarm feed=ETH/USD kind=gap", 0],
      ["pricelane_feed_alarm feed=ETH/USD kind=spread", 1],
      ["pricelane_feed_alarm feed=ETH/USD kind=stale", 0],
      ...["gap", "spread", "stale"].map((kind) => [`pricelane_feed_alarm ${odd} kind=${kind}`, 0]),
      ...["gap", "spread", "stale"].map((kind) => [
        `pricelane_feed_alarm feed=NEW/USD kind=${kind}`,
        0,
      ]),
      ["pricelane_head_number head=unsafe", 300],
      ["pricelane_head_number head=safe", 200],
      ["pricelane_head_number head=finalized", 100],
      ["pricelane_txpool_transactions state=pending", 7],
      ["pricelane_txpool_transactions state=queued", 2],
      ["pricelane_peers", 3],
    ],
  );
});

t.test("the node is asked once a second, however many scrape", async (t) => {
  const { scrape, state, clock } = await open(t);
  await Promise.all(Array.from({ length: 8 }, scrape));
  clock.advance(999);
  await scrape();
  t.equal(state.asked, 1);
  clock.advance(1);
  const { samples } = await scrape();
  t.equal(state.asked, 2);
  t.equal(samples.get("pricelane_feed_age_seconds feed=ETH/USD"), 2.5, "ages go on");
});

t.test("what is not known any more is not told any more", async (t) => {
  const { scrape, state, clock } = await open(t);
  t.ok((await scrape()).samples.has("pricelane_feed_gap_bps feed=ETH/USD"));
  state.looks = [{ ...none, feed: ETH }];
  clock.advance(1000);
  const { samples } = await scrape();
  const left = [...samples.keys()].filter((key) => key.startsWith("pricelane_feed_"));
  t.same(left, [
    "pricelane_feed_fresh_publishers feed=ETH/USD",
    ...["gap", "spread", "stale"].map((kind) => `pricelane_feed_alarm feed=ETH/USD kind=${kind}`),
  ]);
});

t.test("a node that does not answer is no scrape, until it does", async (t) => {
  const { scrape, state } = await open(t);
  state.fails = true;
  t.equal((await scrape()).response.status, 503);
  state.fails = false;
  t.equal((await scrape()).response.status, 200);
});

t.test("README.md lists the metrics, all of them and no others", async (t) => {
  const { scrape } = await open(t);
  const { names } = await scrape();
  const text = readFileSync(new URL("../../../README.md", import.meta.url), "utf8");
  const listed = [...text.matchAll(/^\| `(pricelane_\w+)(?:\{.*\})?`/gm)].map(([, name]) => name);
  t.same(listed, names);
});
