/**
 * Records of one block: wire bytes, header, sidecar, receipts, and its places in the indexes.
 *
 * The block is kept as it travels, so that peers and the batcher are served without encoding; the
 * sidecar keeps what only this node needs, the senders among it, so that reading recovers nothing.
 * The header stands by itself as well: most reads want no more.
 */
import assert from "node:assert";
import { concatBytes, fromHex, type Hex, toHex } from "../../lanes/bytes.ts";
import { SIGNATURE_BYTES } from "../../lanes/signed-flashblock.ts";
import { encodeRlpItems, rlpIntegerBytes } from "../../lanes/rlp.ts";
import { NodeError } from "../errors.ts";
import {
  type Block,
  decodeSignedBlock,
  replaceSignature,
  signedBlockSteps,
} from "../primitives/block.ts";
import { encodeHeader, type Header, headerFromRlp } from "../primitives/header.ts";
import type { Log, Receipt } from "../primitives/receipt.ts";
import type { Transaction } from "../primitives/transaction.ts";
import { RLP } from "@ethereumjs/rlp";
import type { Steps } from "../turns.ts";
import type { Operation, RecordView } from "./database.ts";
import { encodeFields, type Field, FieldReader, joinFields } from "./fields.ts";
import { blockKey, encodeU64, hashKey } from "./keys.ts";
import type { StoredBlock } from "./store.ts";

const HASH_BYTES = 32;
const BLOOM_BYTES = 256;
/**
 * Where the bloom stands in a header's RLP: list prefix (3), then parentHash, ommersHash (33 each),
 * beneficiary (21), stateRoot, transactionsRoot, receiptsRoot (33 each), the bloom's prefix (3).
 */
const BLOOM_OFFSET = 3 + 2 * 33 + 21 + 3 * 33 + 3;

/** Microseconds of the steps: to encode a sender, a location, a log, the rest of a receipt. */
const SENDER_COST = 0.5;
const LOCATION_COST = 3;
const LOG_COST = 3;
const RECEIPT_COST = 5;

export interface StoredHeader {
  readonly hash: Hex;
  readonly header: Header;
}

/** Place of a transaction in the chain. */
export interface TransactionLocation {
  readonly blockNumber: number;
  readonly index: number;
}

function encodeStoredHeader(block: Block): Uint8Array {
  return concatBytes(fromHex(block.hash), encodeHeader(block.header));
}

/** Hash and the RLP it is the hash of; the two are compared at start-up, not here. */
export function splitHeaderRecord(payload: Uint8Array): { hash: Hex; encoded: Uint8Array } {
  return {
    hash: toHex(payload.subarray(0, HASH_BYTES)),
    encoded: payload.subarray(HASH_BYTES),
  };
}

export function decodeStoredHeader(payload: Uint8Array): StoredHeader {
  const { hash, encoded } = splitHeaderRecord(payload);
  const header = headerFromRlp(RLP.decode(encoded));
  if (!header.ok) throw new NodeError("STORAGE_CORRUPT", { record: "header", hash });
  return { hash, header: header.value };
}

/** The bloom of a header record, without decoding the rest: what a log scan reads. */
export function bloomOfHeaderRecord(payload: Uint8Array): Uint8Array {
  return payload.subarray(HASH_BYTES + BLOOM_OFFSET, HASH_BYTES + BLOOM_OFFSET + BLOOM_BYTES);
}

/** Senders in block order; a deposit carries its own. */
function* encodeSidecar(stored: StoredBlock): Steps<Uint8Array> {
  const { block, orderHashes, flashblockSignatures, laneState } = stored;
  const senders: Uint8Array[] = [];
  for (const { type, sender } of block.transactions) {
    if (type !== 0x7e) senders.push(encodeFields(fromHex(sender)));
    yield SENDER_COST;
  }
  return yield* joinFields([
    encodeFields(orderHashes.map(fromHex)),
    encodeFields([...flashblockSignatures]),
    encodeFields(laneState),
    yield* joinFields(senders),
  ]);
}

