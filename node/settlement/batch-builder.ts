/**
 * Makes the next batch from unposted blocks: which blocks, their payload, the header to sign.
 *
 * Does not own signing, L1 transactions, or when to post. Invariant: a payload is derived back to
 * the same blocks before its header leaves here (PROTOCOL 8).
 */
import assert from "node:assert/strict";
import { bytesEqual, type Hex, ZERO_HASH } from "../../lanes/bytes.ts";
import { DEPOSIT_TYPE } from "../../lanes/transaction.ts";
import { parseAttributes } from "../chain/attributes.ts";
import { batchFlashRoot } from "../chain/batch-content.ts";
import { NodeError } from "../errors.ts";
import type { BlockRef } from "../primitives/block.ts";
import type { ChainReader, StoredBlock } from "../storage/store.ts";
import type { CompressService } from "../workers/compress.ts";
import type { KzgService } from "../workers/kzg.ts";
import { blobPayloadHash, blobsToPayload, PAYLOAD_BYTES_MAX, payloadToBlobs } from "./blob.ts";
import {
  BATCH_BLOCKS_MAX,
  COLUMNS_BYTES_MAX,
  decodePayload,
  encodeColumns,
  encodePayload,
  type PayloadBlock,
} from "./codec.ts";
import type { BatchHeader } from "./settlement.ts";
import { GENESIS_TERM } from "../rollup-config.ts";

/** More than the columns spend on a transaction, or on a block, beside the transactions' bytes. */
const OVERHEAD_BYTES = 64;
/** Tries at cutting a batch down to what its blobs hold. */
const FIT_ROUNDS = 16;

/** A block with what the batch needs of it. */
export interface UnpostedBlock {
  readonly stored: StoredBlock;
  readonly origin: BlockRef;
}

/** What the header takes from L1 and from the batch before. */
export interface BatchPlace {
  readonly index: number;
  readonly previousBatchHash: Hex;
}

export interface BuiltBatch {
  readonly header: BatchHeader;
  readonly payload: Uint8Array;
}

export interface BuilderDeps {
  readonly compress: CompressService;
  readonly kzg: Pick<KzgService, "blobToVersionedHash">;
}

/**
 * Blocks after the safe head in order, as many as one batch may hold before compression, whose
 * origin is at most `originMax`. `full`: the size stopped it.
 */
export function collectUnposted(
  chain: Pick<ChainReader, "heads" | "blockByNumber">,
  originMax: number,
): { readonly blocks: readonly UnpostedBlock[]; readonly full: boolean } {
  const { safe, unsafe } = chain.heads();
  const blocks: UnpostedBlock[] = [];
  let bytes = 0;
  for (let number = safe.number + 1; number <= unsafe.number; number++) {
    const stored = chain.blockByNumber(number);
    if (stored === null) break;
    const origin = originOf(stored);
    if (origin.number > originMax) break;
    bytes += columnBytes(stored);
    if (blocks.length > 0 && (bytes > COLUMNS_BYTES_MAX || blocks.length === BATCH_BLOCKS_MAX))
      return { blocks, full: true };
    blocks.push({ stored, origin });
  }
  return { blocks, full: bytes > PAYLOAD_BYTES_MAX };
}

function originOf(stored: StoredBlock): BlockRef {
  const first = stored.block.transactions[0];
  const attributes = first === undefined ? null : parseAttributes(first);
  // Genesis is in no batch, and every other block of the chain begins with its attributes.
  if (attributes?.ok !== true)
    throw new NodeError("STORAGE_CORRUPT", { block: stored.block.header.number });
  return { number: attributes.value.originNumber, hash: attributes.value.originHash };
}

function columnBytes({ block, laneData }: StoredBlock): number {
  const parts = 1 + laneData.flashblocks.length + block.transactions.length;
  return block.transactions.reduce((total, { raw }) => total + raw.length, parts * OVERHEAD_BYTES);
}

/** Builds the batch from as many of the blocks, from the first on, as its blobs hold. */
export async function buildBatch(
  blocks: readonly UnpostedBlock[],
  place: BatchPlace,
  deps: BuilderDeps,
): Promise<BuiltBatch> {
  let taken = blocks;
  for (let round = 0; round < FIT_ROUNDS; round++) {
    const payloadBlocks = toPayloadBlocks(taken);
    const payload = await encodePayload(payloadBlocks, (bytes) => deps.compress.compress(bytes));
    if (payload.length <= PAYLOAD_BYTES_MAX) {
      await deriveBack(payload, payloadBlocks, deps);
      return { header: await makeHeader(taken, payload, place, deps), payload };
    }
    const share = Math.floor((0.9 * taken.length * PAYLOAD_BYTES_MAX) / payload.length);
    if (taken.length === 1) break;
    taken = taken.slice(0, Math.max(1, Math.min(share, taken.length - 1)));
  }
  const number = taken[0]?.stored.block.header.number ?? 0;
  throw new NodeError("LIMIT_EXCEEDED", { block: number, payloadBytesMax: PAYLOAD_BYTES_MAX });
}

function toPayloadBlocks(blocks: readonly UnpostedBlock[]): PayloadBlock[] {
  return blocks.map(({ stored, origin }, i) => {
    const before = blocks[i - 1]?.origin.number ?? origin.number;
    assert(origin.number === before || origin.number === before + 1, "origins advance by one");
    return {
      timestamp: stored.block.header.timestamp,
      originAdvances: origin.number !== before,
      laneData: stored.laneData,
      transactions: stored.block.transactions
        .filter(({ type }) => type !== DEPOSIT_TYPE)
        .map(({ raw }) => raw),
    };
  });
}

/** What every other node will do with the payload, before it is signed. */
async function deriveBack(
  payload: Uint8Array,
  blocks: readonly PayloadBlock[],
  deps: BuilderDeps,
): Promise<void> {
  const bytes = blobsToPayload(payloadToBlobs(payload));
  const decoded = bytes.ok
    ? await decodePayload(bytes.value, (input, max) => deps.compress.decompress(input, max))
    : bytes;
  if (!decoded.ok) throw new NodeError(decoded.code, decoded.data);
  if (!bytesEqual(encodeColumns(decoded.value), encodeColumns(blocks)))
    throw new NodeError("BATCH_MALFORMED", { field: "blocks" });
}

async function makeHeader(
  blocks: readonly UnpostedBlock[],
  payload: Uint8Array,
  place: BatchPlace,
  deps: BuilderDeps,
): Promise<BatchHeader> {
  const first = blocks[0];
  const last = blocks.at(-1);
  assert(first !== undefined && last !== undefined);
  const hashes: Hex[] = [];
  for (const blob of payloadToBlobs(payload)) {
    const hash = await deps.kzg.blobToVersionedHash(blob);
    assert(hash !== null, "own blobs hold canonical field elements");
    hashes.push(hash);
  }
  const { block } = last.stored;
  return {
    ...place,
    firstBlock: first.stored.block.header.number,
    lastBlock: block.header.number,
    lastBlockHash: block.hash,
    stateRoot: block.header.stateRoot,
    withdrawalRoot: block.header.withdrawalsRoot,
    flashRoot: batchFlashRoot(blocks.map(({ stored }) => stored)),
    laneStateHash: ZERO_HASH,
    firstOrigin: first.origin.number,
    lastOriginNumber: last.origin.number,
    lastOriginHash: last.origin.hash,
    delayedCount: 0,
    delayedAcc: ZERO_HASH,
    term: GENESIS_TERM,
    payloadHash: blobPayloadHash(hashes),
  };
}
