/**
 * The admission log by block: what was taken in and what was dropped while the block was built.
 *
 * Kept for whoever asks what became of a transaction that is in no block, and for running the log
 * again under another policy. Owns the records' bytes; what is asked for by hash is one record.
 * Pruned with the history of the state, and taken back with the block.
 *
 *   ADMISSIONS   rlp([taken in…, dropped…]), both joined entries
 *   taken in     accepted u72 ‖ hash 32 ‖ timeMs u64 ‖ rank u8
 *   dropped      accepted u72 ‖ hash 32 ‖ timeMs u64 ‖ length u8 ‖ code, ASCII
 *   DROPPED      block number u64 ‖ an entry as above
 *   DROPPED_RAW  the transaction, where the block's log had room for it
 */
import {
  bigintToBytes,
  bytesToBigint,
  concatBytes,
  fromHex,
  type Hex,
  toHex,
} from "../../lanes/bytes.ts";
import { isErrorCode, NodeError } from "../errors.ts";
import type { Steps } from "../turns.ts";
import { decodeU64 } from "./block-records.ts";
import type { Operation, RecordView } from "./database.ts";
import { encodeFields, FieldReader } from "./fields.ts";
import { blockKey, droppedRawKey, encodeU64, hashKey } from "./keys.ts";
import type { AdmissionEntry, BlockAdmissions, DropEntry, StoredDrop } from "./store.ts";

const NUMBER_BYTES = 9;
const HASH_AT = NUMBER_BYTES;
const TIME_AT = HASH_AT + 32;
/** Where the two kinds of entry differ. */
const RANK_AT = TIME_AT + 8;
const ENTRY_BYTES = RANK_AT + 1;
const BLOCK_BYTES = 8;
/**
 * Bytes of dropped transactions that the log of a block keeps; of the others it keeps what they
 * were dropped for.
 */
const RAW_BYTES_MAX = 8 * 1024 * 1024;
/** Microseconds to write an entry of each kind, to join one to others, to take one away. */
const ENTRY_COST = 1;
const DROP_COST = 3;
const JOIN_COST = 0.1;
const REMOVAL_COST = 5;

/** Records that a block adds; none where nothing was taken in or dropped. */
export function* admissionOperations(
  number: number,
  { accepted, dropped }: BlockAdmissions,
): Steps<Operation[]> {
  if (accepted.length === 0 && dropped.length === 0) return [];
  const entries = new Uint8Array(accepted.length * ENTRY_BYTES);
  for (const [index, entry] of accepted.entries()) {
    writeHead(entries, index * ENTRY_BYTES, entry);
    entries[index * ENTRY_BYTES + RANK_AT] = entry.rank;
    yield ENTRY_COST;
  }
  const drops: Uint8Array[] = [];
  const operations: Operation[] = [];
  let rawBytes = 0;
  for (const [index, drop] of dropped.entries()) {
    const entry = encodeDrop(drop);
    drops.push(entry);
    const payload = concatBytes(encodeU64(number), entry);
    operations.push({ key: hashKey("DROPPED", drop.hash), payload });
    const { raw } = drop;
    if (raw !== null && rawBytes + raw.length <= RAW_BYTES_MAX) {
      rawBytes += raw.length;
      operations.push({ key: droppedRawKey(number, index), payload: raw });
    }
    yield DROP_COST;
  }
  const payload = encodeFields([entries, yield* joined(drops)]);
  return [{ key: blockKey("ADMISSIONS", number), payload }, ...operations];
}

function* joined(parts: readonly Uint8Array[]): Steps<Uint8Array> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
    yield JOIN_COST;
  }
  return whole;
}

