/**
 * Parameters of JSON-RPC methods, strictly: hex with 0x, quantities without leading zeros, as
 * ethereum/execution-apis asks. Owns parsing; every refusal names the parameter and what is
 * accepted. Nothing here recurses into its input, and only own members of objects are read.
 */
import { fromHex, type Hex, isHexOf } from "../lanes/bytes.ts";
import { accept, refuse } from "../lanes/verdict.ts";
import type { BlockHeight, BlockId, BlockTag } from "../node/reader.ts";
import type { Param, ParamVerdict } from "./method.ts";

/** A refusal that names the parameter. */
export function bad(parameter: string, expected: string): ParamVerdict<never> {
  return refuse("PARAMS_INVALID", { parameter, expected });
}

const QUANTITY = /^0x(0|[1-9a-fA-F][0-9a-fA-F]{0,63})$/;
const BYTES = /^0x([0-9a-fA-F]{2})*$/;

/** A quantity of at most 256 bits. */
export function parseQuantity(value: unknown, name: string): ParamVerdict<bigint> {
  return typeof value === "string" && QUANTITY.test(value)
    ? accept(BigInt(value))
    : bad(name, "a hex quantity without leading zeros, at most 32 bytes");
}

/** A quantity that is a safe integer. */
export function parseIndex(value: unknown, name: string): ParamVerdict<number> {
  const quantity = parseQuantity(value, name);
  if (!quantity.ok) return quantity;
  return quantity.value <= BigInt(Number.MAX_SAFE_INTEGER)
    ? accept(Number(quantity.value))
    : bad(name, "a hex quantity of at most 53 bits");
}

/** Hex of exactly `size` bytes, lower-cased. */
export function parseFixed(value: unknown, size: number, name: string): ParamVerdict<Hex> {
  return isHexOf(value, size)
    ? accept(value.toLowerCase() as Hex)
    : bad(name, `0x and ${2 * size} hex digits`);
}

/** Whole bytes, at most `bytesMax`. */
export function parseBytes(
  value: unknown,
  bytesMax: number,
  name: string,
): ParamVerdict<Uint8Array> {
  // The length first: a regular expression over megabytes is work too.
  return typeof value === "string" && value.length <= 2 + 2 * bytesMax && BYTES.test(value)
    ? accept(fromHex(value as Hex))
    : bad(name, `0x and whole bytes of hex, at most ${bytesMax} bytes`);
}

/** Own members of a JSON object. */
export type Members = ReadonlyMap<string, unknown>;

/** Own members of a JSON object; anything else is refused. */
export function parseMembers(value: unknown, name: string): ParamVerdict<Members> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? accept(new Map(Object.entries(value)))
    : bad(name, "an object");
}

/** A member of the object `name`: absent and `null` are the same, as in geth. */
export function member<T>(
  members: Members,
  name: string,
  key: string,
  fallback: T,
  parse: (value: unknown, name: string) => ParamVerdict<T>,
): ParamVerdict<T> {
  const value = members.get(key) ?? null;
  return value === null ? accept(fallback) : parse(value, `${name}.${key}`);
}

export const addressParam = (name: string): Param<Hex> => ({
  name,
  parse: (value) => parseFixed(value, 20, name),
});

export const hashParam = (name: string): Param<Hex> => ({
  name,
  parse: (value) => parseFixed(value, 32, name),
});

export const indexParam = (name: string): Param<number> => ({
  name,
  parse: (value) => parseIndex(value, name),
});

export const bytesParam = (name: string, bytesMax: number): Param<Uint8Array> => ({
  name,
  parse: (value) => parseBytes(value, bytesMax, name),
});

export const booleanParam = (name: string): Param<boolean> => ({
  name,
  parse: (value) => (typeof value === "boolean" ? accept(value) : bad(name, "true or false")),
});

