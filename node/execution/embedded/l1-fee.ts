/**
 * What a transaction pays beside its L2 gas: the L1 data fee and the operator fee.
 *
 * Owns the reading of the L1Block predeploy's slots and the formulas. Does not own the size
 * estimate: `primitives/l1-data.ts`. Parameters are read once a block, at its first transaction
 * that is not a deposit: the deposits before it may change them.
 * Source: OP Stack specs, fjord/exec-engine.md (L1 cost), isthmus operator fee.
 */
import { bigintToBytes, type Hex, toHex } from "../../../lanes/bytes.ts";
import { estimatedSizeScaled } from "../../primitives/l1-data.ts";
import { L1_BLOCK } from "../../primitives/predeploys.ts";
import type { WorkingState } from "./state.ts";

/** Fees in force for the transactions of one block. */
export interface RollupFees {
  /** wei for posting these raw bytes. */
  l1Fee(raw: Uint8Array): bigint;
  /** wei for this much gas. */
  operatorFee(gas: bigint): bigint;
}

const UINT32 = 0xffff_ffffn;
const UINT64 = 0xffff_ffff_ffff_ffffn;

const COST_DIVISOR = 1_000_000_000_000n;
const OPERATOR_SCALAR_DIVISOR = 1_000_000n;

function slotOf(index: bigint): Hex {
  return toHex(bigintToBytes(index, 32));
}

const BASE_FEE_SLOT = slotOf(1n);
const SCALARS_SLOT = slotOf(3n);
const BLOB_BASE_FEE_SLOT = slotOf(7n);
const OPERATOR_SLOT = slotOf(8n);

/** Fees as the L1Block predeploy sets them at this moment. */
export function readRollupFees(state: WorkingState): RollupFees {
  const scalars = state.slot(L1_BLOCK, SCALARS_SLOT);
  const baseFeeScalar = (scalars >> 96n) & UINT32;
  const blobBaseFeeScalar = (scalars >> 64n) & UINT32;
  const perByte =
    16n * baseFeeScalar * state.slot(L1_BLOCK, BASE_FEE_SLOT) +
    blobBaseFeeScalar * state.slot(L1_BLOCK, BLOB_BASE_FEE_SLOT);
  const operator = state.slot(L1_BLOCK, OPERATOR_SLOT);
  const operatorScalar = (operator >> 64n) & UINT32;
  const operatorConstant = operator & UINT64;
  return {
    l1Fee: (raw) => (perByte === 0n ? 0n : (estimatedSizeScaled(raw) * perByte) / COST_DIVISOR),
    operatorFee: (gas) => (gas * operatorScalar) / OPERATOR_SCALAR_DIVISOR + operatorConstant,
  };
}
