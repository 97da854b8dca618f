/**
 * Ethereum transactions as bytes and as values: legacy, EIP-2930, EIP-1559, EIP-7702 and the OP
 * Stack's deposit type. Owns strict decoding (canonical RLP, no trailing bytes, size cap first),
 * encoding and the signing hash. Does not own fees, balances or lanes.
 */
import { RLP } from "@ethereumjs/rlp";
import {
  bigintToMinimalBytes,
  bytesEqual,
  concatBytes,
  fromHex,
  type Hex,
  toHex,
} from "../../lanes/bytes.ts";
import { decodeRlp } from "../../lanes/rlp.ts";
import { DEPOSIT_TYPE, type LaneTransaction } from "../../lanes/transaction.ts";
import { accept, refuse, type Verdict } from "../../lanes/verdict.ts";
import { FieldError, FieldReader } from "./field-reader.ts";
import { keccak256, keccakHex } from "./hash.ts";

export interface AccessListEntry {
  readonly address: Hex;
  readonly storageKeys: readonly Hex[];
}

export interface Authorization {
  readonly chainId: bigint;
  readonly address: Hex;
  readonly nonce: bigint;
  readonly yParity: number;
  readonly r: bigint;
  readonly s: bigint;
}

/** A signed transaction before its sender is known. Structured-cloneable. */
export interface DecodedTransaction {
  readonly type: 0 | 1 | 2 | 4;
  /** EIP-2718 envelope as signed; keccak256 of it is `hash`. */
  readonly raw: Uint8Array;
  readonly hash: Hex;
  /** `null` only for a legacy transaction without EIP-155. */
  readonly chainId: bigint | null;
  readonly nonce: bigint;
  readonly gasLimit: bigint;
  readonly to: Hex | null;
  readonly value: bigint;
  readonly data: Uint8Array;
  /** wei per gas; both are `gasPrice` for types 0 and 1. */
  readonly maxFeePerGas: bigint;
  readonly maxPriorityFeePerGas: bigint;
  readonly accessList: readonly AccessListEntry[];
  readonly authorizationList: readonly Authorization[];
  readonly yParity: number;
  /** The `v` of the wire: 27, 28 or EIP-155 for legacy, else `yParity`. */
  readonly v: bigint;
  readonly r: bigint;
  readonly s: bigint;
}

export interface UserTransaction extends DecodedTransaction {
  readonly sender: Hex;
}

/** Source: OP Stack specs, deposits.md. */
export interface DepositTransaction {
  readonly type: 0x7e;
  readonly raw: Uint8Array;
  readonly hash: Hex;
  readonly sourceHash: Hex;
  /** The account that acts; deposits are not signed. */
  readonly sender: Hex;
  readonly to: Hex | null;
  /** wei created on L2 before execution; 0 for none. */
  readonly mint: bigint;
  readonly value: bigint;
  readonly gasLimit: bigint;
  readonly isSystemTx: boolean;
  readonly data: Uint8Array;
}

export type Transaction = UserTransaction | DepositTransaction;

/** Bytes of one transaction on the wire (PROTOCOL 6: 120 KB). */
export const TX_BYTES_MAX = 120 * 1024;

/** Lists in lists: the fields, the access list, its entries, their keys. */
const DEPTH_MAX = 4;
/** Half of secp256k1's order: signatures above are malleable twins (EIP-2). */
const HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n;
const UINT64_MAX = 2n ** 64n - 1n;
/** EIP-2681: a nonce of 2^64 - 1 can never be used. */
const NONCE_MAX = UINT64_MAX - 1n;

export type TransactionRefusal =
  "TX_TOO_LARGE" | "TX_MALFORMED" | "TX_TYPE_NOT_SUPPORTED" | "TX_SIGNATURE_INVALID";

/**
 * Decodes one signed transaction as a client or a block carries it.
 *
 * Strict: size first, canonical RLP without trailing bytes, integers minimal, low-s.
 * Errors: a verdict; deposits (0x7E) and blobs (0x03) are `TX_TYPE_NOT_SUPPORTED`.
 * Source: EIP-155, 2718, 2930, 1559, 7702; EIP-2 for low-s.
 */
export function decodeTransaction(
  raw: Uint8Array,
): Verdict<DecodedTransaction, TransactionRefusal> {
  if (raw.length > TX_BYTES_MAX) return refuse("TX_TOO_LARGE", { bytes: raw.length });
  const first = raw[0];
  if (first === undefined) return refuse("TX_MALFORMED", { reason: "empty" });
  try {
    const transaction = decodeByType(raw, first);
    if (transaction === null) return refuse("TX_TYPE_NOT_SUPPORTED", { type: first });
    const { r, s } = transaction;
    if (r === 0n || s === 0n || s > HALF_ORDER) return refuse("TX_SIGNATURE_INVALID");
    return accept(transaction);
  } catch (error) {
    return refuse("TX_MALFORMED", { reason: error instanceof Error ? error.message : "encoding" });
  }
}

