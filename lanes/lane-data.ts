/**
 * LaneData: what a block carries beside the Ethereum block so that its order can be verified.
 * Owns the type, its canonical RLP and its hash. PROTOCOL 4:
 *
 *   rlp([policyHash, [[txCount, timestampMs, leaderEpoch, conflicts, epoch]…], [[accepted, ready]…]])
 *
 * This version has no reports: `conflicts` and `epoch` are empty lists, and any other is refused.
 */
import { bigintToMinimalBytes, fromHex, type Hex, toHex } from "./bytes.ts";
import { keccak } from "./keccak.ts";
import {
  decodeRlp,
  encodeRlp,
  isRlpList,
  rlpInteger,
  rlpIntegerBytes,
  type RlpItem,
  rlpSafeInteger,
} from "./rlp.ts";
import { accept, refuse, type Verdict } from "./verdict.ts";

/** Flashblocks in a block, whatever the policy says; a policy's own limit is at most this. */
export const FLASHBLOCKS_MAX = 1024;
/** Transactions with numbers in a block: more of them than this do not fit 900,000 bytes. */
export const LANE_NUMBERS_MAX = 16_384;
/** Bytes of `accepted` and of `ready`. */
export const NUMBER_BYTES = 9;
const HASH_BYTES = 32;
/** The outer list, its lists, their entries, and `conflicts` and `epoch`. */
const DEPTH_MAX = 4;

/** The upper part of a 72-bit admission number. */
const LEADER_EPOCH_MAX = 2 ** 32 - 1;

export interface LaneFlashblock {
  /** Transactions in this flashblock, system ones included. */
  readonly txCount: number;
  /** Unix milliseconds. */
  readonly timestampMs: number;
  readonly leaderEpoch: number;
}

/** The two admission numbers of one transaction: `leaderEpoch · 2^40 + seq`, at most 72 bits. */
export interface LaneNumbers {
  readonly accepted: bigint;
  readonly ready: bigint;
}

export interface LaneData {
  readonly policyHash: Hex;
  readonly flashblocks: readonly LaneFlashblock[];
  /** One entry for each transaction that is not a system one (type 0x7E), in block order. */
  readonly numbers: readonly LaneNumbers[];
}

/** Canonical RLP. */
export function encodeLaneData(data: LaneData): Uint8Array {
  return encodeRlp([
    fromHex(data.policyHash),
    data.flashblocks.map((flashblock) => [
      rlpIntegerBytes(flashblock.txCount),
      rlpIntegerBytes(flashblock.timestampMs),
      rlpIntegerBytes(flashblock.leaderEpoch),
      [],
      [],
    ]),
    data.numbers.map(({ accepted, ready }) => [
      bigintToMinimalBytes(accepted),
      bigintToMinimalBytes(ready),
    ]),
  ]);
}

/** `data.field` of a refusal names the part that is not as it must be. */
export function decodeLaneData(bytes: Uint8Array): Verdict<LaneData, "BLOCK_MALFORMED"> {
  const fields = decodeRlp(bytes, DEPTH_MAX);
  if (!isRlpList(fields) || fields.length !== 3) return malformed("laneData");
  const [policyHash, flashblockItems, numberItems] = fields;
  if (!(policyHash instanceof Uint8Array) || policyHash.length !== HASH_BYTES) {
    return malformed("laneData.policyHash");
  }
  const flashblocks = decodeAll(flashblockItems, FLASHBLOCKS_MAX, decodeFlashblock);
  if (flashblocks === null) return malformed("laneData.flashblocks");
  const numbers = decodeAll(numberItems, LANE_NUMBERS_MAX, decodeNumbers);
  if (numbers === null) return malformed("laneData.numbers");
  return accept({ policyHash: toHex(policyHash), flashblocks, numbers });
}

/** The hash that the block signature and the batch commit to. */
export function laneDataHash(data: LaneData): Hex {
  return toHex(keccak(encodeLaneData(data)));
}

function decodeFlashblock(item: RlpItem): LaneFlashblock | null {
  if (!isRlpList(item) || item.length !== 5) return null;
  const txCount = rlpSafeInteger(item[0]);
  const timestampMs = rlpSafeInteger(item[1]);
  const leaderEpoch = rlpSafeInteger(item[2]);
  if (txCount === null || timestampMs === null || leaderEpoch === null) return null;
  // Admission numbers hold it in 32 bits.
  if (leaderEpoch > LEADER_EPOCH_MAX) return null;
  if (!isEmptyList(item[3]) || !isEmptyList(item[4])) return null;
  return { txCount, timestampMs, leaderEpoch };
}

function decodeNumbers(item: RlpItem): LaneNumbers | null {
  if (!isRlpList(item) || item.length !== 2) return null;
  const accepted = rlpInteger(item[0], NUMBER_BYTES);
  const ready = rlpInteger(item[1], NUMBER_BYTES);
  return accepted === null || ready === null ? null : { accepted, ready };
}

function decodeAll<T>(
  items: RlpItem | undefined,
  countMax: number,
  decodeOne: (item: RlpItem) => T | null,
): T[] | null {
  if (!isRlpList(items) || items.length > countMax) return null;
  const out: T[] = [];
  for (const item of items) {
    const value = decodeOne(item);
    if (value === null) return null;
    out.push(value);
  }
  return out;
}

function isEmptyList(item: RlpItem | undefined): boolean {
  return isRlpList(item) && item.length === 0;
}

function malformed(field: string) {
  return refuse("BLOCK_MALFORMED", { field });
}
