/**
 * Brotli for batch payloads, as a service of a pool thread. Work runs on the runtime's own threads,
 * so a large batch does not delay the other services of the same worker.
 */
import { brotliCompress, brotliDecompress, constants } from "node:zlib";
import { accept, refuse, type Verdict } from "../../lanes/verdict.ts";

/** Channel name on the pool's port. */
export const COMPRESS_CHANNEL = "compress";

/** Signatures do not compress: higher qualities cost seconds and give percents. */
const QUALITY = 6;

// A type, not an interface: `serve` takes services with an index signature.
export type CompressService = {
  compress(bytes: Uint8Array): Promise<Uint8Array>;
  /** Refuses damage, more than `maxOutput` bytes, and bytes after the end of the stream. */
  decompress(bytes: Uint8Array, maxOutput: number): Promise<Verdict<Uint8Array, "BATCH_MALFORMED">>;
};

export function createCompressService(): CompressService {
  return { compress, decompress };
}

function compress(bytes: Uint8Array): Promise<Uint8Array> {
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: QUALITY,
    [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
  };
  return new Promise((resolve, reject) => {
    brotliCompress(bytes, { params }, (error, out) => {
      if (error === null) resolve(plain(out));
      else reject(error);
    });
  });
}

function decompress(
  bytes: Uint8Array,
  maxOutput: number,
): Promise<Verdict<Uint8Array, "BATCH_MALFORMED">> {
  return new Promise((resolve) => {
    // With `info` the result is the output and the engine that counted the input it used.
    const options = { maxOutputLength: maxOutput, info: true };
    brotliDecompress(bytes, options, (error, result: unknown) => {
      if (error !== null) {
        resolve(refuse("BATCH_MALFORMED", { field: "compression" }));
        return;
      }
      const { buffer, engine } = result as { buffer: Buffer; engine: { bytesWritten: number } };
      if (engine.bytesWritten !== bytes.length)
        resolve(refuse("BATCH_MALFORMED", { field: "trailing compressed bytes" }));
      else resolve(accept(plain(buffer)));
    });
  });
}

/** Own memory: a view into a shared buffer must not cross threads. */
function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer);
}
