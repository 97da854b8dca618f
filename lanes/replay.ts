/**
 * The time machine: what the lanes would have done with the same arrivals under a policy.
 *
 * Pure and deterministic: the same input, the same answer. It uses the node's own rules for class,
 * order, caps, release of gas and deadlines; what it does not have is the machine: a transaction
 * takes its gas divided by a constant rate, nothing preempts, and nothing else takes time. So waits
 * say how policies compare, not how long a node takes. Whether a transaction succeeds is not asked.
 */
import { type BlockGas, capOf, normalGasLeft } from "./budget.ts";
import type { Hex } from "./bytes.ts";
import { classify, NO_PRICES_YET, NORMAL_RANK, type PricesAt } from "./classify.ts";
import { createHeap, type Heap } from "./heap.ts";
import { createOrder } from "./order.ts";
import type { Policy } from "./policy.ts";
import { ConflatingQueue } from "./queue.ts";
import type { LaneTransaction } from "./transaction.ts";

/** A transaction as it was taken in. */
export interface ReplayArrival {
  readonly accepted: bigint;
  /** Unix milliseconds. */
  readonly arrivedMs: number;
  readonly transaction: LaneTransaction;
  readonly maxFeePerGas: bigint;
  readonly maxPriorityFeePerGas: bigint;
  /** Gas that it takes: what it used, or its limit where it never ran. */
  readonly gas: bigint;
  /** Whether it really stands in a block of the range. */
  readonly wasExecuted: boolean;
}

export interface ReplayBlock {
  readonly number: number;
  /** Unix milliseconds: when it may begin to be filled, and when it is sealed. */
  readonly startMs: number;
  readonly endMs: number;
  readonly baseFee: bigint;
  readonly gas: BlockGas;
  /** What classes hang on, as it is at the block's end: within the block nothing changes class. */
  readonly prices: PricesAt;
  /** It had to be empty of them, because its origin is too old (PROTOCOL 7). */
  readonly isDepositOnly: boolean;
}

export interface Replayed {
  readonly accepted: bigint;
  readonly rank: number;
  /** `null` where it is in no block of the range. */
  readonly block: number | null;
  /** From its arrival to the start of its execution; `null` where it has none. */
  readonly waitMs: number | null;
  readonly drop: ReplayDrop | null;
}

type ReplayDrop = "TX_EXPIRED" | "REPLACED" | "NONCE_TOO_LOW";

export interface ReplayResult {
  /** In the order of execution, then what was not executed, by number. */
  readonly transactions: readonly Replayed[];
}

interface Waiting {
  readonly arrival: ReplayArrival;
  readonly rank: number;
  /** Given anew whenever it becomes executable. */
  ready: bigint;
  tip: bigint;
}

/** How soon gas that was held back is looked at again. */
const RELEASE_STEP_MS = 10;

/** Runs the arrivals, in order of their numbers, through the blocks. */
export function replay(
  policy: Policy,
  arrivals: readonly ReplayArrival[],
  blocks: readonly ReplayBlock[],
  gasPerMs: number,
): ReplayResult {
  const run = new Replay(policy, arrivals, gasPerMs);
  for (const block of blocks) run.fill(block);
  return { transactions: run.result() };
}

class Replay {
  readonly #policy: Policy;
  readonly #gasPerMs: number;
  readonly #arrivals: readonly ReplayArrival[];
  #nextArrival = 0;
  /** By account, what waits by nonce; only the account's next one can be executed. */
  readonly #byAccount = new Map<Hex, Map<bigint, Waiting>>();
  readonly #nextNonce: Map<Hex, bigint>;
  readonly #ready: Map<number, Heap<Waiting>>;
  /** Everything in the fast lane, by deadline. */
  readonly #deadlines: ConflatingQueue<Waiting>;
  readonly #done: Replayed[] = [];
  #numbers = 0n;
  #block = 0;
  #prices: PricesAt = NO_PRICES_YET;
  #baseFee = 0n;
  #nowMs = 0;