function decodeByType(raw: Uint8Array, first: number): DecodedTransaction | null {
  if (first >= 0xc0) return decodeLegacy(raw);
  if (first !== 1 && first !== 2 && first !== 4) {
    if (first <= 0x7f) return null;
    throw new FieldError("neither a type byte nor a list");
  }
  const fields = decodeRlp(raw.subarray(1), DEPTH_MAX);
  if (first === 1) return decodeAccessList(raw, fields);
  return decodeFeeMarket(raw, fields, first);
}

function decodeLegacy(raw: Uint8Array): DecodedTransaction {
  const read = new FieldReader(decodeRlp(raw, DEPTH_MAX), 9);
  const nonce = readNonce(read);
  const gasPrice = read.integer();
  const gasLimit = read.integer(8);
  const to = read.addressOrNone();
  const value = read.integer();
  const data = read.bytes();
  const v = read.integer(9);
  if (v !== 27n && v !== 28n && v < 35n) throw new FieldError("v");
  const protectedByChain = v >= 35n;
  return {
    type: 0,
    raw,
    hash: keccakHex(raw),
    chainId: protectedByChain ? (v - 35n) / 2n : null,
    nonce,
    gasLimit,
    to,
    value,
    data,
    maxFeePerGas: gasPrice,
    maxPriorityFeePerGas: gasPrice,
    accessList: [],
    authorizationList: [],
    yParity: Number(protectedByChain ? (v - 35n) % 2n : v - 27n),
    v,
    r: read.integer(),
    s: read.integer(),
  };
}

function decodeAccessList(raw: Uint8Array, fields: unknown): DecodedTransaction {
  const read = new FieldReader(fields, 11);
  const chainId = read.integer(8);
  const nonce = readNonce(read);
  const gasPrice = read.integer();
  const gasLimit = read.integer(8);
  const to = read.addressOrNone();
  const value = read.integer();
  const data = read.bytes();
  const accessList = readAccessList(read.list());
  const yParity = read.parity();
  return {
    type: 1,
    raw,
    hash: keccakHex(raw),
    chainId,
    nonce,
    gasLimit,
    to,
    value,
    data,
    maxFeePerGas: gasPrice,
    maxPriorityFeePerGas: gasPrice,
    accessList,
    authorizationList: [],
    yParity,
    v: BigInt(yParity),
    r: read.integer(),
    s: read.integer(),
  };
}

function decodeFeeMarket(raw: Uint8Array, fields: unknown, type: 2 | 4): DecodedTransaction {
  const read = new FieldReader(fields, type === 2 ? 12 : 13);
  const chainId = read.integer(8);
  const nonce = readNonce(read);
  const maxPriorityFeePerGas = read.integer();
  const maxFeePerGas = read.integer();
  const gasLimit = read.integer(8);
  const to = type === 4 ? read.address() : read.addressOrNone();
  const value = read.integer();
  const data = read.bytes();
  const accessList = readAccessList(read.list());
  const authorizationList = type === 4 ? readAuthorizations(read.list()) : [];
  const yParity = read.parity();
  return {
    type,
    raw,
    hash: keccakHex(raw),
    chainId,
    nonce,
    gasLimit,
    to,
    value,
    data,
    maxFeePerGas,
    maxPriorityFeePerGas,
    accessList,
    authorizationList,
    yParity,
    v: BigInt(yParity),
    r: read.integer(),
    s: read.integer(),
  };
}

function readNonce(read: FieldReader): bigint {
  const nonce = read.integer(8);
  if (nonce > NONCE_MAX) throw new FieldError("nonce");
  return nonce;
}

function readAccessList(entries: readonly unknown[]): AccessListEntry[] {
  return entries.map((entry) => {
    const read = new FieldReader(entry, 2);
    const address = read.address();
    const storageKeys = read.list().map((key) => {
      if (!(key instanceof Uint8Array) || key.length !== 32) throw new FieldError("storage key");
      return toHex(key);
    });
    return { address, storageKeys };
  });
}

function readAuthorizations(entries: readonly unknown[]): Authorization[] {
  if (entries.length === 0) throw new FieldError("authorization list is empty");
  return entries.map((entry) => {
    const read = new FieldReader(entry, 6);
    return {
      chainId: read.integer(),
      address: read.address(),
      nonce: read.integer(8),
      // EIP-7702 bounds this by 2^8 only; an authorization with another parity recovers to nobody.
      yParity: Number(read.integer(1)),
      r: read.integer(),
      s: read.integer(),
    };
  });
}

