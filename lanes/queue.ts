/**
 * A bounded queue with one place for each key, and a deadline for each place.
 *
 * What comes later for a key takes the place of what is there (I5: the newest price wins, before
 * the older one costs blockspace); what is past its deadline is taken out. Replacing, taking and
 * expiring are O(log n). Owns places and deadlines. Does not own what a key means: an account's
 * nonce in the txpool, a publisher's feed for reports. Pure: a deadline is a block number.
 */
import { createHeap, type Heap } from "./heap.ts";

/** What a queue holds. */
interface Place<T> {
  readonly key: string;
  readonly value: T;
  /** The last block in which the value is good. */
  readonly deadline: number;
}

export interface ConflatingQueueOptions<T> {
  /** Negative where `a` is taken first; never 0 for two that are in the queue together. */
  compare(a: T, b: T): number;
  readonly sizeMax: number;
}

export class ConflatingQueue<T> {
  readonly #sizeMax: number;
  readonly #places = new Map<string, Place<T>>();
  readonly #order: Heap<Place<T>>;
  readonly #deadlines: Heap<Place<T>>;

  constructor(options: ConflatingQueueOptions<T>) {
    this.#sizeMax = options.sizeMax;
    this.#order = createHeap((a, b) => options.compare(a.value, b.value));
    this.#deadlines = createHeap((a, b) => a.deadline - b.deadline);
  }

  get size(): number {
    return this.#places.size;
  }

  /** Whether a value for this key has a place: its own, or a free one. */
  hasRoom(key: string): boolean {
    return this.#places.has(key) || this.#places.size < this.#sizeMax;
  }

  get(key: string): T | undefined {
    return this.#places.get(key)?.value;
  }

  /** Puts a value in; returns the one whose place it takes. Throws RangeError without room. */
  offer(key: string, value: T, deadline: number): T | undefined {
    if (!this.hasRoom(key)) throw new RangeError("the queue is full");
    const replaced = this.remove(key);
    const place = { key, value, deadline };
    this.#places.set(key, place);
    this.#order.push(place);
    this.#deadlines.push(place);
    return replaced;
  }

  /** The first in order. */
  peek(): T | undefined {
    return this.#order.peek()?.value;
  }

  take(): T | undefined {
    const first = this.#order.peek();
    return first === undefined ? undefined : this.remove(first.key);
  }

  remove(key: string): T | undefined {
    const place = this.#places.get(key);
    if (place === undefined) return undefined;
    this.#places.delete(key);
    this.#order.remove(place);
    this.#deadlines.remove(place);
    return place.value;
  }

  /** Takes out what is good for no block from `block` on, oldest deadline first. */
  expire(block: number): T[] {
    const expired: T[] = [];
    for (let first = this.#deadlines.peek(); first; first = this.#deadlines.peek()) {
      if (first.deadline >= block) break;
      this.remove(first.key);
      expired.push(first.value);
    }
    return expired;
  }
}
