/**
 * What the methods work with: the chain's reader, the sequencing thread, and the chain's constants.
 */
import type { Policy } from "../lanes/policy.ts";
import type { NodeApi } from "../node/api.ts";
import { NodeError } from "../node/errors.ts";
import type { Remote } from "../node/port.ts";
import type { PreemptionSignal } from "../node/preemption-signal.ts";
import type { Receipt } from "../node/primitives/receipt.ts";
import { type BlockId, type Reader, resolveBlock as resolve } from "../node/reader.ts";
import type { RollupConfig } from "../node/rollup-config.ts";
import type { StoredBlock } from "../node/storage/store.ts";

export interface RpcContext {
  readonly reader: Reader;
  readonly node: Remote<NodeApi>;
  readonly rollup: RollupConfig;
  readonly policy: Policy;
  /** Raised for fast transactions. */
  readonly signal: PreemptionSignal;
  /** Answer to `web3_clientVersion`. */
  readonly clientVersion: string;
}

/** Gas of one transaction (PROTOCOL 6): what the pool refuses above. */
export function txGasMax({ policy }: RpcContext): bigint {
  return BigInt(policy.document.normal.maxTxGas);
}

/** Height of a named block; `null` where there is none. */
export function resolveBlock({ reader }: RpcContext, id: BlockId): number | null {
  return resolve(reader.chain, id);
}

/** Height of a named block that must exist. Throws `BLOCK_NOT_FOUND`. */
export function requireBlock(context: RpcContext, id: BlockId): number {
  const number = resolveBlock(context, id);
  if (number === null) throw new NodeError("BLOCK_NOT_FOUND");
  return number;
}

/** A stored block with its receipts; `null` where there is none. */
export function findBlock(
  { reader }: RpcContext,
  number: number | null,
): { readonly stored: StoredBlock; readonly receipts: readonly Receipt[] } | null {
  if (number === null) return null;
  const stored = reader.chain.blockByNumber(number);
  const receipts = reader.chain.receipts(number);
  return stored === null || receipts === null ? null : { stored, receipts };
}
