/** Quantities of Ethereum's JSON-RPC, read strictly and written. Does not own any document. */
import type { Hex } from "./bytes.ts";
import { type Field, FieldError } from "./json-fields.ts";

export const U64_DIGITS = 16;
export const U72_DIGITS = 18;

export function quantity(value: number | bigint): Hex {
  return `0x${value.toString(16)}`;
}

/** A quantity of at most so many hexadecimal digits. */
export function readWide({ path, value }: Field, digitsMax: number): bigint {
  const isQuantity = typeof value === "string" && /^0x(0|[1-9a-f][0-9a-f]*)$/.test(value);
  if (isQuantity && value.length <= 2 + digitsMax) return BigInt(value);
  throw new FieldError(path, `a quantity of at most ${digitsMax} digits`);
}

/** A quantity that a `number` holds exactly. */
export function readNumber(field: Field): number {
  const value = readWide(field, U64_DIGITS);
  if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
  throw new FieldError(field.path, "a quantity below 2^53");
}
