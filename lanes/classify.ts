/**
 * Which lane, class and rule a transaction belongs to: from what it is, never from what it says.
 * Pure; builder, follower and deriver call this one function. PROTOCOL 3, 5.
 *
 * A rule that names feeds holds while all of them are open: a liquidation at a price that nobody
 * stands for any more is normal, and so is one in the time of grace after an outage.
 */
import type { Hex } from "./bytes.ts";
import { NO_RULE } from "./flashblock.ts";
import type { NumberedRule, Policy } from "./policy.ts";
import type { PolicyFeed } from "./policy-feeds.ts";
import { NO_PRICES, type PriceState } from "./price-state.ts";
import { DEPOSIT_TYPE, type LaneTransaction } from "./transaction.ts";

export const SYSTEM_RANK = 0;
export const NORMAL_RANK = 255;

/** Blobs and EIP-7702: never fast, because what they cost and touch is not known from the call. */
const NEVER_FAST_TYPES: ReadonlySet<number> = new Set([0x03, 0x04]);

/** What a market says while nobody may trade: of `Observation.session`. */
const SHUT_SESSIONS: ReadonlySet<number> = new Set([5, 6]);

/** What is known of prices where a transaction stands. */
export interface PricesAt {
  /** After the epoch of its flashblock. */
  readonly prices: Pick<PriceState, "feeds" | "graceEndMs" | "epoch">;
  /** Of its flashblock, Unix milliseconds. */
  readonly timeMs: number;
}

/** Before the first price. */
export const NO_PRICES_YET: PricesAt = { prices: NO_PRICES, timeMs: 0 };

export interface Classification {
  /** 0 system, 1 to 254 fast classes in the policy's order, 255 normal. */
  readonly rank: number;
  /** The rule's number in the policy, or `NO_RULE`. */
  readonly rule: number;
  /** Name of the fast class; `null` outside the fast lane. */
  readonly className: string | null;
}

const SYSTEM: Classification = { rank: SYSTEM_RANK, rule: NO_RULE, className: null };
export const NORMAL: Classification = { rank: NORMAL_RANK, rule: NO_RULE, className: null };

/** The first rule of the policy that every part of the transaction matches decides. */
export function classify(
  transaction: LaneTransaction,
  policy: Policy,
  at: PricesAt,
): Classification {
  if (transaction.type === DEPOSIT_TYPE) return SYSTEM;
  return classOf(findRule(transaction, policy, ({ openFeeds }) => areOpen(openFeeds, at)));
}

function classOf(rule: NumberedRule | undefined): Classification {
  if (rule === undefined) return NORMAL;
  const { rank, name } = rule.policyClass;
  return { rank, rule: rule.number, className: name };
}

/** Whether the transaction is fast now, or is so at other prices. */
export function mayBeFast(transaction: LaneTransaction, policy: Policy): boolean {
  return findRule(transaction, policy, () => true) !== undefined;
}

/** Whether its class hangs on prices. */
export function hangsOnPrices(transaction: LaneTransaction, policy: Policy): boolean {
  return findRule(transaction, policy, ({ openFeeds }) => openFeeds.length > 0) !== undefined;
}

/**
 * What classes hang on at these prices, in one value: where it is the same, no class is another.
 */
export function openness({ namedFeeds }: Policy, at: PricesAt): string {
  return namedFeeds.map((feed) => (areOpen([feed], at) ? "1" : "0")).join("");
}

/** The class that a transaction has while every feed is open. */
export function classifyOpen(transaction: LaneTransaction, policy: Policy): Classification {
  return classOf(findRule(transaction, policy, () => true));
}

function findRule(
  transaction: LaneTransaction,
  policy: Policy,
  holds: (rule: NumberedRule) => boolean,
): NumberedRule | undefined {
  const { to, selector, type } = transaction;
  if (to === null || selector === null || NEVER_FAST_TYPES.has(type)) return undefined;
  return policy.rulesByTarget
    .get(to)
    ?.find((rule) => matches(rule, transaction, selector) && holds(rule));
}

/** Whether all these have a price that is not stale, of a market that trades, and no grace. */
function areOpen(feeds: readonly PolicyFeed[], { prices, timeMs }: PricesAt): boolean {
  if (feeds.length === 0) return true;
  if (timeMs < prices.graceEndMs) return false;
  return feeds.every(({ feedId, readableAgeMs }) => {
    const applied = prices.feeds.get(feedId)?.applied ?? null;
    if (applied === null || SHUT_SESSIONS.has(applied.session)) return false;
    return timeMs - applied.timeMs <= readableAgeMs;
  });
}

/** The lane of a rank that is not the system's. */
export function laneOf(rank: number): "fast" | "normal" {
  return rank === NORMAL_RANK ? "normal" : "fast";
}

function matches(rule: NumberedRule, transaction: LaneTransaction, selector: Hex): boolean {
  return (
    rule.selectors.includes(selector) &&
    (rule.senders.length === 0 || rule.senders.includes(transaction.sender)) &&
    (rule.value || transaction.value === 0n) &&
    transaction.gasLimit <= BigInt(rule.maxGas)
  );
}