  constructor(policy: Policy, arrivals: readonly ReplayArrival[], gasPerMs: number) {
    this.#policy = policy;
    this.#gasPerMs = gasPerMs;
    this.#arrivals = arrivals;
    this.#nextNonce = firstNonces(arrivals);
    const order = createOrder(policy);
    const ranks = [...policy.document.fast.classes.map(({ rank }) => rank), NORMAL_RANK];
    this.#ready = new Map(ranks.map((rank) => [rank, createHeap<Waiting>(order)]));
    const compare = (a: Waiting, b: Waiting): number =>
      a.arrival.accepted < b.arrival.accepted ? -1 : 1;
    this.#deadlines = new ConflatingQueue({ compare, sizeMax: arrivals.length });
  }

  /** One block: fast first within its caps, then normal as gas is released. */
  fill(block: ReplayBlock): void {
    this.#block = block.number;
    this.#prices = block.prices;
    this.#baseFee = block.baseFee;
    this.#nowMs = Math.max(this.#nowMs, block.startMs);
    for (const waiting of this.#deadlines.expire(block.number)) this.#drop(waiting, "TX_EXPIRED");
    if (block.isDepositOnly) return;
    const left = new Map(
      this.#policy.document.fast.classes.map(({ rank, gasShareBps }) => [
        rank,
        capOf(gasShareBps, block.gas),
      ]),
    );
    let free = block.gas.gasLimit - block.gas.systemGas;
    const passedOver: Waiting[] = [];
    while (this.#nowMs < block.endMs) {
      this.#takeIn();
      const next = this.#next(block, left, free, passedOver);
      if (next === null) {
        const arrivalMs = this.#arrivals[this.#nextArrival]?.arrivedMs ?? Infinity;
        this.#nowMs = Math.min(block.endMs, arrivalMs, this.#nowMs + RELEASE_STEP_MS);
        continue;
      }
      const { gasLimit } = next.arrival.transaction;
      const rest = left.get(next.rank);
      if (rest !== undefined) left.set(next.rank, rest - gasLimit);
      free -= next.arrival.gas;
      this.#execute(next);
    }
    for (const waiting of passedOver)
      if (this.#isNext(waiting)) this.#ready.get(waiting.rank)?.push(waiting);
  }

