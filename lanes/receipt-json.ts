/**
 * Receipts as JSON: what a node answers, what a file holds, what a browser checks. Numbers are
 * quantities as in Ethereum's JSON-RPC, bytes are hex. Owns both directions; reading is strict, and
 * errors name the path.
 */
import type { AdmissionLeaf, AdmissionReceipt } from "./admission.ts";
import { fromHex, type Hex, toHex } from "./bytes.ts";
import type { FlashblockHeader, LaneLeaf, ResultLeaf } from "./flashblock.ts";
import type { InclusionReceipt } from "./inclusion.ts";
import {
  type Field,
  FieldError,
  readArray,
  readHex,
  readObject,
  readOneOf,
} from "./json-fields.ts";
import { quantity, readNumber, readWide, U64_DIGITS, U72_DIGITS } from "./quantity.ts";
import type { AdmissionGroup } from "./signed.ts";
import { SIGNATURE_BYTES } from "./signed-flashblock.ts";
import { accept, refuse, type Verdict } from "./verdict.ts";

export type Receipt =
  | { readonly type: "admission"; readonly receipt: AdmissionReceipt }
  | { readonly type: "inclusion"; readonly receipt: InclusionReceipt };

export type JsonMembers = Readonly<Record<string, unknown>>;

/** Hashes in a path: more than any tree here is high. */
const PATH_MAX = 64;
const HASH_BYTES = 32;

const GROUP_NUMBERS = ["term", "leaderEpoch", "count", "issuedAtMs"] as const;
const HEADER_NUMBERS = [
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
const HEADER_HASHES = ["parentOrderHash", "l1OriginHash", "policyHash", "laneRoot"] as const;

export function admissionReceiptToJson(receipt: AdmissionReceipt): JsonMembers {
  const { leaf, index, path, group, signature } = receipt;
  return {
    type: "admission",
    hash: leaf.hash,
    accepted: quantity(leaf.accepted),
    lane: leaf.lane,
    rank: quantity(leaf.rank),
    policyHash: leaf.policyHash,
    deadlineBlock: quantity(leaf.deadlineBlock),
    index: quantity(index),
    path,
    group: {
      ...Object.fromEntries(GROUP_NUMBERS.map((name) => [name, quantity(group[name])])),
      firstAccepted: quantity(group.firstAccepted),
      root: group.root,
      previousRoot: group.previousRoot,
    },
    signature: toHex(signature),
  };
}

export function inclusionReceiptToJson(receipt: InclusionReceipt): JsonMembers {
  const { header, lane, result, signature, resultRoot, gasUsed, index } = receipt;
  return {
    type: "inclusion",
    hash: lane.txHash,
    rank: quantity(lane.rank),
    rule: quantity(lane.rule),
    accepted: quantity(lane.accepted),
    ready: quantity(lane.ready),
    gasLimit: quantity(lane.gasLimit),
    status: quantity(result.status),
    gasUsed: quantity(result.gasUsed),
    index: quantity(index),
    lanePath: receipt.lanePath,
    resultPath: receipt.resultPath,
    flashblock: {
      ...Object.fromEntries(HEADER_NUMBERS.map((name) => [name, quantity(header[name])])),
      ...Object.fromEntries(HEADER_HASHES.map((name) => [name, header[name]])),
      resultRoot,
      gasUsed: quantity(gasUsed),
    },
    signature: toHex(signature),
  };
}

/** A receipt from parsed JSON. Errors: verdict `RECEIPT_INVALID` with `path` and `expected`. */
export function parseReceipt(json: unknown): Verdict<Receipt, "RECEIPT_INVALID"> {
  try {
    return accept(readReceipt({ path: "", value: json }));
  } catch (error) {
    if (!(error instanceof FieldError)) throw error;
    return refuse("RECEIPT_INVALID", { path: error.path, expected: error.expected });
  }
}

function readReceipt(field: Field): Receipt {
  const type =
    typeof field.value === "object" && field.value !== null && "type" in field.value
      ? field.value.type
      : undefined;
  if (type === "admission") return { type, receipt: readAdmission(field) };
  if (type === "inclusion") return { type, receipt: readInclusion(field) };
  throw new FieldError("type", "admission or inclusion");
}

function readAdmission(field: Field): AdmissionReceipt {
  const root = readObject(field, [
    "type",
    "hash",
    "accepted",
    "lane",
    "rank",
    "policyHash",
    "deadlineBlock",
    "index",
    "path",
    "group",
    "signature",
  ]);
  const leaf: AdmissionLeaf = {
    hash: readHash(root.hash),
    accepted: readWide(root.accepted, U72_DIGITS),
    lane: readOneOf(root.lane, ["fast", "normal"]),
    rank: readNumber(root.rank),
    policyHash: readHash(root.policyHash),
    deadlineBlock: readNumber(root.deadlineBlock),
  };
  return {
    leaf,
    index: readNumber(root.index),
    path: readPath(root.path),
    group: readGroup(root.group),
    signature: readSignature(root.signature),
  };
}

function readGroup(field: Field): AdmissionGroup {
  const group = readObject(field, [...GROUP_NUMBERS, "firstAccepted", "root", "previousRoot"]);
  return {
    term: readNumber(group.term),
    leaderEpoch: readNumber(group.leaderEpoch),
    firstAccepted: readWide(group.firstAccepted, U72_DIGITS),
    count: readNumber(group.count),
    root: readHash(group.root),
    previousRoot: readHash(group.previousRoot),
    issuedAtMs: readNumber(group.issuedAtMs),
  };
}

function readInclusion(field: Field): InclusionReceipt {
  const root = readObject(field, [
    ...(["type", "hash", "rank", "rule", "accepted", "ready", "gasLimit", "status"] as const),
    ...(["gasUsed", "index", "lanePath", "resultPath", "flashblock", "signature"] as const),
  ]);
  const txHash = readHash(root.hash);
  const lane: LaneLeaf = {
    txHash,
    rank: readNumber(root.rank),
    rule: readNumber(root.rule),
    accepted: readWide(root.accepted, U72_DIGITS),
    ready: readWide(root.ready, U72_DIGITS),
    gasLimit: readWide(root.gasLimit, U64_DIGITS),
  };
  const result: ResultLeaf = {
    txHash,
    status: readNumber(root.status),
    gasUsed: readWide(root.gasUsed, U64_DIGITS),
  };
  const flashblock = readObject(root.flashblock, [
    ...HEADER_NUMBERS,
    ...HEADER_HASHES,
    "resultRoot",
    "gasUsed",
  ]);
  const header = {
    ...Object.fromEntries(HEADER_NUMBERS.map((name) => [name, readNumber(flashblock[name])])),
    ...Object.fromEntries(HEADER_HASHES.map((name) => [name, readHash(flashblock[name])])),
  } as unknown as FlashblockHeader;
  return {
    header,
    resultRoot: readHash(flashblock.resultRoot),
    gasUsed: readWide(flashblock.gasUsed, U64_DIGITS),
    index: readNumber(root.index),
    lane,
    result,
    lanePath: readPath(root.lanePath),
    resultPath: readPath(root.resultPath),
    signature: readSignature(root.signature),
  };
}

function readHash(field: Field): Hex {
  return readHex(field, HASH_BYTES);
}

function readPath(field: Field): Hex[] {
  return readArray(field, [0, PATH_MAX], readHash);
}

function readSignature(field: Field): Uint8Array {
  return fromHex(readHex(field, SIGNATURE_BYTES));
}
