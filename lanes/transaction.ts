/**
 * What the lane rules see of a transaction. Everything else (fees, signature, access list) is the
 * execution layer's business.
 */
import type { Hex } from "./bytes.ts";

/** EIP-2718 type byte of deposits, attributes and epochs (OP Stack). */
export const DEPOSIT_TYPE = 0x7e;

export interface LaneTransaction {
  readonly hash: Hex;
  /** EIP-2718 type; 0 for legacy. */
  readonly type: number;
  readonly sender: Hex;
  /** `null` for contract creation. */
  readonly to: Hex | null;
  readonly nonce: bigint;
  /** wei */
  readonly value: bigint;
  readonly gasLimit: bigint;
  /** First four bytes of calldata; `null` where there are fewer. */
  readonly selector: Hex | null;
}
