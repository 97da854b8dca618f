/**
 * Gas that a transaction costs before and beside its execution, Prague rules.
 * Source: EIP-2028, 2930, 3529, 3860, 7623, 7702.
 */
import type { Hex } from "../../../lanes/bytes.ts";
import type { AccessListEntry } from "../../primitives/transaction.ts";

const TRANSACTION_GAS = 21_000n;
const CREATION_GAS = 32_000n;
const ZERO_BYTE_GAS = 4n;
const NONZERO_BYTE_GAS = 16n;
const INITCODE_WORD_GAS = 2n;
const ACCESS_LIST_ADDRESS_GAS = 2400n;
const ACCESS_LIST_SLOT_GAS = 1900n;
const TOKENS_PER_NONZERO_BYTE = 4n;
const FLOOR_PER_TOKEN_GAS = 10n;
const REFUND_QUOTIENT = 5n;

/** EIP-7702: charged for each authorization; the refund is for authorities that exist already. */
const AUTHORIZATION_GAS = 25_000n;
export const AUTHORIZATION_REFUND = 12_500n;

/** EIP-3860: bytes of initcode. */
export const INITCODE_BYTES_MAX = 49_152;

export interface GasCost {
  /** Charged before execution. */
  readonly intrinsic: bigint;
  /** EIP-7623: least gas the transaction uses in the end. */
  readonly floor: bigint;
}

/** Cost of a transaction by its form alone. */
export function gasCost(transaction: {
  readonly to: Hex | null;
  readonly data: Uint8Array;
  readonly accessList: readonly AccessListEntry[];
  readonly authorizationList: readonly unknown[];
}): GasCost {
  const { to, data, accessList, authorizationList } = transaction;
  let zeros = 0;
  for (const byte of data) if (byte === 0) zeros += 1;
  const zeroBytes = BigInt(zeros);
  const otherBytes = BigInt(data.length - zeros);
  const slots = accessList.reduce((sum, entry) => sum + entry.storageKeys.length, 0);
  const creation =
    to === null ? CREATION_GAS + INITCODE_WORD_GAS * BigInt(Math.ceil(data.length / 32)) : 0n;
  return {
    intrinsic:
      TRANSACTION_GAS +
      creation +
      ZERO_BYTE_GAS * zeroBytes +
      NONZERO_BYTE_GAS * otherBytes +
      ACCESS_LIST_ADDRESS_GAS * BigInt(accessList.length) +
      ACCESS_LIST_SLOT_GAS * BigInt(slots) +
      AUTHORIZATION_GAS * BigInt(authorizationList.length),
    floor:
      TRANSACTION_GAS + FLOOR_PER_TOKEN_GAS * (zeroBytes + TOKENS_PER_NONZERO_BYTE * otherBytes),
  };
}

/** Gas used in the end: execution less the capped refund (EIP-3529), no less than the floor. */
export function settleGas(spent: bigint, refund: bigint, floor: bigint): bigint {
  const refundMax = spent / REFUND_QUOTIENT;
  const used = spent - (refund < refundMax ? refund : refundMax);
  return used > floor ? used : floor;
}
