/**
 * Blocks of which flashblocks are promised and that are not in the store: what they need to be
 * executed again. From the journal after a restart; from the builder where results were corrected.
 *
 * Owns: which of them belong together, and which block is complete: nothing may be added to a block
 * that another one follows. At most two blocks, as the sequencer has under way.
 */
import type { Hex } from "../../lanes/bytes.ts";
import type { FlashblockHeader } from "../../lanes/flashblock.ts";
import { decodeLeaves } from "../../lanes/flashblock-leaves.ts";
import { NodeError } from "../errors.ts";
import type { Transaction } from "../primitives/transaction.ts";
import type { Restored } from "./admission.ts";
import type { BuiltBlock } from "./built-block.ts";
import type { ReplayedFlashblock } from "./replayed.ts";

export interface PromisedBlock {
  /** Of its first flashblock: all have the same number, time and origin. */
  readonly header: FlashblockHeader;
  readonly flashblocks: readonly ReplayedFlashblock[];
  /** Journal records that it settles: its flashblocks', and reports' where it was sealed before. */
  readonly records: readonly bigint[];
  readonly isComplete: boolean;
  /** Its results were found wrong once: a second time is the end. */
  readonly isCorrection: boolean;
}

/**
 * The journal's flashblocks above `head`, block by block, with their transactions from the journal.
 * Errors: `STORAGE_CORRUPT` where a flashblock is missing.
 */
export function promisedBlocks(
  { flashblocks, transactions }: Restored,
  head: number,
): PromisedBlock[] {
  const blocks: PromisedBlock[] = [];
  const above = flashblocks.filter(({ header }) => header.blockNumber > head);
  for (let number = head + 1; ; number++) {
    const own = above.filter(({ header }) => header.blockNumber === number);
    const [first] = own;
    if (first === undefined) break;
    if (own.some(({ header }, index) => header.index !== index)) throw missing(number);
    blocks.push({
      header: first.header,
      flashblocks: own.map((executed) => ({
        executed,
        prices: executed.prices,
        transaction: fromJournal(executed, transactions),
      })),
      records: own.map(({ record }) => record),
      isComplete: above.some(({ header }) => header.blockNumber > number),
      isCorrection: false,
    });
  }
  const found = blocks.reduce((sum, { flashblocks: own }) => sum + own.length, 0);
  if (found !== above.length) throw missing(head + 1 + blocks.length);
  return blocks;
}

/** A block that was built, to be executed again. */
export function promisedAgain(
  built: BuiltBlock,
  records: readonly bigint[],
  kind: Pick<PromisedBlock, "isComplete" | "isCorrection">,
): PromisedBlock {
  const [first] = built.flashblocks;
  if (first === undefined) throw new NodeError("INTERNAL", { block: "no flashblock" });
  const byHash = new Map<Hex, Transaction>();
  for (const { transactions } of built.flashblocks)
    for (const transaction of transactions) byHash.set(transaction.hash, transaction);
  return {
    header: first.executed.header,
    flashblocks: built.flashblocks.map(({ executed, prices }) => ({
      executed,
      prices,
      transaction: (hash) => byHash.get(hash),
    })),
    records,
    ...kind,
  };
}

function fromJournal(
  { leaves }: ReplayedFlashblock["executed"],
  transactions: Restored["transactions"],
): ReplayedFlashblock["transaction"] {
  const decoded = decodeLeaves(leaves);
  const numbers = new Map<Hex, bigint>();
  if (decoded.ok) for (const { lane } of decoded.value) numbers.set(lane.txHash, lane.accepted);
  return (hash) => {
    const accepted = numbers.get(hash);
    return accepted === undefined ? undefined : transactions.get(accepted);
  };
}

function missing(block: number): NodeError {
  return new NodeError("STORAGE_CORRUPT", { record: "journal", reason: "flashblocks", block });
}
