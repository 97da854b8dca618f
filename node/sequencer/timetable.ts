/**
 * When the next block is, and on which L1 origin: PROTOCOL 4 (Time) and 7 (O1, O2) from the
 * builder's side. Pure: the clock's reading is an argument.
 */
import { isDepositOnly, ORIGIN_DRIFT_MAX_S } from "../chain/origin.ts";
import type { L1Origin } from "../primitives/l1-origin.ts";

export interface PlanInput {
  /** Unix milliseconds. */
  readonly nowMs: number;
  /** Unix seconds, of the parent block. */
  readonly parentTimestamp: number;
  /** The parent block's origin. */
  readonly origin: L1Origin;
  /** Its direct child on L1, confirmed deeply enough; `null` while there is none. */
  readonly child: L1Origin | null;
  /** Seconds. */
  readonly blockTime: number;
}

export interface BlockPlan {
  /** Unix seconds. */
  readonly timestamp: number;
  readonly origin: L1Origin;
  /** No user transactions: the chain is catching up with L1, or L1 stands still. */
  readonly depositOnly: boolean;
  /** Unix milliseconds at which the block is sealed. */
  readonly sealAtMs: number;
  /** Everything that goes into it is promised already. */
  readonly isComplete: boolean;
}

/** The next block's timestamp, origin and end. */
export function planBlock(input: PlanInput): BlockPlan {
  const { nowMs, parentTimestamp, origin, child, blockTime } = input;
  const now = Math.floor(nowMs / 1000);
  const earliest = parentTimestamp + blockTime;
  if (origin.timestamp < now + blockTime - ORIGIN_DRIFT_MAX_S) {
    const next = child ?? origin;
    // Where the origin cannot advance, hurrying would only pile up empty blocks: keep the block
    // time.
    const sealAtMs = child === null ? nowMs + blockTime * 1000 : nowMs;
    const timestamp = Math.max(earliest, next.timestamp);
    return { timestamp, origin: next, depositOnly: true, sealAtMs, isComplete: false };
  }
  const timestamp = Math.max(earliest, now + blockTime);
  const next = child !== null && child.timestamp <= timestamp ? child : origin;
  const depositOnly = isDepositOnly(timestamp, next);
  // Ahead of the clock (it was set back): go on at half the pace until the clock has caught up.
  const sealAtMs = Math.min(timestamp * 1000, nowMs + 2 * blockTime * 1000);
  return { timestamp, origin: next, depositOnly, sealAtMs, isComplete: false };
}

/** A block of which flashblocks are promised: its time and origin stand. */
export function planPromised(
  header: { readonly timestamp: number },
  origin: L1Origin,
  isComplete: boolean,
): BlockPlan {
  const { timestamp } = header;
  const depositOnly = isDepositOnly(timestamp, origin);
  return { timestamp, origin, depositOnly, sealAtMs: timestamp * 1000, isComplete };
}

/**
 * Flashblock time (PROTOCOL 4): now, clamped to `1000·parentT < t ≤ 1000·T` and never below
 * `previousMs`.
 */
export function flashblockTime(
  nowMs: number,
  previousMs: number,
  parentTimestamp: number,
  timestamp: number,
): number {
  const lowest = Math.max(previousMs, 1000 * parentTimestamp + 1);
  return Math.min(Math.max(nowMs, lowest), 1000 * timestamp);
}
