/**
 * What a transaction pays beside its L2 gas: the L1 data fee and the operator fee.
 *
 * Owns the reading of the L1Block predeploy's slots, the formulas and the size estimate.
 * Parameters are read once a block, at its first transaction that is not a deposit: the deposits
 * before it may change them. Source: OP Stack specs, fjord/exec-engine.md (L1 cost),
 * isthmus operator fee; FastLZ as in Solady's `flzCompress`.
 */
import { bigintToBytes, type Hex, toHex } from "../../../lanes/bytes.ts";
import { L1_BLOCK } from "../predeploys.ts";
import type { WorkingState } from "./state.ts";

/** Fees in force for the transactions of one block. */
export interface RollupFees {
  /** wei for posting these raw bytes. */
  l1Fee(raw: Uint8Array): bigint;
  /** wei for this much gas. */
  operatorFee(gas: bigint): bigint;
}

const UINT32 = 0xffff_ffffn;
const UINT64 = 0xffff_ffff_ffff_ffffn;

const COST_INTERCEPT = -42_585_600n;
const COST_FASTLZ_COEFFICIENT = 836_500n;
const SIZE_MIN_SCALED = 100_000_000n;
const COST_DIVISOR = 1_000_000_000_000n;
const OPERATOR_SCALAR_DIVISOR = 1_000_000n;

function slotOf(index: bigint): Hex {
  return toHex(bigintToBytes(index, 32));
}

const BASE_FEE_SLOT = slotOf(1n);
const SCALARS_SLOT = slotOf(3n);
const BLOB_BASE_FEE_SLOT = slotOf(7n);
const OPERATOR_SLOT = slotOf(8n);

/** Fees as the L1Block predeploy sets them at this moment. */
export function readRollupFees(state: WorkingState): RollupFees {
  const scalars = state.slot(L1_BLOCK, SCALARS_SLOT);
  const baseFeeScalar = (scalars >> 96n) & UINT32;
  const blobBaseFeeScalar = (scalars >> 64n) & UINT32;
  const perByte =
    16n * baseFeeScalar * state.slot(L1_BLOCK, BASE_FEE_SLOT) +
    blobBaseFeeScalar * state.slot(L1_BLOCK, BLOB_BASE_FEE_SLOT);
  const operator = state.slot(L1_BLOCK, OPERATOR_SLOT);
  const operatorScalar = (operator >> 64n) & UINT32;
  const operatorConstant = operator & UINT64;
  return {
    l1Fee: (raw) => (perByte === 0n ? 0n : (estimatedSizeScaled(raw) * perByte) / COST_DIVISOR),
    operatorFee: (gas) => (gas * operatorScalar) / OPERATOR_SCALAR_DIVISOR + operatorConstant,
  };
}

/** Estimated compressed bytes of a transaction, times 10^6. */
function estimatedSizeScaled(raw: Uint8Array): bigint {
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
