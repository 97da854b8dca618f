/**
 * When what a look measures of a feed is an alarm. Owns how long it must last, and that an alarm
 * begins and ends once. No clock of its own: each look brings its time.
 *
 * A right price may be away from the chain's for a while: until publishers are a quorum, the epoch
 * before is old enough, a jump is confirmed, and the block is stored. So long everything is
 * patience, to begin with and to end: nobody is woken by what the policy itself explains, nor by a
 * measure that swings around its threshold.
 */
import type { Hex } from "../lanes/bytes.ts";
import type { Policy } from "../lanes/policy.ts";
import type { PolicyFeed } from "../lanes/policy-feeds.ts";
import { type DivergenceSettings, thresholdsOf } from "../node/alarm-thresholds.ts";
import type { FeedLook } from "./feed-look.ts";

/** How often the feeds are looked at, where that costs little. */
export const LOOK_PERIOD_MS = 1000;
/** A look that comes so long after the one before says nothing of the time between. */
const LOOK_LATE_MS = 10_000;
/** With less, two looks in a row would be an alarm. */
const PATIENCE_MIN_MS = 3 * LOOK_PERIOD_MS;
/** What is applied in an open block is seen when that is over, checked and stored, or followed. */
const BLOCKS_UNSEEN = 2;

export const ALARM_KINDS = ["gap", "spread", "stale"] as const;
export type AlarmKind = (typeof ALARM_KINDS)[number];

export interface FeedAlarm {
  readonly kind: AlarmKind;
  /** The first look that found it so. */
  readonly sinceMs: number;
  /**
   * As the last look above the threshold found it: basis points, for `stale` the value's age in
   * milliseconds; `null` where there never was a value.
   */
  readonly measured: number | null;
  readonly threshold: number;
}

export interface AlarmChange {
  readonly feed: PolicyFeed;
  readonly alarm: FeedAlarm;
  readonly hasBegun: boolean;
}

/** A measure that is above its threshold, for long enough or not yet. */
interface Excess {
  readonly alarm: FeedAlarm;
  readonly lastMs: number;
  readonly isAlarm: boolean;
}

/** What one look says of one kind. */
interface Measure {
  readonly kind: AlarmKind;
  /** `null` where there is nothing to compare. */
  readonly isAbove: boolean | null;
  readonly measured: number | null;
  readonly threshold: number;
  readonly patienceMs: number;
}

/** The alarms of a policy's feeds: at most one of a kind for each. */
export class FeedAlarms {
  readonly #policy: Policy;
  readonly #settings: DivergenceSettings;
  #lookedMs = -Infinity;
  readonly #excesses = new Map<Hex, Map<AlarmKind, Excess>>();

  constructor(policy: Policy, settings: DivergenceSettings) {
    this.#policy = policy;
    this.#settings = settings;
  }

  /** Takes a look in; returns what has begun and ended with it. */
  take(looks: readonly FeedLook[], nowMs: number): AlarmChange[] {
    const isLate = nowMs - this.#lookedMs > LOOK_LATE_MS;
    this.#lookedMs = nowMs;
    return looks.flatMap((look) => {
      const { feed } = look;
      const own = this.#excesses.get(feed.feedId) ?? new Map<AlarmKind, Excess>();
      this.#excesses.set(feed.feedId, own);
      const changes: AlarmChange[] = [];
      for (const measure of measuresOf(this.#policy, this.#settings, look, nowMs)) {
        const before = own.get(measure.kind) ?? null;
        const after = judge(before, measure, nowMs, isLate);
        if (after === null) own.delete(measure.kind);
        else own.set(measure.kind, after);
        if (after?.isAlarm === true && before?.isAlarm !== true)
          changes.push({ feed, alarm: after.alarm, hasBegun: true });
        if (after?.isAlarm !== true && before?.isAlarm === true)
          changes.push({ feed, alarm: before.alarm, hasBegun: false });
      }
      return changes;
    });
  }

  of(feedId: Hex): FeedAlarm[] {
    return [...(this.#excesses.get(feedId)?.values() ?? [])]
      .filter(({ isAlarm }) => isAlarm)
      .map(({ alarm }) => alarm);
  }
}

/** Measure and threshold with their units, for people. */
export function alarmFacts({ kind, measured, threshold }: FeedAlarm) {
  return kind === "stale"
    ? { ageMs: measured, thresholdMs: threshold }
    : { bps: measured, thresholdBps: threshold };
}

function judge(
  before: Excess | null,
  measure: Measure,
  nowMs: number,
  isLate: boolean,
): Excess | null {
  const { kind, isAbove, measured, threshold, patienceMs } = measure;
  if (isAbove !== true) {
    const quietMs = before === null ? Infinity : nowMs - before.lastMs;
    // One look below says that nothing lasts; an alarm wants to see that it lasts.
    const mayStay = before?.isAlarm === true || isAbove === null;
    return mayStay && quietMs < patienceMs ? before : null;
  }
  const isSame = before !== null && (before.isAlarm || !isLate);
  const sinceMs = isSame ? before.alarm.sinceMs : nowMs;
  return {
    alarm: { kind, sinceMs, measured, threshold },
    lastMs: nowMs,
    isAlarm: isSame && (before.isAlarm || nowMs - sinceMs >= patienceMs),
  };
}

function measuresOf(
  policy: Policy,
  settings: DivergenceSettings,
  { feed, applied, gapBps, spreadBps, isStale }: FeedLook,
  nowMs: number,
): Measure[] {
  const thresholds = thresholdsOf(settings, feed);
  const unseenMs = BLOCKS_UNSEEN * policy.document.blockTimeMs;
  const patience = (ms: number): number => Math.max(ms + unseenMs, PATIENCE_MIN_MS);
  const above = (kind: AlarmKind, measured: number | null, threshold: number, ms: number) => ({
    ...{ kind, measured, threshold, patienceMs: patience(ms) },
    isAbove: measured === null ? null : measured > threshold,
  });
  const ageMs = applied === null ? null : nowMs - applied.timeMs;
  return [
    above("gap", gapBps, thresholds.gapBps, epochDelayMs(policy, feed)),
    above("spread", spreadBps, thresholds.spreadBps, feed.maxAgeMs),
    { ...above("stale", ageMs, feed.readableAgeMs, 0), isAbove: isStale },
  ];
}

/**
 * How long the policy lets a right price wait: the others say it before what they have said is old,
 * the last epoch is `minEpochMs` ago, and a jump holds. The slowest feed of a group holds up all.
 */
function epochDelayMs({ document }: Policy, feed: PolicyFeed): number {
  const together =
    feed.group === 0 ? [feed] : document.feeds.filter(({ group }) => group === feed.group);
  const delays = together.map((each) => each.maxAgeMs + each.minEpochMs + each.jumpHoldMs);
  return Math.max(...delays);
}
