/**
 * The safe and finalized heads: batches from L1 become the safe chain, or are void.
 *
 * Owns: the verdict on a decoded batch (PROTOCOL 8, "Valid iff"), consolidation with blocks already
 * known, and the derivation cursor. Does not own: fetching and decoding (settlement).
 * Invariant: the verdict depends on L1 alone, never on what this node happened to hold before.
 */
import { type Hex, ZERO_HASH } from "../../lanes/bytes.ts";
import { accept, refuse, type Verdict } from "../../lanes/verdict.ts";
import { NodeError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { BlockRef } from "../primitives/block.ts";
import { decodeTransaction, type UserTransaction } from "../primitives/transaction.ts";
import type { DerivationCursor, Store, StoredBlock } from "../storage/store.ts";
import {
  type BatchBlock,
  type BatchClaims,
  checkClaims,
  heldBlocks,
  invalidBatch,
} from "./batch-content.ts";
import { type Chain } from "./chain.ts";
import { GENESIS_TERM } from "../rollup-config.ts";

/**
 * Safe heads remembered until the L1 block they came from is final; older ones are merged into the
 * next.
 */
const PENDING_FINALITY_MAX = 1024;

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
  /**
   * As `applyBatch` for one whose blocks were compared with the stored ones by another thread; `false`
   * where the last of them is not in the chain any more, or something is wrong with the header.
   */
  applyHeld(batch: Omit<DecodedBatch, "blocks">): Promise<boolean>;
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

  const makeSafe = async (
    { index, lastBlock, lastBlockHash }: BatchClaims,
    batchHash: Hex,
    l1Block: BlockRef,
  ): Promise<void> => {
    await moveCursor(index, batchHash, l1Block, { number: lastBlock, hash: lastBlockHash });
    log.info("batch is safe", { index, lastBlock });
  };

  const applyBatch = async (batch: DecodedBatch): Promise<BatchOutcome> => {
    const { header, batchHash, l1Block } = batch;
    const shape = checkShape(chain, batch);
    let verdict: Verdict<null> = shape;
    if (shape.ok) {
      const held = heldBlocks(store, batch.blocks);
      verdict =
        held.length === batch.blocks.length
          ? checkClaims(held, header)
          : await appendRest(chain, deps, batch);
    }
    if (!verdict.ok) {
      const reason = JSON.stringify({ code: verdict.code, ...verdict.data });
      await spendIndex(header.index, batchHash, l1Block, reason);
      return { valid: false, reason };
    }
    await makeSafe(header, batchHash, l1Block);
    return { valid: true };
  };

  return {
    applyBatch,
    async applyHeld({ header, batchHash, l1Block }) {
      const stored = store.headerByNumber(header.lastBlock);
      if (stored?.hash !== header.lastBlockHash || !checkRange(chain, header).ok) return false;
      await makeSafe(header, batchHash, l1Block);
      return true;
    },
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

/** What can be said of a batch before any of its blocks is looked at. */
function checkShape(chain: Chain, batch: DecodedBatch): Verdict<null> {
  const { header, blocks } = batch;
  const first = blocks[0];
  const last = blocks.at(-1);
  const range = checkRange(chain, header);
  if (!range.ok) return range;
  if (first === undefined || last === undefined) return invalidBatch("blocks");
  if (header.lastBlock !== header.firstBlock + blocks.length - 1) return invalidBatch("lastBlock");
  if (blocks.some(({ number }, i) => number !== header.firstBlock + i))
    return invalidBatch("number");
  if (header.firstOrigin !== first.origin.number) return invalidBatch("firstOrigin");
  if (header.lastOriginNumber !== last.origin.number) return invalidBatch("lastOriginNumber");
  if (header.lastOriginHash !== last.origin.hash) return invalidBatch("lastOriginHash");
  return accept(null);
}

/** What a header has to say of itself, here and now. */
function checkRange(chain: Chain, header: BatchClaims): Verdict<null> {
  const cursor = chain.cursor();
  // The contract enforces both; a mismatch means that L1 was not read in order.
  if (
    header.index !== cursor.nextBatchIndex ||
    header.previousBatchHash !== cursor.previousBatchHash
  )
    throw new NodeError("INTERNAL", { batch: header.index, expected: cursor.nextBatchIndex });
  if (header.firstBlock !== chain.heads().safe.number + 1) return invalidBatch("firstBlock");
  if (header.term !== GENESIS_TERM) return invalidBatch("term");
  if (header.laneStateHash !== ZERO_HASH) return invalidBatch("laneStateHash");
  if (header.delayedCount !== 0 || header.delayedAcc !== ZERO_HASH)
    return invalidBatch("delayedCount");
  return accept(null);
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
    const known = heldBlocks(deps.store, batch.blocks).length;
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
    if (verdict.ok) verdict = checkClaims(heldBlocks(deps.store, batch.blocks), batch.header);
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
