/**
 * The rules of a chain, as data: what the transition asks wherever chains of the same EVM differ.
 *
 * Owns the parameters and the one rule set this node runs, OP Stack Isthmus. Does not own what the
 * rules parametrise: `evm.ts`, `message.ts`, `transition.ts`.
 * Source: OP Stack specs, deposits.md, fjord, granite and isthmus exec-engine.md; Ethereum Prague.
 */
import { Hardfork } from "@ethereumjs/common";
import type { CustomPrecompile } from "@ethereumjs/evm";
import { bigintToBytes, type Hex, toHex } from "../../../lanes/bytes.ts";
import { DEPOSIT_TYPE } from "../../../lanes/transaction.ts";
import type { Poll } from "../poll.ts";
import { BASE_FEE_VAULT, HISTORY_STORAGE } from "../../primitives/predeploys.ts";
import { readRollupFees, type RollupFees } from "./l1-fee.ts";
import { rollupPrecompiles } from "./precompiles/rollup.ts";
import type { WorkingState } from "./state.ts";

/** What opcodes see of the block. */
export interface BlockContext {
  readonly number: number;
  /** Unix seconds. */
  readonly timestamp: number;
  readonly gasLimit: bigint;
  readonly baseFee: bigint;
  /** wei per blob gas, as BLOBBASEFEE shows it. */
  readonly blobBaseFee: bigint;
  /** COINBASE: gets the tips, and is warm (EIP-3651). */
  readonly beneficiary: Hex;
  readonly prevRandao: Hex;
  readonly parentHash: Hex;
}

export interface Rules {
  /** The opcodes, their gas and the precompiles of Ethereum that hold. */
  readonly hardfork: Hardfork;
  /**
   * Beside the fork's own, or in place of one at the same address. Long ones poll between slices of
   * their work.
   */
  readonly precompiles: (poll: Poll) => readonly CustomPrecompile[];
  /** EIP-2718 types that may stand in a block. */
  readonly transactionTypes: ReadonlySet<number>;
  /** EIP-7623: calldata has a least price. */
  readonly calldataFloor: boolean;
  /** Who gets the base fee; `null` burns it. */
  readonly baseFeeRecipient: Hex | null;
  /** What is paid beside gas. Read once a block, at its first transaction that is not a deposit. */
  readonly rollupFees: (state: WorkingState) => RollupFees;
  /** BLOCKHASH of an ancestor older than the parent. */
  readonly ancestorHash: (state: WorkingState, number: number) => Hex;
}

/** The slots of EIP-2935's ring. */
const HISTORY_SERVE_WINDOW = 8191;

/** OP Stack: no blobs on L2, so the price stays at its minimum. */
export const ROLLUP_BLOB_BASE_FEE = 1n;

/** Where the history contract of EIP-2935 keeps the hash of a block. */
export function historySlot(number: number): Hex {
  return toHex(bigintToBytes(BigInt(number % HISTORY_SERVE_WINDOW), 32));
}

/** Reads the history contract of EIP-2935, so that execution depends on state alone. */
function historyHash(state: WorkingState, number: number): Hex {
  return toHex(bigintToBytes(state.slot(HISTORY_STORAGE, historySlot(number)), 32));
}

/** The rules of a Pricelane chain: OP Stack Isthmus, that is Prague with vaults and deposits. */
export const ISTHMUS: Rules = {
  hardfork: Hardfork.Prague,
  precompiles: rollupPrecompiles,
  transactionTypes: new Set([0, 1, 2, 4, DEPOSIT_TYPE]),
  calldataFloor: true,
  baseFeeRecipient: BASE_FEE_VAULT,
  rollupFees: readRollupFees,
  ancestorHash: historyHash,
};
