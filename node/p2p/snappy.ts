/**
 * Snappy, raw block format, with the size known before anything is decompressed.
 *
 * Owns the bound: the length that the compressed bytes declare is read and compared first, so that
 * a few bytes cannot make the node allocate gigabytes. Source: google/snappy
 * format_description.txt.
 */
import { compressSync, uncompressSync } from "snappy";
import { accept, refuse, type Verdict } from "../../lanes/verdict.ts";

/** The declared length is a varint of at most 32 bits. */
const LENGTH_BYTES_MAX = 5;

/** Most bytes that `size` bytes can become when compressed. */
export function compressedBytesMax(size: number): number {
  return 32 + size + Math.ceil(size / 6);
}

export function compress(bytes: Uint8Array): Uint8Array {
  return compressSync(bytes);
}

/** The bytes, where they decompress to at most `bytesMax` of them. */
export function decompress(
  compressed: Uint8Array,
  bytesMax: number,
): Verdict<Uint8Array, "BLOCK_TOO_LARGE" | "BLOCK_MALFORMED"> {
  const size = declaredSize(compressed);
  if (size === null) return refuse("BLOCK_MALFORMED", { field: "compressed length" });
  if (size > bytesMax) return refuse("BLOCK_TOO_LARGE", { bytes: size });
  let bytes: Buffer | string;
  try {
    bytes = uncompressSync(compressed, { asBuffer: true });
  } catch {
    return refuse("BLOCK_MALFORMED", { field: "compression" });
  }
  if (typeof bytes === "string") return refuse("BLOCK_MALFORMED", { field: "compression" });
  return accept(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length));
}

function declaredSize(compressed: Uint8Array): number | null {
  let size = 0;
  for (let i = 0; i < LENGTH_BYTES_MAX; i++) {
    const byte = compressed[i];
    if (byte === undefined) return null;
    // Multiplication, because a shift would overflow 32 signed bits on the fifth byte.
    size += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return size;
  }
  return null;
}
