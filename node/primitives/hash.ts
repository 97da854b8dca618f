/**
 * keccak256 for hot paths: WebAssembly, which hashes short inputs twice as fast as a native binding
 * can be called, and is the same on every platform. Loaded with this module, for `lanes/` too.
 */
import { createRequire } from "node:module";
import { createKeccak } from "hash-wasm";
import { type Hex, toHex } from "../../lanes/bytes.ts";
import { installKeccak } from "../../lanes/keccak.ts";

const hasher = await createKeccak(256);

// What the lanes hash on the sequencing thread, too: a hundred times as fast as in JavaScript.
installKeccak(keccak256);

/** Bytes hashed between two calls of `between`: some 0.4 ms. */
const SLICE_BYTES = 128 * 1024;

/** keccak256 of the bytes: 32 bytes. */
export function keccak256(bytes: Uint8Array): Uint8Array {
  return hasher.init().update(bytes).digest("binary");
}

/**
 * keccak256 of bytes that may be many. `between` runs between slices; it may throw, but not hash.
 */
export function keccak256InSlices(bytes: Uint8Array, between: () => void): Uint8Array {
  hasher.init();
  for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
    if (at > 0) between();
    hasher.update(bytes.subarray(at, at + SLICE_BYTES));
  }
  return hasher.digest("binary");
}

/** keccak256 as hex. */
export function keccakHex(bytes: Uint8Array): Hex {
  return toHex(keccak256(bytes));
}

/** Whether `secp256k1` loaded its binary; without one it falls back to JavaScript silently. */
export function hasNativeSecp256k1(): boolean {
  try {
    createRequire(import.meta.url)("secp256k1/bindings");
    return true;
  } catch {
    return false;
  }
}
