/**
 * Long normal transactions that are executed aside, in a thread of their own, one after another.
 *
 * Owns: who waits for that, on which state it begins, and what was executed until the builder takes
 * it. Does not own: the execution (`node/workers/speculate.ts`), whether it still holds (the engine),
 * who has to go this way (`heavy-slot.ts`). DESIGN 4.
 * Whoever waits here is parked in the txpool, which may drop it at any time.
 */
import type { PendingSlice } from "../api.ts";
import type { Clock } from "../clock.ts";
import { type Engine, SEALED_BLOCKS_MAX } from "../execution/engine.ts";
import type { Speculated, SpeculationService } from "../execution/speculation.ts";
import type { Logger } from "../log.ts";
import type { Remote } from "../port.ts";
import type { BlockRef } from "../primitives/block.ts";
import type { Pool } from "../txpool/pool-api.ts";
import type { PooledTransaction } from "../txpool/sender-queue.ts";
import type { Arrivals } from "./arrivals.ts";
import { messageOf } from "../errors.ts";

/** Transactions that wait for the thread; others wait for the next block. */
const WAITING_MAX = 16;
/** Blocks after the one that an execution stood on, in which its result can be taken. */
const BLOCKS_TO_CLAIM = 2;
/** The open block, and those that are sealed and on their way to the store. */
const BLOCKS_KEPT = SEALED_BLOCKS_MAX + 1;

export interface SpeculationDeps {
  readonly service: Remote<SpeculationService>;
  readonly engine: Pick<Engine, "beginSpeculation" | "price">;
  readonly pool: Pick<Pool, "get" | "unpark" | "spend">;
  readonly clock: Clock;
  readonly arrivals: Pick<Arrivals, "notify">;
  readonly log: Logger;
}

/** Told where somebody waits for the thread. */
type News = { readonly slice: PendingSlice } | { readonly sealed: BlockRef };

/** What was executed aside, and how long that took. */
export interface Aside {
  readonly speculated: Speculated;
  readonly elapsedMs: number;
}

function numberOf(news: News): number {
  return "slice" in news ? news.slice.environment.number : news.sealed.number;
}

/** Of one run of the sequencer. */
export class Speculation {
  readonly #deps: SpeculationDeps;
  #waiting: PooledTransaction[] = [];
  #running: PooledTransaction | null = null;
  #done: (Aside & { readonly item: PooledTransaction }) | null = null;
  /**
   * What the thread does not know yet, of the blocks that may not be in the store: it is not woken
   * for each flashblock when nothing is heavy.
   */
  #untold: News[] = [];

  constructor(deps: SpeculationDeps) {
    this.#deps = deps;
  }

  /** Whether it is on its way. */
  has(item: PooledTransaction): boolean {
    return this.#running === item || this.#waiting.includes(item);
  }

  /** Takes a transaction in, where there is room; the caller parks it in any case. */
  offer(item: PooledTransaction): void {
    if (this.#waiting.length < WAITING_MAX) this.#waiting.push(item);
  }

  /** What the transaction has come to; `null` while that is not known. */
  take(item: PooledTransaction): Aside | null {
    const done = this.#done;
    if (done?.item !== item) return null;
    this.#done = null;
    return done;
  }

  /** The engine has ended a slice, just now: what begins here begins on it. */
  onSlice(slice: PendingSlice): void {
    const { number } = slice.environment;
    if (slice.index === 0)
      this.#untold = this.#untold.filter((news) => numberOf(news) > number - BLOCKS_KEPT);
    this.#untold.push({ slice });
    this.#dropUnclaimed(number);
    if (this.#running !== null || this.#done !== null) return;
    this.#waiting = this.#waiting.filter((item) => this.#isPooled(item));
    const next = this.#waiting.shift();
    if (next === undefined) return;
    for (const news of this.#untold) this.#tell(news);
    this.#untold = [];
    void this.#run(next, slice);
  }

  onSealed(block: BlockRef): void {
    this.#untold.push({ sealed: block });
  }

  async #run(item: PooledTransaction, { environment, index }: PendingSlice): Promise<void> {
    const { service, engine, pool, clock, arrivals, log } = this.#deps;
    const { transaction } = item;
    const price = engine.price(transaction);
    const startedMs = clock.monotonicMs();
    this.#running = item;
    let speculated: Speculated | null = null;
    try {
      if (price !== null) {
        engine.beginSpeculation();
        const base = { block: environment.number, index };
        speculated = await service.run({ base, transaction, ...price });
      }
    } catch (error) {
      log.warn("execution aside failed", { hash: transaction.hash, error: messageOf(error) });
    }
    this.#running = null;
    const elapsedMs = clock.monotonicMs() - startedMs;
    if (speculated !== null) this.#done = { item, speculated, elapsedMs };
    else {
      item.conflicts += 1;
      pool.spend(transaction.sender, elapsedMs);
    }
    pool.unpark(item);
    arrivals.notify();
  }

  /** A result that nobody takes, because its transaction has gone or cannot be selected now. */
  #dropUnclaimed(openBlock: number): void {
    if (this.#done === null) return;
    const { item, speculated } = this.#done;
    const isOld = openBlock > speculated.base.block + BLOCKS_TO_CLAIM;
    if (isOld || !this.#isPooled(item)) this.#done = null;
  }

  #isPooled(item: PooledTransaction): boolean {
    return this.#deps.pool.get(item.transaction.hash) === item;
  }

  /** What the thread misses makes it refuse: nothing wrong comes of it. */
  #tell(news: News): void {
    const { service } = this.#deps;
    const told = "slice" in news ? service.add(news.slice) : service.sealed(news.sealed);
    told.catch((error: unknown) => {
      this.#deps.log.warn("execution aside was not told", { error: messageOf(error) });
    });
  }
}
