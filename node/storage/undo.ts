/**
 * A block's change to the state tables, forwards and backwards.
 *
 * The reverse diff lists every key the block changes with the payload that stood there before, so
 * that taking a block back restores the tables byte for byte. The before-values come with the
 * `StateDiff`; only the slot list and the settled journal records are read.
 */
import { NodeError } from "../errors.ts";
import type { Operation, RecordView } from "./database.ts";
import { encodeAccount, encodeSlot } from "./codecs.ts";
import { accountKey, hashKey, slotKey, trieKey } from "./keys.ts";
import { createSlotList } from "./slot-list.ts";
import type { AccountChange, StateDiff, TrieNodeChange } from "./state.ts";

/** One key a block changes. */
export interface Change {
  readonly key: Uint8Array;
  readonly before: Uint8Array | null;
  readonly after: Uint8Array | null;
}

function accountChanges(change: AccountChange): Change[] {
  const { address, before, after } = change;
  const changes: Change[] = [];
  if (before !== null || after !== null)
    changes.push({
      key: accountKey(address),
      before: before === null ? null : encodeAccount(before),
      after: after === null ? null : encodeAccount(after),
    });
  for (const slot of change.slots)
    changes.push({
      key: slotKey("SLOT", address, slot.slot),
      before: encodeSlot(slot.before),
      after: encodeSlot(slot.after),
    });
  return changes;
}

/** All changes of a block to accounts, slots, slot lists, code and trie nodes. */
export function stateChanges(
  view: RecordView,
  diff: StateDiff,
  trie: readonly TrieNodeChange[],
): Change[] {
  const changes: Change[] = [];
  const slotList = createSlotList(view);
  for (const account of diff.accounts) {
    changes.push(...accountChanges(account));
    for (const { slot, before, after } of account.slots) {
      if (before === 0n && after !== 0n) slotList.add(account.address, slot);
      if (before !== 0n && after === 0n) slotList.remove(account.address, slot);
    }
  }
  changes.push(...slotList.changes());
  for (const { hash, code } of diff.codes) {
    const key = hashKey("CODE", hash);
    // The same code may have been deployed before; taking this block back must not delete it.
    if (view.get(key) === null) changes.push({ key, before: null, after: code });
  }
  for (const { path, node, previous } of trie)
    changes.push({ key: trieKey(path), before: previous, after: node });
  return changes;
}

export function forwardOperations(changes: readonly Change[]): Operation[] {
  return changes.map(({ key, after }) => ({ key, payload: after }));
}

/** Lengths before key and payload; the largest stands for "there was no such key". */
const ENTRY_HEADER_BYTES = 8;
const ABSENT = 0xffffffff;

/**
 * For each change: key length u32, payload length u32, key, payload. Lists of ten thousands, so no
 * RLP.
 */
export function encodeUndo(changes: readonly Change[]): Uint8Array {
  let length = 0;
  for (const { key, before } of changes)
    length += ENTRY_HEADER_BYTES + key.length + (before?.length ?? 0);
  const payload = new Uint8Array(length);
  const view = new DataView(payload.buffer);
  let offset = 0;
  for (const { key, before } of changes) {
    view.setUint32(offset, key.length);
    view.setUint32(offset + 4, before?.length ?? ABSENT);
    payload.set(key, offset + ENTRY_HEADER_BYTES);
    offset += ENTRY_HEADER_BYTES + key.length;
    if (before !== null) payload.set(before, offset);
    offset += before?.length ?? 0;
  }
  return payload;
}

/** The operations that restore what stood before the block. Errors: `STORAGE_CORRUPT`. */
export function undoOperations(payload: Uint8Array): Operation[] {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const operations: Operation[] = [];
  let offset = 0;
  while (offset + ENTRY_HEADER_BYTES <= payload.length) {
    const length = view.getUint32(offset + 4);
    const keyStart = offset + ENTRY_HEADER_BYTES;
    const start = keyStart + view.getUint32(offset);
    offset = length === ABSENT ? start : start + length;
    operations.push({
      key: payload.subarray(keyStart, start),
      payload: length === ABSENT ? null : payload.subarray(start, offset),
    });
  }
  if (offset !== payload.length)
    throw new NodeError("STORAGE_CORRUPT", { record: "undo", reason: "form" });
  return operations;
}
