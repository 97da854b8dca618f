/**
 * The order rules of a block: where its transactions stand, among each other and against the blocks
 * before. PROTOCOL 4.
 * Owns I1, I4, admission numbers and nonce order; I2's state and comparison are in `overtaking.ts`.
 * Does not own what a block is made of, which was checked before (`verify.ts`). Each rule is one
 * pass over the block.
 *
 * The class of a transaction is not carried in a block: ranks come from `classify`. So I3, "the
 * recomputed class equals the rank", holds by construction; a wrongly placed transaction shows as
 * I1, and a wrong rank in a signed flashblock as another `orderHash` than the one computed.
 */
import { U72_MAX } from "./abi.ts";
import { type BlockGas, capOf } from "./budget.ts";
import type { Hex } from "./bytes.ts";
import { SYSTEM_RANK } from "./classify.ts";
import type { RecentBlock } from "./lane-state.ts";
import { orderOfRank } from "./order.ts";
import { findOvertaken, type Ordered } from "./overtaking.ts";
import type { Policy } from "./policy.ts";
import type { LaneTransaction } from "./transaction.ts";
import { type Violation, violation } from "./violation.ts";

/** A transaction with its place and everything the rules compare. */
export interface Placed {
  readonly transaction: LaneTransaction;
  readonly flashblock: number;
  /** In the block. */
  readonly index: number;
  readonly rank: number;
  readonly rule: number;
  readonly accepted: bigint;
  readonly ready: bigint;
}

/** What the order of a block is held against. */
export interface OrderRules {
  readonly policy: Policy;
  /** Of the block. */
  readonly gas: BlockGas;
  /** Blocks before it that it can be compared with, its parent last. */
  readonly recent: readonly RecentBlock[];
}

/** The first rule that is broken; `placed` is the whole block. */
export function checkOrderRules(placed: readonly Placed[], rules: OrderRules): Violation | null {
  return (
    checkNumbers(placed) ??
    checkOrder(placed, rules.policy) ??
    checkNonces(placed) ??
    checkCaps(placed, rules) ??
    checkOvertaking(placed, rules)
  );
}

/** What I2 compares of it. */
export function ordered({ rank, ready, transaction }: Placed): Ordered {
  return { rank, ready, gasLimit: transaction.gasLimit };
}

/** In a violation's data. */
export function where({ flashblock, index }: Placed): { flashblock: number; index: number } {
  return { flashblock, index };
}

function checkNumbers(placed: readonly Placed[]): Violation | null {
  const acceptedSeen = new Set<bigint>();
  const readySeen = new Set<bigint>();
  for (const item of placed) {
    if (item.rank === SYSTEM_RANK) continue;
    const { accepted, ready } = item;
    if (accepted <= 0n || accepted > U72_MAX || ready <= 0n || ready > U72_MAX) {
      return violation("NUMBER_OUT_OF_RANGE", where(item));
    }
    if (ready <= accepted) return violation("READY_NOT_AFTER_ACCEPTED", where(item));
    if (acceptedSeen.has(accepted)) return violation("ACCEPTED_NOT_UNIQUE", where(item));
    if (readySeen.has(ready)) return violation("READY_NOT_UNIQUE", where(item));
    acceptedSeen.add(accepted);
    readySeen.add(ready);
  }
  return null;
}

/** I1, and `ready` order in the classes that have it. Both hold flashblock by flashblock. */
function checkOrder(placed: readonly Placed[], policy: Policy): Violation | null {
  for (const [at, item] of placed.entries()) {
    const before = placed[at - 1];
    if (before?.flashblock !== item.flashblock) continue;
    if (item.rank < before.rank) {
      const data = { ...where(item), rank: item.rank, before: before.rank };
      return violation("RANK_DECREASES", data);
    }
    const byReady =
      item.rank === before.rank &&
      item.rank !== SYSTEM_RANK &&
      orderOfRank(policy, item.rank) === "ready";
    if (byReady && item.ready <= before.ready) {
      return violation("READY_NOT_INCREASING", { ...where(item), rank: item.rank });
    }
  }
  return null;
}

/**
 * Increasing, not increasing by one: an EIP-7702 authorization or a creation by delegated code
 * raises a nonce between two transactions of its account. The exact nonce is the execution layer's
 * rule.
 */
function checkNonces(placed: readonly Placed[]): Violation | null {
  const newest = new Map<Hex, bigint>();
  for (const item of placed) {
    if (item.rank === SYSTEM_RANK) continue;
    const { sender, nonce } = item.transaction;
    const before = newest.get(sender);
    if (before !== undefined && nonce <= before) {
      return violation("NONCE_NOT_INCREASING", { ...where(item), sender });
    }
    newest.set(sender, nonce);
  }
  return null;
}

/** I4. */
function checkCaps(placed: readonly Placed[], { gas, policy }: OrderRules): Violation | null {
  const { fast } = policy.document;
  const left = new Map(
    fast.classes.map(({ rank, gasShareBps }) => [rank, capOf(gasShareBps, gas)]),
  );
  for (const item of placed) {
    const before = left.get(item.rank);
    if (before === undefined) continue;
    const after = before - item.transaction.gasLimit;
    if (after < 0n) return violation("CLASS_CAP_EXCEEDED", { ...where(item), rank: item.rank });
    left.set(item.rank, after);
  }
  return null;
}

/** I2. */
function checkOvertaking(
  placed: readonly Placed[],
  { policy, recent }: OrderRules,
): Violation | null {
  const found = findOvertaken(placed.map(ordered), recent, policy.document.ttlBlocks);
  const overtaken = found === null ? undefined : placed[found.index];
  if (found === null || overtaken === undefined) return null;
  const { blocksBefore, by } = found;
  return violation("OVERTAKEN", { ...where(overtaken), rank: overtaken.rank, blocksBefore, by });
}
