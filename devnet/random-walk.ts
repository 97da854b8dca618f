/** Repeatable randomness for publishers and traffic: the same seed gives the same walk. */

/** Largest step of a price in parts of a million, up or down. */
const STEP_PPM = 500;
const PPM = 1_000_000n;

/** Numbers from 0 up to, not including, 1. mulberry32 by Tommy Ettinger (public domain). */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** The next price of a walk; never below one unit. */
export function nextPrice(price: bigint, random: () => number): bigint {
  const ppm = BigInt(Math.round((2 * random() - 1) * STEP_PPM));
  const next = price + (price * ppm) / PPM;
  return next > 0n ? next : 1n;
}
