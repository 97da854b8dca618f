/** How far two prices are apart. */

const BPS = 10_000n;

/** Of the first, which is above zero: whole basis points, rounded down. */
export function bpsApart(from: bigint, to: bigint): bigint {
  const distance = from > to ? from - to : to - from;
  return (distance * BPS) / from;
}
