/**
 * The batch payload: L2 blocks without what derivation rebuilds, in columns, compressed.
 *
 * Owns the byte format and its limits. Does not own blobs, headers, or whether the blocks are
 * valid.
 * Invariant: at most one byte string decodes to given blocks (before compression), and decoding
 * then encoding gives the same bytes. Source: PROTOCOL 8.
 *
 * `version u8 ‖ brotli(columns)`; columns, in order, `n` blocks:
 * n; T of the first block; n−1 differences of T; n−1 bits: the origin is the next L1 block;
 * n−1 bits: the policy hash differs from the block before; the policy hashes, first and changed;
 * flashblocks a block; txCount, timestampMs (signed difference), leaderEpoch of each flashblock;
 * of each flashblock twice its conflicts, and one more where it has an epoch; the epochs' cuts
 * (signed difference), the epochs' reports; source and length of each report, those of conflicts
 * first; the reports' bytes;
 * transactions a block; accepted (signed difference) and ready (difference from accepted);
 * length of each transaction; the transactions' bytes.
 */
import { fromHex, type Hex, toHex } from "../../lanes/bytes.ts";
import {
  CONFLICTS_MAX,
  type LaneData,
  type LaneFlashblock,
  type LaneNumbers,
  type LanePrices,
  type LaneReport,
  REPORTS_MAX,
} from "../../lanes/lane-data.ts";
import { DEPOSIT_TYPE } from "../../lanes/transaction.ts";
import { accept, refuse, type Verdict } from "../../lanes/verdict.ts";
import { BLOCK_BYTES_MAX } from "../primitives/block.ts";
import { TX_BYTES_MAX } from "../primitives/transaction.ts";
import type { CompressService } from "../workers/compress.ts";
import {
  type ColumnReader,
  type ColumnWriter,
  createColumnReader,
  createColumnWriter,
} from "./columns.ts";

export const PAYLOAD_VERSION = 1;
export const BATCH_BLOCKS_MAX = 4096;
/** Bytes of the columns: the bound on decompression. */
export const COLUMNS_BYTES_MAX = 8 * 1024 * 1024;
/** More than any policy allows (PROTOCOL 2, `maxFlashblocks`). */
const FLASHBLOCKS_MAX = 1024;
const ADMISSION_NUMBER_BITS = 72n;
/** One byte in LaneData. */
const REPORT_SOURCE_MAX = 255;

/** One block of a payload; its number and its origin follow from the batch header. */
export interface PayloadBlock {
  /** Unix seconds. */
  readonly timestamp: number;
  /** The origin is the L1 block after the previous block's; `false` for the first of a batch. */
  readonly originAdvances: boolean;
  readonly laneData: LaneData;
  /** Raw transactions without 0x7E, one for each entry of `laneData.numbers`. */
  readonly transactions: readonly Uint8Array[];
}

type Malformed = "BATCH_MALFORMED";

/** The payload as it goes into blobs. The blocks are the caller's own and within the limits. */
export async function encodePayload(
  blocks: readonly PayloadBlock[],
  compress: (bytes: Uint8Array) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  const compressed = await compress(encodeColumns(blocks));
  const payload = new Uint8Array(1 + compressed.length);
  payload[0] = PAYLOAD_VERSION;
  payload.set(compressed, 1);
  return payload;
}

/** The blocks of a payload from L1. Same verdict on every node: bounded, strict, no exceptions. */
export async function decodePayload(
  payload: Uint8Array,
  decompress: CompressService["decompress"],
): Promise<Verdict<PayloadBlock[], Malformed>> {
  if (payload[0] !== PAYLOAD_VERSION) return refuse("BATCH_MALFORMED", { field: "version" });
  const columns = await decompress(payload.subarray(1), COLUMNS_BYTES_MAX);
  return columns.ok ? decodeColumns(columns.value) : columns;
}

/**
 * Blocks as columns. Throws `RangeError` where a block contradicts its LaneData: callers own the
 * input.
 */
