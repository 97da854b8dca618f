/**
 * Flashblocks that are promised and not in a block yet: executed once more, in the order they were
 * signed in. After a restart, and where results of the block before were corrected.
 *
 * Owns: that the order stands, and the prices that it began with, whatever its results are now.
 * DESIGN 4, PROTOCOL 10.
 * Errors: `VERIFICATION_FAILED` where the order cannot be executed, or is not the one signed.
 */
import type { LaneLeaf } from "../../lanes/flashblock.ts";
import { decodeLeaves } from "../../lanes/flashblock-leaves.ts";
import { SYSTEM_RANK } from "../../lanes/classify.ts";
import type { LanePrices } from "../../lanes/lane-data.ts";
import { DEPOSIT_TYPE } from "../../lanes/transaction.ts";
import { type ExecutedFlashblock, flashblockOrderHash } from "../../lanes/signed-flashblock.ts";
import type { Hex } from "../../lanes/bytes.ts";
import { NodeError } from "../errors.ts";
import type { Engine } from "../execution/engine.ts";
import type { DepositTransaction, Transaction } from "../primitives/transaction.ts";
import type { Pool } from "../txpool/pool-api.ts";
import type { AssembledFlashblock, BlockAssembly } from "./block-assembly.ts";
import type { Pricing } from "./pricing.ts";
import { placeSystem } from "./system-transactions.ts";

/** A flashblock as it was signed, and where its transactions are found. */
export interface ReplayedFlashblock {
  readonly executed: ExecutedFlashblock;
  readonly prices: LanePrices;
  /** By hash, all but the system's. */
  transaction(hash: Hex): Transaction | undefined;
}

/** The open block, and what a flashblock is executed again with. */
export interface ReplayDeps {
  readonly engine: Engine;
  readonly pool: Pick<Pool, "executedAgain">;
  /** Of the block. */
  readonly attributes: DepositTransaction;
  readonly assembly: BlockAssembly;
  readonly pricing: Pricing;
  /** An epoch has used this much gas. */
  onEpoch(gas: bigint): void;
  /** A transaction of a user stands in the block again. */
  onPlaced(leaf: LaneLeaf): void;
}

/** Executes a flashblock again at the end of the open block. */
export async function replayFlashblock(
  flashblock: ReplayedFlashblock,
  deps: ReplayDeps,
): Promise<AssembledFlashblock> {
  const { engine, pool, attributes, assembly, pricing } = deps;
  const { executed, prices } = flashblock;
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
  const { transaction: epoch } = pricing.again(prices, timestampMs);
  assembly.begin(timestampMs, leaderEpoch, prices);
  for (const { lane } of leaves.value) {
    if (lane.rank === SYSTEM_RANK) {
      const system = [attributes, epoch].find((each) => each?.hash === lane.txHash) ?? null;
      if (system === null) throw broken("not of the system");
      const gas = await placeSystem(system, engine, assembly);
      if (system === epoch) deps.onEpoch(gas);
      continue;
    }
    const transaction = flashblock.transaction(lane.txHash);
    if (transaction?.hash !== lane.txHash) throw broken("a transaction is missing");
    const result = await engine.apply(transaction);
    if (!result.ok) throw broken(result.code);
    assembly.add(transaction, result.receipt, lane);
    deps.onPlaced(lane);
    pricing.placed(lane.accepted);
    if (transaction.type !== DEPOSIT_TYPE) pool.executedAgain(lane.accepted, transaction);
  }
  const again = assembly.end();
  if (again?.orderHash !== flashblockOrderHash(executed)) throw broken("another order");
  return again;
}
