/**
 * A flashblock as it is executed and signed: its header, its results, its leaves. Owns the bytes,
 * which are the journal's record, and with the signature behind them what goes to whoever follows.
 *
 *   chainId term leaderEpoch lastForced blockNumber index l1OriginNumber timestamp txCount
 *   timestampMs gasUsed, u64 each ‖ parentOrderHash l1OriginHash policyHash laneRoot resultRoot,
 *   32 bytes each ‖ leaves (`flashblock-leaves.ts`) [‖ signature, 65]
 */
import { bytesEqual, concatBytes, fromHex, type Hex, toHex } from "./bytes.ts";
import { type FlashblockHeader, orderHash, resultHash } from "./flashblock.ts";
import { decodeLeaves, FlashblockLeaves, LEAF_BYTES, RANK_AT } from "./flashblock-leaves.ts";
import { accept, refuse, type Verdict } from "./verdict.ts";

export const SIGNATURE_BYTES = 65;
const U64_BYTES = 8;
const HASH_BYTES = 32;
const NUMBERS = [
  "chainId",
  "term",
  "leaderEpoch",
  "lastForced",
  "blockNumber",
  "index",
  "l1OriginNumber",
  "timestamp",
  "txCount",
  "timestampMs",
] as const;
const HASHES = ["parentOrderHash", "l1OriginHash", "policyHash", "laneRoot"] as const;
const GAS_USED_AT = NUMBERS.length * U64_BYTES;
const HASHES_AT = GAS_USED_AT + U64_BYTES;
const RESULT_ROOT_AT = HASHES_AT + HASHES.length * HASH_BYTES;
const LEAVES_AT = RESULT_ROOT_AT + HASH_BYTES;

export interface ExecutedFlashblock {
  readonly header: FlashblockHeader;
  readonly resultRoot: Hex;
  /** Of this flashblock alone. */
  readonly gasUsed: bigint;
  /** As `FlashblockLeaves.bytes` gives them. */
  readonly leaves: Uint8Array;
}

export interface SignedFlashblock extends ExecutedFlashblock {
  /** 65 bytes, over `orderHash` and `resultHash`. */
  readonly signature: Uint8Array;
}

export function flashblockOrderHash({ header }: Pick<ExecutedFlashblock, "header">): Hex {
  return orderHash(header);
}

export function flashblockResultHash({
  resultRoot,
  gasUsed,
}: Pick<ExecutedFlashblock, "resultRoot" | "gasUsed">): Hex {
  return resultHash(resultRoot, gasUsed);
}

export function encodeFlashblock(flashblock: ExecutedFlashblock): Uint8Array {
  const { header, resultRoot, gasUsed, leaves } = flashblock;
  const bytes = new Uint8Array(LEAVES_AT + leaves.length);
  const view = new DataView(bytes.buffer);
  NUMBERS.forEach((name, at) => {
    view.setBigUint64(at * U64_BYTES, BigInt(header[name]));
  });
  view.setBigUint64(GAS_USED_AT, gasUsed);
  HASHES.forEach((name, at) => {
    bytes.set(fromHex(header[name]), HASHES_AT + at * HASH_BYTES);
  });
  bytes.set(fromHex(resultRoot), RESULT_ROOT_AT);
  bytes.set(leaves, LEAVES_AT);
  return bytes;
}

/**
 * Errors: verdict `FLASHBLOCK_MALFORMED`, with the field; also where count, gas or a root are not
 * those of the leaves.
 */
export function decodeFlashblock(
  bytes: Uint8Array,
): Verdict<ExecutedFlashblock, "FLASHBLOCK_MALFORMED"> {
  if (bytes.length < LEAVES_AT) return malformed("length");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const numbers = NUMBERS.map((_, at) => Number(view.getBigUint64(at * U64_BYTES)));
  const unsafe = numbers.findIndex((number) => !Number.isSafeInteger(number));
  if (unsafe !== -1) return malformed(NUMBERS[unsafe] ?? "number");
  const hashAt = (at: number): Hex => toHex(bytes.subarray(at, at + HASH_BYTES));
  const header = {
    ...Object.fromEntries(NUMBERS.map((name, at) => [name, numbers[at]])),
    ...Object.fromEntries(HASHES.map((name, at) => [name, hashAt(HASHES_AT + at * HASH_BYTES)])),
  } as unknown as FlashblockHeader;
  const leaves = bytes.slice(LEAVES_AT);
  const flashblock = {
    header,
    resultRoot: hashAt(RESULT_ROOT_AT),
    gasUsed: view.getBigUint64(GAS_USED_AT),
    leaves,
  };
  const wrong = checkLeaves(flashblock);
  return wrong === null ? accept(flashblock) : malformed(wrong);
}

export function encodeSignedFlashblock(flashblock: SignedFlashblock): Uint8Array {
  return concatBytes(encodeFlashblock(flashblock), flashblock.signature);
}

/** Errors: as `decodeFlashblock`. The signature is not checked. */
export function decodeSignedFlashblock(
  bytes: Uint8Array,
): Verdict<SignedFlashblock, "FLASHBLOCK_MALFORMED"> {
  if (bytes.length < SIGNATURE_BYTES) return malformed("length");
  const end = bytes.length - SIGNATURE_BYTES;
  const flashblock = decodeFlashblock(bytes.subarray(0, end));
  return flashblock.ok ? accept({ ...flashblock.value, signature: bytes.slice(end) }) : flashblock;
}

/** The transaction hashes in bytes of a signed flashblock, without decoding the rest. */
export function* flashblockHashes(bytes: Uint8Array): Generator<Uint8Array> {
  const end = bytes.length - SIGNATURE_BYTES;
  for (let at = LEAVES_AT; at + LEAF_BYTES <= end; at += LEAF_BYTES)
    yield bytes.subarray(at, at + HASH_BYTES);
}

/** The ranks in bytes of a signed flashblock, in order. */
export function flashblockRanks(bytes: Uint8Array): number[] {
  const ranks: number[] = [];
  const end = bytes.length - SIGNATURE_BYTES;
  for (let at = LEAVES_AT; at + LEAF_BYTES <= end; at += LEAF_BYTES)
    ranks.push(bytes[at + RANK_AT] ?? 0);
  return ranks;
}

/** The block's number in bytes of a flashblock, signed or not. */
export function flashblockBlockNumber(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return Number(view.getBigUint64(NUMBERS.indexOf("blockNumber") * U64_BYTES));
}

/** The first field that is not what the leaves say. */
function checkLeaves({ header, resultRoot, gasUsed, leaves }: ExecutedFlashblock): string | null {
  const decoded = decodeLeaves(leaves);
  if (!decoded.ok) return "leaves";
  const again = new FlashblockLeaves();
  for (const { lane, result } of decoded.value) again.add(lane, result);
  if (header.txCount !== again.count) return "txCount";
  if (gasUsed !== again.gasUsed) return "gasUsed";
  if (header.laneRoot !== again.laneRoot()) return "laneRoot";
  if (resultRoot !== again.resultRoot()) return "resultRoot";
  return bytesEqual(again.bytes(), leaves) ? null : "leaves";
}

function malformed(field: string) {
  return refuse("FLASHBLOCK_MALFORMED", { field });
}
