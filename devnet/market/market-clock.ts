/**
 * The market as the world outside the chain knows it: one price that moves in ticks, heard by
 * everybody at once. Owns the history of ticks, by which it is judged later what was known when.
 */
import { setTimeout as delay } from "node:timers/promises";
import { START_PRICE, type Tick, TICK_MS } from "./price-path.ts";

/** A price, and when it came. */
export interface MarketTick {
  /** Unix milliseconds. */
  readonly timeMs: number;
  readonly price: bigint;
}

/** Ticks that are kept: many times a run of a path. */
const HISTORY_MAX = 200_000;

export class MarketClock {
  readonly #listeners = new Set<(tick: MarketTick) => void>();
  readonly #nowMs: () => number;
  #history: MarketTick[] = [];

  /** Unix milliseconds. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Call the result to hear no more. */
  onTick(listener: (tick: MarketTick) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get price(): bigint {
    return this.#history.at(-1)?.price ?? START_PRICE;
  }

  /** The price that held at a time. */
  priceAt(timeMs: number): bigint {
    return this.#history.findLast((tick) => tick.timeMs <= timeMs)?.price ?? START_PRICE;
  }

  /** One price, told again and again until the signal. */
  async hold(price: bigint, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#tick(price);
      await delay(TICK_MS);
    }
  }

  /** Plays a path in its own time; what was told of it. Rejects with the signal's reason. */
  async play(path: readonly Tick[], signal: AbortSignal): Promise<readonly MarketTick[]> {
    const startMs = this.#nowMs();
    const told: MarketTick[] = [];
    for (const { atMs, price } of path) {
      const waitMs = startMs + atMs - this.#nowMs();
      if (waitMs > 0) await delay(waitMs, undefined, { signal });
      told.push(this.#tick(price));
    }
    return told;
  }

  #tick(price: bigint): MarketTick {
    const tick = { timeMs: this.#nowMs(), price };
    this.#history.push(tick);
    if (this.#history.length > 2 * HISTORY_MAX) this.#history = this.#history.slice(-HISTORY_MAX);
    for (const listener of this.#listeners) listener(tick);
    return tick;
  }
}
