/**
 * The pooled transactions of one account, by nonce. At most `accountMax` (txpool config) of them,
 * so the scans below are over a short, bounded list.
 */
import type { Hex } from "../../lanes/bytes.ts";
import type { TransactionConditions } from "../primitives/conditions.ts";
import type { UserTransaction } from "../primitives/transaction.ts";
import { maxCost } from "./validate.ts";

/** What is promised of a transaction when it is taken in. */
export interface Promised {
  readonly accepted: bigint;
  /** Unix milliseconds. */
  readonly timeMs: number;
  /** The last block in which it may stand; 0 for the normal lane. */
  readonly deadlineBlock: number;
  /** Without which it is not executed; `null` for none. */
  readonly conditions: TransactionConditions | null;
}

/** What an earlier run has promised. */
export interface PromisedBefore extends Promised {
  /** As it was promised: 255 for the normal lane. */
  readonly rank: number;
  /** It stands in a flashblock that was signed: nothing takes its place. */
  readonly isExecuted: boolean;
}

export interface PooledTransaction extends Promised {
  readonly transaction: UserTransaction;
  /** Rank and rule by the policy and the newest prices: 255 and 65535 for the normal lane. */
  rank: number;
  rule: number;
  /** Set once the journal holds it: nothing is built before that. */
  durable: boolean;
  /** Number given when it became executable; `null` while it is not. PROTOCOL 3. */
  ready: bigint | null;
  /** The acknowledged transaction whose place this one takes, until this one is durable. */
  replaced: PooledTransaction | null;
  /** The engine has it now: whether it stands in the block is about to be known. */
  executing: boolean;
  /** Blocks in which its account could not pay for it. */
  shortfalls: number;
  /** How often it was aborted for the fast lane. */
  aborts: number;
  /** How often its execution aside came to nothing. */
  conflicts: number;
  /** wei per gas over the open block's base fee; only meaningful while ready. */
  tip: bigint;
}

/**
 * The lane whose limits it counts against: the one that it was promised, whatever prices have made
 * of it since. Only a fast one has a deadline.
 */
export function promisedLane({ deadlineBlock }: PooledTransaction): "fast" | "normal" {
  return deadlineBlock > 0 ? "fast" : "normal";
}

/** Whether its last block has passed. One promised to the normal lane has none. */
export function isLate({ deadlineBlock }: PooledTransaction, block: number): boolean {
  return deadlineBlock > 0 && deadlineBlock < block;
}

/** The place that a replacement takes over. */
export function placeKey({ transaction }: PooledTransaction): string {
  return `${transaction.sender}:${transaction.nonce}`;
}

export class SenderQueue {
  readonly #byNonce = new Map<bigint, PooledTransaction>();
  #last: PooledTransaction | undefined;
  #fastCount = 0;
  #conditionalCount = 0;
  /** wei all of them can cost. */
  #cost = 0n;
  #leastTip = 0n;
  #leastFeeCap = 0n;
  /** How many normal ones have the lowest, which is looked for again when none has it. */
  #tipCount = 0;
  #feeCapCount = 0;

  get size(): number {
    return this.#byNonce.size;
  }

  get fastCount(): number {
    return this.#fastCount;
  }

  get conditionalCount(): number {
    return this.#conditionalCount;
  }

  /**
   * What the last one can pay under a base fee, in wei per gas: no more than any normal one before
   * it, because it is executed after them. Negative where one of them cannot pay the base fee.
   */
  price(baseFee: bigint): bigint {
    const room = this.#leastFeeCap - baseFee;
    return room < this.#leastTip ? room : this.#leastTip;
  }

  /** The lowest tip and fee cap of its normal ones; only meaningful if there are some. */
  get leastTip(): bigint {
    return this.#leastTip;
  }

  get leastFeeCap(): bigint {
    return this.#leastFeeCap;
  }

  get(nonce: bigint): PooledTransaction | undefined {
    return this.#byNonce.get(nonce);
  }

  /** Nothing is there at its nonce. */
  set(item: PooledTransaction): void {
    const { nonce } = item.transaction;
    this.#byNonce.set(nonce, item);
    this.#cost += maxCost(item.transaction);
    if (item.conditions !== null) this.#conditionalCount += 1;
    if (promisedLane(item) === "fast") this.#fastCount += 1;
    else this.#lower(item);
    if (this.#last === undefined || this.#last.transaction.nonce < nonce) this.#last = item;
  }

  delete(nonce: bigint): void {
    const item = this.#byNonce.get(nonce);
    if (item === undefined) return;
    this.#byNonce.delete(nonce);
    this.#cost -= maxCost(item.transaction);
    if (item.conditions !== null) this.#conditionalCount -= 1;
    if (promisedLane(item) === "fast") this.#fastCount -= 1;
    else this.#raise(item);
    if (this.#last === item) this.#last = this.lastBefore(nonce);
  }

  /** The one with the highest nonce. */
  last(): PooledTransaction | undefined {
    return this.#last;
  }

  /** The one with the highest nonce below this. */
  lastBefore(nonce: bigint): PooledTransaction | undefined {
    // Almost always the next one down.
    const neighbour = this.#byNonce.get(nonce - 1n);
    if (neighbour !== undefined) return neighbour;
    let last: PooledTransaction | undefined;
    for (const item of this.#byNonce.values()) {
      const own = item.transaction.nonce;
      if (own < nonce && (last === undefined || own > last.transaction.nonce)) last = item;
    }
    return last;
  }

  /** wei all of them can cost, except the one at `nonce`. */
  costWithout(nonce: bigint): bigint {
    const item = this.#byNonce.get(nonce);
    return item === undefined ? this.#cost : this.#cost - maxCost(item.transaction);
  }

  /** First nonce from `next` on that is not pooled. */
  nextNonce(next: bigint): bigint {
    let nonce = next;
    while (this.#byNonce.has(nonce)) nonce++;
    return nonce;
  }

  /** How many follow `next` without a gap. */
  executable(next: bigint): number {
    return Number(this.nextNonce(next) - next);
  }

  values(): IterableIterator<PooledTransaction> {
    return this.#byNonce.values();
  }

  #lower({ transaction }: PooledTransaction): void {
    const { maxFeePerGas, maxPriorityFeePerGas } = transaction;
    if (this.#tipCount === 0 || maxPriorityFeePerGas < this.#leastTip) {
      this.#leastTip = maxPriorityFeePerGas;
      this.#tipCount = 0;
    }
    if (this.#feeCapCount === 0 || maxFeePerGas < this.#leastFeeCap) {
      this.#leastFeeCap = maxFeePerGas;
      this.#feeCapCount = 0;
    }
    if (maxPriorityFeePerGas === this.#leastTip) this.#tipCount += 1;
    if (maxFeePerGas === this.#leastFeeCap) this.#feeCapCount += 1;
  }

  #raise({ transaction }: PooledTransaction): void {
    if (transaction.maxPriorityFeePerGas === this.#leastTip) this.#tipCount -= 1;
    if (transaction.maxFeePerGas === this.#leastFeeCap) this.#feeCapCount -= 1;
    if (this.#tipCount > 0 && this.#feeCapCount > 0) return;
    this.#tipCount = 0;
    this.#feeCapCount = 0;
    for (const item of this.#byNonce.values())
      if (promisedLane(item) === "normal") this.#lower(item);
  }
}

export type SenderQueues = Map<Hex, SenderQueue>;
