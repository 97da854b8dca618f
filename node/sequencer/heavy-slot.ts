/**
 * Which way a normal transaction is executed in the open block: so that the fast lane can
 * interrupt it; aside, where it was interrupted too often; or, where that came to nothing, to its
 * end, as far as the block's heavy gas goes. DESIGN 4.
 */
import type { ApplyOptions } from "../execution/engine.ts";
import type { PooledTransaction } from "../txpool/sender-queue.ts";
import type { Aside, Speculation } from "./speculation.ts";

/** Aborts of a normal transaction before it is executed aside. */
export const ABORTS_MAX = 3;
/** Executions aside that came to nothing before it runs to its end. */
const CONFLICTS_MAX = 3;

/** `null` for not now. */
export type Way = "preemptible" | "whole" | Aside | null;

/** Of one block. */
export class HeavySlot {
  readonly #speculation: Pick<Speculation, "has" | "offer" | "take">;
  /** Gas limits left to transactions that nothing interrupts. */
  #gasLeft: bigint;

  constructor(speculation: Pick<Speculation, "has" | "offer" | "take">, gas: bigint) {
    this.#speculation = speculation;
    this.#gasLeft = gas;
  }

  wayOf(item: PooledTransaction): Way {
    if (item.aborts < ABORTS_MAX) return "preemptible";
    const aside = this.#speculation.take(item);
    if (aside !== null) return aside;
    if (this.#speculation.has(item)) return null;
    if (item.conflicts < CONFLICTS_MAX) {
      this.#speculation.offer(item);
      return null;
    }
    return item.transaction.gasLimit <= this.#gasLeft ? "whole" : null;
  }

  /** One has run to its end. */
  took({ transaction }: PooledTransaction): void {
    this.#gasLeft -= transaction.gasLimit;
  }
}

export function optionsOf(way: Exclude<Way, null>): ApplyOptions {
  if (way === "preemptible") return { preemptible: true };
  return way === "whole" ? {} : { speculated: way.speculated };
}
