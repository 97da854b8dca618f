/**
 * Reverse diffs: every key a block changed with the payload that stood there before, so that taking
 * a block back restores the tables byte for byte, and older state can be read (`history.ts`).
 *
 * A reverse diff is split into pages by a hash of the key, so that one key is found by reading some
 * 8 KiB, whatever the size of the block. Owns their form. Does not own which keys a block changes
 * (`state-changes.ts`).
 */
import assert from "node:assert";
import { NodeError } from "../errors.ts";
import type { Steps } from "../turns.ts";
import type { Operation, RecordView } from "./database.ts";
import { blockKey, undoPageKey } from "./keys.ts";

/** What a block does to one key, and what stood there before. */
export interface Change extends Operation {
  readonly before: Uint8Array | null;
}

/** Lengths before key and payload; the largest stands for "there was no such key". */
const ENTRY_HEADER_BYTES = 8;
const ABSENT = 0xffffffff;

/** What a page holds on average, at most. */
const PAGE_BYTES = 8192;
/** Pages of a reverse diff are two to a power up to this; the key of a page has 16 bits for it. */
const PAGE_BITS_MAX = 16;

/** Microseconds of the steps: to choose a page, add to its length, make it, write an entry. */
const PAGE_OF_COST = 0.2;
const LENGTH_COST = 0.1;
const PAGE_COST = 2;
const ENTRY_COST = 0.3;

/** FNV-1a, with its bits mixed: the low ones choose the page. */
function pageOf(key: Uint8Array, pageBits: number): number {
  let hash = 0x811c9dc5;
  for (const byte of key) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash ^ (hash >>> 15)) & ((1 << pageBits) - 1);
}

function entryBytes({ key, before }: Change): number {
  return ENTRY_HEADER_BYTES + key.length + (before?.length ?? 0);
}

interface Page {
  readonly payload: Uint8Array;
  readonly view: DataView;
  /** Where the next entry begins. */
  end: number;
}

function createPage(length: number, start: number): Page {
  const payload = new Uint8Array(start + length);
  return { payload, view: new DataView(payload.buffer), end: start };
}

function writeEntry(change: Change, page: Page): void {
  const { key, before } = change;
  const { payload, view, end } = page;
  view.setUint32(end, key.length);
  view.setUint32(end + 4, before?.length ?? ABSENT);
  payload.set(key, end + ENTRY_HEADER_BYTES);
  if (before !== null) payload.set(before, end + ENTRY_HEADER_BYTES + key.length);
  page.end = end + entryBytes(change);
}

/**
 * The records of a block's reverse diff: one that says how many bits choose a page, and the pages.
 * A single page stands in the first record itself.
 */
export function* undoOperations(number: number, changes: readonly Change[]): Steps<Operation[]> {
  const pageOfChange = new Uint16Array(changes.length);
  let bytes = 0;
  for (const [i, change] of changes.entries()) {
    bytes += entryBytes(change);
    pageOfChange[i] = pageOf(change.key, PAGE_BITS_MAX);
    yield PAGE_OF_COST;
  }
  let pageBits = 0;
  while (bytes > PAGE_BYTES << pageBits && pageBits < PAGE_BITS_MAX) pageBits++;
  const lengths = new Uint32Array(1 << pageBits);
  for (const [i, change] of changes.entries()) {
    // The lower bits of the largest choice are the choice among fewer pages.
    const page = (pageOfChange[i] as number) & (lengths.length - 1);
    pageOfChange[i] = page;
    lengths[page] = (lengths[page] as number) + entryBytes(change);
    yield LENGTH_COST;
  }
  const single = pageBits === 0;
  const pages: Page[] = [];
  for (const length of lengths) {
    pages.push(createPage(length, single ? 1 : 0));
    yield PAGE_COST;
  }
  for (const [i, change] of changes.entries()) {
    writeEntry(change, pages[pageOfChange[i] as number] as Page);
    yield ENTRY_COST;
  }
  const key = blockKey("UNDO", number);
  const [first] = pages;
  assert(first !== undefined, "there is a page at least");
  if (single) return [{ key, payload: first.payload }];
  const operations: Operation[] = [{ key, payload: Uint8Array.of(pageBits) }];
  for (const [page, { payload }] of pages.entries()) {
    operations.push({ key: undoPageKey(number, page), payload });
    yield PAGE_COST;
  }
  return operations;
}

/** Key and payload of each entry; `null` where there was no such key. */
function* entriesOf(page: Uint8Array): Generator<Operation> {
  const view = new DataView(page.buffer, page.byteOffset, page.length);
  let offset = 0;
  while (offset + ENTRY_HEADER_BYTES <= page.length) {
    const length = view.getUint32(offset + 4);
    const keyStart = offset + ENTRY_HEADER_BYTES;
    const start = keyStart + view.getUint32(offset);
    offset = length === ABSENT ? start : start + length;
    yield {
      key: page.subarray(keyStart, start),
      payload: length === ABSENT ? null : page.subarray(start, offset),
    };
  }
  if (offset !== page.length) throw corrupt("form");
}

/** Bits that choose a page, and the page itself where there is only one. */
function readFirst(view: RecordView, number: number): { pageBits: number; rest: Uint8Array } {
  const payload = view.get(blockKey("UNDO", number));
  const pageBits = payload?.[0];
  if (payload === null || pageBits === undefined || pageBits > PAGE_BITS_MAX)
    throw corrupt("missing", number);
  return { pageBits, rest: payload.subarray(1) };
}

function readPage(view: RecordView, number: number, page: number): Uint8Array {
  const payload = view.get(undoPageKey(number, page));
  if (payload === null) throw corrupt("missing", number);
  return payload;
}

/** The operations that restore what stood before the block. Errors: `STORAGE_CORRUPT`. */
export function restoreOperations(view: RecordView, number: number): Operation[] {
  const { pageBits, rest } = readFirst(view, number);
  if (pageBits === 0) return [...entriesOf(rest)];
  const operations: Operation[] = [];
  for (let page = 0; page < 1 << pageBits; page++)
    for (const entry of entriesOf(readPage(view, number, page))) operations.push(entry);
  return operations;
}

/** The deletions that take `undoOperations` back. Errors: `STORAGE_CORRUPT`. */
export function* removeUndoOperations(view: RecordView, number: number): Steps<Operation[]> {
  const { pageBits } = readFirst(view, number);
  const operations: Operation[] = [{ key: blockKey("UNDO", number), payload: null }];
  const pages = pageBits === 0 ? 0 : 1 << pageBits;
  for (let page = 0; page < pages; page++) {
    operations.push({ key: undoPageKey(number, page), payload: null });
    yield PAGE_COST;
  }
  return operations;
}

/**
 * The entry of `key` in a block's reverse diff; `null` where the block did not change it. Errors:
 * `STORAGE_CORRUPT` where there is no reverse diff.
 */
export function findUndo(view: RecordView, number: number, key: Uint8Array): Operation | null {
  const { pageBits, rest } = readFirst(view, number);
  const page = pageBits === 0 ? rest : readPage(view, number, pageOf(key, pageBits));
  const wanted = Buffer.from(key.buffer, key.byteOffset, key.length);
  for (const entry of entriesOf(page)) if (wanted.equals(entry.key)) return entry;
  return null;
}

function corrupt(reason: string, number?: number): NodeError {
  return new NodeError("STORAGE_CORRUPT", {
    record: "undo",
    reason,
    ...(number === undefined ? {} : { number }),
  });
}
