/**
 * Strict reading of parsed JSON of unknown origin: each reader names the path and what it expected.
 * Owns the mechanism; does not own any document's rules.
 *
 * Errors: readers throw `FieldError`, which the document's parser turns into a verdict. It never
 * leaves `lanes/`.
 */
import { type Hex, isHexOf } from "./bytes.ts";

/** Where a document is not as it must be. */
export class FieldError extends Error {
  readonly path: string;
  readonly expected: string;

  constructor(path: string, expected: string) {
    super(`${path}: expected ${expected}`);
    this.name = "FieldError";
    this.path = path;
    this.expected = expected;
  }
}

/** A value and where it stands in the document; "" is the document itself. */
export interface Field {
  readonly path: string;
  readonly value: unknown;
}

/**
 * The members of a JSON object: all `required` ones, and of the `optional` ones those that are
 * there.
 */
export function readObject<Key extends string, OptionalKey extends string = never>(
  field: Field,
  required: readonly Key[],
  optional: readonly OptionalKey[] = [],
): Record<Key, Field> & Partial<Record<OptionalKey, Field>> {
  const { path, value } = field;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new FieldError(path, "an object");
  }
  const members = new Map<string, Field>(
    Object.entries(value).map(([key, member]) => [
      key,
      { path: path === "" ? key : `${path}.${key}`, value: member as unknown },
    ]),
  );
  const known = new Set<string>([...required, ...optional]);
  for (const [key, member] of members) {
    if (!known.has(key)) throw new FieldError(member.path, "no such key");
  }
  for (const key of required) {
    if (!members.has(key)) throw new FieldError(path === "" ? key : `${path}.${key}`, "a value");
  }
  return Object.fromEntries(members) as Record<Key, Field> & Partial<Record<OptionalKey, Field>>;
}

/** Each item of an array of `min` to `max` items. */
export function readArray<T>(
  field: Field,
  [min, max]: readonly [number, number],
  readItem: (item: Field) => T,
): T[] {
  const { path, value } = field;
  if (!Array.isArray(value) || value.length < min || value.length > max) {
    throw new FieldError(path, `an array of ${min} to ${max} items`);
  }
  return value.map((item: unknown, index) => readItem({ path: `${path}[${index}]`, value: item }));
}

/** A whole number from `min` to `max`. */
export function readInteger(field: Field, min: number, max = Number.MAX_SAFE_INTEGER): number {
  const { path, value } = field;
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min || value > max) {
    throw new FieldError(path, `a whole number from ${min} to ${max}`);
  }
  return value;
}

export function readBoolean(field: Field): boolean {
  if (typeof field.value !== "boolean") throw new FieldError(field.path, "true or false");
  return field.value;
}

/** A string of the pattern; `expected` says it in words. */
export function readText(field: Field, pattern: RegExp, expected: string): string {
  if (typeof field.value !== "string" || !pattern.test(field.value)) {
    throw new FieldError(field.path, expected);
  }
  return field.value;
}

export function readOneOf<T extends string>(field: Field, choices: readonly T[]): T {
  const choice = choices.find((candidate) => candidate === field.value);
  if (choice === undefined) throw new FieldError(field.path, choices.join(" or "));
  return choice;
}

/** Hex of exactly `bytes` bytes, in lower case whatever the document's. */
export function readHex(field: Field, bytes: number): Hex {
  if (!isHexOf(field.value, bytes)) {
    throw new FieldError(field.path, `0x and ${2 * bytes} hex digits`);
  }
  return field.value.toLowerCase() as Hex;
}

/** A whole number written as a decimal string without leading zeros, from `min` to `max`. */
export function readDecimal(field: Field, min: bigint, max: bigint): bigint {
  const expected = `a decimal string from ${min.toString()} to ${max.toString()}`;
  const value = BigInt(readText(field, /^(0|-?[1-9][0-9]{0,38})$/, expected));
  if (value < min || value > max) throw new FieldError(field.path, expected);
  return value;
}

/** Refuses a second item with the key of an earlier one; the path is the second's. */
export function refuseDuplicates<T>(
  path: string,
  items: readonly T[],
  keyOf: (item: T) => string | number,
): void {
  const seen = new Set<string | number>();
  for (const [index, item] of items.entries()) {
    const key = keyOf(item);
    if (seen.has(key)) throw new FieldError(`${path}[${index}]`, "no duplicate");
    seen.add(key);
  }
}
