/**
 * Epochs as transactions of a block: where they stand among the users', made from LaneData alone.
 * Owns the way from the lanes' bytes to a deposit. Does not own what an epoch is (`lanes/`).
 */
import type { EpochTransaction } from "../../lanes/epoch-transaction.ts";
import type { LaneState } from "../../lanes/lane-state.ts";
import type { Policy } from "../../lanes/policy.ts";
import { accept, refuse, type Verdict } from "../../lanes/verdict.ts";
import { deriveEpochs, interleave } from "../../lanes/verify-epochs.ts";
import { NodeError } from "../errors.ts";
import { recoverSigner } from "../primitives/signature.ts";
import {
  decodeDeposit,
  type DepositTransaction,
  type Transaction,
} from "../primitives/transaction.ts";
import type { BlockContent } from "./received.ts";

/** The transactions of a block on `laneState`, as its LaneData places them. */
export function placeTransactions(
  { timestamp, laneData, transactions }: BlockContent,
  attributes: DepositTransaction,
  policy: Policy,
  laneState: LaneState,
): Verdict<Transaction[], "LANE_VIOLATION"> {
  // As `verifyLanes` would say of it, which needs the transactions in their places.
  if (laneData.flashblocks[0]?.txCount === 0)
    return refuse("LANE_VIOLATION", { violation: "ATTRIBUTES_MISSING", flashblock: 0, index: 0 });
  const block = { number: laneState.blockNumber + 1, timestamp, headCount: 1 };
  const priced = deriveEpochs(block, laneData, policy, laneState, recoverSigner);
  if (!priced.ok) return refuse("LANE_VIOLATION", { ...priced.data, violation: priced.code });
  const epochs = priced.value.flashblocks.map(({ transaction }) =>
    transaction === null ? null : epochDeposit(transaction),
  );
  const placed = interleave<Transaction>(laneData, [attributes], epochs, transactions);
  return placed === null
    ? refuse("LANE_VIOLATION", { violation: "TX_COUNT_WRONG" })
    : accept(placed);
}

/** An epoch's transaction as the engine executes it. */
export function epochDeposit({ raw }: EpochTransaction): DepositTransaction {
  const deposit = decodeDeposit(raw);
  if (!deposit.ok) throw new NodeError("INTERNAL", { epoch: deposit.code });
  return deposit.value;
}
