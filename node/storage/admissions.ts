/**
 * The admission log by block: what was taken in and what was dropped while the block was built.
 *
 * Kept for whoever asks what became of a transaction that is in no block, and for running the log
 * again under another policy. Owns the records' bytes and the index from a dropped transaction to
 * its entry. Pruned with the history of the state, and taken back with the block.
 *
 *   rlp([entries, [[accepted, hash, timeMs, code, raw]…]])
 *   entry  accepted u72 ‖ hash 32 ‖ timeMs u64 ‖ rank u8
 */
import { bigintToBytes, bytesToBigint, fromHex, type Hex, toHex } from "../../lanes/bytes.ts";
import { rlpIntegerBytes } from "../../lanes/rlp.ts";
import { isErrorCode, NodeError } from "../errors.ts";
import type { Steps } from "../turns.ts";
import { decodeLocation, encodeLocation } from "./block-records.ts";
import type { Operation, RecordView } from "./database.ts";
import { encodeFields, FieldReader, joinFields } from "./fields.ts";
import { blockKey, hashKey } from "./keys.ts";
import type { AdmissionEntry, BlockAdmissions, DropEntry, StoredDrop } from "./store.ts";

const ENTRY_BYTES = 50;
const NUMBER_BYTES = 9;
const HASH_AT = NUMBER_BYTES;
const TIME_AT = HASH_AT + 32;
const RANK_AT = TIME_AT + 8;
/** Microseconds to write an entry of each kind. */
const ENTRY_COST = 1;
const DROP_COST = 3;

/** Records that a block adds; none where nothing was taken in or dropped. */
export function* admissionOperations(
  number: number,
  { accepted, dropped }: BlockAdmissions,
): Steps<Operation[]> {
  if (accepted.length === 0 && dropped.length === 0) return [];
  const entries = new Uint8Array(accepted.length * ENTRY_BYTES);
  for (const [index, entry] of accepted.entries()) {
    writeEntry(entries, index * ENTRY_BYTES, entry);
    yield ENTRY_COST;
  }
  const drops: Uint8Array[] = [];
  const operations: Operation[] = [];
  for (const [index, drop] of dropped.entries()) {
    drops.push(encodeDrop(drop));
    const payload = encodeLocation({ blockNumber: number, index });
    operations.push({ key: hashKey("DROPPED", drop.hash), payload });
    yield DROP_COST;
  }
  const payload = yield* joinFields([encodeFields(entries), yield* joinFields(drops)]);
  return [{ key: blockKey("ADMISSIONS", number), payload }, ...operations];
}

/** The deletions that take a block's admission log away, with what still points at it. */
export function removeAdmissions(view: RecordView, number: number): Operation[] {
  const key = blockKey("ADMISSIONS", number);
  const payload = view.get(key);
  if (payload === null) return [];
  const removed: Operation[] = [{ key, payload: null }];
  for (const { hash } of decode(payload).dropped) {
    const index = hashKey("DROPPED", hash);
    const place = view.get(index);
    // It may have been sent and dropped again since.
    if (place !== null && decodeLocation(place).blockNumber === number)
      removed.push({ key: index, payload: null });
  }
  return removed;
}

export function readAdmissions(view: RecordView, number: number): BlockAdmissions {
  const payload = view.get(blockKey("ADMISSIONS", number));
  return payload === null ? { accepted: [], dropped: [] } : decode(payload);
}

/** How a transaction was dropped last; `null` where it was not, or too long ago. */
export function readDrop(view: RecordView, hash: Hex): StoredDrop | null {
  const place = view.get(hashKey("DROPPED", hash));
  if (place === null) return null;
  const { blockNumber, index } = decodeLocation(place);
  const drop = readAdmissions(view, blockNumber).dropped[index];
  if (drop === undefined) throw new NodeError("STORAGE_CORRUPT", { record: "dropped", hash });
  const { accepted, timeMs, code } = drop;
  return { accepted, timeMs, code, blockNumber };
}

function writeEntry(out: Uint8Array, at: number, entry: AdmissionEntry): void {
  const { accepted, hash, timeMs, rank } = entry;
  const view = new DataView(out.buffer);
  out.set(bigintToBytes(accepted, NUMBER_BYTES), at);
  out.set(fromHex(hash), at + HASH_AT);
  view.setBigUint64(at + TIME_AT, BigInt(timeMs));
  out[at + RANK_AT] = rank;
}

function encodeDrop({ accepted, hash, timeMs, code, raw }: DropEntry): Uint8Array {
  return encodeFields([
    rlpIntegerBytes(accepted),
    fromHex(hash),
    rlpIntegerBytes(timeMs),
    new TextEncoder().encode(code),
    raw,
  ]);
}

function decode(payload: Uint8Array): BlockAdmissions {
  const read = FieldReader.of(payload, "admissions");
  const entries = read.bytes();
  if (entries.length % ENTRY_BYTES !== 0) throw damaged();
  const view = new DataView(entries.buffer, entries.byteOffset, entries.length);
  const accepted = Array.from({ length: entries.length / ENTRY_BYTES }, (_, index) => {
    const at = index * ENTRY_BYTES;
    return {
      accepted: bytesToBigint(entries.subarray(at, at + HASH_AT)),
      hash: toHex(entries.subarray(at + HASH_AT, at + TIME_AT)),
      timeMs: Number(view.getBigUint64(at + TIME_AT)),
      rank: view.getUint8(at + RANK_AT),
    };
  });
  const dropped = read.list().lists((drop) => {
    const number = drop.bigint();
    const hash = drop.hash();
    const timeMs = drop.number();
    const code = new TextDecoder().decode(drop.bytes());
    if (!isErrorCode(code)) throw damaged();
    return { accepted: number, hash, timeMs, code, raw: drop.bytes() };
  });
  return { accepted, dropped };
}

function damaged(): NodeError {
  return new NodeError("STORAGE_CORRUPT", { record: "admissions", reason: "form" });
}
