/**
 * RFC 8785 (JSON Canonicalization Scheme) for the JSON that consensus hashes: strings, safe
 * integers, booleans, null, arrays and objects. Fractions are not refused by the RFC but by us: no
 * consensus value is one, and without them number formatting is trivially the same everywhere.
 */
import { utf8Bytes } from "./bytes.ts";

/** Nesting of arrays and objects. */
export const JSON_DEPTH_MAX = 16;

/** UTF-8 bytes of the canonical text, or `null` for a value that has none. */
export function canonicalJson(value: unknown): Uint8Array | null {
  const text = canonicalText(value, JSON_DEPTH_MAX);
  return text === null ? null : utf8Bytes(text);
}

function canonicalText(value: unknown, depthLeft: number): string | null {
  if (value === null || typeof value === "boolean") return String(value);
  // JSON.stringify escapes strings exactly as RFC 8785 asks, but lets lone surrogates through.
  if (typeof value === "string") return value.isWellFormed() ? JSON.stringify(value) : null;
  if (typeof value === "number") return Number.isSafeInteger(value) ? String(value) : null;
  if (typeof value !== "object" || depthLeft === 0) return null;
  const parts = Array.isArray(value)
    ? value.map((item: unknown) => canonicalText(item, depthLeft - 1))
    : memberTexts(value, depthLeft - 1);
  if (parts.includes(null)) return null;
  return Array.isArray(value) ? `[${parts.join(",")}]` : `{${parts.join(",")}}`;
}

function memberTexts(value: object, depthLeft: number): (string | null)[] {
  // Strings compare by UTF-16 code units, which is the order of the RFC.
  return Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, member]) => {
      const text = canonicalText(member, depthLeft);
      return text === null || !key.isWellFormed() ? null : `${JSON.stringify(key)}:${text}`;
    });
}
