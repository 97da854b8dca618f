/**
 * The pooled transactions of one account, by nonce. At most `accountMax` (txpool config) of them,
 * so the sums below are over a short, bounded list.
 */
import type { Hex } from "../../lanes/bytes.ts";
import type { UserTransaction } from "../primitives/transaction.ts";
import { maxCost } from "./validate.ts";

export interface PooledTransaction {
  readonly transaction: UserTransaction;
  readonly accepted: bigint;
  /** Rank and rule by the policy: 255 and 65535 for the normal lane. */
  readonly rank: number;
  readonly rule: number;
  /** Set once the journal holds it: nothing is built before that. */
  durable: boolean;
  /** Number given when it became executable; `null` while it is not. PROTOCOL 3. */
  ready: bigint | null;
  /** The acknowledged transaction whose place this one takes, until this one is durable. */
  replaced: PooledTransaction | null;
  /** Blocks in which its account could not pay for it. */
  shortfalls: number;
  /** How often it was aborted for the fast lane. */
  aborts: number;
  /** wei per gas over the open block's base fee; only meaningful while ready. */
  tip: bigint;
}

export interface SenderQueue {
  readonly size: number;
  get(nonce: bigint): PooledTransaction | undefined;
  set(item: PooledTransaction): void;
  delete(nonce: bigint): void;
  /** wei all of them can cost, except the one at `nonce`. */
  costWithout(nonce: bigint): bigint;
  /** First nonce from `next` on that is not pooled. */
  nextNonce(next: bigint): bigint;
  /** How many follow `next` without a gap. */
  executable(next: bigint): number;
  fastCount(normalRank: number): number;
  values(): IterableIterator<PooledTransaction>;
}

export function createSenderQueue(): SenderQueue {
  const byNonce = new Map<bigint, PooledTransaction>();
  const nextNonce = (next: bigint): bigint => {
    let nonce = next;
    while (byNonce.has(nonce)) nonce++;
    return nonce;
  };
  return {
    get size() {
      return byNonce.size;
    },
    get: (nonce) => byNonce.get(nonce),
    set: (item) => {
      byNonce.set(item.transaction.nonce, item);
    },
    delete: (nonce) => {
      byNonce.delete(nonce);
    },
    costWithout(nonce) {
      let sum = 0n;
      for (const item of byNonce.values())
        if (item.transaction.nonce !== nonce) sum += maxCost(item.transaction);
      return sum;
    },
    nextNonce,
    executable: (next) => Number(nextNonce(next) - next),
    fastCount(normalRank) {
      let count = 0;
      for (const item of byNonce.values()) if (item.rank !== normalRank) count++;
      return count;
    },
    values: () => byNonce.values(),
  };
}

export type SenderQueues = Map<Hex, SenderQueue>;
