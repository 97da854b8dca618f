/**
 * What the methods work with: the chain's reader, the sequencing thread, and the chain's constants.
 * Owns the meaning of block names: `latest` and `pending` are the unsafe head, since a block's
 * flashblocks cannot be read before it is sealed.
 */
import type { Policy } from "../lanes/policy.ts";
import type { NodeApi } from "../node/api.ts";
import { NodeError } from "../node/errors.ts";
import type { Remote } from "../node/port.ts";
import type { PreemptionSignal } from "../node/preemption-signal.ts";
import type { Receipt } from "../node/primitives/receipt.ts";
import type { Reader } from "../node/reader.ts";
import type { RollupConfig } from "../node/rollup-config.ts";
import type { StoredBlock } from "../node/storage/store.ts";
import type { BlockId } from "./params.ts";

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
  const heads = reader.chain.heads();
  switch (id.kind) {
    case "hash":
      return reader.chain.numberByHash(id.hash);
    case "number":
      return id.number <= heads.unsafe.number ? id.number : null;
    case "tag":
      break;
  }
  switch (id.tag) {
    case "earliest":
      return 0;
    case "safe":
      return heads.safe.number;
    case "finalized":
      return heads.finalized.number;
    case "latest":
    case "pending":
      return heads.unsafe.number;
  }
}

/** Height of a named block that must exist. Throws `BLOCK_NOT_FOUND`. */
export function requireBlock(context: RpcContext, id: BlockId): number {
  const number = resolveBlock(context, id);
  if (number === null) throw new NodeError("BLOCK_NOT_FOUND");
  return number;
}

/** Looks at the head again when it has moved between finding its number and reading its state. */
const HEAD_ATTEMPTS_MAX = 4;

/**
 * Runs `read` with the height of a named block, whose state it asks the reader for. Throws
 * `BLOCK_NOT_FOUND`, and as the reader `STATE_NOT_AVAILABLE` for every block but the head.
 */
export async function withState<T>(
  context: RpcContext,
  id: BlockId,
  read: (number: number) => T | Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const number = requireBlock(context, id);
    try {
      return await read(number);
    } catch (error) {
      const moved = error instanceof NodeError && error.code === "STATE_NOT_AVAILABLE";
      if (!moved || id.kind !== "tag" || attempt === HEAD_ATTEMPTS_MAX) throw error;
    }
  }
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
