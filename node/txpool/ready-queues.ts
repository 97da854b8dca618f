/**
 * What can be built now, rank by rank in its order, under the open block's base fee.
 *
 * Tips depend on the base fee, so every block changes the order. The fast lane is placed anew each
 * time: whoever its base fee shuts out must lose its number at once (PROTOCOL 4, I2). The normal
 * lane is long, and looked at only where it matters: a tip that a higher base fee has cut is seen
 * when its transaction comes to the top; when the fee falls, only tips that were cut are looked at.
 * Owns the order and tips. Does not own readiness: what cannot pay is handed to `onUnderpriced`.
 */
import { NORMAL_RANK } from "../../lanes/classify.ts";
import { createHeap, type Heap } from "../../lanes/heap.ts";
import { compareReady, createOrder } from "../../lanes/order.ts";
import type { Policy } from "../../lanes/policy.ts";

import type { PooledTransaction } from "./sender-queue.ts";

/** What lies in a heap. */
type Ready = PooledTransaction & { readonly ready: bigint };

export interface ReadyQueues {
  /** Places one that has its number and can pay the base fee. */
  add(item: PooledTransaction): void;
  remove(item: PooledTransaction): void;
  /** The first of a rank. */
  best(rank: number): PooledTransaction | undefined;
  /** The lowest number in the fast lane. */
  oldestFast(): bigint | null;
  /** The normal one with the lowest number, where that is below `before`. */
  oldestNormal(before: bigint): PooledTransaction | undefined;
  /** A block with this base fee was opened. */
  setBaseFee(baseFee: bigint): void;
}

/** Queues for the ranks of the policy; `onUnderpriced` gets what has left them for its fee cap. */
export function createReadyQueues(
  policy: Policy,
  onUnderpriced: (item: PooledTransaction) => void,
): ReadyQueues {
  const order = createOrder(policy);
  const createQueue = (): Heap<PooledTransaction> =>
    createHeap<PooledTransaction>((a, b) => order(a as Ready, b as Ready));
  const fast = new Map(
    policy.document.fast.classes.map((_, index) => [index + 1, createQueue()] as const),
  );
  const normal = createQueue();
  /** Both lanes by number: what has waited longest. */
  const createByAge = (): Heap<PooledTransaction> =>
    createHeap<PooledTransaction>((a, b) => compareReady(a as Ready, b as Ready));
  const fastByAge = createByAge();
  const normalByAge = createByAge();
  /** Normal ones whose tip their fee cap has cut. */
  const cut = new Set<PooledTransaction>();
  let baseFee = 0n;

  const tipOf = ({ transaction }: PooledTransaction): bigint => {
    const { maxFeePerGas, maxPriorityFeePerGas } = transaction;
    const room = maxFeePerGas - baseFee;
    return room < maxPriorityFeePerGas ? room : maxPriorityFeePerGas;
  };
  const queueOf = (rank: number): Heap<PooledTransaction> | undefined =>
    rank === NORMAL_RANK ? normal : fast.get(rank);

  const byAgeOf = (rank: number): Heap<PooledTransaction> =>
    rank === NORMAL_RANK ? normalByAge : fastByAge;

  const add = (item: PooledTransaction): void => {
    item.tip = tipOf(item);
    if (item.rank === NORMAL_RANK && item.tip < item.transaction.maxPriorityFeePerGas)
      cut.add(item);
    queueOf(item.rank)?.push(item);
    byAgeOf(item.rank).push(item);
  };
  const remove = (item: PooledTransaction): void => {
    cut.delete(item);
    queueOf(item.rank)?.remove(item);
    byAgeOf(item.rank).remove(item);
  };
  const replace = (item: PooledTransaction): void => {
    remove(item);
    if (item.transaction.maxFeePerGas < baseFee) onUnderpriced(item);
    else add(item);
  };

  return {
    add,
    remove,
    best(rank) {
      const queue = queueOf(rank);
      for (;;) {
        const item = queue?.peek();
        if (item === undefined || rank !== NORMAL_RANK || item.tip === tipOf(item)) return item;
        replace(item);
      }
    },
    oldestFast: () => fastByAge.peek()?.ready ?? null,
    oldestNormal(before) {
      for (;;) {
        const item = normalByAge.peek();
        if (item === undefined || (item.ready ?? before) >= before) return undefined;
        if (item.transaction.maxFeePerGas >= baseFee) return item;
        replace(item);
      }
    },
    setBaseFee(next) {
      const hasFallen = next < baseFee;
      baseFee = next;
      if (hasFallen) [...cut].forEach(replace);
      for (const queue of fast.values()) {
        const items: Ready[] = [];
        for (let item = queue.peek(); item !== undefined; item = queue.peek()) {
          remove(item);
          items.push(item as Ready);
        }
        items.sort(compareReady).forEach(replace);
      }
    },
  };
}
