/**
 * Long normal transactions that are executed aside, one after another; each in two threads at once,
 * for the builder and for whoever checks it: a block with one must not wait for the check as long
 * as the execution took.
 *
 * Owns: who waits for that, on which state it begins, and what was executed until the builder takes
 * it, and the check. Does not own: the execution (`node/workers/speculate.ts`), whether it still
 * holds (the engine, and the verifier by itself), who has to go this way (`heavy-slot.ts`). DESIGN 4.
 * Whoever waits here is parked in the txpool, which may drop it at any time.
 */
import type { Hex } from "../../lanes/bytes.ts";
import type { PendingSlice } from "../api.ts";
import type { Clock } from "../clock.ts";
import { type Engine, SEALED_BLOCKS_MAX } from "../execution/engine.ts";
import type {
  Speculated,
  SpeculationRequest,
  SpeculationService,
} from "../execution/speculation.ts";
import { keepNewest } from "../keep-newest.ts";
import type { Logger } from "../log.ts";
import type { Remote } from "../port.ts";
import type { Pool } from "../txpool/pool-api.ts";
import type { PooledTransaction } from "../txpool/sender-queue.ts";
import type { Arrivals } from "./arrivals.ts";
import { WAITS_FOR_NEXT_BLOCK } from "./candidates.ts";
import { messageOf } from "../errors.ts";

/** Transactions that wait for the thread; others wait for the next block. */
const WAITING_MAX = 16;
/** Blocks after the one that was open when a result came, in which it can be taken. */
const BLOCKS_TO_CLAIM = 2;
/** Results that the builder has taken and no slice has had yet: one, and those that are void. */
const WITNESSES_MAX = 4;
/** The open block, and those that are sealed and on their way to the store. */
const BLOCKS_KEPT = SEALED_BLOCKS_MAX + 1;

/** Two threads of one kind. */
export interface Speculators {
  readonly service: Remote<SpeculationService>;
  /** What it says is for the check alone. */
  readonly witness: Remote<SpeculationService>;
}

export interface SpeculationDeps extends Speculators {
  readonly engine: Pick<Engine, "beginSpeculation" | "price">;
  readonly pool: Pick<Pool, "get" | "unpark" | "spend">;
  readonly clock: Clock;
  readonly arrivals: Pick<Arrivals, "notify">;
  readonly log: Logger;
}

/** What was executed aside, and how long that took. */
export interface Aside {
  readonly speculated: Speculated;
  readonly elapsedMs: number;
}

interface Done extends Aside {
  readonly item: PooledTransaction;
  readonly witness: Speculated | null;
  /** The block that was open when it came. */
  readonly block: number;
}

/** Of one run of the sequencer. */
export class Speculation {
  readonly #deps: SpeculationDeps;
  #waiting: PooledTransaction[] = [];
  #running: PooledTransaction | null = null;
  #done: Done | null = null;
  /** Of transactions that the builder has taken, by hash. */
  readonly #witnesses = new Map<Hex, Speculated>();
  /** The block of the slice that ended last. */
  #openBlock = 0;
  /**
   * What the thread does not know yet, of the blocks that may not be in the store: it is not woken
   * for each flashblock when nothing is heavy.
   */
  #untold: PendingSlice[] = [];

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
    const { hash } = item.transaction;
    this.#witnesses.delete(hash);
    if (done.witness !== null) this.#witnesses.set(hash, done.witness);
    keepNewest(this.#witnesses, WITNESSES_MAX);
    return done;
  }

  /** What the other thread has made of these transactions; each is told once. */
  witnessesOf(transactions: readonly { readonly hash: Hex }[]): Speculated[] {
    return transactions.flatMap(({ hash }) => {
      const witness = this.#witnesses.get(hash);
      this.#witnesses.delete(hash);
      return witness ?? [];
    });
  }

  /** The engine has ended a slice, just now: what begins here begins on it. */
  onSlice(slice: PendingSlice): void {
    const { number } = slice.environment;
    if (slice.index === 0)
      this.#untold = this.#untold.filter((each) => each.environment.number > number - BLOCKS_KEPT);
    this.#untold.push(slice);
    this.#openBlock = number;
    this.#dropUnclaimed();
    if (this.#running !== null || this.#done !== null) return;
    this.#waiting = this.#waiting.filter((item) => this.#isPooled(item));
    const next = this.#waiting.shift();
    if (next === undefined) return;
    for (const each of this.#untold) this.#tell(each);
    this.#untold = [];
    void this.#run(next, slice);
  }

  async #run(item: PooledTransaction, { environment, index }: PendingSlice): Promise<void> {
    const { engine, pool, clock, arrivals } = this.#deps;
    const { transaction } = item;
    const price = engine.price(transaction);
    if (typeof price === "string") {
      // Nothing has run. It stays parked until the next block, or execution in place says why.
      if (WAITS_FOR_NEXT_BLOCK.has(price)) return;
      item.aborts = 0;
      pool.unpark(item);
      arrivals.notify();
      return;
    }
    const startedMs = clock.monotonicMs();
    this.#running = item;
    engine.beginSpeculation();
    const base = { block: environment.number, index };
    const [speculated, witness] = await this.#execute({ base, transaction, ...price });
    this.#running = null;
    const elapsedMs = clock.monotonicMs() - startedMs;
    const block = this.#openBlock;
    if (speculated !== null) this.#done = { item, speculated, witness, elapsedMs, block };
    else {
      item.conflicts += 1;
      pool.spend(transaction.sender, elapsedMs);
    }
    pool.unpark(item);
    arrivals.notify();
  }

  /** In both threads; `null` where it came to nothing. */
  #execute(request: SpeculationRequest): Promise<[Speculated | null, Speculated | null]> {
    const { service, witness, log } = this.#deps;
    const { hash } = request.transaction;
    const onThread = (thread: Remote<SpeculationService>): Promise<Speculated | null> =>
      thread.run(request).catch((error: unknown) => {
        log.warn("execution aside failed", { hash, error: messageOf(error) });
        return null;
      });
    return Promise.all([onThread(service), onThread(witness)]);
  }

  /**
   * What the builder took is not in its block: nobody is to hear a witness of it, and its sender
   * has spent the time.
   */
  wasted({ transaction: { hash, sender } }: PooledTransaction, { elapsedMs }: Aside): void {
    this.#witnesses.delete(hash);
    this.#deps.pool.spend(sender, elapsedMs);
  }

  /** A result that nobody takes, because its transaction has gone or cannot be selected now. */
  #dropUnclaimed(): void {
    if (this.#done === null) return;
    const { item, block } = this.#done;
    const isOld = this.#openBlock > block + BLOCKS_TO_CLAIM;
    if (!isOld && this.#isPooled(item)) return;
    // It is in a block by another way, or could not be selected: that is not its sender's fault.
    if (item.executing || isOld) this.#witnesses.delete(item.transaction.hash);
    else this.wasted(item, this.#done);
    // But it must not run again without end.
    if (isOld) item.conflicts += 1;
    this.#done = null;
  }

  #isPooled(item: PooledTransaction): boolean {
    return this.#deps.pool.get(item.transaction.hash) === item;
  }

  /** What a thread misses makes it refuse: nothing wrong comes of it. */
  #tell(slice: PendingSlice): void {
    const { service, witness, log } = this.#deps;
    for (const thread of [service, witness]) {
      thread.add(slice).catch((error: unknown) => {
        log.warn("execution aside was not told", { error: messageOf(error) });
      });
    }
  }
}
