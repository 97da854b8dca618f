/**
 * What the chain knows of prices: the newest that each publisher has said of each feed, what was
 * applied, and what the rules for jumps remember. Part of LaneState, derived by everyone.
 *
 * Owns the form, its canonical bytes, and which of two entries is the newer one. Does not own what
 * is made of them (`epoch.ts`). Bounded by the policy: its feeds, their publishers, its keys, and
 * `HISTORY_MAX` values a feed. PROTOCOL 4, 5.
 */
import { bigintToMinimalBytes, bytesToBigint, fromHex, type Hex, toHex } from "./bytes.ts";
import { NUMBER_BYTES } from "./lane-data.ts";
import { FEEDS_MAX, PUBLISHERS_MAX } from "./policy-document.ts";
import { PUBLISHER_KEYS_MAX } from "./policy-feeds.ts";
import { isRlpList, rlpInteger, rlpIntegerBytes, type RlpItem, rlpSafeInteger } from "./rlp.ts";

/** Values of a feed that are kept for the jump rule: what `jumpWindowMs` has at 50 ms an epoch. */
export const HISTORY_MAX = 128;
const KEY_BYTES = 20;
const HASH_BYTES = 32;
const SEQUENCE_BYTES = 8;
const VALUE_BYTES = 17;

/** The newest that a publisher has said of a feed. */
export interface PublisherEntry {
  /** Id in the policy. */
  readonly publisher: number;
  /** Which of its keys signed: 20 bytes. */
  readonly key: Hex;
  readonly publishTimeMs: number;
  readonly sequence: bigint;
  readonly reportHash: Hex;
  readonly value: bigint;
  readonly confidence: bigint;
  readonly session: number;
}

/** What readers on chain see. */
export interface AppliedValue {
  readonly value: bigint;
  readonly confidence: bigint;
  /** When it held, Unix milliseconds. */
  readonly timeMs: number;
  readonly session: number;
  /** 0 as reported; 1 the value before a jump that has to be confirmed. */
  readonly status: 0 | 1;
  /** Time of the flashblock that carried it last, Unix milliseconds. */
  readonly appliedMs: number;
}

/** A value that was applied, and when. */
export interface PastValue {
  readonly value: bigint;
  readonly appliedMs: number;
}

/** Since when the value is beyond the bound on the same side. */
export interface Jump {
  readonly sinceMs: number;
  readonly isUp: boolean;
}

export interface FeedState {
  /** `null` before the first. */
  readonly applied: AppliedValue | null;
  /** Oldest first: the last before the jump window, and those in it. */
  readonly history: readonly PastValue[];
  readonly jump: Jump | null;
  /** By publisher, ascending. */
  readonly entries: readonly PublisherEntry[];
}

export interface PriceState {
  /** Number of the newest epoch; 0 before the first. */
  readonly epoch: number;
  /** The accepted number up to which the newest epoch is complete. */
  readonly cut: bigint;
  /** Until when liquidations are not fast after an outage, Unix milliseconds; 0 for never. */
  readonly graceEndMs: number;
  /** Keys of publishers who have signed two reports for one sequence, ascending. */
  readonly suspended: readonly Hex[];
  readonly feeds: ReadonlyMap<Hex, FeedState>;
}

export const NO_PRICES: PriceState = {
  epoch: 0,
  cut: 0n,
  graceEndMs: 0,
  suspended: [],
  feeds: new Map(),
};
export const NO_FEED: FeedState = { applied: null, history: [], jump: null, entries: [] };

/** Whether `a` is newer than `b`: later, then of a higher sequence, then of a smaller hash. */
export function isNewer(
  a: Pick<PublisherEntry, "publishTimeMs" | "sequence" | "reportHash">,
  b: Pick<PublisherEntry, "publishTimeMs" | "sequence" | "reportHash">,
): boolean {
  if (a.publishTimeMs !== b.publishTimeMs) return a.publishTimeMs > b.publishTimeMs;
  if (a.sequence !== b.sequence) return a.sequence > b.sequence;
  return a.reportHash < b.reportHash;
}

/** As a part of an RLP list. */
export function priceStateToRlp(state: PriceState): RlpItem {
  const { epoch, cut, graceEndMs, suspended, feeds } = state;
  return [
    rlpIntegerBytes(epoch),
    bigintToMinimalBytes(cut),
    rlpIntegerBytes(graceEndMs),
    suspended.map(fromHex),
    [...feeds]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([feedId, feed]) => [
        fromHex(feedId),
        feed.applied === null ? [] : appliedToRlp(feed.applied),
        feed.history.map(({ value, appliedMs }) => [signed(value), rlpIntegerBytes(appliedMs)]),
        feed.jump === null
          ? []
          : [rlpIntegerBytes(feed.jump.sinceMs), rlpIntegerBytes(feed.jump.isUp ? 1 : 0)],
        feed.entries.map(entryToRlp),
      ]),
  ];
}

/** `null` for anything that `priceStateToRlp` does not give. */
export function priceStateFromRlp(item: RlpItem | undefined): PriceState | null {
  if (!isRlpList(item) || item.length !== 5) return null;
  const epoch = rlpSafeInteger(item[0]);
  const cut = rlpInteger(item[1], NUMBER_BYTES);
  const graceEndMs = rlpSafeInteger(item[2]);
  const suspended = listOf(item[3], PUBLISHERS_MAX * PUBLISHER_KEYS_MAX, keyOf);
  const feeds = listOf(item[4], FEEDS_MAX, feedFromRlp);
  if (epoch === null || cut === null || graceEndMs === null) return null;
  if (suspended === null || feeds === null) return null;
  if (!isAscending(suspended) || !isAscending(feeds.map(([feedId]) => feedId))) return null;
  return { epoch, cut, graceEndMs, suspended, feeds: new Map(feeds) };
}

