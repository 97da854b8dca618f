/**
 * Solidity's `abi.encode` for the few types the protocol hashes: static words, and the two kinds of
 * array a policy rule has. Owns `H(x…)` of PROTOCOL 1.
 *
 * Errors: RangeError for a value that does not fit its type; callers check untrusted values first.
 */
import { bigintToBytes, concatBytes, fromHex, type Hex, toHex } from "./bytes.ts";
import { keccak } from "./keccak.ts";

export const WORD_BYTES = 32;
export const U64_MAX = 2n ** 64n - 1n;
export const U72_MAX = 2n ** 72n - 1n;
const U128_MAX = 2n ** 128n - 1n;
const WORD_END = 2n ** 256n;

/** One uint64 (also every narrower unsigned type, and bool as 0 or 1). */
export function u64(value: number | bigint): Uint8Array {
  if (typeof value === "bigint") return bounded(value, U64_MAX);
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError("not an unsigned integer");
  const out = new Uint8Array(WORD_BYTES);
  const view = new DataView(out.buffer);
  view.setUint32(24, Math.floor(value / 2 ** 32));
  view.setUint32(28, value >>> 0);
  return out;
}

/** One uint72: the admission numbers. */
export function u72(value: bigint): Uint8Array {
  return bounded(value, U72_MAX);
}

/** One uint128. */
export function u128(value: bigint): Uint8Array {
  return bounded(value, U128_MAX);
}

/** One int128: two's complement, the sign in all bytes before. */
export function i128(value: bigint): Uint8Array {
  if (value > U128_MAX >> 1n || value < -(U128_MAX >> 1n) - 1n)
    throw new RangeError("integer does not fit its type");
  return bigintToBytes(value < 0n ? value + WORD_END : value, WORD_BYTES);
}

/** One bytes32. */
export function word(value: Hex | Uint8Array): Uint8Array {
  const bytes = typeof value === "string" ? fromHex(value) : value;
  if (bytes.length !== WORD_BYTES) throw new RangeError("not 32 bytes");
  return bytes;
}

/** One address: left-padded. */
export function addressWord(address: Hex): Uint8Array {
  const bytes = fromHex(address);
  if (bytes.length !== 20) throw new RangeError("not an address");
  const out = new Uint8Array(WORD_BYTES);
  out.set(bytes, WORD_BYTES - 20);
  return out;
}

/** One bytes4: right-padded, as Solidity pads fixed bytes. */
export function selectorWord(selector: Hex): Uint8Array {
  const bytes = fromHex(selector);
  if (bytes.length !== 4) throw new RangeError("not a selector");
  const out = new Uint8Array(WORD_BYTES);
  out.set(bytes);
  return out;
}

/** An argument of `abiEncode`: a word in place, or an array of words by offset. */
export type AbiArgument = Uint8Array | readonly Uint8Array[];

/** `abi.encode` of the arguments: heads in order, then the arrays' tails in order. */
export function abiEncode(args: readonly AbiArgument[]): Uint8Array {
  const heads: Uint8Array[] = [];
  const tails: Uint8Array[] = [];
  let tailOffset = args.length * WORD_BYTES;
  for (const arg of args) {
    if (arg instanceof Uint8Array) {
      heads.push(arg);
    } else {
      heads.push(u64(tailOffset));
      tails.push(u64(arg.length), ...arg);
      tailOffset += (1 + arg.length) * WORD_BYTES;
    }
  }
  return concatBytes(...heads, ...tails);
}

/** `H(x…)`: keccak-256 of `abi.encode` of static words. */
export function hashWords(words: readonly Uint8Array[]): Hex {
  return toHex(keccak(concatBytes(...words)));
}

function bounded(value: bigint, max: bigint): Uint8Array {
  if (value > max) throw new RangeError("integer does not fit its type");
  return bigintToBytes(value, WORD_BYTES);
}
