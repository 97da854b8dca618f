/**
 * What a node tells of feeds (`feed-look.ts`) and of publishers' keys, for people and programs that
 * watch them.
 *
 * Values are decimal numbers in the feed's smallest unit, as text; times are Unix milliseconds.
 */
import type { Hex } from "../lanes/bytes.ts";
import { isFresh } from "../lanes/epoch.ts";
import { feedsOfPublisher, type PolicyFeed } from "../lanes/policy-feeds.ts";
import type { PublisherEntry } from "../lanes/price-state.ts";
import { NodeError } from "../node/errors.ts";
import { type JsonObject, quantity } from "./codec.ts";
import type { RpcContext } from "./context.ts";
import { alarmFacts, type FeedAlarm } from "./feed-alarm.ts";
import { type FeedLook, type LookContext, lookAtFeeds } from "./feed-look.ts";

/** Every feed of the policy, at a time of the caller's clock. */
export async function describeFeeds(
  context: LookContext & Pick<RpcContext, "alarmsOf">,
  nowMs: number,
): Promise<JsonObject> {
  const { epoch, cut, graceEndMs, suspended, feeds } = await lookAtFeeds(context, nowMs);
  return {
    epoch: quantity(epoch),
    cut: quantity(cut),
    graceEndMs,
    suspended,
    feeds: feeds.map((look) => ({
      ...feedToJson(look, nowMs),
      alarms: context.alarmsOf(look.feed.feedId).map(alarmToJson),
    })),
  };
}

function feedToJson(look: FeedLook, nowMs: number): JsonObject {
  const { feed, applied, entries, isStale, gapBps, spreadBps } = look;
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
    isStale,
    publishers: entries.map((entry) => entryToJson(entry, feed, nowMs)),
    gapBps,
    spreadBps,
  };
}

function alarmToJson(alarm: FeedAlarm): JsonObject {
  return { kind: alarm.kind, sinceMs: alarm.sinceMs, ...alarmFacts(alarm) };
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
  if (use === null) throw new NodeError("NOT_ACCEPTING");
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
