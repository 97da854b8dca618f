/**
 * The `transaction` section of a state test as signed bytes, for tests that give no `txbytes`: a
 * transaction whose data, gas limit and value are chosen by index, and its sender's key.
 * Owns encoding only: values out of range are encoded all the same, for the decoder to refuse.
 */
import { RLP } from "@ethereumjs/rlp";
import { bigintToMinimalBytes, fromHex } from "../../lanes/bytes.ts";
import type { RlpItem } from "../../lanes/rlp.ts";
import { keccak256 } from "../../node/primitives/hash.ts";
import { signDigest } from "../../node/primitives/signature.ts";
import { BLOB_TYPE, envelope } from "./blob-transaction.ts";
import { hexOf, integerOf } from "./shape.ts";

interface AccessEntry {
  readonly address: string;
  readonly storageKeys: readonly string[];
}

export interface TransactionSection {
  readonly data: readonly string[];
  readonly gasLimit: readonly string[];
  readonly value: readonly string[];
  readonly nonce: string;
  readonly to: string;
  readonly secretKey?: string;
  readonly gasPrice?: string;
  readonly maxFeePerGas?: string;
  readonly maxPriorityFeePerGas?: string;
  /** One for each of `data`; with `null` it is a legacy transaction. */
  readonly accessLists?: readonly (readonly AccessEntry[] | null)[];
  readonly maxFeePerBlobGas?: string;
  readonly blobVersionedHashes?: readonly string[];
}

export interface Indexes {
  readonly data: number;
  readonly gas: number;
  readonly value: number;
}

const bytes = (text = "0x"): Uint8Array => fromHex(hexOf(text));
const integer = (text = "0x"): Uint8Array => bigintToMinimalBytes(integerOf(text));

/** The signed bytes; `null` where the section has no key. */
export function signedBytes(
  section: TransactionSection,
  indexes: Indexes,
  chainId: number,
): Uint8Array | null {
  if (section.secretKey === undefined) return null;
  const key = bytes(section.secretKey);
  const tail = [
    integer(section.gasLimit[indexes.gas]),
    bytes(section.to),
    integer(section.value[indexes.value]),
    bytes(section.data[indexes.data]),
  ];
  const list = section.accessLists?.[indexes.data] ?? null;
  const access = (list ?? []).map((entry) => [bytes(entry.address), entry.storageKeys.map(bytes)]);
  const head = [bigintToMinimalBytes(BigInt(chainId)), integer(section.nonce)];
  if (section.maxFeePerGas !== undefined) {
    const fees = [integer(section.maxPriorityFeePerGas), integer(section.maxFeePerGas)];
    const fields = [...head, ...fees, ...tail, access];
    if (section.maxFeePerBlobGas === undefined) return signEnvelope(2, fields, key);
    const hashes = (section.blobVersionedHashes ?? []).map(bytes);
    return signEnvelope(BLOB_TYPE, [...fields, integer(section.maxFeePerBlobGas), hashes], key);
  }
  if (list !== null)
    return signEnvelope(1, [...head, integer(section.gasPrice), ...tail, access], key);
  return signLegacy([integer(section.nonce), integer(section.gasPrice), ...tail], key);
}

function signEnvelope(type: number, fields: readonly RlpItem[], key: Uint8Array): Uint8Array {
  const signature = signDigest(keccak256(envelope(type, fields)), key);
  const parity = bigintToMinimalBytes(BigInt((signature[64] ?? 0) - 27));
  return envelope(type, [...fields, parity, ...partsOf(signature)]);
}

/** Without EIP-155: no chain is named, and every one takes it. */
function signLegacy(fields: readonly Uint8Array[], key: Uint8Array): Uint8Array {
  const signature = signDigest(keccak256(RLP.encode([...fields])), key);
  return RLP.encode([...fields, signature.subarray(64), ...partsOf(signature)]);
}

/** r and s without leading zeros. */
function partsOf(signature: Uint8Array): Uint8Array[] {
  return [signature.subarray(0, 32), signature.subarray(32, 64)].map((part) =>
    part.subarray(part.findIndex((byte) => byte !== 0)),
  );
}
