/**
 * Which class pooled transactions are of, as prices come and go. PROTOCOL 3.
 *
 * Owns the prices that the pool classifies by, and who has to be looked at when they change:
 * nobody, as long as the same feeds are open. Does not own what becomes of whoever is of another
 * class. Bounded: all of them change lanes at once, so of those that no deadline ends `HANGING_MAX`
 * wait.
 */
import {
  classify,
  classifyOpen,
  hangsOnPrices,
  NO_PRICES_YET,
  NORMAL_RANK,
  openness,
  type PricesAt,
} from "../../lanes/classify.ts";
import type { Policy } from "../../lanes/policy.ts";
import { laneTransaction, type UserTransaction } from "../primitives/transaction.ts";
import { type PooledTransaction, promisedLane } from "./sender-queue.ts";

/** Transactions that were promised the normal lane and may be fast at other prices. */
const HANGING_MAX = 1024;

/** Transactions with conditions: each block, and each epoch, wakes those that wait. */
const CONDITIONAL_MAX = 512;

export type PoolClass = Pick<PooledTransaction, "rank" | "rule">;

export class PoolClasses {
  readonly #policy: Policy;
  /** Of the flashblock begun last. */
  #prices: PricesAt = NO_PRICES_YET;
  /** What those here were classified by; `null` where some were not. */
  #openness: string | null = null;
  /** Those whose class may change with the prices. */
  readonly #hanging = new Set<PooledTransaction>();
  #normalCount = 0;
  /** Those with conditions. */
  #conditional = 0;
  /** Those of them that wait for a price epoch. */
  readonly #awaiting = new Set<PooledTransaction>();

  constructor(policy: Policy) {
    this.#policy = policy;
  }

  of(transaction: UserTransaction): PoolClass {
    return classify(laneTransaction(transaction), this.#policy, this.#prices);
  }

  /**
   * The class of one that an earlier run has promised a rank. Whether its feeds are open is seen
   * when a flashblock begins: prices that were promised with it may not be applied yet.
   */
  ofPromised(transaction: UserTransaction, rank: number): PoolClass {
    const open = classifyOpen(laneTransaction(transaction), this.#policy);
    if (rank === NORMAL_RANK || open.rank !== rank) return this.of(transaction);
    this.#openness = null;
    return open;
  }

  /** Whether no more of its kind may wait. */
  isFull(item: PooledTransaction): boolean {
    if (item.conditions !== null && this.#conditional >= CONDITIONAL_MAX) return true;
    if (promisedLane(item) !== "normal" || this.#normalCount < HANGING_MAX) return false;
    return this.#hangs(item.transaction);
  }

  added(item: PooledTransaction): void {
    if (item.conditions !== null) this.#conditional += 1;
    if (awaitsEpoch(item)) this.#awaiting.add(item);
    if (!this.#hangs(item.transaction)) return;
    this.#hanging.add(item);
    if (promisedLane(item) === "normal") this.#normalCount += 1;
  }

  removed(item: PooledTransaction): void {
    if (item.conditions !== null) this.#conditional -= 1;
    this.#awaiting.delete(item);
    if (this.#hanging.delete(item) && promisedLane(item) === "normal") this.#normalCount -= 1;
  }

  /** Whose epoch is applied now, each once. */
  arrived({ prices: { epoch } }: PricesAt): PooledTransaction[] {
    const arrived = [...this.#awaiting].filter(
      ({ conditions }) => (conditions?.priceEpochMin ?? 0) <= epoch,
    );
    for (const item of arrived) this.#awaiting.delete(item);
    return arrived;
  }

  /** Who is of another class at these prices, and of which. What the engine has now stays. */
  repriced(at: PricesAt): (readonly [PooledTransaction, PoolClass])[] {
    this.#prices = at;
    const now = openness(this.#policy, at);
    if (now === this.#openness) return [];
    this.#openness = now;
    const changed: (readonly [PooledTransaction, PoolClass])[] = [];
    for (const item of this.#hanging) {
      const { rank, rule } = this.of(item.transaction);
      if (item.executing) this.#openness = null;
      else if (rank !== item.rank) changed.push([item, { rank, rule }]);
      else item.rule = rule;
    }
    return changed;
  }

  #hangs(transaction: UserTransaction): boolean {
    if (this.#policy.namedFeeds.length === 0) return false;
    return hangsOnPrices(laneTransaction(transaction), this.#policy);
  }
}

function awaitsEpoch({ conditions }: PooledTransaction): boolean {
  return (conditions?.priceEpochMin ?? 0) > 0;
}
