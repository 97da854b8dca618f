/**
 * Strict RLP for untrusted bytes. Decoding is linear in the input whatever its nesting (the depth
 * is bounded before anything is copied) and accepts only the canonical form, so equal values have
 * equal bytes. Encoding is `@ethereumjs/rlp`'s.
 * Source: Ethereum Yellow Paper, appendix B.
 */
import { bytesToBigint } from "./bytes.ts";

export type RlpItem = Uint8Array | readonly RlpItem[];

const SHORT_MAX = 55;
/** Payload lengths take at most this many bytes: 4 GiB is beyond every cap of the protocol. */
const LENGTH_BYTES_MAX = 4;

/** The one item that the bytes are, or `null` if they are anything else. Byte strings are views. */
export function decodeRlp(bytes: Uint8Array, depthMax: number): RlpItem | null {
  const span = readHead(bytes, 0, bytes.length);
  if (span?.end !== bytes.length) return null;
  return readItem(bytes, span, depthMax);
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
  if (first < 0x80) return { isList: false, start: at, end: at + 1 };
  const isList = first >= 0xc0;
  const base = isList ? 0xc0 : 0x80;
  const short = first - base;
  const lengthBytes = Math.max(0, short - SHORT_MAX);
  const start = at + 1 + lengthBytes;
  if (lengthBytes > LENGTH_BYTES_MAX || start > limit) return null;
  const length = lengthBytes === 0 ? short : readLength(bytes, at + 1, start);
  if (length === null || length > limit - start) return null;
  // A single byte below 0x80 is its own encoding.
  if (!isList && length === 1 && (bytes[start] ?? 0) < 0x80) return null;
  return { isList, start, end: start + length };
}

function readLength(bytes: Uint8Array, from: number, to: number): number | null {
  let length = 0;
  for (let i = from; i < to; i++) length = length * 256 + (bytes[i] ?? 0);
  return bytes[from] === 0 || length <= SHORT_MAX ? null : length;
}
