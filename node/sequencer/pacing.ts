/**
 * How flashblocks and the normal lane are spread over a block's time. Pure but for what it counts:
 * readings of the clock are arguments. DESIGN 4.
 */

/** Fast work without a break before the normal lane has its turn. */
const FAST_RUN_MS = 45;

/**
 * A block whose time is over stays open until the one before is checked and stored, nobody knows
 * how long. What is left for that is spread as if it were so long: the rest never ends at once.
 */
const OVERTIME_MS = 5_000;

export interface PaceInput {
  /** Milliseconds until the block is sealed; negative when its time is over. */
  readonly untilSealMs: number;
  /** Flashblocks that may still be opened, and all of a block. */
  readonly left: number;
  readonly max: number;
  readonly hasFast: boolean;
  readonly hasNormal: boolean;
  /** The last normal work ended with some left over: interrupted, or its time was up. */
  readonly isNormalLeft: boolean;
  /** Since the last flashblock was opened, and since the last one with normal work. */
  readonly sinceOpenedMs: number;
  readonly sinceNormalMs: number;
  /** Normal work begins no sooner than this after some that left nothing over. */
  readonly flashblockMs: number;
}

/** Once half are spent, the rest is kept for what is left of the block. */
export function isScarce(left: number, max: number): boolean {
  return 2 * left <= max;
}

/** Time until the next flashblock may be opened, by what waits; infinite for nothing. */
export function waitMs(input: PaceInput): number {
  const { untilSealMs, left, max, hasFast, hasNormal, isNormalLeft, flashblockMs } = input;
  if (left <= 0) return Infinity;
  const isOver = untilSealMs <= 0;
  const spanMs = isOver ? OVERTIME_MS : untilSealMs;
  const spreadMs = isScarce(left, max) ? spanMs / left : 0;
  const untilSpreadMs = spreadMs - input.sinceOpenedMs;
  if (hasFast) return untilSpreadMs;
  if (isOver || !hasNormal) return Infinity;
  return isNormalLeft ? untilSpreadMs : Math.max(untilSpreadMs, flashblockMs - input.sinceNormalMs);
}

/** When a fast flood has kept the normal lane waiting for too long. */
export class NormalTurns {
  #sinceMs: number | null = null;

  /** The fast lane is drained, or the normal lane has had its turn. */
  reset(): void {
    this.#sinceMs = null;
  }

  /** Whether the normal lane's turn has come; `waits` is whether it has anything. */
  isDue(waits: boolean, nowMs: number): boolean {
    if (!waits) this.#sinceMs = null;
    else this.#sinceMs ??= nowMs;
    return this.#sinceMs !== null && nowMs - this.#sinceMs >= FAST_RUN_MS;
  }
}
