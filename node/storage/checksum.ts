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

/** The value as LevelDB stores it: payload ‖ CRC-32. */
export function sealRecord(key: Uint8Array, payload: Uint8Array): Uint8Array {
  const { length } = payload;
  const value = new Uint8Array(length + CHECKSUM_BYTES);
  value.set(payload);
  const checksum = checksumOf(key, payload);
  value[length] = checksum >>> 24;
  value[length + 1] = checksum >>> 16;
  value[length + 2] = checksum >>> 8;
  value[length + 3] = checksum;
  return value;
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
