/**
 * Bytes of Merkle Patricia trie nodes: RLP items found by offset, and hex-prefix keys.
 *
 * Owns reading without copies and writing into one array of the right size: a general RLP library
 * costs more here than hashing does. Keys of leaves are taken from the packed key as they are: what
 * is left of it below any depth always starts on a byte or on the low half of one.
 * Does not own what the items mean in memory (`trie-node.ts`); bytes from strangers go through
 * `lanes/rlp.ts`. Source: yellow paper, appendices B, C and D.
 */
import type { Allocate } from "./trie-arena.ts";

const SHORT_MAX = 55;
const STRING = 0x80;
const LIST = 0xc0;
/** Hex-prefix flags. */
const ODD = 0x10;
const LEAF = 0x20;

/** Where the payload of the item at `at` begins. */
export function payloadStart(rlp: Uint8Array, at: number): number {
  const first = rlp[at] ?? 0;
  if (first < STRING) return at;
  const short = first < LIST ? first - STRING : first - LIST;
  return at + 1 + Math.max(0, short - SHORT_MAX);
}

/** Where the item at `at` ends; beyond the array where its length is a lie. */
export function itemEnd(rlp: Uint8Array, at: number): number {
  const first = rlp[at] ?? 0;
  if (first < STRING) return at + 1;
  const short = first < LIST ? first - STRING : first - LIST;
  if (short <= SHORT_MAX) return at + 1 + short;
  const start = at + 1 + short - SHORT_MAX;
  let length = 0;
  for (let i = at + 1; i < start; i++) length = length * 256 + (rlp[i] ?? 0);
  return start + length;
}

export function isListAt(rlp: Uint8Array, at: number): boolean {
  return (rlp[at] ?? 0) >= LIST;
}

/** Payload of the string at `at`, as a view. */
export function stringAt(rlp: Uint8Array, at: number): Uint8Array {
  return rlp.subarray(payloadStart(rlp, at), itemEnd(rlp, at));
}

/** Bytes of the head before a payload of so many bytes. */
function headLength(length: number): number {
  if (length <= SHORT_MAX) return 1;
  let bytes = 1;
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes += 1;
  return bytes;
}