  result(): Replayed[] {
    const left = [...this.#byAccount.values()]
      .flatMap((own) => [...own.values()])
      .map(({ arrival, rank }): Replayed => ({
        ...{ accepted: arrival.accepted, rank, block: null, waitMs: null, drop: null },
      }));
    const untouched = this.#arrivals
      .slice(this.#nextArrival)
      .map(({ accepted, transaction }): Replayed => ({
        ...{ accepted, rank: classify(transaction, this.#policy, this.#prices).rank },
        ...{ block: null, waitMs: null, drop: null },
      }));
    const rest = [...left, ...untouched].sort((a, b) => (a.accepted < b.accepted ? -1 : 1));
    return [...this.#done, ...rest];
  }

  /** The best that fits; who does not is put aside until the next block. */
  #next(
    { endMs, startMs, baseFee }: ReplayBlock,
    left: ReadonlyMap<number, bigint>,
    free: bigint,
    passedOver: Waiting[],
  ): Waiting | null {
    for (const [rank, queue] of this.#ready) {
      for (let waiting = queue.peek(); waiting !== undefined; waiting = queue.peek()) {
        const { gasLimit } = waiting.arrival.transaction;
        const limit = rank === NORMAL_RANK ? free : (left.get(rank) ?? 0n);
        const isPayable = waiting.arrival.maxFeePerGas >= baseFee;
        if (isPayable && gasLimit <= limit && gasLimit <= free) {
          if (rank !== NORMAL_RANK) return waiting;
          const reserved = [...left.values()].reduce((sum, gas) => sum + gas, 0n);
          const time = { leftMs: endMs - this.#nowMs, totalMs: Math.max(1, endMs - startMs) };
          return gasLimit <= normalGasLeft({ free, reserved, ...time }) ? waiting : null;
        }
        queue.remove(waiting);
        passedOver.push(waiting);
      }
    }
    return null;
  }

  #execute(waiting: Waiting): void {
    const { arrival, rank } = waiting;
    const { accepted, arrivedMs, gas } = arrival;
    const waitMs = this.#nowMs - arrivedMs;
    this.#done.push({ accepted, rank, block: this.#block, waitMs, drop: null });
    this.#nowMs += Number(gas) / this.#gasPerMs;
    this.#leave(waiting);
    const { sender, nonce } = arrival.transaction;
    this.#nextNonce.set(sender, nonce + 1n);
    const next = this.#byAccount.get(sender)?.get(nonce + 1n);
    if (next !== undefined) this.#makeReady(next);
  }

  #drop(waiting: Waiting, drop: ReplayDrop): void {
    const { rank, arrival } = waiting;
    this.#done.push({ accepted: arrival.accepted, rank, block: null, waitMs: null, drop });
    this.#leave(waiting);
  }

  #leave(waiting: Waiting): void {
    const { sender, nonce } = waiting.arrival.transaction;
    this.#ready.get(waiting.rank)?.remove(waiting);
    this.#deadlines.remove(String(waiting.arrival.accepted));
    const own = this.#byAccount.get(sender);
    if (own?.get(nonce) !== waiting) return;
    own.delete(nonce);
    if (own.size === 0) this.#byAccount.delete(sender);
  }

  /** What has arrived by now. */
  #takeIn(): void {
    for (
      let arrival = this.#arrivals[this.#nextArrival];
      arrival !== undefined && arrival.arrivedMs <= this.#nowMs;
      arrival = this.#arrivals[++this.#nextArrival]
    )
      this.#accept(arrival);
  }

  #accept(arrival: ReplayArrival): void {
    const { transaction, accepted } = arrival;
    const { sender, nonce } = transaction;
    const { rank } = classify(transaction, this.#policy, this.#prices);
    const waiting: Waiting = { arrival, rank, ready: 0n, tip: 0n };
    if (nonce < (this.#nextNonce.get(sender) ?? 0n)) {
      // The one that it was to replace is executed already.
      this.#drop(waiting, "NONCE_TOO_LOW");
      return;
    }
    const old = this.#byAccount.get(sender)?.get(nonce);
    if (old !== undefined) this.#drop(old, "REPLACED");
    const own = this.#byAccount.get(sender) ?? new Map<bigint, Waiting>();
    own.set(nonce, waiting);
    this.#byAccount.set(sender, own);
    const deadline = this.#block + this.#policy.document.ttlBlocks;
    if (rank !== NORMAL_RANK) this.#deadlines.offer(String(accepted), waiting, deadline);
    if (this.#isNext(waiting)) this.#makeReady(waiting);
  }

  #makeReady(waiting: Waiting): void {
    const { maxFeePerGas, maxPriorityFeePerGas } = waiting.arrival;
    const room = maxFeePerGas - this.#baseFee;
    waiting.ready = ++this.#numbers;
    waiting.tip = room < maxPriorityFeePerGas ? room : maxPriorityFeePerGas;
    this.#ready.get(waiting.rank)?.push(waiting);
  }

  /** Whether it waits, and nothing before it does. */
  #isNext(waiting: Waiting): boolean {
    const { sender, nonce } = waiting.arrival.transaction;
    const isHere = this.#byAccount.get(sender)?.get(nonce) === waiting;
    return isHere && nonce === this.#nextNonce.get(sender);
  }
}

/**
 * The nonces of the accounts when the range begins: of the first that was executed; where none was,
 * of the lowest that arrived.
 */
function firstNonces(arrivals: readonly ReplayArrival[]): Map<Hex, bigint> {
  const executed = arrivals.filter(({ wasExecuted }) => wasExecuted);
  return new Map([...lowestNonces(arrivals), ...lowestNonces(executed)]);
}

function lowestNonces(arrivals: readonly ReplayArrival[]): Map<Hex, bigint> {
  const lowest = new Map<Hex, bigint>();
  for (const { transaction } of arrivals) {
    const { sender, nonce } = transaction;
    if (nonce < (lowest.get(sender) ?? nonce + 1n)) lowest.set(sender, nonce);
  }
  return lowest;
}
