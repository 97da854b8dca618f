/**
 * A block and what travels with it. Owns the wire form of a signed block (gossip, request/response,
 * store). A block with its LaneData is at most `BLOCK_BYTES_MAX`. PROTOCOL 4, 6.
 */
import { bytesEqual, concatBytes, type Hex, toHex } from "../../lanes/bytes.ts";
import { decodeLaneData, encodeLaneData, type LaneData } from "../../lanes/lane-data.ts";
import {
  decodeRlp,
  encodeRlp,
  isRlpList,
  type RlpItem,
  rlpListHead,
  rlpListItems,
} from "../../lanes/rlp.ts";
import { DEPOSIT_TYPE } from "../../lanes/transaction.ts";
import { accept, refuse, type Verdict } from "../../lanes/verdict.ts";
import { atOnce, type Steps } from "../turns.ts";
import { keccak256 } from "./hash.ts";
import { encodeHeader, type Header, headerFromRlp } from "./header.ts";
import {
  type DecodedTransaction,
  decodeDeposit,
  decodeTransaction,
  type DepositTransaction,
  type Transaction,
} from "./transaction.ts";

/** PROTOCOL 6: bytes of a block with its LaneData. */
export const BLOCK_BYTES_MAX = 900_000;

export interface Block {
  readonly hash: Hex;
  readonly header: Header;
  readonly transactions: readonly Transaction[];
}

/** A block as it arrives: senders not recovered, nothing verified but its form. */
export interface UnverifiedBlock {
  readonly hash: Hex;
  readonly header: Header;
  readonly transactions: readonly (DecodedTransaction | DepositTransaction)[];
  readonly laneData: LaneData;
  /** Block signature by the sequencer key, 65 bytes; `null` for a block derived from L1. */
  readonly signature: Uint8Array | null;
}

export interface BlockRef {
  readonly number: number;
  readonly hash: Hex;
}

const SIGNATURE_BYTES = 65;
const NO_SIGNATURE = new Uint8Array(0);
/** Header, transactions, LaneData, signature. */
const BLOCK_PARTS = 4;
/** Microseconds to encode one transaction's numbers, and its bytes. */
const NUMBERS_COST = 0.4;
const RAW_COST = 0.3;
/** A transaction takes at least this much gas, so a 60M block holds fewer than this many. */
const TRANSACTIONS_MAX = 16_384;
/** Lists in lists: the parts, and the header or the transactions. */
const DEPTH_MAX = 2;

/**
 * The wire form: `rlp([header, [transactions…], laneData, signature])`, transactions as byte
 * strings.
 */
export function encodeSignedBlock(
  block: EncodableBlock,
  laneData: LaneData,
  signature: Uint8Array | null,
): Uint8Array {
  return atOnce(signedBlockSteps(block, laneData, signature));
}

interface EncodableBlock extends Pick<Block, "header"> {
  readonly transactions: readonly { readonly raw: Uint8Array }[];
}

/** As `encodeSignedBlock`. The caps on a block bound each step. */
export function* signedBlockSteps(
  block: EncodableBlock,
  laneData: LaneData,
  signature: Uint8Array | null,
): Steps<Uint8Array> {
  const lane = encodeRlp(encodeLaneData(laneData));
  yield laneData.numbers.length * NUMBERS_COST;
  // The parts are spliced as encoded, so that a large block is not copied field by field.
  const header = encodeHeader(block.header);
  const transactions = encodeRlp(block.transactions.map(({ raw }) => raw));
  yield block.transactions.length * RAW_COST;
  return encodeParts([header, transactions, lane, encodeRlp(signature ?? NO_SIGNATURE)]);
}

/** An encoded block with another signature, nothing of it decoded; `null` for other bytes. */
export function replaceSignature(encoded: Uint8Array, signature: Uint8Array): Uint8Array | null {
  const parts = rlpListItems(encoded);
  if (parts?.length !== BLOCK_PARTS) return null;
  return encodeParts([...parts.slice(0, -1), encodeRlp(signature)]);
}

function encodeParts(parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return concatBytes(rlpListHead(length), ...parts);
}

/**
 * Decodes a block as it arrives: its form only.
 *
 * Errors: verdict; canonical encoding is required, so one block has one wire form.
 */
export function decodeSignedBlock(
  bytes: Uint8Array,
): Verdict<UnverifiedBlock, "BLOCK_TOO_LARGE" | "BLOCK_MALFORMED"> {
  if (bytes.length > BLOCK_BYTES_MAX) return refuse("BLOCK_TOO_LARGE", { bytes: bytes.length });
  const fields = decodeRlp(bytes, DEPTH_MAX);
  if (fields === null) return refuse("BLOCK_MALFORMED", { field: "encoding" });
  if (!isRlpList(fields) || fields.length !== BLOCK_PARTS)
    return refuse("BLOCK_MALFORMED", { field: "block" });
  const [headerFields, rawTransactions, laneBytes, signature] = fields;
  const header = headerFromRlp(headerFields);
  if (!header.ok) return header;
  const transactions = decodeTransactions(rawTransactions);
  if (!transactions.ok) return transactions;
  if (!(laneBytes instanceof Uint8Array)) return refuse("BLOCK_MALFORMED", { field: "laneData" });
  const laneData = decodeLaneData(laneBytes);
  if (!laneData.ok) return refuse("BLOCK_MALFORMED", { field: "laneData" });
  if (
    !(signature instanceof Uint8Array) ||
    (signature.length !== 0 && signature.length !== SIGNATURE_BYTES)
  )
    return refuse("BLOCK_MALFORMED", { field: "signature" });
  const block: UnverifiedBlock = {
    hash: toHex(keccak256(encodeHeader(header.value))),
    header: header.value,
    transactions: transactions.value,
    laneData: laneData.value,
    signature: signature.length === 0 ? null : Uint8Array.from(signature),
  };
  return bytesEqual(encodeSignedBlock(block, block.laneData, block.signature), bytes)
    ? accept(block)
    : refuse("BLOCK_MALFORMED", { field: "encoding" });
}

function decodeTransactions(
  raws: RlpItem | undefined,
): Verdict<(DecodedTransaction | DepositTransaction)[], "BLOCK_MALFORMED"> {
  if (!isRlpList(raws) || raws.length > TRANSACTIONS_MAX)
    return refuse("BLOCK_MALFORMED", { field: "transactions" });
  const transactions: (DecodedTransaction | DepositTransaction)[] = [];
  for (const item of raws) {
    const index = transactions.length;
    if (!(item instanceof Uint8Array))
      return refuse("BLOCK_MALFORMED", { field: "transactions", index });
    // A copy: a transaction that is kept, or sent to another thread, must not keep the whole block.
    const raw = Uint8Array.from(item);
    const decoded = raw[0] === DEPOSIT_TYPE ? decodeDeposit(raw) : decodeTransaction(raw);
    if (!decoded.ok) return refuse("BLOCK_MALFORMED", { field: "transactions", index });
    transactions.push(decoded.value);
  }
  return accept(transactions);
}