function writeHead(out: Uint8Array, at: number, base: number, length: number): number {
  if (length <= SHORT_MAX) {
    out[at] = base + length;
    return at + 1;
  }
  const end = at + headLength(length);
  out[at] = base + SHORT_MAX + (end - at - 1);
  let rest = length;
  for (let i = end - 1; i > at; i--) {
    out[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return end;
}

/** A list of so many payload bytes: its array, and where the payload goes. */
export function createList(
  length: number,
  allocate: Allocate,
): { readonly rlp: Uint8Array; readonly at: number } {
  const rlp = allocate(headLength(length) + length);
  return { rlp, at: writeHead(rlp, 0, LIST, length) };
}

/** Bytes of a string's item. */
export function stringLength(bytes: Uint8Array): number {
  if (bytes.length === 1 && (bytes[0] ?? 0) < STRING) return 1;
  return headLength(bytes.length) + bytes.length;
}

/** Writes a string's item and returns where it ends. */
export function writeString(out: Uint8Array, at: number, bytes: Uint8Array): number {
  if (bytes.length === 1 && (bytes[0] ?? 0) < STRING) {
    out[at] = bytes[0] ?? 0;
    return at + 1;
  }
  const start = writeHead(out, at, STRING, bytes.length);
  out.set(bytes, start);
  return start + bytes.length;
}

/** A list of strings. */
export function encodeStrings(items: readonly Uint8Array[], allocate: Allocate): Uint8Array {
  let length = 0;
  for (const item of items) length += stringLength(item);
  const list = createList(length, allocate);
  let { at } = list;
  for (const item of items) at = writeString(list.rlp, at, item);
  return list.rlp;
}

/** Number of nibbles. */
export function nibbleCount(key: Uint8Array): number {
  return key.length * 2;
}

export function nibbleAt(key: Uint8Array, index: number): number {
  const byte = key[index >> 1] ?? 0;
  return (index & 1) === 0 ? byte >> 4 : byte & 0x0f;
}

/** Nibbles `from` to `to` of a packed key, one a byte. */
export function unpackNibbles(key: Uint8Array, from: number, to: number): Uint8Array {
  const nibbles = new Uint8Array(to - from);
  for (let i = from; i < to; i++) nibbles[i - from] = nibbleAt(key, i);
  return nibbles;
}

/** How many nibbles two packed keys share from `from` on. */
export function commonNibbles(a: Uint8Array, b: Uint8Array, from: number): number {
  const end = nibbleCount(a.length < b.length ? a : b);
  let i = from;
  while (i < end && nibbleAt(a, i) === nibbleAt(b, i)) i++;
  return i - from;
}

/** How many of these nibbles, one a byte, a packed key has from `depth` on. */
export function matchingNibbles(nibbles: Uint8Array, key: Uint8Array, depth: number): number {
  const end = Math.min(nibbles.length, nibbleCount(key) - depth);
  let i = 0;
  while (i < end && nibbles[i] === nibbleAt(key, depth + i)) i++;
  return i;
}

/** Order of packed keys: byte by byte, a prefix before what goes on. */
export function compareKeys(a: Uint8Array, b: Uint8Array): number {
  const end = Math.min(a.length, b.length);
  for (let i = 0; i < end; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** Hex-prefix form of the nibbles that a key has below `depth`: those of a leaf there. */
export function leafSuffix(key: Uint8Array, depth: number): Uint8Array {
  const odd = depth & 1;
  const from = (depth + odd) >> 1;
  const suffix = new Uint8Array(1 + key.length - from);
  suffix[0] = odd === 0 ? LEAF : LEAF | ODD | nibbleAt(key, depth);
  suffix.set(key.subarray(from), 1);
  return suffix;
}

/** Whether a leaf's hex-prefix key is what `key` has below `depth`. */
export function isLeafSuffix(suffix: Uint8Array, key: Uint8Array, depth: number): boolean {
  const odd = depth & 1;
  const from = (depth + odd) >> 1;
  if (suffix.length !== 1 + key.length - from) return false;
  if (suffix[0] !== (odd === 0 ? LEAF : LEAF | ODD | nibbleAt(key, depth))) return false;
  for (let i = 1; i < suffix.length; i++) if (suffix[i] !== key[from + i - 1]) return false;
  return true;
}

/** The packed key of a leaf at `depth` whose path is how `prefix` begins. */
export function leafKey(suffix: Uint8Array, prefix: Uint8Array, depth: number): Uint8Array {
  const odd = depth & 1;
  const from = (depth + odd) >> 1;
  const key = new Uint8Array(from + suffix.length - 1);
  key.set(prefix.subarray(0, from));
  if (odd === 1) key[from - 1] = ((prefix[from - 1] ?? 0) & 0xf0) | ((suffix[0] ?? 0) & 0x0f);
  key.set(suffix.subarray(1), from);
  return key;
}

export function isLeafKey(compact: Uint8Array): boolean {
  return ((compact[0] ?? 0) & LEAF) !== 0;
}

/** Hex-prefix form of nibbles, one a byte. */
export function compactNibbles(nibbles: Uint8Array, leaf: boolean): Uint8Array {
  const odd = nibbles.length & 1;
  const compact = new Uint8Array(1 + (nibbles.length >> 1));
  compact[0] = (leaf ? LEAF : 0) | (odd === 1 ? ODD | (nibbles[0] ?? 0) : 0);
  for (let i = odd; i < nibbles.length; i += 2)
    compact[1 + (i >> 1)] = ((nibbles[i] ?? 0) << 4) | (nibbles[i + 1] ?? 0);
  return compact;
}

/** Nibbles of a hex-prefix key, one a byte. */
export function expandNibbles(compact: Uint8Array): Uint8Array {
  const odd = ((compact[0] ?? 0) & ODD) !== 0;
  return unpackNibbles(compact, odd ? 1 : 2, nibbleCount(compact));
}
