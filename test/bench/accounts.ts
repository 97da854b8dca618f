/**
 * Accounts of the benchmarks' state, and signed transactions of those that have a key.
 *
 * Owns keys, addresses and the encoding of what is signed. Addresses of accounts without a key are
 * multiples of a constant, so that a contract can name any of them with one multiplication.
 */
import { RLP } from "@ethereumjs/rlp";
import {
  bigintToBytes,
  bigintToMinimalBytes,
  concatBytes,
  fromHex,
  type Hex,
  toHex,
} from "../../lanes/bytes.ts";
import { keccak256 } from "../../node/primitives/hash.ts";
import { addressOf, signDigest } from "../../node/primitives/signature.ts";
import { decodeTransaction, type UserTransaction } from "../../node/primitives/transaction.ts";

export const CHAIN_ID = 901;
export const ETHER = 10n ** 18n;
export const GWEI = 10n ** 9n;
/** Far above what full blocks in a row make of the base fee in one run. */
const MAX_FEE_PER_GAS = 10_000n * GWEI;
const TIP_PER_GAS = GWEI;
const EIP1559_TYPE = 2;

/** Odd, so that its multiples modulo 2^160 are all different: 2^160 over the golden ratio. */
export const ADDRESS_FACTOR = 0x9e3779b97f4a7c15f39cc0605cedc8341082276bn;
const ADDRESS_MASK = (1n << 160n) - 1n;

/** Address of an account without a key. */
export function plainAddress(index: number): Hex {
  const value = (BigInt(index + 1) * ADDRESS_FACTOR) & ADDRESS_MASK;
  return toHex(bigintToBytes(value, 20));
}

/** An account that can sign, and its next nonce as transactions are made. */
export interface Sender {
  readonly address: Hex;
  readonly privateKey: Uint8Array;
  nonce: number;
}

/** The sender with this number. */
export function makeSender(index: number): Sender {
  const privateKey = bigintToBytes(BigInt(index + 1), 32);
  return { address: addressOf(privateKey), privateKey, nonce: 0 };
}

export interface Call {
  readonly to: Hex;
  readonly value?: bigint;
  readonly data?: Uint8Array;
  readonly gasLimit: bigint;
  /** One gwei where it is left out. */
  readonly tipPerGas?: bigint;
}

/** The sender's next transaction, which is going to be in a block. */
export function signNext(sender: Sender, call: Call): UserTransaction {
  const transaction = sign(sender, call);
  sender.nonce += 1;
  return transaction;
}

/** A transaction with the sender's next nonce, decoded as the rpc thread hands it on. */
export function sign(sender: Sender, call: Call): UserTransaction {
  const fields = [
    bigintToMinimalBytes(BigInt(CHAIN_ID)),
    bigintToMinimalBytes(BigInt(sender.nonce)),
    bigintToMinimalBytes(call.tipPerGas ?? TIP_PER_GAS),
    bigintToMinimalBytes(MAX_FEE_PER_GAS),
    bigintToMinimalBytes(call.gasLimit),
    fromHex(call.to),
    bigintToMinimalBytes(call.value ?? 0n),
    call.data ?? new Uint8Array(0),
    [],
  ];
  const digest = keccak256(typed(RLP.encode(fields)));
  const signature = signDigest(digest, sender.privateKey);
  const r = stripZeros(signature.subarray(0, 32));
  const s = stripZeros(signature.subarray(32, 64));
  const yParity = bigintToMinimalBytes(BigInt((signature[64] ?? 27) - 27));
  const decoded = decodeTransaction(typed(RLP.encode([...fields, yParity, r, s])));
  if (!decoded.ok) throw new Error(`a signed transaction does not decode: ${decoded.code}`);
  return { ...decoded.value, sender: sender.address };
}

function typed(payload: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(EIP1559_TYPE), payload);
}

function stripZeros(bytes: Uint8Array): Uint8Array {
  const first = bytes.findIndex((byte) => byte !== 0);
  return first < 0 ? new Uint8Array(0) : bytes.subarray(first);
}
