/**
 * I2: nobody overtakes a fast transaction that had room. PROTOCOL 4:
 *
 *   if x precedes f, rank(x) > rank(f) ≥ 1 and ready(x) > ready(f), they are in different blocks
 *   and, summed over x's whole block, the gas limits of f's class plus f's exceed its cap
 *
 * Checked within a block, and against the `ttlBlocks` blocks before it under the same policy
 * (`comparableBlocks`): a fast transaction keeps its number for no longer. Owns the rule and what
 * LaneState keeps for it. One pass: what a transaction costs is bounded by the policy's classes and
 * `ttlBlocks`.
 */
import { type BlockGas, capOf } from "./budget.ts";
import { NORMAL_RANK, SYSTEM_RANK } from "./classify.ts";
import type { ClassGas, RankReady, RecentBlock } from "./lane-state.ts";
import type { PolicyDocument } from "./policy-document.ts";

/** What the rule compares, in block order. */
export interface Ordered {
  readonly rank: number;
  readonly ready: bigint;
  readonly gasLimit: bigint;
}

export interface Overtaking {
  /** Of the overtaken transaction in its block. */
  readonly index: number;
  /** Blocks before its own in which it was overtaken; 0 for its own. */
  readonly blocksBefore: number;
  /** Lowest rank of what overtook it. */
  readonly by: number;
}

/** Caps and use of each class, and the highest number of each rank: what later blocks need. */
export function recentBlock(
  policy: PolicyDocument,
  gas: BlockGas,
  order: readonly Ordered[],
): RecentBlock {
  const used = new Map<number, bigint>();
  const highest = new Map<number, bigint>();
  for (const { rank, ready, gasLimit } of order) {
    if (rank === SYSTEM_RANK) continue;
    if (rank !== NORMAL_RANK) used.set(rank, (used.get(rank) ?? 0n) + gasLimit);
    if (ready > (highest.get(rank) ?? 0n)) highest.set(rank, ready);
  }
  const classes: ClassGas[] = policy.fast.classes.map(({ rank, gasShareBps }) => ({
    rank,
    cap: capOf(gasShareBps, gas),
    gas: used.get(rank) ?? 0n,
  }));
  const ready: RankReady[] = [...highest]
    .map(([rank, number]) => ({ rank, ready: number }))
    .sort((a, b) => a.rank - b.rank);
  return { classes, ready };
}

/** The first transaction that was overtaken, in block order; `recent` ends with its parent. */
export function findOvertaken(
  order: readonly Ordered[],
  recent: readonly RecentBlock[],
  ttlBlocks: number,
): Overtaking | null {
  const before = recent.slice(-ttlBlocks);
  /** Of what precedes in this block, the highest number by rank. */
  const highest = new Map<number, bigint>();
  for (const [index, item] of order.entries()) {
    if (item.rank !== SYSTEM_RANK && item.rank !== NORMAL_RANK) {
      const here = overtaker(item, highest);
      if (here !== null) return { index, blocksBefore: 0, by: here };
      for (const [at, block] of before.entries()) {
        const by = overtakerInBlock(item, block);
        if (by !== null) return { index, blocksBefore: before.length - at, by };
      }
    }
    if (item.ready > (highest.get(item.rank) ?? 0n)) highest.set(item.rank, item.ready);
  }
  return null;
}

/** The lowest rank behind `item`'s that has a later number. */
function overtaker({ rank, ready }: Ordered, highest: ReadonlyMap<number, bigint>): number | null {
  let found: number | null = null;
  for (const [other, number] of highest)
    if (other > rank && number > ready && (found === null || other < found)) found = other;
  return found;
}

function overtakerInBlock(item: Ordered, { classes, ready }: RecentBlock): number | null {
  const by = ready.find(({ rank, ready: number }) => rank > item.rank && number > item.ready);
  if (by === undefined) return null;
  const own = classes.find(({ rank }) => rank === item.rank);
  // A class that the block did not know had no room in it.
  const hadRoom = own !== undefined && own.gas + item.gasLimit <= own.cap;
  return hadRoom ? by.rank : null;
}
