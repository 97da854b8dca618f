/**
 * Byte columns: the integers and byte strings a batch payload is made of, written and read.
 *
 * Integers are LEB128 in their shortest form; signed ones are zigzag-coded first. Reading never
 * throws: a reader that met a fault answers zeros from then on and keeps `failed()` true, so that a
 * decoder checks once a column. Does not own the meaning of any column.
 */

const NUMBER_BYTES_MAX = 8;
/** 11 groups of 7 bits hold a zigzag-coded difference of two 72-bit numbers. */
const BIGINT_BYTES_MAX = 11;
const CAPACITY_START = 65_536;

export interface ColumnWriter {
  /** Safe integer, not negative. */
  number(value: number): void;
  /** Safe integer of either sign. */
  signedNumber(value: number): void;
  /** Either sign, less than 2^76 in size. */
  signedBigint(value: bigint): void;
  /** One bit each, least significant first, the last byte filled with zeros. */
  bits(values: readonly boolean[]): void;
  bytes(value: Uint8Array): void;
  finish(): Uint8Array;
}

export function createColumnWriter(): ColumnWriter {
  let buffer = new Uint8Array(CAPACITY_START);
  let length = 0;
  const reserve = (more: number): void => {
    if (length + more <= buffer.length) return;
    const grown = new Uint8Array(Math.max(2 * buffer.length, length + more));
    grown.set(buffer.subarray(0, length));
    buffer = grown;
  };
  const unsigned = (value: bigint): void => {
    reserve(BIGINT_BYTES_MAX);
    let rest = value;
    while (rest > 0x7fn) {
      buffer[length++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    buffer[length++] = Number(rest);
  };
  return {
    number(value) {
      if (!Number.isSafeInteger(value) || value < 0) throw new RangeError("not a safe integer");
      reserve(NUMBER_BYTES_MAX);
      let rest = value;
      while (rest > 0x7f) {
        buffer[length++] = (rest % 0x80) | 0x80;
        rest = Math.floor(rest / 0x80);
      }
      buffer[length++] = rest;
    },
    signedNumber(value) {
      unsigned(zigzag(BigInt(value)));
    },
    signedBigint(value) {
      unsigned(zigzag(value));
    },
    bits(values) {
      reserve(Math.ceil(values.length / 8));
      for (let start = 0; start < values.length; start += 8) {
        let byte = 0;
        for (let i = 0; i < 8; i++) if (values[start + i] === true) byte |= 1 << i;
        buffer[length++] = byte;
      }
    },
    bytes(value) {
      reserve(value.length);
      buffer.set(value, length);
      length += value.length;
    },
    finish() {
      return buffer.slice(0, length);
    },
  };
}

function zigzag(value: bigint): bigint {
  return value >= 0n ? value << 1n : (-value << 1n) - 1n;
}

function unzigzag(value: bigint): bigint {
  return (value & 1n) === 0n ? value >> 1n : -((value + 1n) >> 1n);
}

export interface ColumnReader {
  /** Set by the first fault and never cleared. */
  failed(): boolean;
  /** Bytes not read yet: no honest count of elements is larger. */
  readonly remaining: number;
  number(): number;
  signedNumber(): number;
  signedBigint(): bigint;
  bits(count: number): boolean[];
  /** A copy. */
  bytes(count: number): Uint8Array;
}

export function createColumnReader(input: Uint8Array): ColumnReader {
  let offset = 0;
  let failed = false;
  const fail = (): void => {
    failed = true;
    offset = input.length;
  };
  const unsigned = (bytesMax: number): bigint => {
    let value = 0n;
    for (let i = 0; i < bytesMax; i++) {
      const byte = input[offset++];
      if (byte === undefined) break;
      value |= BigInt(byte & 0x7f) << BigInt(7 * i);
      if (byte < 0x80) {
        // A last group of zero means that a shorter form exists.
        if (byte === 0 && i > 0) break;
        return value;
      }
    }
    fail();
    return 0n;
  };
  const safe = (value: bigint): number => {
    const number = Number(value);
    if (Number.isSafeInteger(number)) return number;
    fail();
    return 0;
  };
  return {
    failed: () => failed,
    get remaining() {
      return input.length - offset;
    },
    number: () => safe(unsigned(NUMBER_BYTES_MAX)),
    signedNumber: () => safe(unzigzag(unsigned(NUMBER_BYTES_MAX + 1))),
    signedBigint: () => unzigzag(unsigned(BIGINT_BYTES_MAX)),
    bits(count) {
      const packed = this.bytes(Math.ceil(count / 8));
      if (failed) return [];
      const values: boolean[] = [];
      for (let i = 0; i < count; i++) values.push(((packed[i >> 3] ?? 0) & (1 << (i & 7))) !== 0);
      const unused = count & 7;
      if (unused !== 0 && (packed[packed.length - 1] ?? 0) >> unused !== 0) fail();
      return values;
    },
    bytes(count) {
      if (count > input.length - offset) {
        fail();
        return new Uint8Array(0);
      }
      offset += count;
      return input.slice(offset - count, offset);
    },
  };
}
