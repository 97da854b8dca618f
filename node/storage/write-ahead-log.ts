/**
 * Checks LevelDB's write-ahead log before LevelDB replays it.
 *
 * LevelDB 1.20 drops a damaged log record silently, and with it the rest of its 32 KiB block: after
 * one flipped bit the database opens and acknowledged batches are gone. A torn tail, on the other
 * hand, is what a power cut leaves of a batch nobody was told about. The store writes one batch at
 * a time and syncs each, so a batch that starts behind the damage proves that the damaged one had
 * been acknowledged. What this cannot tell from a torn tail is damage to the very last batch.
 *
 * Source: LevelDB doc/log_format.md; crc32c is RFC 3720 appendix B.4.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { NodeError } from "../errors.ts";

const BLOCK_BYTES = 32_768;
/** Masked crc32c (4), length (2), type (1); little-endian. */
const HEADER_BYTES = 7;
const TYPE_FULL = 1;
const TYPE_FIRST = 2;
const TYPE_LAST = 4;
const MASK_DELTA = 0xa282ead8;

const CRC_TABLE = makeTable();

function makeTable(): Uint32Array {
  const table = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    let value = i;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
    table[i] = value;
  }
  return table;
}

/** LevelDB's masked crc32c of type byte and data. */
function maskedCrc(log: Uint8Array, start: number, end: number): number {
  let crc = 0xffffffff;
  for (let i = start; i < end; i++)
    crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ (log[i] as number)) & 0xff] as number);
  crc = ~crc >>> 0;
  return (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0;
}

interface LogRecord {
  readonly type: number;
  /** Offset of the byte behind the record. */
  readonly end: number;
}

/** The intact record at `offset`, or `null`. */
function recordAt(log: Uint8Array, view: DataView, offset: number): LogRecord | null {
  const blockEnd = Math.min(log.length, offset - (offset % BLOCK_BYTES) + BLOCK_BYTES);
  if (offset + HEADER_BYTES > blockEnd) return null;
  const type = log[offset + 6] as number;
  if (type < TYPE_FULL || type > TYPE_LAST) return null;
  const end = offset + HEADER_BYTES + view.getUint16(offset + 4, true);
  if (end > blockEnd) return null;
  return maskedCrc(log, offset + 6, end) === view.getUint32(offset, true) ? { type, end } : null;
}

/** The next place where a record may start: a block's last few bytes hold none. */
function skipTrailer(offset: number): number {
  const left = BLOCK_BYTES - (offset % BLOCK_BYTES);
  return left < HEADER_BYTES ? offset + left : offset;
}

/**
 * Offset of damage with an intact batch behind it, or `null`.
 *
 * Behind the damage every offset is tried, because a flipped length hides where the next record is.
 */
export function findLogDamage(log: Uint8Array): number | null {
  const view = new DataView(log.buffer, log.byteOffset, log.length);
  let offset = 0;
  let damage: number | null = null;
  while (offset < log.length) {
    const record = recordAt(log, view, offset);
    if (record === null) {
      damage ??= offset;
      offset += 1;
    } else if (damage !== null && record.type <= TYPE_FIRST) {
      return damage;
    } else {
      offset = skipTrailer(record.end);
    }
  }
  return null;
}

/**
 * Empty where the file went meanwhile: then another process has the folder, which opening will say.
 */
async function readLog(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT")
      return new Uint8Array(0);
    throw error;
  }
}

/** Checks every log file of a closed database. Errors: `STORAGE_CORRUPT` with file and offset. */
export async function checkLogs(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".log")).sort();
  for (const file of names) {
    const log = await readLog(join(folder, file));
    const offset = findLogDamage(log);
    if (offset !== null)
      throw new NodeError("STORAGE_CORRUPT", { file, offset, reason: "damaged log record" });
  }
}
