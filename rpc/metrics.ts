/**
 * What Prometheus is told. Owns names, labels and meaning of every metric; README.md lists them,
 * and a test compares the two.
 *
 * Labels are the policy's feeds, their alarms and fixed words: nobody who sends something adds a
 * series. What is not known has no sample. Feeds are as the last look found them (`feed-watch.ts`),
 * so that a scrape asks the sequencing thread for two counts and no reports.
 */
import { Gauge, Registry } from "prom-client";
import type { NodeApi } from "../node/api.ts";
import type { Clock } from "../node/clock.ts";
import { keptFor } from "../node/kept-for.ts";
import type { Remote } from "../node/port.ts";
import type { ChainReader } from "../node/storage/store.ts";
import { ALARM_KINDS } from "./feed-alarm.ts";
import type { FeedWatch } from "./feed-watch.ts";

/** However many scrape: what was rendered is given out for so long. */
const RENDERED_KEPT_MS = 1000;
const MS_PER_SECOND = 1000;

const HEADS = ["unsafe", "safe", "finalized"] as const;

export interface MetricsSources {
  readonly watch: Pick<FeedWatch, "newest" | "alarmsOf">;
  readonly chain: Pick<ChainReader, "heads">;
  readonly node: Pick<Remote<NodeApi>, "poolStatus" | "peerCount">;
  readonly clock: Pick<Clock, "nowMs" | "monotonicMs">;
}

export interface Metrics {
  readonly contentType: string;
  /** The text of all metrics, a second old at most. Errors: the node's, where it cannot answer. */
  render(): Promise<string>;
}

export function createMetrics({ watch, chain, node, clock }: MetricsSources): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const feedGauge = (name: string, help: string) =>
    new Gauge({ name: `pricelane_feed_${name}`, help, labelNames: ["feed"], registers });
  const feeds = {
    gap: feedGauge("gap_bps", "From the chain's value to the newest report, basis points."),
    spread: feedGauge("spread_bps", "From the lowest fresh report to the highest, basis points."),
    age: feedGauge("age_seconds", "Age of the chain's value."),
    publishers: feedGauge("fresh_publishers", "Publishers whose reports an epoch would count."),
    alarm: new Gauge({
      name: "pricelane_feed_alarm",
      help: "1 while the feed has an alarm of this kind.",
      labelNames: ["feed", "kind"],
      registers,
    }),
  };
  const head = new Gauge({
    name: "pricelane_head_number",
    help: "Number of the unsafe, safe and finalized head.",
    labelNames: ["head"],
    registers,
  });
  const txpool = new Gauge({
    name: "pricelane_txpool_transactions",
    help: "Transactions in the txpool, pending or queued.",
    labelNames: ["state"],
    registers,
  });
  const peers = new Gauge({ name: "pricelane_peers", help: "Connected peers.", registers });

  const setFeeds = (): void => {
    for (const gauge of Object.values(feeds)) gauge.reset();
    for (const { feed, applied, counted, gapBps, spreadBps } of watch.newest()) {
      const labels = { feed: feed.id };
      if (gapBps !== null) feeds.gap.set(labels, gapBps);
      if (spreadBps !== null) feeds.spread.set(labels, spreadBps);
      if (applied !== null) feeds.age.set(labels, (clock.nowMs() - applied.timeMs) / MS_PER_SECOND);
      feeds.publishers.set(labels, counted);
      const alarms = watch.alarmsOf(feed.feedId);
      for (const kind of ALARM_KINDS)
        feeds.alarm.set({ ...labels, kind }, alarms.some((each) => each.kind === kind) ? 1 : 0);
    }
  };

  const render = async (): Promise<string> => {
    const [{ pending, queued }, peerCount] = await Promise.all([
      node.poolStatus(),
      node.peerCount(),
    ]);
    setFeeds();
    const heads = chain.heads();
    for (const name of HEADS) head.set({ head: name }, heads[name].number);
    txpool.set({ state: "pending" }, pending);
    txpool.set({ state: "queued" }, queued);
    peers.set(peerCount);
    return registry.metrics();
  };
  const { contentType } = registry;
  return { contentType, render: keptFor(RENDERED_KEPT_MS, clock, render) };
}
