/**
 * Signed blob transactions as L1's pools take them since Osaka: type 3 with cell proofs.
 *
 * Serialised here because viem 2.57 writes the sidecar of before Osaka, which pools refuse.
 * Source: EIP-4844 (transaction), EIP-7594 (network wrapper, version 1).
 */
import { RLP } from "@ethereumjs/rlp";
import { concatBytes, fromHex, type Hex, toHex } from "../../lanes/bytes.ts";
import { rlpIntegerBytes } from "../../lanes/rlp.ts";
import { keccak256, keccakHex } from "../primitives/hash.ts";
import { signDigest } from "../primitives/signature.ts";
import type { BlobSidecar } from "../workers/kzg.ts";

const TYPE = Uint8Array.of(3);
/** EIP-7594: cell proofs instead of one proof a blob. */
const WRAPPER_VERSION = Uint8Array.of(1);

export interface BlobTransaction {
  readonly chainId: number;
  readonly nonce: number;
  readonly gas: bigint;
  readonly maxFeePerGas: bigint;
  readonly maxPriorityFeePerGas: bigint;
  readonly maxFeePerBlobGas: bigint;
  readonly to: Hex;
  readonly data: Hex;
  readonly blobs: readonly Uint8Array[];
  /** One for each blob. */
  readonly sidecars: readonly BlobSidecar[];
}

/** Network form and hash; deterministic: the same fields and key give the same bytes. */
export function signBlobTransaction(
  transaction: BlobTransaction,
  privateKey: Uint8Array,
): { readonly raw: Hex; readonly hash: Hex } {
  const { sidecars } = transaction;
  const fields = [
    rlpIntegerBytes(transaction.chainId),
    rlpIntegerBytes(transaction.nonce),
    rlpIntegerBytes(transaction.maxPriorityFeePerGas),
    rlpIntegerBytes(transaction.maxFeePerGas),
    rlpIntegerBytes(transaction.gas),
    fromHex(transaction.to),
    rlpIntegerBytes(0),
    fromHex(transaction.data),
    [],
    rlpIntegerBytes(transaction.maxFeePerBlobGas),
    sidecars.map(({ versionedHash }) => fromHex(versionedHash)),
  ];
  const signature = signDigest(keccak256(concatBytes(TYPE, RLP.encode(fields))), privateKey);
  const signed = [
    ...fields,
    rlpIntegerBytes((signature[64] ?? 0) - 27),
    withoutZeros(signature.subarray(0, 32)),
    withoutZeros(signature.subarray(32, 64)),
  ];
  const network = [
    signed,
    WRAPPER_VERSION,
    [...transaction.blobs],
    sidecars.map(({ commitment }) => commitment),
    sidecars.flatMap(({ proofs }) => [...proofs]),
  ];
  return {
    raw: toHex(concatBytes(TYPE, RLP.encode(network))),
    hash: keccakHex(concatBytes(TYPE, RLP.encode(signed))),
  };
}

function withoutZeros(bytes: Uint8Array): Uint8Array {
  const start = bytes.findIndex((byte) => byte !== 0);
  return start === -1 ? new Uint8Array(0) : bytes.subarray(start);
}
