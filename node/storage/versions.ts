/**
 * Versions of the state's records: when each last changed, and where its older values stand.
 *
 * A versioned record is `version ‖ value`; without a value it is a tombstone, which stays until the
 * block that deleted the record is out of reach. The version names the block that wrote the record
 * and older blocks that changed it, further apart the further back. The reverse diff of a block
 * holds the whole record that stood before, version included, so from any record every older value
 * is a few dozen steps away (`history.ts`), and a commit only ever appends.
 *
 * Owns the tables that are versioned and the form of a version. Does not own reverse diffs
 * (`undo.ts`).
 */
import { NodeError } from "../errors.ts";
import { PREFIX } from "./keys.ts";

/** Which block wrote a record, and which changed it before. */
export interface Version {
  /** The block that wrote the record. */
  readonly since: number;
  /**
   * At `k` the newest block that changed the record before the group of `GROUP_BLOCKS[k]` blocks in
   * which `since` stands; ends with the first group before which nothing changed it.
   */
  readonly back: readonly number[];
}

export interface VersionedRecord {
  readonly version: Version;
  /** `null` for a tombstone. */
  readonly value: Uint8Array | null;
}

/**
 * Blocks that stand in one group. Steps of eight keep the way to any of the 8192 blocks of history
 * under 40 looks.
 */
const GROUP_BLOCKS = [8, 64, 512, 4096];

const VERSIONED: ReadonlySet<number> = new Set([
  PREFIX.ACCOUNT,
  PREFIX.SLOT,
  PREFIX.SLOT_LINK,
  PREFIX.SLOT_FIRST,
]);

/** Whether records under this key are versioned. */
export function isVersioned(key: Uint8Array): boolean {
  return VERSIONED.has(key[0] ?? -1);
}

/** The version of a record that `block` writes over one of version `previous`. */
export function nextVersion(previous: Version | null, block: number): Version {
  if (previous === null) return { since: block, back: [] };
  const back: number[] = [];
  for (const [level, size] of GROUP_BLOCKS.entries()) {
    const start = block - (block % size);
    const newest = previous.since < start ? previous.since : previous.back[level];
    if (newest === undefined) break;
    back.push(newest);
  }
  return { since: block, back };
}

/** The oldest block above `block` that the version names; its reverse diff leads further back. */
export function oldestAbove({ since, back }: Version, block: number): number {
  let oldest = since;
  for (const named of back) if (named > block) oldest = named;
  return oldest;
}

/** Bits of a number in one byte; the highest says that more follow. */
const VARINT_BITS = 0x80;
/** Bytes of a version at most: as many numbers as groups and one, of up to 8 bytes, and a count. */
const VERSION_BYTES_MAX = 8 * (GROUP_BLOCKS.length + 1) + 1;
const scratch = new Uint8Array(VERSION_BYTES_MAX);

function writeNumber(value: number, at: number): number {
  while (value >= VARINT_BITS) {
    scratch[at++] = (value % VARINT_BITS) | VARINT_BITS;
    value = Math.floor(value / VARINT_BITS);
  }
  scratch[at] = value;
  return at + 1;
}

/** `since`, the count of `back`, and how far each lies behind the one before. */
export function encodeVersioned({ since, back }: Version, value: Uint8Array | null): Uint8Array {
  let end = writeNumber(since, 0);
  scratch[end++] = back.length;
  let above = since;
  for (const block of back) {
    end = writeNumber(above - block, end);
    above = block;
  }
  const record = new Uint8Array(end + (value?.length ?? 0));
  record.set(scratch.subarray(0, end));
  if (value !== null) record.set(value, end);
  return record;
}

/** Errors: `STORAGE_CORRUPT`. */
export function decodeVersioned(record: Uint8Array): VersionedRecord {
  let at = 0;
  const readNumber = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= VARINT_BITS) {
      const byte = record[at++];
      if (byte === undefined || scale > Number.MAX_SAFE_INTEGER) throw malformed();
      value += (byte % VARINT_BITS) * scale;
      if (byte < VARINT_BITS) return value;
    }
  };
  const since = readNumber();
  const count = record[at++];
  if (count === undefined || count > GROUP_BLOCKS.length) throw malformed();
  const back: number[] = [];
  let above = since;
  for (let i = 0; i < count; i++) {
    above -= readNumber();
    back.push(above);
  }
  if (above < 0) throw malformed();
  return { version: { since, back }, value: at === record.length ? null : record.subarray(at) };
}

function malformed(): NodeError {
  return new NodeError("STORAGE_CORRUPT", { record: "version", reason: "form" });
}
