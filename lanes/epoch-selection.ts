/**
 * Which reports an epoch lists: the newest of every publisher for the feeds it applies, and no
 * others than those needed for that. PROTOCOL 5.
 *
 * A report of several feeds that is listed for one of them is merged whole, which may make another
 * feed due with only some of its reports; then the others of that feed are listed too. So it ends
 * with a list that is complete for every feed it applies.
 */
import type { Hex } from "./bytes.ts";
import { type ComputedEpoch, computeEpoch, improvements, mergeReports } from "./epoch.ts";
import type { Policy } from "./policy.ts";
import type { PriceState } from "./price-state.ts";
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
  const usable = newestOf(policy, state, waiting, timeMs);
  const computeWith = (reports: readonly VerifiedReport[]): ComputedEpoch => {
    const feeds = mergeReports(policy, state.feeds, reports, timeMs);
    return computeEpoch(policy, { feeds, suspended }, timeMs);
  };
  const listed = new Set<VerifiedReport>();
  let computed = computeWith([...usable.keys()]);
  if (computed.updates.length === 0) return null;
  for (let isOfListed = false; ; isOfListed = true) {
    const size = listed.size;
    const applied = new Set(computed.updates.map(({ feedId }) => feedId));
    for (const [report, feedIds] of usable)
      if (feedIds.some((feedId) => applied.has(feedId))) listed.add(report);
    if (isOfListed && listed.size === size) break;
    computed = computeWith([...listed]);
  }
  const reports = [...listed].sort((a, b) => (a.hash < b.hash ? -1 : 1));
  return computed.updates.length === 0 ? null : { ...computed, reports };
}

/** Reports that are the newest of their publisher for some feed, and for which. */
function newestOf(
  policy: Policy,
  { feeds, suspended }: PriceState,
  waiting: readonly VerifiedReport[],
  timeMs: number,
): Map<VerifiedReport, Hex[]> {
  const byHash = new Map(
    waiting.filter(({ key }) => !suspended.includes(key)).map((report) => [report.hash, report]),
  );
  const merged = mergeReports(policy, feeds, [...byHash.values()], timeMs);
  const usable = new Map<VerifiedReport, Hex[]>();
  for (const report of byHash.values()) {
    const own = improvements(policy, feeds, report, timeMs)
      .filter(({ feedId, entry }) =>
        merged.get(feedId)?.entries.some(({ reportHash }) => reportHash === entry.reportHash),
      )
      .map(({ feedId }) => feedId);
    if (own.length > 0) usable.set(report, own);
  }
  return usable;
}
