/**
 * The codes with which `verifyLanes` refuses a block. Stable: evidence, alarms and error tables
 * name them. `data` says where: `flashblock` and `index` (in the block) of the first offending
 * transaction.
 */
import { refuse, type Refused } from "./verdict.ts";

export const VIOLATION_CODES = [
  /** LaneData names another policy than the one in force. */
  "POLICY_HASH_WRONG",
  /** Not the parent's number plus one. */
  "BLOCK_NUMBER_WRONG",
  /** `T < parentT + b`. */
  "BLOCK_TIME_TOO_EARLY",
  /** No flashblock, or more than the policy's `maxFlashblocks`. */
  "FLASHBLOCK_COUNT_OUT_OF_RANGE",
  /** The flashblocks' transaction counts do not add up to the block's transactions. */
  "TX_COUNT_WRONG",
  /** Not one pair of admission numbers for each transaction that is not a system one. */
  "NUMBER_COUNT_WRONG",
  /** A flashblock is older than the one before it. */
  "FLASHBLOCK_TIME_DECREASES",
  /** Not `1000·parentT < t ≤ 1000·T`. */
  "FLASHBLOCK_TIME_OUT_OF_RANGE",
  /** A flashblock's leader epoch is below the one before it, in this block or its parent. */
  "LEADER_EPOCH_DECREASES",
  /** The block does not begin with the L1 attributes transaction. */
  "ATTRIBUTES_MISSING",
  /** A system transaction anywhere but at the head of the block's first flashblock. */
  "SYSTEM_TX_MISPLACED",
  /** After an outage the block does not begin with an epoch. */
  "EPOCH_MISSING",
  /** An epoch that changes nothing. */
  "EPOCH_EMPTY",
  /** An epoch's transaction is not at the head of its flashblock, or not the one computed. */
  "EPOCH_TX_WRONG",
  /** A cut below an earlier one, or below a number that was given before. */
  "EPOCH_CUT_TOO_LOW",
  /** A report that is malformed, of a key that is not heard, or of a feed not its own: `reason`. */
  "EPOCH_REPORT_INVALID",
  /** Reports are not in order of their hashes. */
  "EPOCH_REPORTS_UNORDERED",
  /** A report that is the newest of nothing, too old or out of range. */
  "EPOCH_REPORT_USELESS",
  /** Two reports that do not prove what they should, or of a key that is suspended. */
  "CONFLICT_INVALID",
  /** A gas limit above the block's, or the block's above 64 bits. */
  "GAS_LIMIT_OUT_OF_RANGE",
  /** An admission number that is 0 or wider than 72 bits. */
  "NUMBER_OUT_OF_RANGE",
  /** Two transactions with one accepted number. */
  "ACCEPTED_NOT_UNIQUE",
  /** Two transactions with one ready number. */
  "READY_NOT_UNIQUE",
  /** `ready ≤ accepted`. */
  "READY_NOT_AFTER_ACCEPTED",
  /** I1 (and I3: the rank is recomputed): a lower rank behind a higher one in a flashblock. */
  "RANK_DECREASES",
  /** In a class of order `ready`, a lower number behind a higher one in a flashblock. */
  "READY_NOT_INCREASING",
  /** I2: a transaction of a lower class, executable later, before a fast one that had room. */
  "OVERTAKEN",
  /** A sender's transactions are not in nonce order. */
  "NONCE_NOT_INCREASING",
  /** I4: a class takes more gas by limit than its share. */
  "CLASS_CAP_EXCEEDED",
] as const;

export type ViolationCode = (typeof VIOLATION_CODES)[number];
export type Violation = Refused<ViolationCode>;

/** The refusal of a block. */
export function violation(
  code: ViolationCode,
  data: Readonly<Record<string, string | number>>,
): Violation {
  return refuse(code, data);
}
