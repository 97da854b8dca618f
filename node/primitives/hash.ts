/**
 * Native hashes and signatures for hot paths. `keccak` and `secp256k1` fall back to JavaScript
 * silently on platforms without a prebuilt binary: `nativeCrypto` tells, and start-up warns.
 */
import { createRequire } from "node:module";
import createKeccakHash from "keccak";
import { type Hex, toHex } from "../../lanes/bytes.ts";

/**
 * One hash for all calls. A new one is a whole `Transform` stream and costs as much as hashing a
 * trie node; the library has put its state back to the start when `digest` returns, and all that is
 * in the way of using it again is a flag.
 */
const reusable = createKeccakHash("keccak256") as ReusableHash;

interface ReusableHash {
  _finalized?: boolean;
  update(bytes: Buffer): { digest(): Buffer };
}

/** keccak256 of the bytes: 32 bytes. */
export function keccak256(bytes: Uint8Array): Uint8Array {
  reusable._finalized = false;
  return reusable.update(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)).digest();
}

/** keccak256 as hex. */
export function keccakHex(bytes: Uint8Array): Hex {
  return toHex(keccak256(bytes));
}

/** Which of the two native libraries loaded their binary. */
export function nativeCrypto(): { keccak: boolean; secp256k1: boolean } {
  const require = createRequire(import.meta.url);
  const loads = (name: string): boolean => {
    try {
      require(`${name}/bindings`);
      return true;
    } catch {
      return false;
    }
  };
  return { keccak: loads("keccak"), secp256k1: loads("secp256k1") };
}