function feedFromRlp(item: RlpItem): [Hex, FeedState] | null {
  if (!isRlpList(item) || item.length !== 5) return null;
  const feedId = hexOf(item[0], HASH_BYTES);
  const applied = optional(item[1], appliedFromRlp);
  const history = listOf(item[2], HISTORY_MAX, pastFromRlp);
  const jump = optional(item[3], jumpFromRlp);
  const entries = listOf(item[4], PUBLISHERS_MAX, entryFromRlp);
  if (feedId === null || applied === undefined || history === null) return null;
  if (jump === undefined || entries === null) return null;
  return [feedId, { applied, history, jump, entries }];
}

function appliedToRlp(applied: AppliedValue): RlpItem {
  return [
    signed(applied.value),
    bigintToMinimalBytes(applied.confidence),
    rlpIntegerBytes(applied.timeMs),
    rlpIntegerBytes(applied.session),
    rlpIntegerBytes(applied.status),
    rlpIntegerBytes(applied.appliedMs),
  ];
}

function appliedFromRlp(item: readonly RlpItem[]): AppliedValue | null {
  if (item.length !== 6) return null;
  const value = fromSigned(item[0]);
  const confidence = rlpInteger(item[1], VALUE_BYTES - 1);
  const [timeMs, session, status, appliedMs] = item.slice(2).map(rlpSafeInteger);
  if (value === null || confidence === null || !isNumber(timeMs) || !isNumber(session)) return null;
  if ((status !== 0 && status !== 1) || !isNumber(appliedMs)) return null;
  return { value, confidence, timeMs, session, status, appliedMs };
}

function pastFromRlp(item: RlpItem): PastValue | null {
  if (!isRlpList(item) || item.length !== 2) return null;
  const value = fromSigned(item[0]);
  const appliedMs = rlpSafeInteger(item[1]);
  return value === null || appliedMs === null ? null : { value, appliedMs };
}

function jumpFromRlp(item: readonly RlpItem[]): Jump | null {
  const [sinceMs, isUp] = item.map(rlpSafeInteger);
  if (item.length !== 2 || !isNumber(sinceMs) || (isUp !== 0 && isUp !== 1)) return null;
  return { sinceMs, isUp: isUp === 1 };
}

function entryToRlp(entry: PublisherEntry): RlpItem {
  return [
    rlpIntegerBytes(entry.publisher),
    fromHex(entry.key),
    rlpIntegerBytes(entry.publishTimeMs),
    bigintToMinimalBytes(entry.sequence),
    fromHex(entry.reportHash),
    signed(entry.value),
    bigintToMinimalBytes(entry.confidence),
    rlpIntegerBytes(entry.session),
  ];
}

function entryFromRlp(item: RlpItem): PublisherEntry | null {
  if (!isRlpList(item) || item.length !== 8) return null;
  const publisher = rlpSafeInteger(item[0]);
  const key = keyOf(item[1]);
  const publishTimeMs = rlpSafeInteger(item[2]);
  const sequence = rlpInteger(item[3], SEQUENCE_BYTES);
  const reportHash = hexOf(item[4], HASH_BYTES);
  const value = fromSigned(item[5]);
  const confidence = rlpInteger(item[6], VALUE_BYTES - 1);
  const session = rlpSafeInteger(item[7]);
  if (publisher === null || key === null || publishTimeMs === null || sequence === null)
    return null;
  if (reportHash === null || value === null || confidence === null || session === null) return null;
  return { publisher, key, publishTimeMs, sequence, reportHash, value, confidence, session };
}

/** A sign byte (1 for negative), then the magnitude: canonical, as zero has no sign. */
function signed(value: bigint): Uint8Array {
  const magnitude = bigintToMinimalBytes(value < 0n ? -value : value);
  const out = new Uint8Array(1 + magnitude.length);
  out[0] = value < 0n ? 1 : 0;
  out.set(magnitude, 1);
  return out;
}

function fromSigned(item: RlpItem | undefined): bigint | null {
  if (!(item instanceof Uint8Array) || item.length < 1 || item.length > VALUE_BYTES) return null;
  const isNegative = item[0] === 1;
  if (item[0] !== 0 && !isNegative) return null;
  if (item[1] === 0 || (isNegative && item.length === 1)) return null;
  const magnitude = bytesToBigint(item.subarray(1));
  return isNegative ? -magnitude : magnitude;
}

function keyOf(item: RlpItem | undefined): Hex | null {
  return hexOf(item, KEY_BYTES);
}

function hexOf(item: RlpItem | undefined, bytes: number): Hex | null {
  return item instanceof Uint8Array && item.length === bytes ? toHex(item) : null;
}

function isNumber(value: number | null | undefined): value is number {
  return typeof value === "number";
}

function isAscending(values: readonly Hex[]): boolean {
  return values.every((value, index) => index === 0 || (values[index - 1] ?? value) < value);
}

/** `undefined` for what is malformed, `null` for an empty list. */
function optional<T>(
  item: RlpItem | undefined,
  read: (item: readonly RlpItem[]) => T | null,
): T | null | undefined {
  if (!isRlpList(item)) return undefined;
  return item.length === 0 ? null : (read(item) ?? undefined);
}

function listOf<T>(
  item: RlpItem | undefined,
  max: number,
  read: (item: RlpItem) => T | null,
): T[] | null {
  if (!isRlpList(item) || item.length > max) return null;
  const out: T[] = [];
  for (const each of item) {
    const value = read(each);
    if (value === null) return null;
    out.push(value);
  }
  return out;
}
