/**
 * Reads the fields of a decoded RLP list, each as what its place asks for. Owns the sizes of
 * hashes, addresses and integers; does not own what the fields mean. Integers are minimal: no
 * leading zero.
 */
import { bytesToBigint, type Hex, toHex } from "../../lanes/bytes.ts";

/** A field that is not what its place asks for: thrown and caught inside the decoders only. */
export class FieldError extends Error {}

/** Reads the fields of one RLP list in order. */
export class FieldReader {
  readonly #fields: readonly unknown[];
  #next = 0;

  constructor(fields: unknown, count: number) {
    if (!Array.isArray(fields) || fields.length !== count) throw new FieldError("field count");
    this.#fields = fields;
  }

  bytes(): Uint8Array {
    const field = this.#fields[this.#next++];
    if (!(field instanceof Uint8Array)) throw new FieldError("list where bytes belong");
    return field;
  }

  integer(bytesMax = 32): bigint {
    const field = this.bytes();
    if (field.length > bytesMax || field[0] === 0) throw new FieldError("integer");
    return bytesToBigint(field);
  }

  hash(): Hex {
    const field = this.bytes();
    if (field.length !== 32) throw new FieldError("hash");
    return toHex(field);
  }

  address(): Hex {
    const field = this.bytes();
    if (field.length !== 20) throw new FieldError("address");
    return toHex(field);
  }

  addressOrNone(): Hex | null {
    const field = this.bytes();
    if (field.length === 0) return null;
    if (field.length !== 20) throw new FieldError("address");
    return toHex(field);
  }

  list(): readonly unknown[] {
    const field = this.#fields[this.#next++];
    if (!Array.isArray(field)) throw new FieldError("bytes where a list belongs");
    return field;
  }

  parity(): number {
    const value = this.integer(1);
    if (value > 1n) throw new FieldError("parity");
    return Number(value);
  }
}