/** A storage slot: up to 32 bytes, short forms left-padded, as geth takes them. */
export const slotParam = (name: string): Param<Hex> => ({
  name,
  parse: (value) =>
    typeof value === "string" && /^0x[0-9a-fA-F]{0,64}$/.test(value)
      ? accept<Hex>(`0x${value.slice(2).toLowerCase().padStart(64, "0")}`)
      : bad(name, "hex of at most 32 bytes"),
});

/** A number of blocks: a quantity, or a JSON number as some clients send. */
export const countParam = (name: string): Param<number> => ({
  name,
  parse: (value) =>
    typeof value === "number" && Number.isSafeInteger(value) && value >= 0
      ? accept(value)
      : parseIndex(value, name),
});

/** A list of at most `countMax` entries. */
export function parseList<T>(
  value: unknown,
  countMax: number,
  name: string,
  parse: (entry: unknown, name: string) => ParamVerdict<T>,
): ParamVerdict<readonly T[]> {
  if (!Array.isArray(value) || value.length > countMax)
    return bad(name, `a list of at most ${countMax}`);
  const list: T[] = [];
  for (const [index, entry] of value.entries()) {
    const parsed = parse(entry, `${name}[${index}]`);
    if (!parsed.ok) return parsed;
    list.push(parsed.value);
  }
  return accept(list);
}

/** A log filter: an address, several, or none (`null` and absent: any). */
export function parseAddresses(
  value: unknown,
  countMax: number,
  name: string,
): ParamVerdict<readonly Hex[]> {
  if (value === undefined || value === null) return accept([]);
  return parseList(Array.isArray(value) ? value : [value], countMax, name, (entry, at) =>
    parseFixed(entry, 20, at),
  );
}

const BLOCK_TAGS = ["latest", "pending", "safe", "finalized", "earliest"] as const;

export const LATEST: BlockHeight = { kind: "tag", tag: "latest" };

const HEIGHT_EXPECTED = `${BLOCK_TAGS.join(", ")}, or a hex quantity`;
const BLOCK_EXPECTED = `${BLOCK_TAGS.join(", ")}, a hex quantity, or an EIP-1898 object`;

const isBlockTag = (value: unknown): value is BlockTag =>
  (BLOCK_TAGS as readonly unknown[]).includes(value);

/** A tag or a number. */
export function parseBlockHeight(
  value: unknown,
  name: string,
  expected = HEIGHT_EXPECTED,
): ParamVerdict<BlockHeight> {
  if (isBlockTag(value)) return accept({ kind: "tag", tag: value });
  const number = parseIndex(value, name);
  return number.ok ? accept({ kind: "number", number: number.value }) : bad(name, expected);
}

/** A tag, a number, a hash, or an EIP-1898 object with one of `blockNumber` and `blockHash`. */
export function parseBlockId(value: unknown, name: string): ParamVerdict<BlockId> {
  if (isHexOf(value, 32)) return accept({ kind: "hash", hash: value.toLowerCase() as Hex });
  const members = parseMembers(value, name);
  if (!members.ok) return parseBlockHeight(value, name, BLOCK_EXPECTED);
  const hash = members.value.get("blockHash") ?? null;
  const number = members.value.get("blockNumber") ?? null;
  if ((hash === null) === (number === null)) return bad(name, BLOCK_EXPECTED);
  // Only canonical blocks are kept, so `requireCanonical` holds by itself.
  if (hash === null) return parseBlockHeight(number, `${name}.blockNumber`);
  const parsed = parseFixed(hash, 32, `${name}.blockHash`);
  return parsed.ok ? accept({ kind: "hash", hash: parsed.value }) : parsed;
}

/** The block parameter of state reads: `latest` where left out. */
export const blockParam: Param<BlockId> = {
  name: "block",
  parse: (value) => parseBlockId(value, "block"),
  fallback: { value: LATEST },
};

/** The block parameter where it must be given. */
export const requiredBlockParam: Param<BlockId> = {
  name: "block",
  parse: (value) => parseBlockId(value, "block"),
};

/** The block parameter of reads by number: a hash is no number. */
export const heightParam: Param<BlockHeight> = {
  name: "block",
  parse: (value) => parseBlockHeight(value, "block"),
};