function accessListToRlp(list: readonly AccessListEntry[]): (Uint8Array | Uint8Array[])[][] {
  return list.map(({ address, storageKeys }) => [fromHex(address), storageKeys.map(fromHex)]);
}

function authorizationsToRlp(list: readonly Authorization[]): Uint8Array[][] {
  return list.map((entry) => [
    bigintToMinimalBytes(entry.chainId),
    fromHex(entry.address),
    bigintToMinimalBytes(entry.nonce),
    bigintToMinimalBytes(BigInt(entry.yParity)),
    bigintToMinimalBytes(entry.r),
    bigintToMinimalBytes(entry.s),
  ]);
}

/** keccak256 of what the sender signed: 32 bytes. */
export function signingHash(transaction: DecodedTransaction): Uint8Array {
  const { type, chainId, nonce, gasLimit, value, data } = transaction;
  const int = bigintToMinimalBytes;
  const to = transaction.to === null ? new Uint8Array(0) : fromHex(transaction.to);
  if (type === 0) {
    const fields = [int(nonce), int(transaction.maxFeePerGas), int(gasLimit), to, int(value), data];
    const empty = new Uint8Array(0);
    return keccak256(
      RLP.encode(chainId === null ? fields : [...fields, int(chainId), empty, empty]),
    );
  }
  const access = accessListToRlp(transaction.accessList);
  const head = [int(chainId ?? 0n), int(nonce)];
  const tail = [int(gasLimit), to, int(value), data, access];
  const fees =
    type === 1
      ? [int(transaction.maxFeePerGas)]
      : [int(transaction.maxPriorityFeePerGas), int(transaction.maxFeePerGas)];
  const extra = type === 4 ? [authorizationsToRlp(transaction.authorizationList)] : [];
  return keccak256(
    concatBytes(Uint8Array.of(type), RLP.encode([...head, ...fees, ...tail, ...extra])),
  );
}

/**
 * keccak256 an authority signed over. Source: EIP-7702, `keccak(0x05 ‖ rlp([chain_id, address,
 * nonce]))`.
 */
export function authorizationHash(authorization: Authorization): Uint8Array {
  const fields = [
    bigintToMinimalBytes(authorization.chainId),
    fromHex(authorization.address),
    bigintToMinimalBytes(authorization.nonce),
  ];
  return keccak256(concatBytes(Uint8Array.of(0x05), RLP.encode(fields)));
}

/** A deposit with its bytes and hash. Source: OP Stack specs, deposits.md. */
export function encodeDeposit(
  fields: Omit<DepositTransaction, "raw" | "hash" | "type">,
): DepositTransaction {
  const body = RLP.encode([
    fromHex(fields.sourceHash),
    fromHex(fields.sender),
    fields.to === null ? new Uint8Array(0) : fromHex(fields.to),
    bigintToMinimalBytes(fields.mint),
    bigintToMinimalBytes(fields.value),
    bigintToMinimalBytes(fields.gasLimit),
    fields.isSystemTx ? Uint8Array.of(1) : new Uint8Array(0),
    fields.data,
  ]);
  const raw = concatBytes(Uint8Array.of(DEPOSIT_TYPE), body);
  return { type: DEPOSIT_TYPE, raw, hash: keccakHex(raw), ...fields };
}

/** Decodes a deposit, canonically: encoding the result again gives the same bytes. */
export function decodeDeposit(raw: Uint8Array): Verdict<DepositTransaction, "TX_MALFORMED"> {
  if (raw[0] !== DEPOSIT_TYPE) return refuse("TX_MALFORMED", { reason: "type" });
  try {
    const read = new FieldReader(decodeRlp(raw.subarray(1), DEPTH_MAX), 8);
    const deposit = encodeDeposit({
      sourceHash: read.hash(),
      sender: read.address(),
      to: read.addressOrNone(),
      mint: read.integer(16),
      value: read.integer(),
      gasLimit: read.integer(8),
      isSystemTx: read.parity() === 1,
      data: read.bytes(),
    });
    return bytesEqual(deposit.raw, raw)
      ? accept(deposit)
      : refuse("TX_MALFORMED", { reason: "not canonical" });
  } catch (error) {
    return refuse("TX_MALFORMED", { reason: error instanceof Error ? error.message : "encoding" });
  }
}

/** What the lane rules see of a transaction. */
export function laneTransaction(transaction: Transaction): LaneTransaction {
  const { hash, type, sender, to, value, gasLimit, data } = transaction;
  return {
    hash,
    type,
    sender,
    to,
    nonce: transaction.type === DEPOSIT_TYPE ? 0n : transaction.nonce,
    value,
    gasLimit,
    selector: data.length < 4 ? null : toHex(data.subarray(0, 4)),
  };
}
