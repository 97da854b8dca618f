/**
 * The Settlement contract as TypeScript sees it: calls to encode, events to decode, and the payload
 * inside the calldata of a post. Does not own any connection.
 */
import { decodeEventLog, encodeEventTopics, encodeFunctionData, parseAbi } from "viem";
import { batchStructHash } from "../../lanes/signed.ts";
import { bytesToBigint, type Hex, toHex } from "../../lanes/bytes.ts";
import type { BatchHeader } from "./settlement.ts";

/** The part of the ABI that a node uses; compared with the compiler's by a test. */
export const SETTLEMENT_ABI = parseAbi([
  "struct Header { uint64 index; bytes32 previousBatchHash; uint64 firstBlock; uint64 lastBlock; bytes32 lastBlockHash; bytes32 stateRoot; bytes32 withdrawalRoot; bytes32 flashRoot; bytes32 laneStateHash; uint64 firstOrigin; uint64 lastOriginNumber; bytes32 lastOriginHash; uint64 delayedCount; bytes32 delayedAcc; uint64 term; bytes32 payloadHash; }",
  "event BatchPosted(uint64 indexed index, bytes32 batchHash, Header header, bytes signature, bytes32[] blobHashes)",
  "function postBatch(Header header, bytes signature, bytes payload)",
  "error EnforcedPause()",
  "error WrongIndex(uint64 expected, uint64 actual)",
  "error WrongPreviousBatch(bytes32 expected, bytes32 actual)",
  "error EmptyRange(uint64 firstBlock, uint64 lastBlock)",
  "error BlockGap(uint64 highestBlock, uint64 firstBlock)",
  "error UnknownTerm(uint64 term)",
  "error WrongSigner(address expected, address actual)",
  "error WrongOriginRange(uint64 firstOrigin, uint64 lastOriginNumber)",
  "error OriginNotCanonical(uint64 number, bytes32 expected, bytes32 actual)",
  "error WrongAccumulator()",
  "error WrongPayloadHash(bytes32 expected, bytes32 actual)",
  "error NoPayload()",
  "error SurplusBlobs()",
  "error PayloadNotInTransaction()",
  "function nextIndex() view returns (uint64)",
  "function batchHashes(uint64 index) view returns (bytes32)",
]);

/** Topic 0 of the event that announces a batch. */
export const BATCH_POSTED_TOPIC = encodeEventTopics({
  abi: SETTLEMENT_ABI,
  eventName: "BatchPosted",
})[0];

/** A batch as its L1 event tells it. */
export interface PostedBatch {
  readonly header: BatchHeader;
  /** Struct hash of the header, recomputed here. */
  readonly batchHash: Hex;
  /** Versioned hashes of the payload's blobs; empty where the payload is in calldata. */
  readonly blobHashes: readonly Hex[];
}

/**
 * A posted batch from the log's topics and data; `null` where the log is not what the contract
 * emits.
 */
export function decodeBatchPosted(topics: readonly Hex[], data: Hex): PostedBatch | null {
  try {
    const { args } = decodeEventLog({
      abi: SETTLEMENT_ABI,
      eventName: "BatchPosted",
      topics: topics as [Hex, ...Hex[]],
      data,
    });
    const { header: wire } = args;
    const header: BatchHeader = {
      index: Number(wire.index),
      previousBatchHash: wire.previousBatchHash,
      firstBlock: Number(wire.firstBlock),
      lastBlock: Number(wire.lastBlock),
      lastBlockHash: wire.lastBlockHash,
      stateRoot: wire.stateRoot,
      withdrawalRoot: wire.withdrawalRoot,
      flashRoot: wire.flashRoot,
      laneStateHash: wire.laneStateHash,
      firstOrigin: Number(wire.firstOrigin),
      lastOriginNumber: Number(wire.lastOriginNumber),
      lastOriginHash: wire.lastOriginHash,
      delayedCount: Number(wire.delayedCount),
      delayedAcc: wire.delayedAcc,
      term: Number(wire.term),
      payloadHash: wire.payloadHash,
    };
    // Also refuses integers that a number cannot hold: they would hash to something else.
    const batchHash = batchStructHash(header);
    return batchHash === args.batchHash ? { header, batchHash, blobHashes: args.blobHashes } : null;
  } catch {
    return null;
  }
}

/** Calldata of a post. `payload` is empty where blobs carry it. */
export function encodePostBatch(
  header: BatchHeader,
  signature: Uint8Array,
  payload: Uint8Array,
): Hex {
  return encodeFunctionData({
    abi: SETTLEMENT_ABI,
    functionName: "postBatch",
    args: [headerToAbi(header), toHex(signature), toHex(payload)],
  });
}

/** The header with the integer types of the ABI. */
export function headerToAbi(header: BatchHeader) {
  return {
    ...header,
    index: BigInt(header.index),
    firstBlock: BigInt(header.firstBlock),
    lastBlock: BigInt(header.lastBlock),
    firstOrigin: BigInt(header.firstOrigin),
    lastOriginNumber: BigInt(header.lastOriginNumber),
    delayedCount: BigInt(header.delayedCount),
    term: BigInt(header.term),
  };
}

const SELECTOR_BYTES = 4;
const WORD_BYTES = 32;
/** Words before the payload's offset: the header's 16 and the signature's offset. */
const PAYLOAD_OFFSET_WORD = 17;

/**
 * The payload in the calldata of a direct post, found as the contract finds it: by offset, without
 * asking whether the encoding is the shortest. `null` where the contract could not have read it.
 */
export function payloadOfCalldata(input: Uint8Array): Uint8Array | null {
  const args = input.subarray(SELECTOR_BYTES);
  const word = (at: number): number | null => {
    if (at + WORD_BYTES > args.length) return null;
    const value = bytesToBigint(args.subarray(at, at + WORD_BYTES));
    return value <= BigInt(args.length) ? Number(value) : null;
  };
  const offset = word(PAYLOAD_OFFSET_WORD * WORD_BYTES);
  if (offset === null) return null;
  const length = word(offset);
  if (length === null) return null;
  const start = offset + WORD_BYTES;
  return start + length <= args.length ? args.slice(start, start + length) : null;
}
