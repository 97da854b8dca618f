/**
 * One look at the feeds: the chain's value in the newest block, what publishers have said since,
 * and how far they are apart.
 *
 * Only what an epoch would count is compared: what is not fresh, or of a suspended key, moves no
 * price. What the open block has applied is not seen before the block is stored. A follower knows
 * what stands in blocks, and no report that waits.
 */
import { countedEntries, mergeReports } from "../lanes/epoch.ts";
import { decodeLaneState } from "../lanes/lane-state.ts";
import type { Policy } from "../lanes/policy.ts";
import { BPS } from "../lanes/policy-document.ts";
import type { PolicyFeed } from "../lanes/policy-feeds.ts";
import {
  type AppliedValue,
  NO_FEED,
  type PriceState,
  type PublisherEntry,
} from "../lanes/price-state.ts";
import type { VerifiedReport } from "../lanes/report-rules.ts";
import { NodeError } from "../node/errors.ts";
import type { ChainReader } from "../node/storage/store.ts";

/** What a look needs of what the methods work with (`context.ts`). */
export interface LookContext {
  readonly policy: Policy;
  readonly reader: { readonly chain: Pick<ChainReader, "heads" | "laneState"> };
  waitingReports(): Promise<readonly VerifiedReport[]>;
}

export interface FeedLook {
  readonly feed: PolicyFeed;
  /** The chain's value; `null` before the first. */
  readonly applied: AppliedValue | null;
  /** The newest that each publisher has said, by publisher. */
  readonly entries: readonly PublisherEntry[];
  /** Of those, how many an epoch would count now. */
  readonly counted: number;
  /** Whether readers on chain must not use the value any more. */
  readonly isStale: boolean;
  /** From the chain's value to the newest report; `null` where one of them is missing. */
  readonly gapBps: number | null;
  /** From the lowest report to the highest; `null` with fewer than two. */
  readonly spreadBps: number | null;
}

export interface FeedsLook extends Omit<PriceState, "feeds"> {
  /** In the policy's order. */
  readonly feeds: readonly FeedLook[];
}

/** Looks at every feed of the policy, at a time of the caller's clock. */
export async function lookAtFeeds(context: LookContext, nowMs: number): Promise<FeedsLook> {
  const { policy } = context;
  const waiting = await context.waitingReports();
  const prices = newestPrices(context);
  const merged = mergeReports(policy, prices.feeds, waiting, nowMs);
  return {
    ...prices,
    feeds: policy.document.feeds.map((feed) => {
      const { applied } = prices.feeds.get(feed.feedId) ?? NO_FEED;
      const { entries } = merged.get(feed.feedId) ?? NO_FEED;
      const counted = countedEntries(policy, feed, entries, prices.suspended, nowMs);
      return {
        feed,
        applied,
        entries,
        counted: counted.length,
        isStale: applied === null || nowMs - applied.timeMs > feed.readableAgeMs,
        gapBps: gapBps(feed, counted, applied?.value ?? null),
        spreadBps: spreadBps(feed, counted),
      };
    }),
  };
}

function newestPrices({ reader: { chain } }: LookContext): PriceState {
  const { number } = chain.heads().unsafe;
  const encoded = chain.laneState(number);
  const state = encoded === null ? null : decodeLaneState(encoded);
  if (state?.ok !== true) throw new NodeError("STATE_NOT_AVAILABLE", { block: number });
  return state.value.prices;
}

function gapBps(
  feed: PolicyFeed,
  fresh: readonly PublisherEntry[],
  applied: bigint | null,
): number | null {
  const [first, ...rest] = fresh;
  if (first === undefined || applied === null) return null;
  const newest = rest.reduce(
    (best, entry) => (entry.publishTimeMs > best.publishTimeMs ? entry : best),
    first,
  );
  return bpsBetween(feed, applied, newest.value);
}

function spreadBps(feed: PolicyFeed, fresh: readonly PublisherEntry[]): number | null {
  if (fresh.length < 2) return null;
  const values = fresh.map(({ value }) => value).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  return bpsBetween(feed, values[0] ?? 0n, values.at(-1) ?? 0n);
}

/** Basis points of the first, or of the feed's floor; `null` where both are 0. */
function bpsBetween({ deviationFloor }: PolicyFeed, from: bigint, to: bigint): number | null {
  const size = from < 0n ? -from : from;
  const scale = size > deviationFloor ? size : deviationFloor;
  const distance = from > to ? from - to : to - from;
  if (scale === 0n) return null;
  // Two decimals.
  return Number((distance * BigInt(BPS) * 100n) / scale) / 100;
}
