/** A node that knows nothing but prices: the newest block's state, and reports that wait. */
import { encodeLaneState, genesisLaneState } from "../../lanes/lane-state.ts";
import type { Policy } from "../../lanes/policy.ts";
import { NO_PRICES, type PriceState } from "../../lanes/price-state.ts";
import type { VerifiedReport } from "../../lanes/report-rules.ts";
import type { LookContext } from "../../rpc/feed-look.ts";

/** `prices` says what has changed of a chain without prices, at each look. */
export function feedsContext(
  policy: Policy,
  prices: () => Partial<PriceState>,
  waiting: readonly VerifiedReport[] = [],
): LookContext {
  const head = { number: 1, hash: policy.hash };
  const chain = {
    heads: () => ({ unsafe: head, safe: head, finalized: head }),
    laneState: () =>
      encodeLaneState({ ...genesisLaneState(0), prices: { ...NO_PRICES, ...prices() } }),
  };
  return { policy, reader: { chain }, waitingReports: () => Promise.resolve(waiting) };
}
