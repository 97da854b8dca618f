/**
 * keccak-256, the only hash of the protocol. In portable JavaScript unless the host installs a
 * faster one: the node does (`node/primitives/hash.ts`), a browser need not.
 */
import { keccak_256 } from "@noble/hashes/sha3.js";
import { utf8Bytes } from "./bytes.ts";

export type Keccak = (bytes: Uint8Array) => Uint8Array;

let hash: Keccak = keccak_256;

/** Hashes with `fast` from now on; it must be keccak-256. For the whole program. */
export function installKeccak(fast: Keccak): void {
  hash = fast;
}

/** 32-byte keccak-256. */
export function keccak(bytes: Uint8Array): Uint8Array {
  return hash(bytes);
}

/** keccak-256 of the UTF-8 bytes of a text. */
export function keccakText(text: string): Uint8Array {
  return hash(utf8Bytes(text));
}
