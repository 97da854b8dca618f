/**
 * Simulated calls as callers see them: the request, what it may pretend, and its result. Shared by
 * `eth_call`, `eth_estimateGas` and `debug_traceCall`. Source: geth internal/ethapi.
 */
import type { Hex } from "../../lanes/bytes.ts";
import type { AccessListEntry, Authorization } from "../primitives/transaction.ts";

export interface CallRequest {
  readonly from: Hex;
  readonly to: Hex | null;
  readonly data: Uint8Array;
  readonly value: bigint;
  readonly gasLimit: bigint;
  /** wei per gas: the most that the caller pays. 0 without a tip: nothing is charged or checked. */
  readonly feeCap: bigint;
  /** wei per gas above the base fee; `null` where `feeCap` is the price itself. */
  readonly tip: bigint | null;
  readonly accessList: readonly AccessListEntry[];
  readonly authorizationList: readonly Authorization[];
}

export interface CallResult {
  readonly success: boolean;
  /** Return data, or revert data. */
  readonly output: Uint8Array;
  readonly gasUsed: bigint;
  /** Set when `success` is false: `revert`, `out of gas`, or the EVM's own word. */
  readonly error: string | null;
}

/** An account as a call pretends it to be; what is `null` stays as it is. */
export interface AccountOverride {
  readonly address: Hex;
  readonly balance: bigint | null;
  readonly nonce: bigint | null;
  readonly code: Uint8Array | null;
  /** Whether `slots` are all the storage that the account has. */
  readonly storageReplaced: boolean;
  readonly slots: readonly { readonly slot: Hex; readonly value: bigint }[];
}

/** A block as a call pretends it to be; what is `null` stays as it is. */
export interface BlockOverrides {
  readonly number: number | null;
  /** Unix seconds. */
  readonly timestamp: number | null;
  readonly gasLimit: bigint | null;
  readonly beneficiary: Hex | null;
  readonly prevRandao: Hex | null;
  readonly baseFee: bigint | null;
  readonly blobBaseFee: bigint | null;
}

export interface CallOverrides {
  readonly accounts: readonly AccountOverride[];
  readonly block: BlockOverrides | null;
}
