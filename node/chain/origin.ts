/**
 * Rules of the L1 origin, O1 and O2 of PROTOCOL 7. Pure; the builder, importers and derivation
 * share them.
 */
import { accept, refuse, type Verdict } from "../../lanes/verdict.ts";
import type { Hex } from "../../lanes/bytes.ts";
import type { L1Origin } from "../primitives/l1-origin.ts";

/** Seconds that a block's time may run ahead of its origin's and still hold user transactions. */
export const ORIGIN_DRIFT_MAX_S = 1800;

/** Where a chain stands towards L1. */
export interface OriginPosition {
  readonly number: number;
  readonly hash: Hex;
  /** Blocks since the first of this origin. */
  readonly sequenceNumber: number;
}

export interface OriginStep {
  /** Unix seconds, of the parent block. */
  readonly parentTimestamp: number;
  readonly parent: OriginPosition;
  /** Unix seconds, of the block. */
  readonly timestamp: number;
  readonly origin: L1Origin;
  readonly sequenceNumber: number;
  /** Seconds. */
  readonly blockTime: number;
  readonly userTransactions: number;
}

/** Position of a block with this origin after a parent at that position. */
export function nextPosition(parent: OriginPosition, origin: L1Origin): OriginPosition {
  const { number, hash } = origin;
  const sequenceNumber = number === parent.number ? parent.sequenceNumber + 1 : 0;
  return { number, hash, sequenceNumber };
}

/** Whether a block with this timestamp may hold nothing but system transactions (O2). */
export function isDepositOnly(timestamp: number, origin: Pick<L1Origin, "timestamp">): boolean {
  return timestamp > origin.timestamp + ORIGIN_DRIFT_MAX_S;
}

/** O1 and O2. Errors: verdict `BLOCK_ORIGIN_INVALID`, `data.rule` names the rule. */
export function checkOrigin(step: OriginStep): Verdict<OriginPosition, "BLOCK_ORIGIN_INVALID"> {
  const { parent, origin, timestamp } = step;
  const broken = (rule: string): Verdict<never, "BLOCK_ORIGIN_INVALID"> =>
    refuse("BLOCK_ORIGIN_INVALID", { rule });
  const same = origin.number === parent.number && origin.hash === parent.hash;
  const child = origin.number === parent.number + 1 && origin.parentHash === parent.hash;
  if (!same && !child) return broken("O1");
  const position = nextPosition(parent, origin);
  if (step.sequenceNumber !== position.sequenceNumber) return broken("O1 sequence number");
  if (origin.timestamp > timestamp) return broken("O2");
  if (isDepositOnly(timestamp, origin)) {
    if (step.userTransactions > 0) return broken("O2 drift");
    if (timestamp !== step.parentTimestamp + step.blockTime) return broken("O2 drift time");
  }
  return accept(position);
}
