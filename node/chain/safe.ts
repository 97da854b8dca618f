/**
 * The safe and finalized heads: batches from L1 become the safe chain, or are void.
 *
 * Owns: the verdict on a decoded batch (PROTOCOL 8, "Valid iff"), consolidation with blocks already
 * known, and the derivation cursor. Does not own: fetching and decoding (settlement).
 * Invariant: the verdict depends on L1 alone, never on what this node happened to hold before.
 */
import { bytesEqual, type Hex, ZERO_HASH } from "../../lanes/bytes.ts";
import { flashRoot } from "../../lanes/flash-root.ts";
import { type LaneData, laneDataHash } from "../../lanes/lane-data.ts";
import type { BatchCommitment } from "../../lanes/signed.ts";
import { DEPOSIT_TYPE } from "../../lanes/transaction.ts";
import { accept, refuse, type Verdict } from "../../lanes/verdict.ts";
import { NodeError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Block, BlockRef } from "../primitives/block.ts";
import type { L1Origin } from "../primitives/l1-origin.ts";
import { decodeTransaction, type UserTransaction } from "../primitives/transaction.ts";
import type { DerivationCursor, Store, StoredBlock } from "../storage/store.ts";
import { parseAttributes } from "./attributes.ts";
import { type Chain } from "./chain.ts";
import { GENESIS_TERM } from "../rollup-config.ts";

/**
 * Safe heads remembered until the L1 block they came from is final; older ones are merged into the
 * next.
 */
const PENDING_FINALITY_MAX = 1024;

/** One block as a batch carries it. */
export interface BatchBlock {
  readonly number: number;
  /** Unix seconds. */
  readonly timestamp: number;
  readonly origin: L1Origin;
  readonly laneData: LaneData;
  /** Raw user transactions in block order. */
  readonly transactions: readonly Uint8Array[];
}

/** The header fields that derivation can recompute; the payload's hash was checked when fetched. */
export type BatchClaims = Omit<BatchCommitment, "payloadHash">;

export interface DecodedBatch {
  readonly header: BatchClaims;
  readonly batchHash: Hex;
  readonly blocks: readonly BatchBlock[];
  /** The L1 block that carries the batch. */
  readonly l1Block: BlockRef;
}

export type BatchOutcome =
  { readonly valid: true } | { readonly valid: false; readonly reason: string };

export interface SafeDeps {
  readonly store: Store;
  recoverSenders(raws: readonly Uint8Array[]): Promise<readonly (Hex | null)[]>;
  /**
   * Whether this node sequences: then a batch that contradicts its chain is fatal, never adopted.
   */
  sequencing(): boolean;
  readonly log: Logger;
}

export interface SafeChain {
  /**
   * Applies the next batch: its blocks become safe, or its index is spent. Durable when it
   * resolves.
   */
  applyBatch(batch: DecodedBatch): Promise<BatchOutcome>;
  /** Spends the index of a batch that did not decode. */
  spendIndex(index: number, batchHash: Hex, l1Block: BlockRef, reason: string): Promise<void>;
  /** All logs up to this L1 block are applied; `finalizedL1Number` moves the finalized head. */
  applyL1(l1Block: BlockRef, finalizedL1Number: number): Promise<void>;
}

