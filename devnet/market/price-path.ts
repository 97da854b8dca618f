/**
 * What the price does in one run of the crash scenario: a path made by a seed, or one of a file.
 *
 * Owns the path's phases and the file's form. Does not own when it is played (`market-clock.ts`).
 */
import { createRandom } from "../random-walk.ts";

/** How often the market says a price. */
export const TICK_MS = 50;
/** Dollars for one ether before and after a run. */
export const START_PRICE = 2_500_00000000n;

export interface Tick {
  /** Since the start of the run. */
  readonly atMs: number;
  /** Eight decimals. */
  readonly price: bigint;
}

interface Phase {
  readonly ticks: number;
  /** By what the price is multiplied over the whole phase. */
  readonly factor: number;
  /** Of one tick, parts of a million: the standard deviation. */
  readonly noisePpm: number;
}

const CALM_PPM = 100;
const CRASH_PPM = 1_500;
const JUMP = 0.03;
const CRASH = 0.6;
/** Volatile as after a crash, and long enough that everything that waits comes through. */
const AFTER_PPM = 500;

/** Calm, a jump of 3 % in one tick, calm, a fall of 40 % in three seconds, and what comes after. */
function phasesOf(random: () => number): readonly Phase[] {
  const up = random() < 0.5;
  const calm = 40 + Math.floor(20 * random());
  return [
    { ticks: calm, factor: 1, noisePpm: CALM_PPM },
    { ticks: 1, factor: up ? 1 + JUMP : 1 - JUMP, noisePpm: 0 },
    { ticks: calm, factor: 1, noisePpm: CALM_PPM },
    { ticks: 60, factor: CRASH, noisePpm: CRASH_PPM },
    { ticks: 60, factor: 1, noisePpm: AFTER_PPM },
  ];
}

/** The path of a seed: the same seed gives the same path. */
export function crashPath(seed: number): readonly Tick[] {
  const random = createRandom(seed);
  const ticks: Tick[] = [];
  let price = Number(START_PRICE);
  for (const { ticks: count, factor, noisePpm } of phasesOf(random)) {
    const step = factor ** (1 / count);
    for (let at = 0; at < count; at++) {
      price *= step * (1 + (noisePpm / 1_000_000) * normal(random));
      ticks.push({ atMs: ticks.length * TICK_MS, price: BigInt(Math.round(price)) });
    }
  }
  return ticks;
}

/** About a standard normal variable: a sum of twelve uniform ones. */
function normal(random: () => number): number {
  let sum = -6;
  for (let at = 0; at < 12; at++) sum += random();
  return sum;
}

/** A path of a file that cannot be played; `line` counts from 1. */
export class PathError extends Error {
  override readonly name = "PathError";
}

/** An hour of ticks. */
const LINES_MAX = 72_000;
const PRICE_MAX = 10n ** 9n * 10n ** 8n;
const LINE = /^(\d{1,8}),(\d{1,9})(?:\.(\d{1,8}))?$/;

/**
 * A path from lines `milliseconds,dollars`, the first at 0 and each later than the one before;
 * empty lines and lines with `#` are left out. Errors: `PathError`.
 */
export function parsePath(text: string): readonly Tick[] {
  const ticks: Tick[] = [];
  for (const [index, raw] of text.split("\n").entries()) {
    const line = raw.trim();
    if (line === "" || line.startsWith("#")) continue;
    if (ticks.length >= LINES_MAX) throw new PathError(`more than ${LINES_MAX} prices`);
    const [, ms, whole, fraction = ""] = LINE.exec(line) ?? [];
    if (ms === undefined || whole === undefined)
      throw new PathError(`line ${index + 1}: expected milliseconds,dollars`);
    const tick = { atMs: Number(ms), price: BigInt(whole + fraction.padEnd(8, "0")) };
    const before = ticks.at(-1);
    if (before === undefined ? tick.atMs !== 0 : tick.atMs <= before.atMs)
      throw new PathError(
        `line ${index + 1}: ${before === undefined ? "the first price is at 0" : "times go up"}`,
      );
    if (tick.price <= 0n || tick.price > PRICE_MAX)
      throw new PathError(`line ${index + 1}: a price is above 0 and at most a billion dollars`);
    ticks.push(tick);
  }
  if (ticks.length < 2) throw new PathError("expected at least two prices");
  return ticks;
}
