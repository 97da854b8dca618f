/**
 * L1 to batches: reads what was posted, block range by block range, fetches and checks payloads,
 * and hands decoded batches over in index order.
 *
 * Owns: the order of events, the proof that a payload is the posted one, the checks that need no
 * execution. Does not own: whether blocks are valid, and the durable cursor (sequencing thread).
 * Invariants: nothing is skipped: what cannot be fetched, or does not match what L1 committed to,
 * throws, and the same batch is tried again (BLOB_UNAVAILABLE, BLOB_MISMATCH); what matches but
 * does not decode is void, the same on every node. Source: PROTOCOL 7 (O6 without forced blocks),
 * 8.
 */
import type { Hex } from "../../lanes/bytes.ts";
import { accept, type Verdict } from "../../lanes/verdict.ts";
import { NodeError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { BlockRef } from "../primitives/block.ts";
import { keccakHex } from "../primitives/hash.ts";
import type { L1Origin } from "../primitives/l1-origin.ts";
import { checkClaims, heldBlocks } from "../chain/batch-content.ts";
import type { ChainSnapshot } from "../storage/chain-reader.ts";
import type { DerivationCursor } from "../storage/store.ts";
import type { CompressService } from "../workers/compress.ts";
import type { KzgService } from "../workers/kzg.ts";
import { blobPayloadHash, blobsToPayload } from "./blob.ts";
import { decodePayload, type PayloadBlock } from "./codec.ts";
import type { L1Client, L1Log } from "./l1.ts";
import type { L1Heads } from "./l1-heads.ts";
import { decodeBatchPosted, payloadOfCalldata, type PostedBatch } from "./settlement-contract.ts";
import type { BatchHeader, DerivedBlock, SettlementHandlers } from "./settlement.ts";

/** L1 blocks whose logs are asked for at once. */
const LOG_RANGE_BLOCKS = 500;
/** L1 blocks read again after a reorg took the newest applied one. */
const RESCAN_BLOCKS = 512;

export interface DerivationDeps {
  readonly client: Pick<L1Client, "block" | "batchLogs" | "calldata" | "blobs" | "batchHash">;
  readonly heads: Pick<L1Heads, "head" | "finalized" | "originAt">;
  readonly handlers: Pick<
    SettlementHandlers,
    "onBatch" | "onHeldBatch" | "onVoidBatch" | "onL1Applied"
  >;
  /** The node's own blocks, each time as they are together. */
  readonly chain: { snapshot(): Pick<ChainSnapshot, "blockByNumber" | "release"> };
  readonly kzg: Pick<KzgService, "blobToVersionedHash">;
  readonly compress: Pick<CompressService, "decompress">;
  readonly log: Logger;
}

export interface Derivation {
  /** Applies the next range of L1 blocks; answers whether there is more below L1's head. */
  step(): Promise<boolean>;
  /** Index of the first batch that is not applied. */
  nextBatchIndex(): number;
  /** Struct hash of the last applied batch. */
  previousBatchHash(): Hex;
}

export function createDerivation(cursor: DerivationCursor, deps: DerivationDeps): Derivation {
  const { client, heads, handlers, log } = deps;
  let { nextBatchIndex, previousBatchHash, l1Block: applied } = cursor;

  /**
   * After an L1 reorg: all applied batches must stand in the new chain too, then reading restarts
   * lower.
   */
  const standOnCanonical = async (): Promise<void> => {
    const now = await heads.originAt(applied.number);
    if (now?.hash === applied.hash) return;
    if (nextBatchIndex > 0) {
      const found = await client.batchHash(nextBatchIndex - 1);
      if (found !== previousBatchHash)
        throw new NodeError("BATCH_REMOVED", {
          batch: nextBatchIndex - 1,
          l1Block: applied.number,
        });
    }
    const number = Math.max(0, applied.number - RESCAN_BLOCKS);
    const base = await heads.originAt(number);
    if (base === null) throw new NodeError("L1_UNREACHABLE", { call: "block", number });
    log.warn("L1 reorg below the applied block", { from: applied.number, again: number });
    applied = { number, hash: base.hash };
  };

  const applyLog = async (entry: L1Log): Promise<void> => {
    const posted = decodeBatchPosted(entry.topics, entry.data);
    if (posted === null) throw new NodeError("L1_UNREACHABLE", { call: "logs", malformed: true });
    const { header, batchHash } = posted;
    // Seen before a restart or a reorg.
    if (header.index < nextBatchIndex) return;
    if (header.index !== nextBatchIndex || header.previousBatchHash !== previousBatchHash)
      throw new NodeError("L1_UNREACHABLE", { call: "logs", missingBatch: nextBatchIndex });
    const payload = await fetchPayload(posted, entry, deps);
    const decoded = await decodeBatch(posted, payload, deps);
    if (typeof decoded === "string") {
      log.warn("batch does not decode", { index: header.index, reason: decoded });
      await handlers.onVoidBatch(header.index, batchHash, entry.block, decoded);
    } else {
      const held = { header, batchHash, l1Block: entry.block };
      const isHeld =
        (await holds(deps.chain, header, decoded)) && (await handlers.onHeldBatch(held));
      if (!isHeld) await handlers.onBatch({ ...held, blocks: decoded });
    }
    nextBatchIndex = header.index + 1;
    previousBatchHash = batchHash;
  };

  return {
    nextBatchIndex: () => nextBatchIndex,
    previousBatchHash: () => previousBatchHash,
    async step() {
      const head = heads.head();
      if (head === null || head.number < applied.number) return false;
      await standOnCanonical();
      const from = applied.number + 1;
      const to = Math.min(head.number, applied.number + LOG_RANGE_BLOCKS);
      if (from > to) return false;
      const before = await heads.originAt(to);
      const logs = await client.batchLogs(from, to);
      const after = await client.block(to);
      // L1 changed between the answers: ask again.
      if (before === null || after?.hash !== before.hash) return false;
      for (const entry of logs) await applyLog(entry);
      const l1Block: BlockRef = { number: to, hash: before.hash };
      await handlers.onL1Applied(l1Block, Math.min(heads.finalized()?.number ?? 0, to));
      applied = l1Block;
      return to < head.number;
    },
  };
}

/** Whether the node has these blocks, and the header says the truth of them. */
async function holds(
  chain: DerivationDeps["chain"],
  header: BatchHeader,
  blocks: readonly DerivedBlock[],
): Promise<boolean> {
  const snapshot = chain.snapshot();
  try {
    const held = heldBlocks(snapshot, blocks);
    return held.length === blocks.length && checkClaims(held, header).ok;
  } finally {
    await snapshot.release();
  }
}

/**
 * The payload that L1 committed to; refused where its blobs do not hold one. Unavailable and
 * mismatching throw: they are never void.
 */
async function fetchPayload(
  posted: PostedBatch,
  entry: L1Log,
  deps: DerivationDeps,
): Promise<Verdict<Uint8Array, "BATCH_MALFORMED">> {
  const { header, blobHashes } = posted;
  const missing = { batch: header.index, l1Block: entry.block.number };
  if (blobHashes.length === 0) {
    const input = await deps.client.calldata(entry.transactionHash);
    if (input === null) throw new NodeError("BLOB_UNAVAILABLE", missing);
    const payload = payloadOfCalldata(input);
    if (payload === null || keccakHex(payload) !== header.payloadHash)
      throw new NodeError("BLOB_MISMATCH", missing);
    return accept(payload);
  }
  if (blobPayloadHash(blobHashes) !== header.payloadHash)
    throw new NodeError("BLOB_MISMATCH", missing);
  const block = await deps.heads.originAt(entry.block.number);
  if (block?.hash !== entry.block.hash)
    throw new NodeError("L1_UNREACHABLE", { call: "block", number: entry.block.number });
  const blobs = await deps.client.blobs(block);
  const byHash = new Map<Hex, Uint8Array>();
  for (const blob of blobs) {
    const hash = await deps.kzg.blobToVersionedHash(blob);
    if (hash !== null) byHash.set(hash, blob);
  }
  const found = blobHashes.map((hash) => byHash.get(hash));
  if (found.every((blob) => blob !== undefined)) return blobsToPayload(found);
  const code = blobs.length < new Set(blobHashes).size ? "BLOB_UNAVAILABLE" : "BLOB_MISMATCH";
  throw new NodeError(code, missing);
}

/** The blocks of a batch, or why it is void. */
async function decodeBatch(
  posted: PostedBatch,
  payload: Verdict<Uint8Array, "BATCH_MALFORMED">,
  deps: DerivationDeps,
): Promise<DerivedBlock[] | string> {
  if (!payload.ok) return reasonOf(payload.data);
  const decoded = await decodePayload(payload.value, (bytes, max) =>
    deps.compress.decompress(bytes, max),
  );
  if (!decoded.ok) return reasonOf(decoded.data);
  const contradiction = checkAgainstHeader(posted.header, decoded.value);
  return contradiction ?? withOrigins(posted.header, decoded.value, deps.heads);
}

function reasonOf(data: Readonly<Record<string, string | number | boolean>>): string {
  return `BATCH_MALFORMED ${JSON.stringify(data)}`;
}

/** Block and origin numbers follow from the header: they must reach exactly its other end. */
function checkAgainstHeader(header: BatchHeader, blocks: readonly PayloadBlock[]): string | null {
  const advances = blocks.filter((block) => block.originAdvances).length;
  if (header.lastBlock - header.firstBlock + 1 !== blocks.length) return "lastBlock";
  if (header.firstOrigin + advances !== header.lastOriginNumber) return "lastOriginNumber";
  return null;
}

async function withOrigins(
  header: BatchHeader,
  blocks: readonly PayloadBlock[],
  heads: Pick<L1Heads, "originAt">,
): Promise<DerivedBlock[]> {
  const derived: DerivedBlock[] = [];
  let origin = await originOrThrow(heads, header.firstOrigin);
  for (const [index, block] of blocks.entries()) {
    if (block.originAdvances) origin = await originOrThrow(heads, origin.number + 1);
    const { timestamp, laneData, transactions } = block;
    derived.push({ number: header.firstBlock + index, timestamp, origin, laneData, transactions });
  }
  // The contract has compared it with L1: another hash means that this endpoint is on another fork.
  if (origin.hash !== header.lastOriginHash)
    throw new NodeError("L1_UNREACHABLE", { call: "origin", number: origin.number });
  return derived;
}

async function originOrThrow(heads: Pick<L1Heads, "originAt">, number: number): Promise<L1Origin> {
  const origin = await heads.originAt(number);
  if (origin === null) throw new NodeError("L1_UNREACHABLE", { call: "origin", number });
  return origin;
}