export function createSafeChain(chain: Chain, deps: SafeDeps): SafeChain {
  const { log, store } = deps;

  const moveCursor = (index: number, batchHash: Hex, l1Block: BlockRef, safe: BlockRef | null) => {
    const cursor = chain.cursor();
    const { finalized } = chain.heads();
    const pendingFinality =
      safe === null
        ? cursor.pendingFinality
        : [...cursor.pendingFinality, { l1Number: l1Block.number, l2: safe }].slice(
            -PENDING_FINALITY_MAX,
          );
    const next: DerivationCursor = {
      nextBatchIndex: index + 1,
      previousBatchHash: batchHash,
      l1Block: cursor.l1Block,
      pendingFinality,
    };
    return chain.advance({ safe: safe ?? chain.heads().safe, finalized }, next);
  };

  const spendIndex: SafeChain["spendIndex"] = async (index, batchHash, l1Block, reason) => {
    log.warn("batch is void", { index, reason });
    await moveCursor(index, batchHash, l1Block, null);
  };

  const applyBatch = async (batch: DecodedBatch): Promise<BatchOutcome> => {
    const { header, batchHash, l1Block } = batch;
    const shape = checkShape(chain, batch);
    let verdict: Verdict<null> = shape;
    if (shape.ok) {
      verdict =
        knownPrefix(store, batch.blocks) === batch.blocks.length
          ? checkClaims(store, batch)
          : await appendRest(chain, deps, batch);
    }
    if (!verdict.ok) {
      const reason = JSON.stringify({ code: verdict.code, ...verdict.data });
      await spendIndex(header.index, batchHash, l1Block, reason);
      return { valid: false, reason };
    }
    const safe: BlockRef = { number: header.lastBlock, hash: header.lastBlockHash };
    await moveCursor(header.index, batchHash, l1Block, safe);
    log.info("batch is safe", { index: header.index, lastBlock: header.lastBlock });
    return { valid: true };
  };

  return {
    applyBatch,
    spendIndex,
    async applyL1(l1Block, finalizedL1Number) {
      const cursor = chain.cursor();
      const settled = cursor.pendingFinality.filter(
        ({ l1Number }) => l1Number <= finalizedL1Number,
      );
      const finalized = settled.at(-1)?.l2 ?? chain.heads().finalized;
      const pendingFinality = cursor.pendingFinality.slice(settled.length);
      await chain.advance(
        { safe: chain.heads().safe, finalized },
        { ...cursor, l1Block, pendingFinality },
      );
    },
  };
}

function invalid(field: string): Verdict<never> {
  return refuse("BATCH_VOID", { field });
}

/** What can be said of a batch before any of its blocks is looked at. */
function checkShape(chain: Chain, { header, blocks }: DecodedBatch): Verdict<null> {
  const cursor = chain.cursor();
  // The contract enforces both; a mismatch means that L1 was not read in order.
  if (
    header.index !== cursor.nextBatchIndex ||
    header.previousBatchHash !== cursor.previousBatchHash
  )
    throw new NodeError("INTERNAL", { batch: header.index, expected: cursor.nextBatchIndex });
  const first = blocks[0];
  const last = blocks.at(-1);
  if (first === undefined || last === undefined) return invalid("blocks");
  if (header.firstBlock !== chain.heads().safe.number + 1) return invalid("firstBlock");
  if (header.lastBlock !== header.firstBlock + blocks.length - 1) return invalid("lastBlock");
  if (blocks.some(({ number }, i) => number !== header.firstBlock + i)) return invalid("number");
  if (header.firstOrigin !== first.origin.number) return invalid("firstOrigin");
  if (header.lastOriginNumber !== last.origin.number) return invalid("lastOriginNumber");
  if (header.lastOriginHash !== last.origin.hash) return invalid("lastOriginHash");
  if (header.term !== GENESIS_TERM) return invalid("term");
  if (header.laneStateHash !== ZERO_HASH) return invalid("laneStateHash");
  if (header.delayedCount !== 0 || header.delayedAcc !== ZERO_HASH) return invalid("delayedCount");
  return accept(null);
}

/** How many of the batch's blocks this node already holds with the very same content. */
function knownPrefix(store: Store, blocks: readonly BatchBlock[]): number {
  const unknown = blocks.findIndex((block) => {
    const stored = store.blockByNumber(block.number);
    return stored === null || !sameContent(stored, block);
  });
  return unknown === -1 ? blocks.length : unknown;
}

function sameContent(stored: StoredBlock, block: BatchBlock): boolean {
  const { header, transactions } = stored.block;
  const users = transactions.filter(({ type }) => type !== DEPOSIT_TYPE);
  return (
    header.timestamp === block.timestamp &&
    laneDataHash(stored.laneData) === laneDataHash(block.laneData) &&
    users.length === block.transactions.length &&
    users.every(({ raw }, i) => bytesEqual(raw, block.transactions[i] as Uint8Array)) &&
    originHashOf(stored.block) === block.origin.hash
  );
}

