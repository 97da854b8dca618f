/**
 * What the devnet's market says: three prices that are waves in time, the same for every publisher
 * that asks at the same moment, give or take what it hears differently.
 */

/** Feeds of signed reports, and what their waves are around. All have eight decimals. */
export const MARKET_FEEDS = [
  { id: "ETH/USD", start: 2_500_00000000n },
  { id: "BTC/USD", start: 95_000_00000000n },
  { id: "SOL/USD", start: 150_00000000n },
] as const;
export const MARKET_DECIMALS = 8;

/** Half heights in parts of a million, and lengths in milliseconds: none a multiple of another. */
const WAVES = [
  { ppm: 4_000, lengthMs: 61_000 },
  { ppm: 1_500, lengthMs: 17_000 },
  { ppm: 400, lengthMs: 3_700 },
] as const;
/** What publishers differ by, at most, in parts of a million. */
const NOISE_PPM = 50;
const PPM = 1_000_000n;

/** A feed's value at a time (Unix milliseconds), with noise from 0 to 1. */
export function marketValue(start: bigint, timeMs: number, noise: number): bigint {
  const waves = WAVES.reduce(
    (sum, { ppm, lengthMs }) => sum + ppm * Math.sin((2 * Math.PI * timeMs) / lengthMs),
    0,
  );
  const ppm = BigInt(Math.round(waves + NOISE_PPM * (2 * noise - 1)));
  return start + (start * ppm) / PPM;
}
