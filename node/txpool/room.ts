/**
 * How much of the txpool is taken, and who leaves it for a newcomer.
 *
 * Owns: the limits of each lane in transactions and bytes, of transactions behind a nonce gap, and
 * the choice of who is evicted: first one behind a gap, then the last nonce of the account whose
 * last nonce pays least. So nothing is evicted from the middle of an account's nonces. The fast
 * lane is never evicted from: what is taken in there has a deadline. O(log n).
 */
import { NORMAL_RANK } from "../../lanes/classify.ts";
import { createHeap } from "../../lanes/heap.ts";
import type { PooledTransaction, SenderQueue } from "./sender-queue.ts";

/** Transactions with a nonce gap in the whole pool (geth's global queue). */
const GAPPED_MAX = 1024;
/** Bytes of raw transactions of one lane in the pool. */
const LANE_BYTES_MAX = 128 * 1024 * 1024;
/** A newcomer raises the tip of what it evicts by at least this. */
const EVICTION_BUMP_PERCENT = 10n;

export interface RoomLimits {
  /** Transactions of each lane. */
  readonly fastMax: number;
  readonly normalMax: number;
}

/** The cheapest first; equal tips: the youngest first. */
function compareTails(a: PooledTransaction, b: PooledTransaction): number {
  const tipA = a.transaction.maxPriorityFeePerGas;
  const tipB = b.transaction.maxPriorityFeePerGas;
  if (tipA !== tipB) return tipA < tipB ? -1 : 1;
  return a.accepted > b.accepted ? -1 : 1;
}

export class Room {
  readonly #limits: RoomLimits;
  readonly #counts = { fast: 0, normal: 0 };
  readonly #bytes = { fast: 0, normal: 0 };
  /** Taken in with a nonce gap and not ready since: they hold room without being able to pay. */
  readonly #gapped = new Set<PooledTransaction>();
  /** The last nonce of each account whose last nonce is of the normal lane. */
  readonly #tails = createHeap<PooledTransaction>(compareTails);

  constructor(limits: RoomLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#counts.fast + this.#counts.normal;
  }

  /** Whether it fits without anybody leaving. */
  fits(item: PooledTransaction, isGapped: boolean): boolean {
    if (isGapped && this.#gapped.size >= GAPPED_MAX) return false;
    const lane = laneOf(item);
    const { fastMax, normalMax } = this.#limits;
    return (
      this.#counts[lane] < (lane === "fast" ? fastMax : normalMax) &&
      this.#bytes[lane] + item.transaction.raw.length <= LANE_BYTES_MAX
    );
  }

  /**
   * Who leaves for a newcomer to the normal lane that can be executed when its turn comes; `null`
   * where nobody pays less. What is not durable yet is not acknowledged, and stays.
   */
  evictable(newcomer: PooledTransaction): PooledTransaction | null {
    const { sender, maxPriorityFeePerGas } = newcomer.transaction;
    for (const item of this.#gapped)
      if (item.durable && item.rank === NORMAL_RANK && item.transaction.sender !== sender)
        return item;
    const cheapest = this.#tails.peek();
    if (cheapest?.durable !== true || cheapest.transaction.sender === sender) return null;
    const tip = cheapest.transaction.maxPriorityFeePerGas;
    const least = tip + (tip * EVICTION_BUMP_PERCENT + 99n) / 100n;
    return maxPriorityFeePerGas > tip && maxPriorityFeePerGas >= least ? cheapest : null;
  }

  /** `queue` holds it already. */
  added(item: PooledTransaction, queue: SenderQueue, isGapped: boolean): void {
    this.#count(item, 1);
    if (isGapped) this.#gapped.add(item);
    const before = queue.lastBefore(item.transaction.nonce);
    if (queue.last() !== item) return;
    if (before !== undefined) this.#tails.remove(before);
    this.#tailIs(item);
  }

  /** `queue` does not hold it any more. */
  removed(item: PooledTransaction, queue: SenderQueue): void {
    this.#count(item, -1);
    this.#gapped.delete(item);
    this.#tails.remove(item);
    const last = queue.last();
    if (last !== undefined && last.transaction.nonce < item.transaction.nonce) this.#tailIs(last);
  }

  /** It became ready, so there is no gap before it any more. */
  closedGap(item: PooledTransaction): void {
    this.#gapped.delete(item);
  }

  #tailIs(item: PooledTransaction): void {
    this.#tails.remove(item);
    if (item.rank === NORMAL_RANK) this.#tails.push(item);
  }

  #count(item: PooledTransaction, by: 1 | -1): void {
    const lane = laneOf(item);
    this.#counts[lane] += by;
    this.#bytes[lane] += by * item.transaction.raw.length;
  }
}

function laneOf({ rank }: PooledTransaction): "fast" | "normal" {
  return rank === NORMAL_RANK ? "normal" : "fast";
}
