/**
 * Which class pooled transactions are of, as prices come and go. PROTOCOL 3.
 *
 * Owns the prices that the pool classifies by, and who has to be looked at when they change. Does
 * not own what becomes of whoever is of another class.
 */
import { classify, hangsOnPrices, NO_PRICES_YET, type PricesAt } from "../../lanes/classify.ts";
import type { Policy } from "../../lanes/policy.ts";
import { laneTransaction, type UserTransaction } from "../primitives/transaction.ts";
import type { PooledTransaction } from "./sender-queue.ts";

export type PoolClass = Pick<PooledTransaction, "rank" | "rule">;

export class PoolClasses {
  readonly #policy: Policy;
  /** Of the flashblock begun last. */
  #prices: PricesAt = NO_PRICES_YET;
  /** Those whose class may change with the prices. */
  readonly #hanging = new Set<PooledTransaction>();

  constructor(policy: Policy) {
    this.#policy = policy;
  }

  of(transaction: UserTransaction): PoolClass {
    return classify(laneTransaction(transaction), this.#policy, this.#prices);
  }

  added(item: PooledTransaction): void {
    if (hangsOnPrices(laneTransaction(item.transaction), this.#policy)) this.#hanging.add(item);
  }

  removed(item: PooledTransaction): void {
    this.#hanging.delete(item);
  }

  /** Who is of another class at these prices, and of which. */
  repriced(at: PricesAt): (readonly [PooledTransaction, PoolClass])[] {
    this.#prices = at;
    const changed: (readonly [PooledTransaction, PoolClass])[] = [];
    for (const item of this.#hanging) {
      const now = this.of(item.transaction);
      if (now.rank !== item.rank || now.rule !== item.rule) changed.push([item, now]);
    }
    return changed;
  }
}
