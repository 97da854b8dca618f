/**
 * What a transaction's bytes take on L1, and what its block's attributes say that they cost there.
 *
 * Owns the size estimate and the fee fields of the L1 attributes. Does not own what is charged:
 * `execution/embedded/l1-fee.ts` reads that from the state.
 * Source: OP Stack specs, fjord/exec-engine.md (size), isthmus/l1-attributes.md (fields); FastLZ as
 * in Solady's `flzCompress`.
 */
import { bytesToBigint } from "../../lanes/bytes.ts";
import { DEPOSIT_TYPE } from "../../lanes/transaction.ts";
import type { Transaction } from "./transaction.ts";

const COST_INTERCEPT = -42_585_600n;
const COST_FASTLZ_COEFFICIENT = 836_500n;
const SIZE_MIN_SCALED = 100_000_000n;
const GAS_PER_BYTE = 16n;
const SCALE = 1_000_000n;

/** The fees that a block's attributes set, in wei where they are not scalars. */
interface FeeAttributes {
  readonly baseFee: bigint;
  readonly blobBaseFee: bigint;
  readonly baseFeeScalar: bigint;
  readonly blobBaseFeeScalar: bigint;
  readonly operatorFeeScalar: bigint;
  readonly operatorFeeConstant: bigint;
}

const ATTRIBUTES_BYTES = 176;

/** The fees in a block's first transaction; `null` where it is no L1 attributes transaction. */
export function feeAttributes(first: Transaction | undefined): FeeAttributes | null {
  if (first?.type !== DEPOSIT_TYPE || first.data.length !== ATTRIBUTES_BYTES) return null;
  const field = (start: number, end: number): bigint =>
    bytesToBigint(first.data.subarray(start, end));
  return {
    baseFeeScalar: field(4, 8),
    blobBaseFeeScalar: field(8, 12),
    baseFee: field(36, 68),
    blobBaseFee: field(68, 100),
    operatorFeeScalar: field(164, 168),
    operatorFeeConstant: field(168, 176),
  };
}

/** L1 gas that the estimated bytes would take as calldata. */
export function l1GasUsed(raw: Uint8Array): bigint {
  return (estimatedSizeScaled(raw) * GAS_PER_BYTE) / SCALE;
}

/** Estimated compressed bytes of a transaction, times 10^6. */
export function estimatedSizeScaled(raw: Uint8Array): bigint {
  const scaled = COST_INTERCEPT + COST_FASTLZ_COEFFICIENT * BigInt(fastLzLength(raw));
  return scaled > SIZE_MIN_SCALED ? scaled : SIZE_MIN_SCALED;
}

const HASH_TABLE_SIZE = 8192;
const HASH_MULTIPLIER = 2654435769;
const DISTANCE_MAX = 0x1fff;
/** FastLZ leaves this many bytes at the end uncompressed. */
const TAIL_BYTES = 13;
const LITERAL_RUN = 32;
const MATCH_MAX = 262;

/** Bytes of the FastLZ (level 1) compression of the input, without compressing it. */
export function fastLzLength(bytes: Uint8Array): number {
  const table = new Uint32Array(HASH_TABLE_SIZE);
  const limit = Math.max(0, bytes.length - TAIL_BYTES);
  const word = (at: number): number =>
    (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);
  const slot = (value: number): number =>
    (Math.imul(HASH_MULTIPLIER, value) >>> 19) & (HASH_TABLE_SIZE - 1);

  let length = 0;
  let anchor = 0;
  let at = 2;
  while (at < limit) {
    // Looks for an earlier place with the same three bytes.
    let reference = 0;
    let found = false;
    while (at < limit && !found) {
      const value = word(at);
      reference = table[slot(value)] ?? 0;
      table[slot(value)] = at;
      found = at - reference <= DISTANCE_MAX && value === word(reference);
      at += 1;
    }
    if (at >= limit) break;
    at -= 1;
    if (at > anchor) length += literalsLength(at - anchor);
    const matched = matchLength(bytes, reference + 3, at + 3, limit + 9);
    length += encodedMatchLength(matched);
    at += matched;
    table[slot(word(at))] = at;
    table[slot(word(at + 1))] = at + 1;
    at += 2;
    anchor = at;
  }
  return length + literalsLength(bytes.length - anchor);
}

function literalsLength(run: number): number {
  const rest = run % LITERAL_RUN;
  return (LITERAL_RUN + 1) * Math.floor(run / LITERAL_RUN) + (rest === 0 ? 0 : rest + 1);
}

function encodedMatchLength(matched: number): number {
  const rest = (matched - 1) % MATCH_MAX;
  return 3 * Math.floor((matched - 1) / MATCH_MAX) + (rest >= 6 ? 3 : 2);
}

/** Equal bytes from both places up to `end`, counting the first that differs. */
function matchLength(bytes: Uint8Array, reference: number, at: number, end: number): number {
  let length = 0;
  while (length < end - at) {
    length += 1;
    if (bytes[reference + length - 1] !== bytes[at + length - 1]) break;
  }
  return length;
}
