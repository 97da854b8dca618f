/**
 * The checksum that every record carries: CRC-32 over key and payload, behind the payload.
 *
 * LevelDB as bundled returns a flipped bit of an uncompressed block as a wrong value, because
 * neither `verify_checksums` nor `paranoid_checks` can be set. The key is covered too, so that a
 * record that stands under another key is noticed. ACCEPTANCE row 45.
 */
import { crc32 } from "node:zlib";
import { toHex } from "../../lanes/bytes.ts";
import { NodeError } from "../errors.ts";

const CHECKSUM_BYTES = 4;
/** Bytes of a key that an error names: enough to find the record, small enough for a log line. */
const KEY_BYTES_SHOWN = 48;

function checksumOf(key: Uint8Array, payload: Uint8Array): number {
  return crc32(payload, crc32(key));
}

function writeChecksum(checksum: number, out: Uint8Array, at: number): void {
  out[at] = checksum >>> 24;
  out[at + 1] = checksum >>> 16;
  out[at + 2] = checksum >>> 8;
  out[at + 3] = checksum;
}

/** The value as LevelDB stores it: payload ‖ CRC-32. */
export function sealRecord(key: Uint8Array, payload: Uint8Array): Uint8Array {
  const value = new Uint8Array(payload.length + CHECKSUM_BYTES);
  value.set(payload);
  writeChecksum(checksumOf(key, payload), value, payload.length);
  return value;
}

/** Key and value of a record, as LevelDB takes them. */
export interface SealedRecord {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** Records that are sealed into one piece of memory; a larger one gets a piece of its own. */
const PIECE_BYTES = 64 * 1024;

/**
 * Seals many records: as `sealRecord`, with keys and values as views of shared memory, which takes
 * half the time. They are for one batch: whoever keeps one keeps 64 KiB.
 */
export function createSealer(): (key: Uint8Array, payload: Uint8Array) => SealedRecord {
  let piece = Buffer.alloc(0);
  let end = 0;
  return (key, payload) => {
    const length = key.length + payload.length + CHECKSUM_BYTES;
    if (end + length > piece.length) {
      piece = Buffer.allocUnsafeSlow(Math.max(length, PIECE_BYTES));
      end = 0;
    }
    const start = end;
    const valueStart = start + key.length;
    const checksumStart = valueStart + payload.length;
    end = start + length;
    piece.set(key, start);
    piece.set(payload, valueStart);
    writeChecksum(crc32(piece.subarray(start, checksumStart)), piece, checksumStart);
    return { key: piece.subarray(start, valueStart), value: piece.subarray(valueStart, end) };
  };
}

/** The payload of a stored value. Errors: `STORAGE_CORRUPT` with the key. */
export function openRecord(key: Uint8Array, value: Uint8Array): Uint8Array {
  const length = value.length - CHECKSUM_BYTES;
  if (length < 0) throw corrupt(key, "shorter than its checksum");
  const payload = new Uint8Array(value.buffer, value.byteOffset, length);
  const stored = new DataView(value.buffer, value.byteOffset + length).getUint32(0);
  if (stored !== checksumOf(key, payload)) throw corrupt(key, "checksum");
  return payload;
}

function corrupt(key: Uint8Array, reason: string): NodeError {
  return new NodeError("STORAGE_CORRUPT", {
    record: toHex(key.subarray(0, KEY_BYTES_SHOWN)),
    reason,
  });
}