export function encodeColumns(blocks: readonly PayloadBlock[]): Uint8Array {
  const first = blocks[0];
  if (first === undefined || blocks.length > BATCH_BLOCKS_MAX || first.originAdvances)
    throw new RangeError("a batch has 1 to BATCH_BLOCKS_MAX blocks");
  if (blocks.some((block) => block.transactions.length !== block.laneData.numbers.length))
    throw new RangeError("LaneData has one entry for each transaction");
  const out = createColumnWriter();
  out.number(blocks.length);
  let timestamp = 0;
  for (const block of blocks) {
    out.number(block.timestamp - timestamp);
    timestamp = block.timestamp;
  }
  out.bits(blocks.slice(1).map((block) => block.originAdvances));

  const policies = blocks.map((block) => block.laneData.policyHash);
  const changes = policies.map((policy, i) => policy !== policies[i - 1]);
  out.bits(changes.slice(1));
  policies.forEach((policy, i) => {
    if (changes[i] === true) out.bytes(fromHex(policy));
  });

  for (const block of blocks) out.number(block.laneData.flashblocks.length);
  const flashblocks = blocks.flatMap((block) => block.laneData.flashblocks);
  for (const flashblock of flashblocks) out.number(flashblock.txCount);
  let timestampMs = 0;
  for (const flashblock of flashblocks) {
    out.signedNumber(flashblock.timestampMs - timestampMs);
    timestampMs = flashblock.timestampMs;
  }
  for (const flashblock of flashblocks) out.number(flashblock.leaderEpoch);
  writePrices(out, flashblocks);

  for (const block of blocks) out.number(block.transactions.length);
  const numbers = blocks.flatMap((block) => block.laneData.numbers);
  let accepted = 0n;
  for (const entry of numbers) {
    out.signedBigint(entry.accepted - accepted);
    accepted = entry.accepted;
  }
  for (const entry of numbers) out.signedBigint(entry.ready - entry.accepted);

  const transactions = blocks.flatMap((block) => block.transactions);
  for (const raw of transactions) out.number(raw.length);
  for (const raw of transactions) out.bytes(raw);
  return out.finish();
}

function writePrices(out: ColumnWriter, flashblocks: readonly LaneFlashblock[]): void {
  for (const { conflicts, epoch } of flashblocks)
    out.number(2 * conflicts.length + (epoch === null ? 0 : 1));
  const epochs = flashblocks.flatMap(({ epoch }) => epoch ?? []);
  let cut = 0n;
  for (const epoch of epochs) {
    out.signedBigint(epoch.cut - cut);
    cut = epoch.cut;
  }
  for (const { reports } of epochs) out.number(reports.length);
  const conflicting = flashblocks.flatMap(({ conflicts }) => conflicts.flat());
  const reports = [...conflicting, ...epochs.flatMap((epoch) => epoch.reports)];
  for (const { source } of reports) out.number(source);
  for (const { bytes } of reports) out.number(bytes.length);
  for (const { bytes } of reports) out.bytes(bytes);
}

/** Columns as blocks; refuses whatever `encodeColumns` would not have written. */
export function decodeColumns(bytes: Uint8Array): Verdict<PayloadBlock[], Malformed> {
  const bad = (field: string): Verdict<never, Malformed> => refuse("BATCH_MALFORMED", { field });
  if (bytes.length > COLUMNS_BYTES_MAX) return bad("size");
  const input = createColumnReader(bytes);
  const count = input.number();
  if (input.failed() || count === 0 || count > BATCH_BLOCKS_MAX) return bad("block count");

  const timestamps = readTimestamps(input, count);
  if (timestamps === null) return bad("timestamp");
  const advances = [false, ...input.bits(count - 1)];
  const policies = readPolicies(input, count);
  if (policies === null) return bad("policy hash");

  const flashCounts = readCounts(input, count, FLASHBLOCKS_MAX);
  if (flashCounts === null || flashCounts.includes(0)) return bad("flashblock count");
  const flashblocks = readFlashblocks(input, sum(flashCounts));
  if (flashblocks === null) return bad("flashblock");

  const txCounts = readCounts(input, count, BLOCK_BYTES_MAX);
  if (txCounts === null) return bad("transaction count");
  const numbers = readNumbers(input, sum(txCounts));
  if (numbers === null) return bad("admission number");
  const transactions = readTransactions(input, txCounts);
  if (transactions === null) return bad("transaction");
  if (input.remaining !== 0) return bad("trailing bytes");

  const nextFlashblocks = slices(flashblocks);
  const nextNumbers = slices(numbers);
  return accept(
    timestamps.map((timestamp, i) => ({
      timestamp,
      originAdvances: advances[i] === true,
      laneData: {
        policyHash: policies[i] as Hex,
        flashblocks: nextFlashblocks(flashCounts[i] as number),
        numbers: nextNumbers(txCounts[i] as number),
      },
      transactions: transactions[i] as Uint8Array[],
    })),
  );
}

function readTimestamps(input: ColumnReader, count: number): number[] | null {
  const timestamps: number[] = [];
  let timestamp = 0;
  for (let i = 0; i < count && !input.failed(); i++) {
    timestamp += input.number();
    timestamps.push(timestamp);
  }
  return input.failed() || !Number.isSafeInteger(timestamp) ? null : timestamps;
}

