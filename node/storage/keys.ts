/**
 * Keys of every record in the two databases, the chain's and the journal's (JOURNAL, SIGNED and
 * some of META). Owns the table of prefixes.
 *
 * A key is one prefix byte and the fields below; numbers are big-endian, so that iteration is in
 * order. A prefix is never given to another kind of record; a retired one stays in the table.
 *
 * | prefix | record              | rest of the key                  | value (before its checksum)       |
 * | ------ | ------------------- | -------------------------------- | --------------------------------- |
 * | 0x00   | META                | name, ASCII                      | one record each, see `codecs.ts`  |
 * | 0x01   | BLOCK               | number u64                       | signed block as on the wire       |
 * | 0x02   | HEADER              | number u64                       | hash ‖ RLP of the header          |
 * | 0x03   | SIDECAR             | number u64                       | orderHashes, laneState, senders   |
 * | 0x04   | RECEIPTS            | number u64                       | receipts                          |
 * | 0x05   | UNDO                | number u64                       | page bits, single page: `undo.ts` |
 * | 0x06   | NUMBER_BY_HASH      | block hash                       | number u64                        |
 * | 0x07   | TRANSACTION         | transaction hash                 | block number u64 ‖ index u32      |
 * | 0x08   | ACCOUNT             | address                          | version ‖ account                 |
 * | 0x09   | SLOT                | address ‖ slot                   | version ‖ minimal big-endian      |
 * | 0x0a   | SLOT_LINK           | address ‖ slot                   | version ‖ neighbours in the list  |
 * | 0x0b   | SLOT_FIRST          | address                          | version ‖ first slot of the list  |
 * | 0x0c   | CODE                | code hash                        | code                              |
 * | 0x0d   | TRIE                | path as in `TrieNodeChange`      | RLP of the node                   |
 * | 0x0e   | JOURNAL             | leaderEpoch u32 ‖ seq u40        | prevHash, kind, bytes             |
 * | 0x0f   | SIGNED              | kind u8 ‖ height u64 ‖ index u16 | hash, origin                      |
 * | 0x10   | UNDO_PAGE           | number u64 ‖ page u16            | part of a reverse diff            |
 * | 0x11   | TOMBSTONES          | number u64                       | versioned keys the block deleted  |
 * | 0x12   | ADMISSIONS          | number u64                       | what was taken in and dropped     |
 * | 0x13   | DROPPED             | transaction hash                 | block number u64 ‖ why, when      |
 * | 0x14   | EQUIVOCATION        | slot u8                          | two signed blocks of one position |
 * | 0x15   | DROPPED_RAW         | number u64 ‖ index u32           | the transaction                   |
 */
import { bigintToBytes, concatBytes, type Hex } from "../../lanes/bytes.ts";

export const PREFIX = {
  META: 0x00,
  BLOCK: 0x01,
  HEADER: 0x02,
  SIDECAR: 0x03,
  RECEIPTS: 0x04,
  UNDO: 0x05,
  NUMBER_BY_HASH: 0x06,
  TRANSACTION: 0x07,
  ACCOUNT: 0x08,
  SLOT: 0x09,
  SLOT_LINK: 0x0a,
  SLOT_FIRST: 0x0b,
  CODE: 0x0c,
  TRIE: 0x0d,
  JOURNAL: 0x0e,
  SIGNED: 0x0f,
  UNDO_PAGE: 0x10,
  TOMBSTONES: 0x11,
  ADMISSIONS: 0x12,
  DROPPED: 0x13,
  EQUIVOCATION: 0x14,
  DROPPED_RAW: 0x15,
} as const;

type Prefix = (typeof PREFIX)[keyof typeof PREFIX];
/** Records keyed by block number. */
type BlockTable =
  "BLOCK" | "HEADER" | "SIDECAR" | "RECEIPTS" | "UNDO" | "TOMBSTONES" | "ADMISSIONS";
/** Records keyed by a 32-byte hash. */
type HashTable = "NUMBER_BY_HASH" | "TRANSACTION" | "CODE" | "DROPPED";

/** Bytes of an accepted number in a key: 32 bits of leader epoch, 40 of sequence. */
const ACCEPTED_BYTES = 9;
const U64_BYTES = 8;

function prefixed(prefix: Prefix, ...parts: readonly Uint8Array[]): Uint8Array {
  return concatBytes(Uint8Array.of(prefix), ...parts);
}

/**
 * As `prefixed`, of hex: a large block makes ten thousands of keys, so by the native decoder, and as
 * views of Node's pool. Whoever keeps a key for good keeps 8 KiB.
 */