/** Executes what is not known yet; takes it back where the batch turns out void. */
async function appendRest(
  chain: Chain,
  deps: SafeDeps,
  batch: DecodedBatch,
): Promise<Verdict<null>> {
  const { index, firstBlock } = batch.header;
  if (deps.sequencing()) throw new NodeError("CHAIN_DIVERGED", { batch: index });
  return chain.exclusive(async () => {
    // Looked at inside the lock: gossip may have brought some of it meanwhile.
    const known = knownPrefix(deps.store, batch.blocks);
    const keep = firstBlock - 1 + known;
    let removed: readonly StoredBlock[] = [];
    if (known < batch.blocks.length && chain.heads().unsafe.number > keep) {
      deps.log.error("unsafe blocks contradict L1 and are taken back", { from: keep + 1 });
      removed = await chain.rollback(keep);
    }
    let verdict: Verdict<null> = accept(null);
    for (const block of batch.blocks.slice(known)) {
      verdict = await appendBlock(chain, deps, block);
      if (!verdict.ok) break;
    }
    if (verdict.ok) verdict = checkClaims(deps.store, batch);
    if (verdict.ok) return verdict;
    if (chain.heads().unsafe.number > keep) await chain.rollback(keep);
    await putBack(chain, deps, removed);
    return verdict;
  });
}

/** What a void batch contradicted stands as before. */
async function putBack(
  chain: Chain,
  { log }: SafeDeps,
  blocks: readonly StoredBlock[],
): Promise<void> {
  for (const { block, laneData, signature } of blocks) {
    const imported = await chain.importNext({ ...block, laneData, signature });
    if (imported.ok) continue;
    // L1 may have changed meanwhile; peers have it, if anybody does.
    const { number } = block.header;
    log.warn("an unsafe block is not put back", { number, code: imported.code });
    return;
  }
}

async function appendBlock(
  chain: Chain,
  deps: SafeDeps,
  block: BatchBlock,
): Promise<Verdict<null>> {
  const senders = await deps.recoverSenders(block.transactions);
  const transactions: UserTransaction[] = [];
  for (const [index, raw] of block.transactions.entries()) {
    const decoded = decodeTransaction(raw);
    const sender = senders[index];
    if (!decoded.ok || sender === null || sender === undefined)
      return refuse("SENDER_UNRECOVERABLE", { block: block.number, index });
    transactions.push({ ...decoded.value, sender });
  }
  const { timestamp, origin, laneData } = block;
  const appended = await chain.append(
    { timestamp, origin, laneData, transactions },
    { signature: null, expected: null },
  );
  return appended.ok
    ? accept(null)
    : refuse(appended.code, { ...appended.data, block: block.number });
}

/** Every recomputable header field against the blocks as stored. */
function checkClaims(store: Store, { header }: DecodedBatch): Verdict<null> {
  const blocks: StoredBlock[] = [];
  for (let number = header.firstBlock; number <= header.lastBlock; number++) {
    const stored = store.blockByNumber(number);
    if (stored === null) return invalid("blocks");
    blocks.push(stored);
  }
  const last = (blocks.at(-1) as StoredBlock).block;
  if (last.hash !== header.lastBlockHash) return invalid("lastBlockHash");
  if (last.header.stateRoot !== header.stateRoot) return invalid("stateRoot");
  if (last.header.withdrawalsRoot !== header.withdrawalRoot) return invalid("withdrawalRoot");
  return batchFlashRoot(blocks) === header.flashRoot ? accept(null) : invalid("flashRoot");
}

/** `flashRoot` over stored blocks: the batcher claims it, derivation recomputes it. */
export function batchFlashRoot(blocks: readonly StoredBlock[]): Hex {
  return flashRoot(
    blocks.map((stored) => ({
      number: stored.block.header.number,
      blockHash: stored.block.hash,
      laneDataHash: laneDataHash(stored.laneData),
      term: GENESIS_TERM,
      lastForced: 0,
      l1OriginHash: originHashOf(stored.block),
      orderHashes: stored.orderHashes,
    })),
  );
}

function originHashOf(block: Block): Hex {
  const first = block.transactions[0];
  const attributes = first?.type === DEPOSIT_TYPE ? parseAttributes(first) : null;
  // Genesis is in no batch, and every other block of the chain begins with its attributes.
  if (attributes?.ok !== true) throw new NodeError("INTERNAL", { block: block.header.number });
  return attributes.value.originHash;
}