function readPolicies(input: ColumnReader, count: number): Hex[] | null {
  const changes = [true, ...input.bits(count - 1)];
  const policies: Hex[] = [];
  for (const changed of changes) {
    const before = policies[policies.length - 1];
    const policy = changed || before === undefined ? toHex(input.bytes(32)) : before;
    if (input.failed() || (changed && policy === before)) return null;
    policies.push(policy);
  }
  return policies;
}

/** Counts of elements that take at least a byte each, so that no count is larger than the input. */
function readCounts(input: ColumnReader, count: number, each: number): number[] | null {
  const counts: number[] = [];
  let total = 0;
  for (let i = 0; i < count; i++) {
    const value = input.number();
    total += value;
    if (input.failed() || value > each || total > input.remaining) return null;
    counts.push(value);
  }
  return counts;
}

/** What each flashblock carries of prices. */
function readPrices(input: ColumnReader, count: number): LanePrices[] | null {
  const kinds = repeat(count, () => input.number());
  const pairs = kinds.map((kind) => Math.floor(kind / 2));
  if (pairs.some((pair) => pair > CONFLICTS_MAX)) return null;
  const epochs = kinds.filter((kind) => kind % 2 === 1).length;
  let last = 0n;
  const cuts = repeat(epochs, () => (last += input.signedBigint()));
  const listed = readCounts(input, epochs, REPORTS_MAX);
  if (listed === null || !cuts.every(isAdmissionNumber)) return null;
  const reports = readReports(input, 2 * sum(pairs) + sum(listed));
  if (reports === null) return null;
  const conflicting = slices(reports.slice(0, 2 * sum(pairs)));
  const nextListed = slices(reports.slice(2 * sum(pairs)));
  let epoch = 0;
  return kinds.map((kind, i) => {
    const conflicts = repeat(pairs[i] ?? 0, () => conflicting(2) as [LaneReport, LaneReport]);
    if (kind % 2 === 0) return { conflicts, epoch: null };
    const cut = cuts[epoch] ?? 0n;
    return { conflicts, epoch: { cut, reports: nextListed(listed[epoch++] ?? 0) } };
  });
}

function readReports(input: ColumnReader, count: number): LaneReport[] | null {
  if (count > input.remaining) return null;
  const sources = repeat(count, () => input.number());
  const lengths = readCounts(input, count, BLOCK_BYTES_MAX);
  if (lengths === null || sources.some((source) => source > REPORT_SOURCE_MAX)) return null;
  const reports = lengths.map((length, i) => ({
    source: sources[i] ?? 0,
    bytes: input.bytes(length),
  }));
  return input.failed() ? null : reports;
}

function readFlashblocks(input: ColumnReader, count: number): LaneFlashblock[] | null {
  const txCounts = repeat(count, () => input.number());
  let timestampMs = 0;
  const times = repeat(count, () => (timestampMs += input.signedNumber()));
  const epochs = repeat(count, () => input.number());
  if (input.failed() || times.some((time) => time < 0 || !Number.isSafeInteger(time))) return null;
  const prices = readPrices(input, count);
  if (prices === null) return null;
  return txCounts.map((txCount, i) => ({
    txCount,
    timestampMs: times[i] as number,
    leaderEpoch: epochs[i] as number,
    ...(prices[i] as LanePrices),
  }));
}

function readNumbers(input: ColumnReader, count: number): LaneNumbers[] | null {
  let last = 0n;
  const accepted = repeat(count, () => (last += input.signedBigint()));
  const ready = accepted.map((value) => value + input.signedBigint());
  if (input.failed() || ![...accepted, ...ready].every(isAdmissionNumber)) return null;
  return accepted.map((value, i) => ({ accepted: value, ready: ready[i] as bigint }));
}

function isAdmissionNumber(value: bigint): boolean {
  return value >= 0n && value >> ADMISSION_NUMBER_BITS === 0n;
}

function readTransactions(input: ColumnReader, counts: readonly number[]): Uint8Array[][] | null {
  const lengths = counts.map((count) => repeat(count, () => input.number()));
  for (const block of lengths)
    if (block.some((length) => length === 0 || length > TX_BYTES_MAX)) return null;
  if (input.failed() || lengths.some((block) => sum(block) > BLOCK_BYTES_MAX)) return null;
  const transactions = lengths.map((block) => block.map((length) => input.bytes(length)));
  if (input.failed() || transactions.flat().some((raw) => raw[0] === DEPOSIT_TYPE)) return null;
  return transactions;
}

function repeat<T>(count: number, read: () => T): T[] {
  return Array.from({ length: count }, read);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Hands out consecutive slices of the list. */
function slices<T>(list: readonly T[]): (count: number) => T[] {
  let offset = 0;
  return (count) => list.slice(offset, (offset += count));
}