interface Sidecar {
  readonly orderHashes: readonly Hex[];
  readonly flashblockSignatures: readonly Uint8Array[];
  readonly laneState: Uint8Array;
  readonly senders: readonly Hex[];
}

function decodeSidecar(payload: Uint8Array): Sidecar {
  const read = FieldReader.of(payload, "sidecar");
  const orderHashes = read.list();
  const signatures = read.list();
  const laneState = read.bytes();
  const senders = read.list();
  return {
    orderHashes: Array.from({ length: orderHashes.left }, () => orderHashes.hash()),
    flashblockSignatures: Array.from({ length: signatures.left }, () =>
      signatures.bytes(SIGNATURE_BYTES),
    ),
    laneState,
    senders: Array.from({ length: senders.left }, () => senders.address()),
  };
}

/** LaneState of a sidecar record, without the senders behind it. */
export function laneStateOfSidecar(payload: Uint8Array): Uint8Array {
  const read = FieldReader.of(payload, "sidecar");
  read.list();
  read.list();
  return read.bytes();
}

/** The stored block from its two records. Errors: `STORAGE_CORRUPT`. */
export function decodeStoredBlock(wire: Uint8Array, sidecarPayload: Uint8Array): StoredBlock {
  const decoded = decodeSignedBlock(wire);
  if (!decoded.ok)
    throw new NodeError("STORAGE_CORRUPT", { record: "block", reason: decoded.code });
  const { hash, header, laneData, signature } = decoded.value;
  const { senders, ...sidecar } = decodeSidecar(sidecarPayload);
  let user = 0;
  const transactions = decoded.value.transactions.map((transaction): Transaction => {
    if (transaction.type === 0x7e) return transaction;
    const sender = senders[user++];
    if (sender === undefined)
      throw new NodeError("STORAGE_CORRUPT", { record: "sidecar", number: header.number });
    return { ...transaction, sender };
  });
  return {
    block: { hash, header, transactions },
    laneData,
    ...sidecar,
    signature,
  };
}

/** The change of a stored block's signature. Errors: `BLOCK_NOT_FOUND`, `STORAGE_CORRUPT`. */
export function signatureOperation(
  view: RecordView,
  number: number,
  signature: Uint8Array,
): Operation {
  const key = blockKey("BLOCK", number);
  const wire = view.get(key);
  if (wire === null) throw new NodeError("BLOCK_NOT_FOUND", { number });
  const payload = replaceSignature(wire, signature);
  if (payload === null) throw new NodeError("STORAGE_CORRUPT", { record: "block", number });
  return { key, payload };
}

/** Everything a block adds to the chain's tables, without state. */
export function* blockOperations(
  stored: StoredBlock,
  receipts: readonly Receipt[],
): Steps<Operation[]> {
  const { block, laneData, signature } = stored;
  const { hash, header, transactions } = block;
  const { number } = header;
  assert(receipts.length === transactions.length, "one receipt a transaction");
  const wire = yield* signedBlockSteps(block, laneData, signature);
  const operations: Operation[] = [
    { key: blockKey("BLOCK", number), payload: wire },
    { key: blockKey("HEADER", number), payload: encodeStoredHeader(block) },
    { key: blockKey("SIDECAR", number), payload: yield* encodeSidecar(stored) },
    { key: blockKey("RECEIPTS", number), payload: yield* encodeReceipts(receipts) },
    { key: hashKey("NUMBER_BY_HASH", hash), payload: encodeU64(number) },
  ];
  for (const [index, transaction] of transactions.entries()) {
    operations.push({
      key: hashKey("TRANSACTION", transaction.hash),
      payload: encodeLocation({ blockNumber: number, index }),
    });
    yield LOCATION_COST;
  }
  return operations;
}

/** The deletions that take `blockOperations` back. */
export function removeBlockOperations(block: Block): Operation[] {
  const { number } = block.header;
  const keys = [
    blockKey("BLOCK", number),
    blockKey("HEADER", number),
    blockKey("SIDECAR", number),
    blockKey("RECEIPTS", number),
    hashKey("NUMBER_BY_HASH", block.hash),
    ...block.transactions.map(({ hash }) => hashKey("TRANSACTION", hash)),
  ];
  return keys.map((key) => ({ key, payload: null }));
}

