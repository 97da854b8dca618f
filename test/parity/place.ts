/** What the mix of transactions is made from: one block of the parity chain, and random choices. */
import type { Hex } from "../../lanes/bytes.ts";
import type { L1Origin } from "../../node/primitives/l1-origin.ts";
import type { RollupConfig } from "../../node/rollup-config.ts";
import type { Random } from "./random.ts";

export const CHAIN_ID = 901;

/** What a transaction does, without its envelope. */
export interface Action {
  readonly to: Hex | null;
  readonly data: Hex;
  readonly value: bigint;
  readonly gas: bigint;
}

/** What the mix needs to know of the chain. */
export interface Place {
  readonly random: Random;
  readonly number: number;
  readonly timestamp: number;
  readonly baseFee: bigint;
  readonly rollup: RollupConfig;
  /** What the block's attributes were made from. */
  readonly origin: L1Origin;
  /** Contracts that transactions of this chain have made, the last few. */
  readonly made: readonly Hex[];
  /** Nonce of an account in the open block. */
  nonce(address: Hex): bigint;
  /** Gas that the open block still has. */
  gasLeft(): bigint;
  /** Blocks of this chain take more gas than their target now. */
  readonly crowded: boolean;
}
