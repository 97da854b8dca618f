/**
 * Hex strings and byte arrays: the two spellings of the same data.
 *
 * Hashes and addresses are lower-case `Hex` everywhere inside Pricelane, because they are map keys
 * and compare with `===`; payloads (raw transactions, calldata, code) are `Uint8Array`.
 * Pure: runs in a browser.
 */
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";

/** `0x` and lower-case hexadecimal digits. */
export type Hex = `0x${string}`;

export const ZERO_HASH: Hex = `0x${"00".repeat(32)}`;
export const ZERO_ADDRESS: Hex = `0x${"00".repeat(20)}`;

/** Lower-case hex of the bytes, with `0x`. */
export function toHex(bytes: Uint8Array): Hex {
  return `0x${bytesToHex(bytes)}`;
}

/**
 * Bytes of a hex string with `0x`. Throws on odd length or a foreign character: callers own the
 * input.
 */
export function fromHex(hex: Hex): Uint8Array {
  return hexToBytes(hex.slice(2));
}

/** Whether a value of unknown origin is hex of exactly `bytes` bytes, upper or lower case. */
export function isHexOf(value: unknown, bytes: number): value is Hex {
  return (
    typeof value === "string" &&
    value.length === 2 + 2 * bytes &&
    value.startsWith("0x") &&
    /^[0-9a-fA-F]*$/.test(value.slice(2))
  );
}

/**
 * UTF-8 bytes of a well-formed text; URIError for any other. With nothing but the language itself:
 * not every realm has a TextEncoder.
 */
export function utf8Bytes(text: string): Uint8Array {
  const escaped = encodeURIComponent(text);
  const bytes: number[] = [];
  for (let at = 0; at < escaped.length; at++) {
    if (escaped[at] !== "%") bytes.push(escaped.charCodeAt(at));
    else {
      bytes.push(Number.parseInt(escaped.slice(at + 1, at + 3), 16));
      at += 2;
    }
  }
  return Uint8Array.from(bytes);
}

/** One array with all parts in order. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    out.set(part, offset);
    offset += part.length;
  }
  return out;
}

/** Big-endian, left-padded to `size` bytes. The value must fit and be non-negative. */
export function bigintToBytes(value: bigint, size: number): Uint8Array {
  const digits = value.toString(16).padStart(2 * size, "0");
  if (value < 0n || digits.length > 2 * size) throw new RangeError("integer does not fit");
  return hexToBytes(digits);
}

const wordBytes = new Uint8Array(8);
const word = new DataView(wordBytes.buffer);
const WORD_END = 2n ** 64n;

/** Big-endian, no leading zero; zero is the empty array (RLP's integer form). */
export function bigintToMinimalBytes(value: bigint): Uint8Array {
  if (value === 0n) return new Uint8Array(0);
  // Almost all are small, and a block has tens of thousands of them.
  if (value > 0n && value < WORD_END) {
    word.setBigUint64(0, value);
    let first = 0;
    while (wordBytes[first] === 0) first++;
    return wordBytes.slice(first);
  }
  const digits = value.toString(16);
  return hexToBytes(digits.length % 2 === 0 ? digits : `0${digits}`);
}

/** Big-endian integer of any length; the empty array is zero. */
export function bytesToBigint(bytes: Uint8Array): bigint {
  return bytes.length === 0 ? 0n : BigInt(toHex(bytes));
}

export function bytesEqual(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
