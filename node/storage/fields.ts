/**
 * Fields of stored records: RLP, integers minimal. Owns only the field forms, not the records.
 *
 * A record that passes its checksum but not its codec was written by something else: that is
 * `STORAGE_CORRUPT` like any damage.
 */
import { RLP } from "@ethereumjs/rlp";
import { bytesToBigint, type Hex, toHex } from "../../lanes/bytes.ts";
import { encodeRlp, type RlpItem, rlpListHead } from "../../lanes/rlp.ts";
import { NodeError } from "../errors.ts";
import type { Steps } from "../turns.ts";

/** What RLP encodes. */
export type Field = RlpItem;

/** Microseconds to copy an encoded field, and bytes of it that take one more. */
const JOIN_COST = 0.1;
const BYTES_A_COST = 2048;

export function encodeFields(fields: Field): Uint8Array {
  return encodeRlp(fields);
}

/** A list, of its encoded fields in parts: of a large record not all is encoded at once. */
export function* joinFields(parts: readonly Uint8Array[]): Steps<Uint8Array> {
  let length = 0;
  for (const part of parts) length += part.length;
  const head = rlpListHead(length);
  const list = new Uint8Array(head.length + length);
  list.set(head);
  let at = head.length;
  for (const part of parts) {
    list.set(part, at);
    at += part.length;
    yield JOIN_COST + part.length / BYTES_A_COST;
  }
  return list;
}

function malformed(record: string): NodeError {
  return new NodeError("STORAGE_CORRUPT", { record, reason: "form" });
}

/** Reads the fields of one list in order. */
export class FieldReader {
  readonly #fields: readonly unknown[];
  readonly #record: string;
  #next = 0;

  constructor(fields: unknown, record: string) {
    if (!Array.isArray(fields)) throw malformed(record);
    this.#fields = fields;
    this.#record = record;
  }

  /** Reader over a whole stored record. */
  static of(payload: Uint8Array, record: string): FieldReader {
    let fields: unknown;
    try {
      fields = RLP.decode(payload);
    } catch {
      throw malformed(record);
    }
    return new FieldReader(fields, record);
  }

  /** Fields not read yet. */
  get left(): number {
    return this.#fields.length - this.#next;
  }

  bytes(length?: number): Uint8Array {
    const field = this.#fields[this.#next++];
    if (!(field instanceof Uint8Array) || (length !== undefined && field.length !== length))
      throw malformed(this.#record);
    return field;
  }

  bigint(): bigint {
    return bytesToBigint(this.bytes());
  }

  number(): number {
    const value = this.bigint();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed(this.#record);
    return Number(value);
  }

  hash(): Hex {
    return toHex(this.bytes(32));
  }

  /** 20 bytes, or nothing. */
  addressOrNone(): Hex | null {
    const field = this.bytes();
    if (field.length === 0) return null;
    if (field.length !== 20) throw malformed(this.#record);
    return toHex(field);
  }

  address(): Hex {
    return toHex(this.bytes(20));
  }

  list(): FieldReader {
    return new FieldReader(this.#fields[this.#next++], this.#record);
  }

  /** Every remaining field, which must all be lists. */
  lists<T>(read: (fields: FieldReader) => T): T[] {
    const out: T[] = [];
    while (this.left > 0) out.push(read(this.list()));
    return out;
  }
}
