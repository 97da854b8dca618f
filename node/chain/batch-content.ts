/**
 * A batch against the blocks that are stored: which of them are the very same, and whether the
 * header says the truth of them. PROTOCOL 8.
 *
 * Owns the comparison, for whoever reads the store: the sequencing thread, and the settlement
 * thread, which looks first so that the other need not (DESIGN I10). Does not own the verdict.
 */
import { bytesEqual, type Hex } from "../../lanes/bytes.ts";
import { flashRoot } from "../../lanes/flash-root.ts";
import { type LaneData, laneDataHash } from "../../lanes/lane-data.ts";
import type { BatchCommitment } from "../../lanes/signed.ts";
import { DEPOSIT_TYPE } from "../../lanes/transaction.ts";
import { accept, refuse, type Verdict } from "../../lanes/verdict.ts";
import { NodeError } from "../errors.ts";
import type { Block } from "../primitives/block.ts";
import type { L1Origin } from "../primitives/l1-origin.ts";
import { GENESIS_TERM } from "../rollup-config.ts";
import type { ChainReader, StoredBlock } from "../storage/store.ts";
import { parseAttributes } from "./attributes.ts";

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

/** The batch's first blocks, as far as they are stored with the very same content. */
export function heldBlocks(
  chain: Pick<ChainReader, "blockByNumber">,
  blocks: readonly BatchBlock[],
): StoredBlock[] {
  const held: StoredBlock[] = [];
  for (const block of blocks) {
    const stored = chain.blockByNumber(block.number);
    if (stored === null || !sameContent(stored, block)) break;
    held.push(stored);
  }
  return held;
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

/** Every recomputable header field against the blocks as stored: all of the batch's. */
export function checkClaims(blocks: readonly StoredBlock[], header: BatchClaims): Verdict<null> {
  const last = blocks.at(-1)?.block;
  if (last === undefined) return invalidBatch("blocks");
  if (last.hash !== header.lastBlockHash) return invalidBatch("lastBlockHash");
  if (last.header.stateRoot !== header.stateRoot) return invalidBatch("stateRoot");
  if (last.header.withdrawalsRoot !== header.withdrawalRoot) return invalidBatch("withdrawalRoot");
  return batchFlashRoot(blocks) === header.flashRoot ? accept(null) : invalidBatch("flashRoot");
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

/** The batch is void because of this field of its header. */
export function invalidBatch(field: string): Verdict<never> {
  return refuse("BATCH_VOID", { field });
}

function originHashOf(block: Block): Hex {
  const first = block.transactions[0];
  const attributes = first?.type === DEPOSIT_TYPE ? parseAttributes(first) : null;
  // Genesis is in no batch, and every other block of the chain begins with its attributes.
  if (attributes?.ok !== true) throw new NodeError("INTERNAL", { block: block.header.number });
  return attributes.value.originHash;
}
