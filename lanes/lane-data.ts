/**
 * LaneData: what a block carries beside the Ethereum block so that its order, and its prices, can
 * be verified. Owns the type, its canonical RLP and its hash. PROTOCOL 4:
 *
 *   rlp([policyHash, [[txCount, timestampMs, leaderEpoch, conflicts, epoch]…], [[accepted, ready]…]])
 *   conflicts  [[report, report]…]
 *   epoch      [], or [cut, [report…]]
 *   report     [source, bytes]
 *
 * Whether reports are what they say, `verify-epochs.ts` looks.
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
/** The outer list, flashblocks, a flashblock, `conflicts`, a pair, a report. */
const DEPTH_MAX = 6;
/** Reports of an epoch, and conflicts of a flashblock: a block's bytes bound them sooner. */
export const REPORTS_MAX = 4096;
export const CONFLICTS_MAX = 64;

/** The upper part of a 72-bit admission number. */
const LEADER_EPOCH_MAX = 2 ** 32 - 1;

/** A report as it travels. */
export interface LaneReport {
  /** Its format: 0 is `report.ts`. */
  readonly source: number;
  readonly bytes: Uint8Array;
}

/** What makes the prices that a flashblock begins with. */
export interface LaneEpoch {
  /** The accepted number up to which nothing newer was left out; also the epoch's `ready`. */
  readonly cut: bigint;
  readonly reports: readonly LaneReport[];
}

/** What a flashblock carries of prices. */
export interface LanePrices {
  /** Pairs of reports that one key has signed for one sequence. */
  readonly conflicts: readonly (readonly [LaneReport, LaneReport])[];
  readonly epoch: LaneEpoch | null;
}

export const NO_LANE_PRICES: LanePrices = { conflicts: [], epoch: null };

export interface LaneFlashblock extends LanePrices {
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
      ...pricesToRlp(flashblock),
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

/** Canonical RLP of `[conflicts, epoch]`: as LaneData has them. */
export function encodeLanePrices(prices: LanePrices): Uint8Array {
  return encodeRlp(pricesToRlp(prices));
}

export function decodeLanePrices(bytes: Uint8Array): Verdict<LanePrices, "BLOCK_MALFORMED"> {
  const fields = decodeRlp(bytes, DEPTH_MAX);
  const prices = isRlpList(fields) && fields.length === 2 ? decodePrices(fields) : null;
  return prices === null ? malformed("prices") : accept(prices);
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
  const prices = decodePrices(item.slice(3));
  return prices === null ? null : { txCount, timestampMs, leaderEpoch, ...prices };
}

function pricesToRlp({ conflicts, epoch }: LanePrices): RlpItem[] {
  return [
    conflicts.map((pair) => pair.map(reportToRlp)),
    epoch === null ? [] : [bigintToMinimalBytes(epoch.cut), epoch.reports.map(reportToRlp)],
  ];
}

function decodePrices([conflictItems, epochItem]: readonly RlpItem[]): LanePrices | null {
  const conflicts = decodeAll(conflictItems, CONFLICTS_MAX, decodeConflict);
  const epoch = decodeEpoch(epochItem);
  return conflicts === null || epoch === undefined ? null : { conflicts, epoch };
}

/** `null` for the empty list, `undefined` for what is malformed. */
function decodeEpoch(item: RlpItem | undefined): LaneEpoch | null | undefined {
  if (!isRlpList(item)) return undefined;
  if (item.length === 0) return null;
  const cut = rlpInteger(item[0], NUMBER_BYTES);
  const reports = decodeAll(item[1], REPORTS_MAX, decodeReport);
  return item.length !== 2 || cut === null || reports === null ? undefined : { cut, reports };
}

function decodeConflict(item: RlpItem): readonly [LaneReport, LaneReport] | null {
  const [one, other, ...more] = decodeAll(item, 2, decodeReport) ?? [];
  return one === undefined || other === undefined || more.length > 0 ? null : [one, other];
}

function reportToRlp({ source, bytes }: LaneReport): RlpItem {
  return [rlpIntegerBytes(source), bytes];
}

function decodeReport(item: RlpItem): LaneReport | null {
  if (!isRlpList(item) || item.length !== 2) return null;
  const source = rlpInteger(item[0], 1);
  const bytes = item[1];
  return source === null || !(bytes instanceof Uint8Array)
    ? null
    : { source: Number(source), bytes: Uint8Array.from(bytes) };
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

function malformed(field: string) {
  return refuse("BLOCK_MALFORMED", { field });
}
