/** Reading of JSON that somebody else wrote: shapes and numbers. */
import type { Hex } from "../../lanes/bytes.ts";

/** Whether the value is an object that has all these members. */
export function hasMembers(value: unknown, ...names: readonly string[]): value is object {
  return typeof value === "object" && value !== null && names.every((name) => name in value);
}

/**
 * Numbers as the tests write them: hex of any length, zero as `0x` too, decimal digits, and
 * `0x:bigint 0x…` for what is too large on purpose.
 */
export function integerOf(text: string): bigint {
  const digits = text.slice(text.lastIndexOf(" ") + 1);
  return digits === "0x" || digits === "" ? 0n : BigInt(digits);
}

/** Bytes as the tests write them, with or without a label before and `0x`. */
export function hexOf(text: string): Hex {
  const digits = text.slice(text.lastIndexOf(" ") + 1).toLowerCase();
  return digits.startsWith("0x") ? (digits as Hex) : `0x${digits}`;
}
