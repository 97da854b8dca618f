/**
 * How far a feed's value and its publishers may be apart before the operator hears of it. Owns the
 * form of these settings, their defaults, and their check against the policy.
 *
 * They are an operator's own: nodes of one chain need not agree on them, and the policy has no
 * place for them (PROTOCOL 2).
 */
import { z } from "zod";
import { FEEDS_MAX } from "../lanes/policy-document.ts";
import type { PolicyFeed } from "../lanes/policy-feeds.ts";
import { accept, refuse, type Verdict } from "../lanes/verdict.ts";

/** An alarm is for what is above. */
export interface AlarmThresholds {
  /** From the chain's value to the newest report, basis points. */
  readonly gapBps: number;
  /** From the lowest report to the highest, basis points. */
  readonly spreadBps: number;
}

export interface DivergenceSettings extends AlarmThresholds {
  /** By id, of feeds that have their own. */
  readonly feeds: ReadonlyMap<string, AlarmThresholds>;
}

/** A hundred times the value that it is measured by. */
const BPS_MAX = 1_000_000;
/** An id may hold what separates, so the numbers are looked for from the end. */
const ENTRY = /^(.+)=([1-9][0-9]{0,6}):([1-9][0-9]{0,6})$/;
/** Ids that an error names; a policy may have a thousand. */
const IDS_TOLD_MAX = 32;

const bps = z.int().min(1).max(BPS_MAX);

/** The section of the config file. */
export const divergenceSchema = z.strictObject({
  gapBps: bps.default(100),
  spreadBps: bps.default(200),
  feeds: z.array(z.string().regex(ENTRY)).max(FEEDS_MAX).default([]),
});

/**
 * Thresholds of single feeds, each written `ID=GAP:SPREAD`, for a policy with these feeds.
 *
 * Errors: `CONFIG_INVALID` with what is `expected`. A gap below the feed's `deviationBps` is
 * refused: so far apart the chain's value may stay until its heartbeat.
 */
export function readFeedThresholds(
  entries: readonly string[],
  feeds: readonly PolicyFeed[],
): Verdict<ReadonlyMap<string, AlarmThresholds>, "CONFIG_INVALID"> {
  const out = new Map<string, AlarmThresholds>();
  for (const [index, entry] of entries.entries()) {
    const expect = (what: string) =>
      refuse("CONFIG_INVALID", { expected: `entry ${index + 1} to ${what}` });
    const [, id = "", gap, spread] = ENTRY.exec(entry) ?? [];
    const [gapBps, spreadBps] = [Number(gap), Number(spread)];
    const feed = feeds.find((each) => each.id === id);
    if (feed === undefined) return expect(`name a feed of the policy: ${idsOf(feeds)}`);
    if (out.has(id)) return expect("name another feed than those before it");
    if (!(gapBps <= BPS_MAX && spreadBps <= BPS_MAX))
      return expect(`have numbers up to ${BPS_MAX}`);
    if (gapBps < feed.deviationBps)
      return expect(
        `have a gap of the feed's deviationBps at least, which is ${feed.deviationBps}`,
      );
    out.set(id, { gapBps, spreadBps });
  }
  return accept(out);
}

function idsOf(feeds: readonly PolicyFeed[]): string {
  if (feeds.length === 0) return "it has none";
  const told = feeds.slice(0, IDS_TOLD_MAX).map(({ id }) => id);
  const left = feeds.length - told.length;
  return told.join(", ") + (left === 0 ? "" : ` and ${left} more`);
}

/** A feed's own, or those of all feeds; then a gap within `deviationBps` is none either. */
export function thresholdsOf(settings: DivergenceSettings, feed: PolicyFeed): AlarmThresholds {
  const { gapBps, spreadBps } = settings;
  return settings.feeds.get(feed.id) ?? { gapBps: Math.max(gapBps, feed.deviationBps), spreadBps };
}
