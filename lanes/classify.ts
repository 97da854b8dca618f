/**
 * Which lane, class and rule a transaction belongs to: from what it is, never from what it says.
 * Pure; builder, follower and deriver call this one function. PROTOCOL 3.
 *
 * Feeds have no values in this version, so every feed is stale, and a rule that names one matches
 * nothing yet: "a liquidation whose rule names a stale or closed feed is normal".
 */
import type { Hex } from "./bytes.ts";
import { NO_RULE } from "./flashblock.ts";
import type { NumberedRule, Policy } from "./policy.ts";
import { DEPOSIT_TYPE, type LaneTransaction } from "./transaction.ts";

export const SYSTEM_RANK = 0;
export const NORMAL_RANK = 255;

/** Blobs and EIP-7702: never fast, because what they cost and touch is not known from the call. */
const NEVER_FAST_TYPES: ReadonlySet<number> = new Set([0x03, 0x04]);

export interface Classification {
  /** 0 system, 1 to 254 fast classes in the policy's order, 255 normal. */
  readonly rank: number;
  /** The rule's number in the policy, or `NO_RULE`. */
  readonly rule: number;
  /** Name of the fast class; `null` outside the fast lane. */
  readonly className: string | null;
}

const SYSTEM: Classification = { rank: SYSTEM_RANK, rule: NO_RULE, className: null };
const NORMAL: Classification = { rank: NORMAL_RANK, rule: NO_RULE, className: null };

/** The first rule of the policy that every part of the transaction matches decides. */
export function classify(transaction: LaneTransaction, policy: Policy): Classification {
  if (transaction.type === DEPOSIT_TYPE) return SYSTEM;
  const { to, selector } = transaction;
  if (to === null || selector === null || NEVER_FAST_TYPES.has(transaction.type)) return NORMAL;
  const rule = policy.rulesByTarget
    .get(to)
    ?.find((candidate) => matches(candidate, transaction, selector));
  if (rule === undefined) return NORMAL;
  const { rank, name } = rule.policyClass;
  return { rank, rule: rule.number, className: name };
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
    transaction.gasLimit <= BigInt(rule.maxGas) &&
    rule.feeds.length === 0
  );
}
