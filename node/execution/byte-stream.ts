/**
 * Bytes that one thread of the process writes and others read: integers, hex strings and byte
 * arrays one after the other. Owns the elementary forms; what follows what is the caller's.
 *
 * Not for disk or network: a reader trusts what it is given, and a fault in it asserts. Hex strings
 * stay text: to parse them and to make them again took three times as long.
 */
import assert from "node:assert/strict";
import type { Hex } from "../../lanes/bytes.ts";

const START_BYTES = 16 * 1024;
const WORD_BITS = 64n;
const WORD_LIMIT = 1n << WORD_BITS;
const WORD_BYTES = 8;
/** Sizes of an integer: nothing for 0, one word, or four. */
const FULL_BYTES = 32;

function viewOf({ buffer, byteOffset, length }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, length);
}

export class ByteWriter {
  #bytes = Buffer.alloc(START_BYTES);
  #view = viewOf(this.#bytes);
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

  /** The reader knows how many bytes it stands for. */
  hex(value: Hex): void {
    const at = this.#take(value.length);
    this.#bytes.write(value, at, "latin1");
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
      const grown = Buffer.alloc(Math.max(this.#length, 2 * this.#bytes.length));
      grown.set(this.#bytes);
      this.#bytes = grown;
      this.#view = viewOf(grown);
    }
    return at;
  }
}

export class ByteReader {
  readonly #bytes: Buffer;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#view = viewOf(bytes);
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
    const at = this.#take(size);
    let value = this.#view.getBigUint64(at);
    for (let word = WORD_BYTES; word < size; word += WORD_BYTES)
      value = (value << WORD_BITS) | this.#view.getBigUint64(at + word);
    return value;
  }

  /** Of so many bytes. */
  hex(count: number): Hex {
    const length = 2 + 2 * count;
    const at = this.#take(length);
    return this.#bytes.toString("latin1", at, at + length) as Hex;
  }

  /** A copy of its own, not shared. */
  bytes(): Uint8Array {
    const count = this.u32();
    const at = this.#take(count);
    return Uint8Array.from(this.#bytes.subarray(at, at + count));
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
