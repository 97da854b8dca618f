/**
 * Native hashes and signatures for hot paths. `keccak` and `secp256k1` fall back to JavaScript
 * silently on platforms without a prebuilt binary: `nativeCrypto` tells, and start-up warns.
 */
import { createRequire } from "node:module";
import createKeccakHash from "keccak";
import { type Hex, toHex } from "../../lanes/bytes.ts";

/** keccak256 of the bytes: 32 bytes. */
export function keccak256(bytes: Uint8Array): Uint8Array {
  return createKeccakHash("keccak256")
    .update(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))
    .digest();
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
