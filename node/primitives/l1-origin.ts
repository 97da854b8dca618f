/** An L1 block as far as L2 blocks depend on it. PROTOCOL 6, 7. */
import type { Hex } from "../../lanes/bytes.ts";

export interface L1Origin {
  readonly number: number;
  readonly hash: Hex;
  readonly parentHash: Hex;
  /** Unix seconds. */
  readonly timestamp: number;
  /** wei */
  readonly baseFee: bigint;
  /** wei, from `excessBlobGas` by the L1 blob schedule in the rollup config. */
  readonly blobBaseFee: bigint;
  readonly prevRandao: Hex;
  /** Zero where L1 has none. */
  readonly parentBeaconBlockRoot: Hex;
}
