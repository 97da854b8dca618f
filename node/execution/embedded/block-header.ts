/**
 * Header fields that follow from the rollup config: extra data and the constants of an L2 block.
 * PROTOCOL 6. Source: OP Stack specs, holocene/exec-engine.md.
 */
import { bigintToBytes, concatBytes, type Hex, ZERO_HASH } from "../../../lanes/bytes.ts";
import {
  EMPTY_OMMERS_HASH,
  EMPTY_REQUESTS_HASH,
  type Header,
  ZERO_NONCE,
} from "../../primitives/header.ts";
import type { RollupConfig } from "../../rollup-config.ts";
import { SEQUENCER_FEE_VAULT } from "../../primitives/predeploys.ts";

type FeeParameters = RollupConfig["eip1559"];

/** `0x00 ‖ u32 denominator ‖ u32 elasticity`, in every block, genesis included. */
export function extraDataOf({ denominator, elasticity }: FeeParameters): Uint8Array {
  return concatBytes(
    Uint8Array.of(0),
    bigintToBytes(BigInt(denominator), 4),
    bigintToBytes(BigInt(elasticity), 4),
  );
}

/** Fields that execution and the environment decide. */
export type HeaderInput = Pick<
  Header,
  | "parentHash"
  | "number"
  | "timestamp"
  | "gasLimit"
  | "gasUsed"
  | "baseFeePerGas"
  | "stateRoot"
  | "transactionsRoot"
  | "receiptsRoot"
  | "withdrawalsRoot"
  | "logsBloom"
> & { readonly prevRandao?: Hex; readonly parentBeaconBlockRoot?: Hex };

/** The whole header of an L2 block. */
export function makeHeader(input: HeaderInput, parameters: FeeParameters): Header {
  return {
    prevRandao: ZERO_HASH,
    parentBeaconBlockRoot: ZERO_HASH,
    ...input,
    ommersHash: EMPTY_OMMERS_HASH,
    beneficiary: SEQUENCER_FEE_VAULT,
    difficulty: 0n,
    extraData: extraDataOf(parameters),
    nonce: ZERO_NONCE,
    blobGasUsed: 0n,
    excessBlobGas: 0n,
    requestsHash: EMPTY_REQUESTS_HASH,
  };
}
