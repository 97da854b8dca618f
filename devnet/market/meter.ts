/**
 * What a run is measured by: how long the chain was behind the market, and how old its price was
 * when blocks were sealed. Pure but for what it is told.
 */
import type { MarketTick } from "./market-clock.ts";
import { bpsApart } from "./distance.ts";

/** A move of the market that the chain has to follow. */
const MOVE_BPS = 10n;

/** An answer of the node: the price that a contract reads now. */
export interface Reading {
  /** When the answer came, Unix milliseconds. */
  readonly atMs: number;
  readonly value: bigint;
  /** When the price held. */
  readonly timeMs: number;
}

/**
 * For every tick that the chain's price was `MOVE_BPS` away from when it came: milliseconds until a
 * price as new was readable; infinite where none was. Readings are in the order of their times.
 */
export function priceLags(ticks: readonly MarketTick[], readings: readonly Reading[]): number[] {
  const lags: number[] = [];
  let before = 0;
  for (const { timeMs, price } of ticks) {
    while ((readings[before + 1]?.atMs ?? Infinity) <= timeMs) before += 1;
    const known = readings[before];
    if (known === undefined || known.atMs > timeMs) continue;
    if (bpsApart(known.value, price) < MOVE_BPS) continue;
    const readable = readings.slice(before).find((reading) => reading.timeMs >= timeMs);
    lags.push(readable === undefined ? Infinity : readable.atMs - timeMs);
  }
  return lags;
}

/** A price in a sealed block. */
export interface Sealed {
  /** Time of the block's last flashblock, Unix milliseconds. */
  readonly sealedMs: number;
  /** When the price held. */
  readonly timeMs: number;
}

/** How old the price was when the block was sealed: milliseconds. */
export function sealedAges(blocks: readonly Sealed[]): number[] {
  return blocks.map(({ sealedMs, timeMs }) => Math.max(0, sealedMs - timeMs));
}

/** The smallest of the values that so much of them does not exceed; infinite for none. */
export function percentile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? Infinity;
}
