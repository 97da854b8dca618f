/**
 * keccak-256, the only hash of the protocol, in portable JavaScript so that it runs in a browser.
 * The node has a faster native one (`node/primitives/hash.ts`) for everything outside `lanes/`.
 */
import { keccak_256 } from "@noble/hashes/sha3.js";
import { utf8ToBytes } from "@noble/hashes/utils.js";

/** 32-byte keccak-256. */
export function keccak(bytes: Uint8Array): Uint8Array {
  return keccak_256(bytes);
}

/** keccak-256 of the UTF-8 bytes of a text. */
export function keccakText(text: string): Uint8Array {
  return keccak_256(utf8ToBytes(text));
}
