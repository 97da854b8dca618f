/**
 * Blob transactions (EIP-4844, type 3), which no chain of ours takes: here they are a type 2
 * transaction, which the node decodes and executes, and what blobs add to it.
 *
 * Owns the two fields more, the signature over them, the rules of form, the blob fee and BLOBHASH.
 * Source: EIP-4844; EIP-7691 for Prague's number of blobs.
 */
import { RLP } from "@ethereumjs/rlp";
import { concatBytes, type Hex, toHex } from "../../lanes/bytes.ts";
import { decodeRlp, isRlpList, rlpInteger, type RlpItem } from "../../lanes/rlp.ts";
import type { Machine } from "../../node/execution/embedded/evm.ts";
import { keccak256, keccakHex } from "../../node/primitives/hash.ts";
import { recoverAddress } from "../../node/primitives/signature.ts";
import { decodeTransaction, type UserTransaction } from "../../node/primitives/transaction.ts";

export const BLOB_TYPE = 3;
const FEE_MARKET_TYPE = 2;
const VERSION = 0x01;
const HASH_BYTES = 32;
const GAS_PER_BLOB = 131_072n;
const DEPTH_MAX = 4;

/** Fields in their order: up to the access list as in type 2, then these, then the signature. */
const SHARED_FIELDS = 9;
const SIGNATURE_FIELDS = 3;
const FIELDS = SHARED_FIELDS + 2 + SIGNATURE_FIELDS;

export interface BlobTransaction {
  /** What there is of it without the blobs. */
  readonly transaction: UserTransaction;
  readonly hash: Hex;
  readonly sender: Hex;
  /** wei per blob gas. */
  readonly maxFeePerBlobGas: bigint;
  readonly versionedHashes: readonly Uint8Array[];
}

/** The transaction, or a word for what is wrong with its form. */
export function decodeBlobTransaction(raw: Uint8Array, blobsMax: number): BlobTransaction | string {
  const fields = decodeRlp(raw.subarray(1), DEPTH_MAX);
  if (!isRlpList(fields) || fields.length !== FIELDS) return "TX_MALFORMED";
  const shared = fields.slice(0, SHARED_FIELDS);
  const [price, hashes] = fields.slice(SHARED_FIELDS);
  const signature = fields.slice(-SIGNATURE_FIELDS);
  const decoded = decodeTransaction(envelope(FEE_MARKET_TYPE, [...shared, ...signature]));
  if (!decoded.ok) return decoded.code;
  if (decoded.value.to === null) return "BLOB_CREATION";
  const maxFeePerBlobGas = rlpInteger(price, HASH_BYTES);
  if (maxFeePerBlobGas === null || !isRlpList(hashes)) return "TX_MALFORMED";
  const versionedHashes = hashes.filter((hash) => isVersionedHash(hash));
  if (versionedHashes.length !== hashes.length) return "BLOB_HASH";
  if (hashes.length === 0 || hashes.length > blobsMax) return "BLOB_COUNT";
  const digest = keccak256(envelope(BLOB_TYPE, fields.slice(0, -SIGNATURE_FIELDS)));
  const sender = recoverAddress(digest, decoded.value);
  if (sender === null) return "TX_SIGNATURE_INVALID";
  const transaction = { ...decoded.value, sender };
  return { transaction, hash: keccakHex(raw), sender, maxFeePerBlobGas, versionedHashes };
}

function isVersionedHash(item: RlpItem): item is Uint8Array {
  return item instanceof Uint8Array && item.length === HASH_BYTES && item[0] === VERSION;
}

/** An envelope of EIP-2718 with a list in it. */
export function envelope(type: number, fields: readonly RlpItem[]): Uint8Array {
  return concatBytes(
    Uint8Array.of(type),
    RLP.encode([...fields] as Parameters<typeof RLP.encode>[0]),
  );
}

/**
 * Charges the blob fee, burnt whatever becomes of the transaction, and shows its hashes to
 * BLOBHASH. Returns how to give the fee back, or a word for why it cannot be paid.
 */
export function payForBlobs(machine: Machine, blobs: BlobTransaction): (() => void) | string {
  const { state, evm, context } = machine;
  const { transaction, sender, versionedHashes } = blobs;
  const gas = GAS_PER_BLOB * BigInt(versionedHashes.length);
  if (blobs.maxFeePerBlobGas < context.blobBaseFee) return "BLOB_FEE_CAP_TOO_LOW";
  const most =
    transaction.gasLimit * transaction.maxFeePerGas +
    transaction.value +
    gas * blobs.maxFeePerBlobGas;
  if ((state.account(sender)?.balance ?? 0n) < most) return "INSUFFICIENT_FUNDS";
  const blobVersionedHashes = versionedHashes.map(toHex);
  const runCall = evm.runCall.bind(evm);
  evm.runCall = (options) => runCall({ ...options, blobVersionedHashes });
  const fee = gas * context.blobBaseFee;
  state.subtractBalance(sender, fee);
  return () => {
    state.addBalance(sender, fee);
  };
}
