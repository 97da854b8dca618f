/**
 * Strict RLP for untrusted bytes, and fast RLP of our own. Decoding is linear in the input whatever
 * its nesting (the depth is bounded before anything is copied) and accepts only the canonical form,
 * so equal values have equal bytes. Encoding allocates once: a block has tens of thousands of
 * items, and `@ethereumjs/rlp` makes an array for each of them and for each list around it.
 * Source: Ethereum Yellow Paper, appendix B.
 */
import { bigintToMinimalBytes, bytesToBigint } from "./bytes.ts";

export type RlpItem = Uint8Array | readonly RlpItem[];

const SHORT_MAX = 55;
/** First byte of an empty byte string and of an empty list. */
const STRING = 0x80;
const LIST = 0xc0;
/** Payload lengths take at most this many bytes: 4 GiB is beyond every cap of the protocol. */
const LENGTH_BYTES_MAX = 4;

/** The one item that the bytes are, or `null` if they are anything else. Byte strings are views. */
export function decodeRlp(bytes: Uint8Array, depthMax: number): RlpItem | null {
  const span = readHead(bytes, 0, bytes.length);
  if (span?.end !== bytes.length) return null;
  return readItem(bytes, span, depthMax);
}

/** Canonical RLP of an item. */
export function encodeRlp(item: RlpItem): Uint8Array {
  return encodeRlpItems([item]);
}

/** Items one after another, each encoded: what stands behind the head of a list that holds them. */
export function encodeRlpItems(items: readonly RlpItem[]): Uint8Array {
  const out = new Uint8Array(encodedLengthOfAll(items));
  writeItems(items, out, out.length);
  return out;
}

/** What stands before the items of a list that are `length` bytes together. */
export function rlpListHead(length: number): Uint8Array {
  const head = new Uint8Array(headLength(length));
  writeHead(length, LIST, head, head.length);
  return head;
}

/** The items of an encoded list, as encoded and as views; `null` for bytes that are not a list. */
export function rlpListItems(bytes: Uint8Array): Uint8Array[] | null {
  const span = readHead(bytes, 0, bytes.length);
  if (span?.isList !== true || span.end !== bytes.length) return null;
  const items: Uint8Array[] = [];
  for (let at = span.start; at < span.end;) {
    const child = readHead(bytes, at, span.end);
    if (child === null) return null;
    items.push(bytes.subarray(at, child.end));
    at = child.end;
  }
  return items;
}

/** What RLP has as the bytes of an integer that is not negative: big-endian, minimal. */
export function rlpIntegerBytes(value: bigint | number): Uint8Array {
  return bigintToMinimalBytes(BigInt(value));
}

export function isRlpList(item: RlpItem | null | undefined): item is readonly RlpItem[] {
  return Array.isArray(item);
}

/** A canonical unsigned integer of at most `bytesMax` bytes; `null` for anything else. */
export function rlpInteger(item: RlpItem | undefined, bytesMax: number): bigint | null {
  if (!(item instanceof Uint8Array) || item.length > bytesMax || item[0] === 0) return null;
  return bytesToBigint(item);
}

/** A canonical unsigned integer that a `number` holds exactly; `null` for anything else. */
export function rlpSafeInteger(item: RlpItem | undefined): number | null {
  const value = rlpInteger(item, 7);
  return value === null || value > Number.MAX_SAFE_INTEGER ? null : Number(value);
}

/** Bytes before a payload of `length` bytes. */
function headLength(length: number): number {
  let bytes = 1;
  if (length > SHORT_MAX) for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes++;
  return bytes;
}

/** A single byte below 0x80 is its own encoding. */
function isOwnEncoding(bytes: Uint8Array): boolean {
  return bytes.length === 1 && (bytes[0] ?? 0) < STRING;
}

function encodedLength(item: RlpItem): number {
  if (item instanceof Uint8Array)
    return isOwnEncoding(item) ? 1 : headLength(item.length) + item.length;
  const length = encodedLengthOfAll(item);
  return headLength(length) + length;
}

function encodedLengthOfAll(items: readonly RlpItem[]): number {
  let length = 0;
  for (const item of items) length += encodedLength(item);
  return length;
}

/**
 * Writes from the item's end to its beginning, which is returned: when a list's head is written, it
 * is known how long the list is.
 */
function writeItem(item: RlpItem, out: Uint8Array, end: number): number {
  if (!(item instanceof Uint8Array)) {
    const start = writeItems(item, out, end);
    return writeHead(end - start, LIST, out, start);
  }
  const start = end - item.length;
  out.set(item, start);
  return isOwnEncoding(item) ? start : writeHead(item.length, STRING, out, start);
}

function writeItems(items: readonly RlpItem[], out: Uint8Array, end: number): number {
  let start = end;
  for (let i = items.length - 1; i >= 0; i--) start = writeItem(items[i] as RlpItem, out, start);
  return start;
}

function writeHead(length: number, base: number, out: Uint8Array, end: number): number {
  let start = end;
  if (length <= SHORT_MAX) {
    out[--start] = base + length;
    return start;
  }
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) out[--start] = rest % 256;
  out[start - 1] = base + SHORT_MAX + end - start;
  return start - 1;
}

/** Where one item's payload lies. */
interface Span {
  readonly isList: boolean;
  readonly start: number;
  readonly end: number;
}

function readItem(bytes: Uint8Array, span: Span, depthLeft: number): RlpItem | null {
  if (!span.isList) return bytes.subarray(span.start, span.end);
  if (depthLeft === 0) return null;
  const items: RlpItem[] = [];
  for (let at = span.start; at < span.end;) {
    const child = readHead(bytes, at, span.end);
    if (child === null) return null;
    const item = readItem(bytes, child, depthLeft - 1);
    if (item === null) return null;
    items.push(item);
    at = child.end;
  }
  return items;
}

function readHead(bytes: Uint8Array, at: number, limit: number): Span | null {
  const first = at < limit ? bytes[at] : undefined;
  if (first === undefined) return null;
  if (first < STRING) return { isList: false, start: at, end: at + 1 };
  const isList = first >= LIST;
  const base = isList ? LIST : STRING;
  const short = first - base;
  const lengthBytes = Math.max(0, short - SHORT_MAX);
  const start = at + 1 + lengthBytes;
  if (lengthBytes > LENGTH_BYTES_MAX || start > limit) return null;
  const length = lengthBytes === 0 ? short : readLength(bytes, at + 1, start);
  if (length === null || length > limit - start) return null;
  // A single byte below 0x80 is its own encoding.
  if (!isList && length === 1 && (bytes[start] ?? 0) < STRING) return null;
  return { isList, start, end: start + length };
}

function readLength(bytes: Uint8Array, from: number, to: number): number | null {
  let length = 0;
  for (let i = from; i < to; i++) length = length * 256 + (bytes[i] ?? 0);
  return bytes[from] === 0 || length <= SHORT_MAX ? null : length;
}
