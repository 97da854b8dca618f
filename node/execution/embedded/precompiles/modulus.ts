/**
 * Arithmetic modulo a number of any size, in slices of a fraction of a millisecond.
 *
 * V8's big integers are fast, but one product modulo a number of 50 kB takes some 20 ms. So long
 * factors are taken in chunks, from the top: each is multiplied, added to what there is, reduced.
 * Owns slicing and polling. Does not own the exponent.
 */
import type { Poll } from "../../poll.ts";

export interface Modulus {
  /** A number of any length, big-endian. */
  readonly reduce: (bytes: Uint8Array) => bigint;
  /** Of two numbers below the modulus. */
  readonly multiply: (a: bigint, b: bigint) => bigint;
  /** Counts work done elsewhere. */
  readonly spend: (units: number) => void;
}

/**
 * Units of work between two polls: a unit is the product of a byte and a byte, and its reduction,
 * in the middle of longer numbers. So many take 0.2 ms.
 */
const SLICE_UNITS = 2048 * 2048;
/** What a product takes besides, as short ones show: for each byte, and at all. */
const BYTE_UNITS = 64;
const PRODUCT_UNITS = 4096;
/** Shorter chunks save nothing: adding and reducing a chunk touches all of a number. */
const CHUNK_BYTES_MIN = 128;

/** Arithmetic modulo a number of `size` bytes that is not zero. */
export function createModulus(modulus: bigint, size: number, poll: Poll): Modulus {
  const chunkBytes = Math.max(CHUNK_BYTES_MIN, Math.floor(SLICE_UNITS / size));
  const chunkBits = 8 * chunkBytes;
  const chunks = Math.ceil(size / chunkBytes);
  let units = 0;
  const spend = (more: number): void => {
    units += more;
    if (units < SLICE_UNITS) return;
    units = 0;
    poll();
  };
  const stepUnits = PRODUCT_UNITS + BYTE_UNITS * size + size * Math.min(size, chunkBytes);
  const multiplyByChunks = (a: bigint, b: bigint): bigint => {
    let product = 0n;
    for (let chunk = chunks - 1; chunk >= 0; chunk--) {
      const factor = BigInt.asUintN(chunkBits, b >> BigInt(chunk * chunkBits));
      product = ((product << BigInt(chunkBits)) + a * factor) % modulus;
      spend(stepUnits);
    }
    return product;
  };
  return {
    spend,
    reduce(bytes) {
      let rest = 0n;
      for (let offset = 0; offset < bytes.length; offset += chunkBytes) {
        const chunk = bytes.subarray(offset, offset + chunkBytes);
        rest = ((rest << BigInt(8 * chunk.length)) + readNumber(chunk)) % modulus;
        spend(stepUnits);
      }
      return rest;
    },
    multiply(a, b) {
      if (chunks > 1) return multiplyByChunks(a, b);
      const product = (a * b) % modulus;
      spend(stepUnits);
      return product;
    },
  };
}

/** The number that the bytes are, big-endian. */
export function readNumber(bytes: Uint8Array): bigint {
  if (bytes.length === 0) return 0n;
  return BigInt(`0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex")}`);
}

/** The number in `size` bytes, big-endian; it must fit. */
export function writeNumber(value: bigint, size: number): Uint8Array {
  const output = new Uint8Array(size);
  const digits = value.toString(16);
  const bytes = Buffer.from(digits.length % 2 === 0 ? digits : `0${digits}`, "hex");
  output.set(bytes, size - bytes.length);
  return output;
}
