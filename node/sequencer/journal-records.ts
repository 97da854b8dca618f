/**
 * What the journal's records hold, by kind. Owns their bytes; big-endian. PROTOCOL 10.
 *
 *   transaction  deadlineBlock u64 ‖ timeMs u64 ‖ rank u8 ‖ length u16 ‖ `encodeConditions` of
 *                `primitives/conditions.ts`, of that length, 0 for none ‖ raw
 *   flashblock   length u32 ‖ `encodeLanePrices` of `lanes/lane-data.ts`, of that length ‖
 *                `encodeFlashblock` of `lanes/signed-flashblock.ts`
 *   drop         accepted u72 ‖ timeMs u64 ‖ code, ASCII
 *   report       timeMs u64 ‖ source u8 ‖ bytes of the report
 */
import { bigintToBytes, bytesToBigint, concatBytes } from "../../lanes/bytes.ts";
import { decodeLanePrices, encodeLanePrices, type LanePrices } from "../../lanes/lane-data.ts";
import {
  decodeFlashblock,
  encodeFlashblock,
  type ExecutedFlashblock,
} from "../../lanes/signed-flashblock.ts";
import { type ErrorCode, isErrorCode, NodeError } from "../errors.ts";
import {
  decodeConditions,
  encodeConditions,
  type TransactionConditions,
} from "../primitives/conditions.ts";
import { decodeTransaction, type DecodedTransaction } from "../primitives/transaction.ts";
import {
  JOURNAL_DROP,
  JOURNAL_FLASHBLOCK,
  JOURNAL_REPORT,
  JOURNAL_TRANSACTION,
  type JournalRecord,
} from "../storage/store.ts";

const NUMBER_BYTES = 9;
const U32_BYTES = 4;
const U64_BYTES = 8;
const U16_BYTES = 2;
const CONDITIONS_AT = 2 * U64_BYTES + 1;
const TRANSACTION_HEAD_BYTES = CONDITIONS_AT + U16_BYTES;
const DROP_HEAD_BYTES = NUMBER_BYTES + U64_BYTES;
const REPORT_HEAD_BYTES = U64_BYTES + 1;

/** What was promised of a transaction when it was taken in. */
export interface Acceptance {
  readonly accepted: bigint;
  /** Last block in which it may stand; 0 for the normal lane. */
  readonly deadlineBlock: number;
  /** Unix milliseconds. */
  readonly timeMs: number;
  readonly rank: number;
  readonly conditions: TransactionConditions | null;
}

export interface TransactionRecord extends Acceptance {
  readonly transaction: DecodedTransaction;
}

/** That a transaction will not stand in any block. */
export interface DropRecord {
  /** Number of the dropped transaction. */
  readonly accepted: bigint;
  readonly timeMs: number;
  readonly code: ErrorCode;
}

/** A report that was taken in. */
export interface ReportRecord {
  /** Unix milliseconds. */
  readonly timeMs: number;
  readonly source: number;
  readonly bytes: Uint8Array;
}

/** A flashblock with what makes its prices: neither can be found anywhere else. */
export interface FlashblockRecord extends ExecutedFlashblock {
  readonly prices: LanePrices;
  /** The record's own number. */
  readonly record: bigint;
}

/** All records of a journal, sorted by kind; in the order of their numbers. */
export interface JournalContent {
  readonly transactions: readonly TransactionRecord[];
  readonly flashblocks: readonly FlashblockRecord[];
  readonly drops: readonly (DropRecord & { readonly record: bigint })[];
  readonly reports: readonly (ReportRecord & { readonly accepted: bigint })[];
}

function u64(value: number): Uint8Array {
  const bytes = new Uint8Array(U64_BYTES);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}

export function transactionRecord(acceptance: Acceptance, raw: Uint8Array): JournalRecord {
  const { accepted, deadlineBlock, timeMs, rank, conditions } = acceptance;
  const encoded = conditions === null ? new Uint8Array(0) : encodeConditions(conditions);
  const bytes = new Uint8Array(TRANSACTION_HEAD_BYTES + encoded.length + raw.length);
  bytes.set(u64(deadlineBlock));
  bytes.set(u64(timeMs), U64_BYTES);
  bytes[2 * U64_BYTES] = rank;
  bytes.set(bigintToBytes(BigInt(encoded.length), U16_BYTES), CONDITIONS_AT);
  bytes.set(encoded, TRANSACTION_HEAD_BYTES);
  bytes.set(raw, TRANSACTION_HEAD_BYTES + encoded.length);
  return { accepted, kind: JOURNAL_TRANSACTION, bytes };
}

