/**
 * Bytes that one thread of the process writes and others read: integers, hex strings and byte
 * arrays one after the other. Owns the elementary forms; what follows what is the caller's.
 *
 * Not for disk or network: a reader trusts what it is given, and a fault in it asserts.
 */
import assert from "node:assert/strict";
import { type Hex, toHex } from "../../lanes/bytes.ts";

const START_BYTES = 16 * 1024;
const WORD_BITS = 64n;
const WORD_LIMIT = 1n << WORD_BITS;
const WORD_BYTES = 8;
/** Sizes of an integer: nothing for 0, one word, or four. */
const FULL_BYTES = 32;

/** Value of the character code of a hex digit of either case. */
function digitOf(code: number): number {
  return (code & 15) + (code >> 6) * 9;
}

export class ByteWriter {
  #bytes = new Uint8Array(START_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  u8(value: number): void {
    // Taken first: it may put another array in the place of this one.
    const at = this.#take(1);
    this.#bytes[at] = value;
  }

  u32(value: number): void {
    const at = this.#take(4);
    this.#view.setUint32(at, value);
  }

  /** At most 256 bits, not negative. */
  uint(value: bigint): void {
    if (value === 0n) {
      this.u8(0);
    } else if (value < WORD_LIMIT) {
      this.u8(WORD_BYTES);
      const at = this.#take(WORD_BYTES);
      this.#view.setBigUint64(at, value);
    } else {
      this.u8(FULL_BYTES);
      const at = this.#take(FULL_BYTES);
      let rest = value;
      for (let word = FULL_BYTES - WORD_BYTES; word >= 0; word -= WORD_BYTES) {
        this.#view.setBigUint64(at + word, BigInt.asUintN(64, rest));
        rest >>= WORD_BITS;
      }
      assert(rest === 0n, "an integer has 256 bits at most");
    }
  }

  /** Its bytes without their number: the reader knows it. */
  hex(value: Hex): void {
    const count = value.length / 2 - 1;
    let at = this.#take(count);
    for (let i = 2; i < value.length; i += 2)
      this.#bytes[at++] = (digitOf(value.charCodeAt(i)) << 4) | digitOf(value.charCodeAt(i + 1));
  }

  /** With their number. */
  bytes(value: Uint8Array): void {
    this.u32(value.length);
    const at = this.#take(value.length);
    this.#bytes.set(value, at);
  }

  /** What was written, in memory that threads share: sending it copies nothing. */
  toShared(): Uint8Array {
    const shared = new Uint8Array(new SharedArrayBuffer(this.#length));
    shared.set(this.#bytes.subarray(0, this.#length));
    return shared;
  }

  /** Place of the next `count` bytes. */
  #take(count: number): number {
    const at = this.#length;
    this.#length += count;
    if (this.#length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.length));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return at;
  }
}

export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4));
  }

  uint(): bigint {
    const size = this.u8();
    if (size === 0) return 0n;
    let value = 0n;
    const at = this.#take(size);
    for (let word = 0; word < size; word += WORD_BYTES)
      value = (value << WORD_BITS) | this.#view.getBigUint64(at + word);
    return value;
  }

  hex(count: number): Hex {
    const at = this.#take(count);
    return toHex(this.#bytes.subarray(at, at + count));
  }

  /** A copy of its own, not shared. */
  bytes(): Uint8Array {
    const count = this.u32();
    const at = this.#take(count);
    return this.#bytes.slice(at, at + count);
  }

  /** Nothing is left over. */
  end(): void {
    assert.equal(this.#at, this.#bytes.length, "everything was read");
  }

  #take(count: number): number {
    const at = this.#at;
    this.#at += count;
    assert(this.#at <= this.#bytes.length, "the bytes end too soon");
    return at;
  }
}
