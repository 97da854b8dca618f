/**
 * Which reports an epoch lists: the newest of every publisher for the feeds it applies, and no
 * others than those needed for that. PROTOCOL 5.
 *
 * A report of several feeds that is listed for one of them is merged whole, which may make another
 * feed due with only some of its reports; then the others of that feed are listed too. So it ends
 * with a list that is complete for every feed it applies.
 */
import type { Hex } from "./bytes.ts";
import { type ComputedEpoch, computeEpoch, mergeReports } from "./epoch.ts";
import type { Policy } from "./policy.ts";
import type { FeedState, PriceState } from "./price-state.ts";
import type { VerifiedReport } from "./report-rules.ts";

export interface SelectedEpoch extends ComputedEpoch {
  /** By hash, ascending. */
  readonly reports: readonly VerifiedReport[];
}

/**
 * The epoch that is due at a time with these reports; `null` where nothing is. `waiting` holds the
 * newest of each publisher and feed, and may hold more.
 */
export function selectEpoch(
  policy: Policy,
  state: PriceState,
  waiting: readonly VerifiedReport[],
  timeMs: number,
): SelectedEpoch | null {
  const { suspended } = state;
  const heard = waiting.filter(({ key }) => !suspended.includes(key));
  const feeds = mergeReports(policy, state.feeds, heard, timeMs);
  const ofAll = computeEpoch(policy, { feeds, suspended }, timeMs);
  if (ofAll.updates.length === 0) return null;
  const usable = feedsByReport(heard, state.feeds, feeds);
  const listed = new Set<VerifiedReport>();
  let computed = ofAll;
  for (let isOfListed = false; ;) {
    const size = listed.size;
    const applied = new Set(computed.updates.map(({ feedId }) => feedId));
    for (const [report, feedIds] of usable)
      if (feedIds.some((feedId) => applied.has(feedId))) listed.add(report);
    if (isOfListed && listed.size === size) break;
    if (listed.size === usable.size) {
      computed = ofAll;
      break;
    }
    const merged = mergeReports(policy, state.feeds, [...listed], timeMs);
    computed = computeEpoch(policy, { feeds: merged, suspended }, timeMs);
    isOfListed = true;
  }
  const reports = [...listed].sort((a, b) => (a.hash < b.hash ? -1 : 1));
  return computed.updates.length === 0 ? null : { ...computed, reports };
}

/** Reports that are the newest of their publisher for some feed, and for which. */
function feedsByReport(
  reports: readonly VerifiedReport[],
  before: ReadonlyMap<Hex, FeedState>,
  after: ReadonlyMap<Hex, FeedState>,
): Map<VerifiedReport, Hex[]> {
  const byHash = new Map(reports.map((report) => [report.hash, report]));
  const usable = new Map<VerifiedReport, Hex[]>();
  for (const [feedId, feed] of after) {
    const known = before.get(feedId)?.entries ?? [];
    if (feed.entries === known) continue;
    for (const entry of feed.entries) {
      const report = known.includes(entry) ? undefined : byHash.get(entry.reportHash);
      if (report === undefined) continue;
      const feedIds = usable.get(report);
      if (feedIds === undefined) usable.set(report, [feedId]);
      else feedIds.push(feedId);
    }
  }
  return usable;
}
