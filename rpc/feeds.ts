/**
 * What a node knows of feeds and of publishers' keys, for people and programs that watch them: the
 * chain's value in the newest block, what publishers have said since, and how far they are apart.
 *
 * Values are decimal numbers in the feed's smallest unit, as text; times are Unix milliseconds.
 */
import type { Hex } from "../lanes/bytes.ts";
import { isFresh, mergeReports } from "../lanes/epoch.ts";
import { decodeLaneState } from "../lanes/lane-state.ts";
import { feedsOfPublisher, type PolicyFeed } from "../lanes/policy-feeds.ts";
import { BPS } from "../lanes/policy-document.ts";
import { NO_FEED, type PriceState, type PublisherEntry } from "../lanes/price-state.ts";
import { NodeError } from "../node/errors.ts";
import { type JsonObject, quantity } from "./codec.ts";
import { requireBlock, type RpcContext } from "./context.ts";

/**
 * Every feed of the policy, at a time of the caller's clock. What the open block has applied is in
 * neither part yet.
 */
export async function describeFeeds(
  context: Pick<RpcContext, "policy" | "reader" | "waitingReports">,
  nowMs: number,
): Promise<JsonObject> {
  const { policy } = context;
  const waiting = await context.waitingReports();
  const prices = newestPrices(context);
  const merged = mergeReports(policy, prices.feeds, waiting, nowMs);
  return {
    epoch: quantity(prices.epoch),
    cut: quantity(prices.cut),
    graceEndMs: prices.graceEndMs,
    suspended: prices.suspended,
    feeds: policy.document.feeds.map((feed) => {
      const { applied } = prices.feeds.get(feed.feedId) ?? NO_FEED;
      const entries = merged.get(feed.feedId)?.entries ?? [];
      const fresh = entries.filter(({ publishTimeMs }) => isFresh(feed, publishTimeMs, nowMs));
      return {
        id: feed.id,
        feedId: feed.feedId,
        kind: feed.kind,
        decimals: feed.decimals,
        applied:
          applied === null
            ? null
            : {
                value: applied.value.toString(),
                confidence: applied.confidence.toString(),
                timeMs: applied.timeMs,
                session: applied.session,
                status: applied.status,
                appliedMs: applied.appliedMs,
              },
        isStale: applied === null || nowMs - applied.timeMs > feed.readableAgeMs,
        publishers: entries.map((entry) => entryToJson(entry, feed, nowMs)),
        gapBps: gapBps(feed, fresh, applied?.value ?? null),
        spreadBps: spreadBps(feed, fresh),
      };
    }),
  };
}

/** Whose key it is and what was heard from it; `null` for nobody's. */
export async function describePublisher(
  {
    policy,
    node,
  }: Pick<RpcContext, "policy"> & { readonly node: Pick<RpcContext["node"], "keyUse"> },
  key: Hex,
): Promise<JsonObject | null> {
  const id = policy.publisherOfKey.get(key);
  const publisher = policy.document.publishers.find((each) => each.id === id);
  if (publisher === undefined) return null;
  const use = await node.keyUse(key);
  if (use === null) throw new NodeError("NOT_ACCEPTING", { role: "follower" });
  const own = feedsOfPublisher(policy.document.feeds, publisher.id);
  return {
    id: publisher.id,
    name: publisher.name,
    feedSet: policy.document.feedSet,
    feeds: own.map((feed) => ({ id: feed.id, feedId: feed.feedId, decimals: feed.decimals })),
    sequence: quantity(use.sequence),
    isSuspended: use.isSuspended,
  };
}

function newestPrices(context: Pick<RpcContext, "reader">): PriceState {
  const number = requireBlock(context, { kind: "tag", tag: "latest" });
  const encoded = context.reader.chain.laneState(number);
  const state = encoded === null ? null : decodeLaneState(encoded);
  if (state?.ok !== true) throw new NodeError("STATE_NOT_AVAILABLE", { block: number });
  return state.value.prices;
}

function entryToJson(entry: PublisherEntry, feed: PolicyFeed, nowMs: number): JsonObject {
  return {
    publisher: entry.publisher,
    value: entry.value.toString(),
    confidence: entry.confidence.toString(),
    session: entry.session,
    publishTimeMs: entry.publishTimeMs,
    isFresh: isFresh(feed, entry.publishTimeMs, nowMs),
  };
}

/** From the chain's value to the newest report; `null` where one of them is missing. */
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

/** From the lowest report to the highest; `null` with fewer than two. */
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