/** The deletions that take a block's admission log away, with what still points at it. */
export function* removeAdmissions(view: RecordView, number: number): Steps<Operation[]> {
  const key = blockKey("ADMISSIONS", number);
  const payload = view.get(key);
  if (payload === null) return [];
  const removed: Operation[] = [{ key, payload: null }];
  for (const [index, { hash }] of decodeDrops(fieldsOf(payload).drops).entries()) {
    const record = hashKey("DROPPED", hash);
    const newest = view.get(record);
    // It may have been sent and dropped again since.
    if (newest !== null && decodeU64(newest.subarray(0, BLOCK_BYTES)) === number)
      removed.push({ key: record, payload: null });
    removed.push({ key: droppedRawKey(number, index), payload: null });
    yield REMOVAL_COST;
  }
  return removed;
}

export function readAdmissions(view: RecordView, number: number): BlockAdmissions {
  const payload = view.get(blockKey("ADMISSIONS", number));
  if (payload === null) return { accepted: [], dropped: [] };
  const { entries, drops } = fieldsOf(payload);
  if (entries.length % ENTRY_BYTES !== 0) throw damaged();
  const accepted = Array.from({ length: entries.length / ENTRY_BYTES }, (_, index) => ({
    ...readHead(entries, index * ENTRY_BYTES),
    rank: entries[index * ENTRY_BYTES + RANK_AT] ?? 0,
  }));
  const dropped = decodeDrops(drops).map((drop, index) => ({
    ...drop,
    raw: view.get(droppedRawKey(number, index)),
  }));
  return { accepted, dropped };
}

/** How a transaction was dropped last; `null` where it was not, or too long ago. */
export function readDrop(view: RecordView, hash: Hex): StoredDrop | null {
  const payload = view.get(hashKey("DROPPED", hash));
  if (payload === null) return null;
  const [drop] = decodeDrops(payload.subarray(BLOCK_BYTES));
  if (drop === undefined) throw damaged();
  const { accepted, timeMs, code } = drop;
  return { accepted, timeMs, code, blockNumber: decodeU64(payload.subarray(0, BLOCK_BYTES)) };
}

type EntryHead = Pick<AdmissionEntry, "accepted" | "hash" | "timeMs">;

function writeHead(out: Uint8Array, at: number, { accepted, hash, timeMs }: EntryHead): void {
  out.set(bigintToBytes(accepted, NUMBER_BYTES), at);
  out.set(fromHex(hash), at + HASH_AT);
  out.set(encodeU64(timeMs), at + TIME_AT);
}

function readHead(bytes: Uint8Array, at: number): EntryHead {
  return {
    accepted: bytesToBigint(bytes.subarray(at, at + HASH_AT)),
    hash: toHex(bytes.subarray(at + HASH_AT, at + TIME_AT)),
    timeMs: decodeU64(bytes.subarray(at + TIME_AT, at + RANK_AT)),
  };
}

function encodeDrop(drop: DropEntry): Uint8Array {
  const code = new TextEncoder().encode(drop.code);
  const entry = new Uint8Array(ENTRY_BYTES + code.length);
  writeHead(entry, 0, drop);
  entry[RANK_AT] = code.length;
  entry.set(code, ENTRY_BYTES);
  return entry;
}

function decodeDrops(bytes: Uint8Array): Omit<DropEntry, "raw">[] {
  const drops: Omit<DropEntry, "raw">[] = [];
  for (let at = 0; at < bytes.length;) {
    const codeAt = at + ENTRY_BYTES;
    const end = codeAt + (bytes[at + RANK_AT] ?? 0);
    if (end > bytes.length || codeAt > bytes.length) throw damaged();
    const code = new TextDecoder().decode(bytes.subarray(codeAt, end));
    if (!isErrorCode(code)) throw damaged();
    drops.push({ ...readHead(bytes, at), code });
    at = end;
  }
  return drops;
}

function fieldsOf(payload: Uint8Array): {
  readonly entries: Uint8Array;
  readonly drops: Uint8Array;
} {
  const read = FieldReader.of(payload, "admissions");
  return { entries: read.bytes(), drops: read.bytes() };
}

function damaged(): NodeError {
  return new NodeError("STORAGE_CORRUPT", { record: "admissions", reason: "form" });
}
