/**
 * How much of the txpool is taken, and who leaves it for a newcomer.
 *
 * Owns: the limits of each lane in transactions and bytes, of transactions behind a nonce gap, and
 * the choice of who is evicted: first one behind a gap, then the last nonce of the cheapest
 * account. So nothing is evicted from the middle of an account's nonces. An account's price is what
 * the cheapest of its normal transactions can pay under the open base fee: the last one cannot be
 * executed before it, whatever it offers itself. A newcomer's price is its own tip under that base
 * fee. The fast lane is never evicted from: what is taken in there has a deadline. O(log n).
 */
import { createHeap, type Heap } from "../../lanes/heap.ts";
import { type PooledTransaction, promisedLane, type SenderQueue } from "./sender-queue.ts";

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

/** The smaller fee first; equal fees: the account whose last one is the youngest first. */
function compareAccounts(
  a: SenderQueue,
  b: SenderQueue,
  fee: (queue: SenderQueue) => bigint,
): number {
  const [feeA, feeB] = [fee(a), fee(b)];
  if (feeA !== feeB) return feeA < feeB ? -1 : 1;
  return (a.last()?.accepted ?? 0n) > (b.last()?.accepted ?? 0n) ? -1 : 1;
}

/** Whether it may leave: what is not durable is not acknowledged, and what executes may stand. */
function isEvictable(item: PooledTransaction): boolean {
  return item.durable && !item.executing && promisedLane(item) === "normal";
}

export class Room {
  readonly #limits: RoomLimits;
  readonly #counts = { fast: 0, normal: 0 };
  readonly #bytes = { fast: 0, normal: 0 };
  /** Behind a nonce gap: they hold room without being able to pay. */
  readonly #gapped = new Set<PooledTransaction>();
  /**
   * The accounts whose last nonce is of the normal lane, by each half of their price: whatever the
   * base fee is, the cheapest account is on top of one of them.
   */
  readonly #byTip: Heap<SenderQueue>;
  readonly #byFeeCap: Heap<SenderQueue>;

  constructor(limits: RoomLimits) {
    this.#limits = limits;
    this.#byTip = createHeap((a, b) => compareAccounts(a, b, (queue) => queue.leastTip));
    this.#byFeeCap = createHeap((a, b) => compareAccounts(a, b, (queue) => queue.leastFeeCap));
  }

  get size(): number {
    return this.#counts.fast + this.#counts.normal;
  }

  /** Whether it fits without anybody leaving. */
  fits(item: PooledTransaction, isGapped: boolean): boolean {
    if (isGapped && this.#gapped.size >= GAPPED_MAX) return false;
    const lane = promisedLane(item);
    const { fastMax, normalMax } = this.#limits;
    const isFull = this.#counts[lane] >= (lane === "fast" ? fastMax : normalMax);
    return !isFull && this.#hasBytes(item, 0);
  }

  /** Whether it fits in the place of one of its lane. */
  fitsInPlaceOf(old: PooledTransaction, item: PooledTransaction): boolean {
    return this.#hasBytes(item, old.transaction.raw.length);
  }

  /** Who leaves for a newcomer to the normal lane that is executable now; `null` for nobody. */
  evictable(newcomer: PooledTransaction, baseFee: bigint): PooledTransaction | null {
    const makesRoom = (item: PooledTransaction | undefined): item is PooledTransaction =>
      item !== undefined && isEvictable(item) && this.fitsInPlaceOf(item, newcomer);
    for (const item of this.#gapped) if (makesRoom(item)) return item;
    const cheapest = this.#cheapest(baseFee);
    const last = cheapest?.last();
    if (cheapest === undefined || !makesRoom(last)) return null;
    const { maxFeePerGas, maxPriorityFeePerGas } = newcomer.transaction;
    const room = maxFeePerGas - baseFee;
    const offered = room < maxPriorityFeePerGas ? room : maxPriorityFeePerGas;
    const price = cheapest.price(baseFee);
    const least = price < 0n ? 0n : price + (price * EVICTION_BUMP_PERCENT + 99n) / 100n;
    return offered > price && offered >= least ? last : null;
  }

  /** `queue` holds it already. */
  added(item: PooledTransaction, queue: SenderQueue, isGapped: boolean): void {
    this.#count(item, 1);
    if (isGapped) this.#gapped.add(item);
    this.#place(queue);
  }

  /** `queue` does not hold it any more. */
  removed(item: PooledTransaction, queue: SenderQueue): void {
    this.#count(item, -1);
    this.#gapped.delete(item);
    this.#place(queue);
  }

  /** One before it has left. */
  openedGap(item: PooledTransaction): void {
    this.#gapped.add(item);
  }

  /** Whether there was a gap before it; there is none any more. */
  closedGap(item: PooledTransaction): boolean {
    return this.#gapped.delete(item);
  }

  #cheapest(baseFee: bigint): SenderQueue | undefined {
    const byTip = this.#byTip.peek();
    const byFeeCap = this.#byFeeCap.peek();
    if (byTip === undefined || byFeeCap === undefined) return undefined;
    return byFeeCap.price(baseFee) < byTip.price(baseFee) ? byFeeCap : byTip;
  }

  /** Where the account belongs now: its fees or its last nonce may have changed. */
  #place(queue: SenderQueue): void {
    for (const heap of [this.#byTip, this.#byFeeCap]) {
      heap.remove(queue);
      const last = queue.last();
      if (last !== undefined && promisedLane(last) === "normal") heap.push(queue);
    }
  }

  #hasBytes(item: PooledTransaction, freed: number): boolean {
    const bytes = this.#bytes[promisedLane(item)];
    return bytes - freed + item.transaction.raw.length <= LANE_BYTES_MAX;
  }

  #count(item: PooledTransaction, by: 1 | -1): void {
    const lane = promisedLane(item);
    this.#counts[lane] += by;
    this.#bytes[lane] += by * item.transaction.raw.length;
  }
}
