/**
 * A signed flashblock rebuilt from the block it stands in: what a receipt of an older transaction
 * is made from. Owns where each of its parts is found. Does not own receipts.
 */
import { type Hex, ZERO_HASH } from "../../lanes/bytes.ts";
import { NORMAL } from "../../lanes/classify.ts";
import type { FlashblockContext } from "../../lanes/flashblock.ts";
import { FlashblockLeaves } from "../../lanes/flashblock-leaves.ts";
import { decodeLaneState } from "../../lanes/lane-state.ts";
import { leafNumbers } from "../../lanes/leaf-numbers.ts";
import { flashblockOrderHash, type SignedFlashblock } from "../../lanes/signed-flashblock.ts";
import { DEPOSIT_TYPE } from "../../lanes/transaction.ts";
import { NodeError } from "../errors.ts";
import { GENESIS_TERM, type RollupConfig } from "../rollup-config.ts";
import type { ChainReader, StoredBlock } from "../storage/store.ts";
import { parseAttributes } from "./attributes.ts";
import type { StoredClasses } from "./stored-classes.ts";

export interface FlashblockPlace {
  readonly rollup: Pick<RollupConfig, "chainId">;
  readonly classes: StoredClasses;
  /** Of the block. */
  readonly number: number;
  /** Of the flashblock. */
  readonly index: number;
}

/**
 * `null` where there is no such flashblock, or no signature of it. Errors: `STORAGE_CORRUPT` where
 * it is not the one whose `orderHash` was stored.
 */
export function signedFlashblock(
  chain: ChainReader,
  place: FlashblockPlace,
): SignedFlashblock | null {
  const { number, index } = place;
  const stored = chain.blockByNumber(number);
  const receipts = chain.receipts(number);
  const entry = stored?.laneData.flashblocks[index];
  const signature = stored?.flashblockSignatures[index];
  if (stored === null || receipts === null || entry === undefined || signature === undefined)
    return null;
  const leaves = leavesOf(chain, stored, receipts, place);
  const parentOrderHash =
    stored.orderHashes[index - 1] ?? chain.blockByNumber(number - 1)?.orderHashes.at(-1);
  const flashblock: SignedFlashblock = {
    header: {
      ...contextOf(stored, place),
      leaderEpoch: entry.leaderEpoch,
      index,
      parentOrderHash: parentOrderHash ?? ZERO_HASH,
      txCount: leaves.count,
      laneRoot: leaves.laneRoot(),
      timestampMs: entry.timestampMs,
    },
    resultRoot: leaves.resultRoot(),
    gasUsed: leaves.gasUsed,
    leaves: leaves.bytes(),
    signature,
  };
  if (flashblockOrderHash(flashblock) !== stored.orderHashes[index])
    throw new NodeError("STORAGE_CORRUPT", { record: "flashblock", number, index });
  return flashblock;
}

/** Where a block stands towards L1, and in the sequencer's terms. */
export interface BlockPosition {
  readonly term: number;
  readonly lastForced: number;
  readonly l1OriginNumber: number;
  readonly l1OriginHash: Hex;
}

/** Genesis stands nowhere: all of it is zero. */
export function blockPosition({ block, laneState }: StoredBlock): BlockPosition {
  const { header, transactions } = block;
  if (header.number === 0)
    return { term: GENESIS_TERM, lastForced: 0, l1OriginNumber: 0, l1OriginHash: ZERO_HASH };
  const [first] = transactions;
  const attributes = first?.type === DEPOSIT_TYPE ? parseAttributes(first) : null;
  const state = decodeLaneState(laneState);
  if (attributes?.ok !== true || !state.ok)
    throw new NodeError("STORAGE_CORRUPT", { record: "block", number: header.number });
  const { originNumber, originHash } = attributes.value;
  return {
    term: GENESIS_TERM,
    // No forced blocks in this version: the same before and after the block.
    lastForced: state.value.lastForced,
    l1OriginNumber: originNumber,
    l1OriginHash: originHash,
  };
}

/** What all flashblocks of the block have in common. */
function contextOf(stored: StoredBlock, { rollup }: FlashblockPlace): FlashblockContext {
  const { header } = stored.block;
  return {
    ...blockPosition(stored),
    chainId: rollup.chainId,
    blockNumber: header.number,
    timestamp: header.timestamp,
    policyHash: stored.laneData.policyHash,
  };
}

function leavesOf(
  chain: ChainReader,
  stored: StoredBlock,
  receipts: NonNullable<ReturnType<ChainReader["receipts"]>>,
  { classes, index }: FlashblockPlace,
): FlashblockLeaves {
  const { block, laneData } = stored;
  const counts = laneData.flashblocks.map(({ txCount }) => txCount);
  const from = counts.slice(0, index).reduce((sum, count) => sum + count, 0);
  const to = from + (counts[index] ?? 0);
  const leaves = new FlashblockLeaves();
  const numbers = leafNumbers(block.transactions, laneData);
  const found = classes.of(chain, stored);
  for (const [offset, transaction] of block.transactions.slice(from, to).entries()) {
    const at = from + offset;
    const { rank, rule } = found[at] ?? NORMAL;
    const { hash: txHash, gasLimit } = transaction;
    const { accepted, ready } = numbers[at] ?? { accepted: 0n, ready: 0n };
    const { status = 0, gasUsed = 0n } = receipts[at] ?? {};
    leaves.add({ txHash, rank, rule, accepted, ready, gasLimit }, { txHash, status, gasUsed });
  }
  return leaves;
}
