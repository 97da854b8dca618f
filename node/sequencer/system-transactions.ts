/**
 * What the protocol itself puts into the open block: the attributes, and epochs. Owns that a block
 * cannot do without them. Does not own what they say. PROTOCOL 4, 5.
 */
import { EPOCH_SENDER } from "../../lanes/epoch-transaction.ts";
import { NodeError } from "../errors.ts";
import type { Engine } from "../execution/engine.ts";
import type { DepositTransaction } from "../primitives/transaction.ts";
import type { BlockAssembly } from "./block-assembly.ts";

/**
 * Executes one at the end of the open flashblock; returns the gas it has used. Errors: `INTERNAL`
 * where it cannot be executed, `VERIFICATION_FAILED` for an epoch that fails: nobody would take a
 * block with it.
 */
export async function placeSystem(
  transaction: DepositTransaction,
  engine: Pick<Engine, "apply">,
  assembly: BlockAssembly,
): Promise<bigint> {
  const { sender } = transaction;
  const result = await engine.apply(transaction);
  if (!result.ok) throw new NodeError("INTERNAL", { system: sender, code: result.code });
  if (sender === EPOCH_SENDER && result.receipt.status !== 1)
    throw new NodeError("VERIFICATION_FAILED", { part: "prices", reason: "the epoch failed" });
  assembly.addSystem(transaction, result.receipt);
  return result.receipt.gasUsed;
}
