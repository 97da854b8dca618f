/**
 * Flashblocks that are promised and not in a block yet: executed once more, in the order they were
 * signed in. After a restart, and where results of the block before were corrected.
 *
 * Owns: that the order stands, whatever its results are now. DESIGN 4, PROTOCOL 10.
 * Errors: `VERIFICATION_FAILED` where the order cannot be executed, or is not the one signed.
 */
import type { LaneLeaf } from "../../lanes/flashblock.ts";
import { decodeLeaves } from "../../lanes/flashblock-leaves.ts";
import { SYSTEM_RANK } from "../../lanes/classify.ts";
import { DEPOSIT_TYPE } from "../../lanes/transaction.ts";
import { type ExecutedFlashblock, flashblockOrderHash } from "../../lanes/signed-flashblock.ts";
import type { Hex } from "../../lanes/bytes.ts";
import { NodeError } from "../errors.ts";
import type { Engine } from "../execution/engine.ts";
import type { Transaction } from "../primitives/transaction.ts";
import type { Pool } from "../txpool/pool-api.ts";
import { type AssembledFlashblock, type BlockAssembly, SYSTEM_PLACE } from "./block-assembly.ts";

/** A flashblock as it was signed, and where its transactions are found. */
export interface ReplayedFlashblock {
  readonly executed: ExecutedFlashblock;
  /** By hash, all but the system's. */
  transaction(hash: Hex): Transaction | undefined;
}

export interface ReplayDeps {
  readonly engine: Engine;
  readonly pool: Pick<Pool, "executedAgain">;
}

/** Executes a flashblock again at the end of the open block. */
export async function replayFlashblock(
  flashblock: ReplayedFlashblock,
  attributes: Transaction,
  assembly: BlockAssembly,
  { engine, pool }: ReplayDeps,
  onPlaced: (leaf: LaneLeaf) => void,
): Promise<AssembledFlashblock> {
  const { executed } = flashblock;
  const { timestampMs, leaderEpoch, blockNumber, index } = executed.header;
  const broken = (reason: string): NodeError =>
    new NodeError("VERIFICATION_FAILED", {
      part: "order",
      block: blockNumber,
      flashblock: index,
      reason,
    });
  const leaves = decodeLeaves(executed.leaves);
  if (!leaves.ok) throw broken("leaves");
  assembly.begin(timestampMs, leaderEpoch);
  for (const { lane } of leaves.value) {
    const isSystem = lane.rank === SYSTEM_RANK;
    const transaction = isSystem ? attributes : flashblock.transaction(lane.txHash);
    if (transaction?.hash !== lane.txHash) throw broken("a transaction is missing");
    const result = await engine.apply(transaction);
    if (!result.ok) throw broken(result.code);
    assembly.add(transaction, result.receipt, isSystem ? SYSTEM_PLACE : lane);
    if (isSystem) continue;
    onPlaced(lane);
    if (transaction.type !== DEPOSIT_TYPE) pool.executedAgain(lane.accepted, transaction);
  }
  const again = assembly.end();
  if (again?.orderHash !== flashblockOrderHash(executed)) throw broken("another order");
  return again;
}
