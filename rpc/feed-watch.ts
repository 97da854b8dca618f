/**
 * Looks at the feeds all the time, so that an operator hears of one that diverges without asking.
 * Owns when it looks and what it logs. Does not own what is an alarm (`feed-alarm.ts`).
 *
 * A look costs the sequencing thread a copy of the reports that wait, once a second at most. It
 * costs this thread the decoding of all prices, while nobody is served: with a thousand feeds it
 * looks less often.
 */
import type { Hex } from "../lanes/bytes.ts";
import type { Policy } from "../lanes/policy.ts";
import type { DivergenceSettings } from "../node/alarm-thresholds.ts";
import type { Clock } from "../node/clock.ts";
import { messageOf } from "../node/errors.ts";
import type { Logger } from "../node/log.ts";
import { alarmFacts, type FeedAlarm, FeedAlarms, LOOK_PERIOD_MS } from "./feed-alarm.ts";
import type { FeedLook, FeedsLook } from "./feed-look.ts";

/** Of so many parts of the time one is for looking, as far as looks get apart. */
const PARTS_OF_TIME = 20;
const LOOK_PERIOD_MAX_MS = 5000;

export interface FeedWatchOptions {
  readonly policy: Policy;
  readonly divergence: DivergenceSettings;
}

export interface FeedWatchDeps {
  readonly look: (nowMs: number) => Promise<FeedsLook>;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface FeedWatch {
  /** Looks now, and again and again; not at all where the policy has no feeds. */
  start(): void;
  /** For good. Waits for no look: whoever is asked may have stopped answering. */
  stop(): void;
  alarmsOf(feedId: Hex): readonly FeedAlarm[];
  /** What the last look found; nothing before the first, and while looks fail. */
  newest(): readonly FeedLook[];
}

export function createFeedWatch(
  { policy, divergence }: FeedWatchOptions,
  { look, clock, log }: FeedWatchDeps,
): FeedWatch {
  const alarms = new FeedAlarms(policy, divergence);
  let stage: "new" | "watching" | "stopped" = "new";
  let cancel: (() => void) | null = null;
  let isFailing = false;
  let newest: readonly FeedLook[] = [];
  const hasStopped = (): boolean => stage === "stopped";

  const lookOnce = async (): Promise<void> => {
    const startedMs = clock.monotonicMs();
    try {
      const nowMs = clock.nowMs();
      const { feeds } = await look(nowMs);
      if (hasStopped()) return;
      isFailing = false;
      newest = feeds;
      for (const { feed, alarm, hasBegun } of alarms.take(feeds, nowMs)) {
        const facts = { feed: feed.id, kind: alarm.kind, ...alarmFacts(alarm) };
        if (hasBegun) log.warn("feed alarm began", facts);
        else log.info("feed alarm ended", { ...facts, sinceMs: alarm.sinceMs });
      }
    } catch (error) {
      if (hasStopped()) return;
      if (!isFailing) log.warn("feeds not looked at", { error: messageOf(error) });
      isFailing = true;
      newest = [];
    }
    const periodMs = PARTS_OF_TIME * (clock.monotonicMs() - startedMs);
    const waitMs = Math.min(Math.max(periodMs, LOOK_PERIOD_MS), LOOK_PERIOD_MAX_MS);
    cancel = clock.after(waitMs, () => void lookOnce());
  };

  return {
    start() {
      if (stage !== "new" || policy.document.feeds.length === 0) return;
      stage = "watching";
      void lookOnce();
    },
    stop() {
      stage = "stopped";
      cancel?.();
    },
    alarmsOf: (feedId) => alarms.of(feedId),
    newest: () => newest,
  };
}