export function flashblockRecord(
  number: bigint,
  flashblock: ExecutedFlashblock,
  prices: LanePrices,
): JournalRecord {
  const encoded = encodeLanePrices(prices);
  const length = bigintToBytes(BigInt(encoded.length), U32_BYTES);
  const bytes = concatBytes(length, encoded, encodeFlashblock(flashblock));
  return { accepted: number, kind: JOURNAL_FLASHBLOCK, bytes };
}

export function dropRecord(number: bigint, { accepted, timeMs, code }: DropRecord): JournalRecord {
  const text = new TextEncoder().encode(code);
  const bytes = new Uint8Array(DROP_HEAD_BYTES + text.length);
  bytes.set(bigintToBytes(accepted, NUMBER_BYTES));
  bytes.set(u64(timeMs), NUMBER_BYTES);
  bytes.set(text, DROP_HEAD_BYTES);
  return { accepted: number, kind: JOURNAL_DROP, bytes };
}

export function reportRecord(
  accepted: bigint,
  { timeMs, source, bytes: report }: ReportRecord,
): JournalRecord {
  const bytes = concatBytes(u64(timeMs), Uint8Array.of(source), report);
  return { accepted, kind: JOURNAL_REPORT, bytes };
}

/** Errors: `STORAGE_CORRUPT` for a record that is of no kind, or not as its kind must be. */
export function readJournal(records: readonly JournalRecord[]): JournalContent {
  const transactions: TransactionRecord[] = [];
  const flashblocks: FlashblockRecord[] = [];
  const drops: (DropRecord & { record: bigint })[] = [];
  const reports: (ReportRecord & { accepted: bigint })[] = [];
  for (const record of records) {
    const { kind, accepted } = record;
    if (kind === JOURNAL_TRANSACTION) transactions.push(readTransaction(record));
    else if (kind === JOURNAL_FLASHBLOCK) flashblocks.push(readFlashblock(record));
    else if (kind === JOURNAL_DROP) drops.push({ ...readDrop(record), record: accepted });
    else if (kind === JOURNAL_REPORT) reports.push({ ...readReport(record), accepted });
    else throw damaged(record);
  }
  return { transactions, flashblocks, drops, reports };
}

function readTransaction(record: JournalRecord): TransactionRecord {
  const { accepted, bytes } = record;
  if (bytes.length <= TRANSACTION_HEAD_BYTES) throw damaged(record);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const rawAt = TRANSACTION_HEAD_BYTES + view.getUint16(CONDITIONS_AT);
  const encoded = bytes.subarray(TRANSACTION_HEAD_BYTES, rawAt);
  const conditions = encoded.length === 0 ? null : decodeConditions(encoded);
  const transaction = decodeTransaction(bytes.slice(rawAt));
  if (!transaction.ok || (encoded.length > 0 && conditions === null)) throw damaged(record);
  return {
    accepted,
    deadlineBlock: Number(view.getBigUint64(0)),
    timeMs: Number(view.getBigUint64(U64_BYTES)),
    rank: view.getUint8(2 * U64_BYTES),
    conditions,
    transaction: transaction.value,
  };
}

function readFlashblock(record: JournalRecord): FlashblockRecord {
  const { bytes } = record;
  const end = U32_BYTES + Number(bytesToBigint(bytes.subarray(0, U32_BYTES)));
  const prices = decodeLanePrices(bytes.subarray(U32_BYTES, end));
  const flashblock = decodeFlashblock(bytes.subarray(end));
  if (!prices.ok || !flashblock.ok) throw damaged(record);
  return { ...flashblock.value, prices: prices.value, record: record.accepted };
}

function readDrop(record: JournalRecord): DropRecord {
  const { bytes } = record;
  if (bytes.length <= DROP_HEAD_BYTES) throw damaged(record);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const code = new TextDecoder().decode(bytes.subarray(DROP_HEAD_BYTES));
  if (!isErrorCode(code)) throw damaged(record);
  const accepted = bytesToBigint(bytes.subarray(0, NUMBER_BYTES));
  return { accepted, timeMs: Number(view.getBigUint64(NUMBER_BYTES)), code };
}

function readReport(record: JournalRecord): ReportRecord {
  const { bytes } = record;
  if (bytes.length <= REPORT_HEAD_BYTES) throw damaged(record);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return {
    timeMs: Number(view.getBigUint64(0)),
    source: view.getUint8(U64_BYTES),
    bytes: bytes.slice(REPORT_HEAD_BYTES),
  };
}

function damaged({ kind, accepted }: JournalRecord): NodeError {
  return new NodeError("STORAGE_CORRUPT", { record: "journal", kind, accepted: String(accepted) });
}