export function encodeLocation(location: TransactionLocation): Uint8Array {
  const payload = new Uint8Array(12);
  const view = new DataView(payload.buffer);
  view.setBigUint64(0, BigInt(location.blockNumber));
  view.setUint32(8, location.index);
  return payload;
}

export function decodeLocation(payload: Uint8Array): TransactionLocation {
  if (payload.length !== 12) throw new NodeError("STORAGE_CORRUPT", { record: "transaction" });
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  return { blockNumber: Number(view.getBigUint64(0)), index: view.getUint32(8) };
}

export function decodeU64(payload: Uint8Array): number {
  if (payload.length !== 8) throw new NodeError("STORAGE_CORRUPT", { record: "number" });
  return Number(new DataView(payload.buffer, payload.byteOffset, payload.length).getBigUint64(0));
}

function logToFields(log: Log): Field {
  return [fromHex(log.address), log.topics.map(fromHex), log.data];
}

function readLog(read: FieldReader): Log {
  const address = read.address();
  const topics = read.list();
  return {
    address,
    topics: Array.from({ length: topics.left }, () => topics.hash()),
    data: read.bytes(),
  };
}

/** An optional integer is a list of none or one. */
function optionalToField(value: bigint | undefined): Field {
  return value === undefined ? [] : [rlpIntegerBytes(value)];
}

/** The bloom of a receipt without logs is all zero and not written. */
function* encodeReceipt(receipt: Receipt): Steps<Uint8Array> {
  const logs: Uint8Array[] = [];
  for (const log of receipt.logs) {
    logs.push(encodeFields(logToFields(log)));
    yield LOG_COST;
  }
  const before = encodeRlpItems([
    rlpIntegerBytes(receipt.type),
    rlpIntegerBytes(receipt.status),
    rlpIntegerBytes(receipt.cumulativeGasUsed),
    rlpIntegerBytes(receipt.gasUsed),
    rlpIntegerBytes(receipt.effectiveGasPrice),
    receipt.contractAddress === null ? new Uint8Array(0) : fromHex(receipt.contractAddress),
  ]);
  const after = encodeRlpItems([
    receipt.logs.length === 0 ? new Uint8Array(0) : receipt.logsBloom,
    rlpIntegerBytes(receipt.l1Fee),
    optionalToField(receipt.depositNonce),
    optionalToField(receipt.depositReceiptVersion),
  ]);
  yield RECEIPT_COST;
  return yield* joinFields([before, yield* joinFields(logs), after]);
}

function readReceipt(read: FieldReader): Receipt {
  const type = read.number();
  const status = read.number() === 1 ? 1 : 0;
  const cumulativeGasUsed = read.bigint();
  const gasUsed = read.bigint();
  const effectiveGasPrice = read.bigint();
  const contractAddress = read.addressOrNone();
  const logs = read.list().lists(readLog);
  const bloom = read.bytes();
  const l1Fee = read.bigint();
  const nonce = read.list();
  const version = read.list();
  return {
    type,
    status,
    cumulativeGasUsed,
    gasUsed,
    effectiveGasPrice,
    contractAddress,
    logs,
    logsBloom: logs.length === 0 ? new Uint8Array(BLOOM_BYTES) : bloom,
    l1Fee,
    ...(nonce.left === 1 ? { depositNonce: nonce.bigint() } : {}),
    ...(version.left === 1 ? { depositReceiptVersion: version.bigint() } : {}),
  };
}

function* encodeReceipts(receipts: readonly Receipt[]): Steps<Uint8Array> {
  const encoded: Uint8Array[] = [];
  for (const receipt of receipts) encoded.push(yield* encodeReceipt(receipt));
  return yield* joinFields(encoded);
}

export function decodeReceipts(payload: Uint8Array): readonly Receipt[] {
  return FieldReader.of(payload, "receipts").lists(readReceipt);
}