function hexKey(prefix: Prefix, ...parts: readonly Hex[]): Uint8Array {
  let length = 1;
  for (const part of parts) length += part.length / 2 - 1;
  const key = Buffer.allocUnsafe(length);
  key[0] = prefix;
  let offset = 1;
  for (const part of parts) offset += key.write(part.slice(2), offset, "hex");
  if (offset !== length) throw new RangeError("the key is not hex");
  return key;
}

/** Big-endian u64 of a safe integer. */
export function encodeU64(value: number): Uint8Array {
  const bytes = new Uint8Array(U64_BYTES);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}

/** Singleton records; the name is part of the format. */
function metaKey(name: string): Uint8Array {
  return prefixed(PREFIX.META, new TextEncoder().encode(name));
}

export const META = {
  /** Chain-format number: the one record whose form no version may change. */
  format: metaKey("format"),
  /** Which chain the folder belongs to. */
  chain: metaKey("chain"),
  heads: metaKey("heads"),
  cursor: metaKey("cursor"),
  leaderEpoch: metaKey("leader-epoch"),
  journal: metaKey("journal"),
  /** The highest block of which everything was signed. */
  signedFloor: metaKey("signed-floor"),
  /** The newest admission group that was signed. */
  signedAdmission: metaKey("signed-admission"),
  /** Journal records that the head settles. */
  settling: metaKey("settling"),
  /** How far the journal had come when the head was written. */
  journalPosition: metaKey("journal-position"),
  /** The oldest block whose state can be read. */
  oldestState: metaKey("oldest-state"),
} as const;

export function blockKey(table: BlockTable, number: number): Uint8Array {
  return prefixed(PREFIX[table], encodeU64(number));
}

/** A page of a block's reverse diff; `page` has 16 bits. */
export function undoPageKey(number: number, page: number): Uint8Array {
  return prefixed(PREFIX.UNDO_PAGE, encodeU64(number), Uint8Array.of(page >> 8, page & 0xff));
}

export function hashKey(table: HashTable, hash: Hex): Uint8Array {
  return hexKey(PREFIX[table], hash);
}

export function accountKey(address: Hex): Uint8Array {
  return hexKey(PREFIX.ACCOUNT, address);
}

export function slotKey(table: "SLOT" | "SLOT_LINK", address: Hex, slot: Hex): Uint8Array {
  return hexKey(PREFIX[table], address, slot);
}

export function slotFirstKey(address: Hex): Uint8Array {
  return hexKey(PREFIX.SLOT_FIRST, address);
}

export function trieKey(path: Uint8Array): Uint8Array {
  return prefixed(PREFIX.TRIE, path);
}

export function journalKey(accepted: bigint): Uint8Array {
  return prefixed(PREFIX.JOURNAL, bigintToBytes(accepted, ACCEPTED_BYTES));
}

/** A transaction of a block's log; `index` counts those dropped. */
export function droppedRawKey(number: number, index: number): Uint8Array {
  const at = new Uint8Array(4);
  new DataView(at.buffer).setUint32(0, index);
  return prefixed(PREFIX.DROPPED_RAW, encodeU64(number), at);
}

export function equivocationKey(slot: number): Uint8Array {
  return prefixed(PREFIX.EQUIVOCATION, Uint8Array.of(slot));
}

const SIGNED_KINDS = { block: 0, batch: 1, flashblock: 2 } as const;

/** Keys of all marks of one kind for heights from `from` to `to`, both included. */
export function signedRange(
  kind: keyof typeof SIGNED_KINDS,
  from: number,
  to: number,
): { gte: Uint8Array; lt: Uint8Array } {
  return { gte: signedKey(kind, from, 0), lt: signedKey(kind, to + 1, 0) };
}

/** `index` is a flashblock's; it has 16 bits. */
export function signedKey(
  kind: keyof typeof SIGNED_KINDS,
  height: number,
  index: number,
): Uint8Array {
  const kindByte = Uint8Array.of(SIGNED_KINDS[kind]);
  return prefixed(PREFIX.SIGNED, kindByte, encodeU64(height), Uint8Array.of(index >> 8, index));
}

/** All keys of one prefix: `gte` and `lt` of an iterator. */
export function prefixRange(prefix: Prefix): { gte: Uint8Array; lt: Uint8Array } {
  return { gte: Uint8Array.of(prefix), lt: Uint8Array.of(prefix + 1) };
}
