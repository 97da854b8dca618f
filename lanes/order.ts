/**
 * The order of executable transactions, best first: rank, then the order of the class, or of the
 * normal lane. The builder takes transactions by it; of it `verifyLanes` checks what can be checked
 * (ranks, and `ready` where a class orders by it). Tip order is the builder's own affair.
 */
import type { ClassOrder } from "./policy-document.ts";
import { classOfRank, type Policy } from "./policy.ts";

/** What the order depends on. */
export interface OrderKey {
  readonly rank: number;
  /** Unique among candidates. */
  readonly ready: bigint;
  /** Effective priority fee in wei per gas at the block's base fee. */
  readonly tip: bigint;
}

/** For `Array.prototype.sort`: negative where `a` goes first. */
export type OrderComparator = (a: OrderKey, b: OrderKey) => number;

/** How transactions of one rank are ordered among each other. */
export function orderOfRank(policy: Policy, rank: number): ClassOrder {
  return classOfRank(policy, rank)?.order ?? policy.document.normal.order;
}

/** Rising `ready`. */
export function compareReady(a: OrderKey, b: OrderKey): number {
  return compareBigint(a.ready, b.ready);
}

/** Falling tip, equal tips by rising `ready`. */
export function compareTip(a: OrderKey, b: OrderKey): number {
  return compareBigint(b.tip, a.tip) || compareReady(a, b);
}

/** The order of the policy over all ranks. */
export function createOrder(policy: Policy): OrderComparator {
  return (a, b) => {
    if (a.rank !== b.rank) return a.rank - b.rank;
    return orderOfRank(policy, a.rank) === "ready" ? compareReady(a, b) : compareTip(a, b);
  };
}

function compareBigint(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
