/**
 * SHA256 (0x02), RIPEMD160 (0x03) and IDENTITY (0x04). OpenSSL hashes, in slices.
 * Source: yellow paper, appendix E.
 */
import { createHash, hash } from "node:crypto";
import type { Poll } from "../../poll.ts";
import { gasByWords, type Precompile } from "./precompile.ts";

const OUTPUT_BYTES = 32;

/** Bytes hashed between two polls: RIPEMD160, the slower, takes some 0.2 ms for them. */
const SLICE_BYTES = 64 * 1024;

type Algorithm = "sha256" | "ripemd160";

function digest(algorithm: Algorithm, input: Uint8Array, poll: Poll): Uint8Array {
  if (input.length <= SLICE_BYTES) return hash(algorithm, input, "buffer");
  const state = createHash(algorithm);
  for (let offset = 0; offset < input.length; offset += SLICE_BYTES) {
    state.update(input.subarray(offset, offset + SLICE_BYTES));
    poll();
  }
  return state.digest();
}

function hashing(algorithm: Algorithm, base: number, perWord: number): Precompile {
  // An OpenSSL without the algorithm must stop the node when it starts, not fork it off in a call.
  hash(algorithm, new Uint8Array(0));
  return {
    gas: gasByWords(base, perWord),
    run(input, poll) {
      const output = new Uint8Array(OUTPUT_BYTES);
      const value = digest(algorithm, input, poll);
      output.set(value, OUTPUT_BYTES - value.length);
      return output;
    },
  };
}

export const sha256 = hashing("sha256", 60, 12);

export const ripemd160 = hashing("ripemd160", 600, 120);

/** A copy: the input is a view of the caller's memory, which may change before this is read. */
export const identity: Precompile = {
  gas: gasByWords(15, 3),
  run: (input) => new Uint8Array(input),
};
