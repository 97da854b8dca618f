/**
 * What the methods work with: the chain's reader, the sequencing thread, and the chain's constants.
 */
import type { Hex } from "../lanes/bytes.ts";
import type { Policy } from "../lanes/policy.ts";
import type { VerifiedReport } from "../lanes/report-rules.ts";
import type { NodeApi } from "../node/api.ts";
import { NodeError } from "../node/errors.ts";
import type { Remote } from "../node/port.ts";
import type { FeedAlarm } from "./feed-alarm.ts";
import { type BlockBody, pendingBody } from "./pending-block.ts";
import type { Preconfirmations } from "./preconfirmations.ts";
import type { FastSignal } from "../node/preemption-signal.ts";
import type { Receipt } from "../node/primitives/receipt.ts";
import { type BlockId, type Reader, resolveBlock as resolve } from "../node/reader.ts";
import type { RollupConfig } from "../node/rollup-config.ts";
import type { StoredBlock } from "../node/storage/store.ts";
import type { ReportSignal } from "../node/report-signal.ts";

export interface RpcContext {
  readonly reader: Reader;
  readonly node: Remote<NodeApi>;
  readonly rollup: RollupConfig;
  readonly policy: Policy;
  /** The newest flashblocks and drops, and who waits for them. */
  readonly preconfirmations: Preconfirmations;
  /** Make a long normal transaction give way, to transactions and to reports. */
  readonly fastSignal: FastSignal;
  readonly reportSignal: ReportSignal;
  /** Reports that wait for an epoch, as of a moment ago. */
  waitingReports(): Promise<readonly VerifiedReport[]>;
  /** What is an alarm of a feed, as of the last look at the feeds. */
  alarmsOf(feedId: Hex): readonly FeedAlarm[];
  /** Answer to `web3_clientVersion`. */
  readonly clientVersion: string;
}

/** Gas of one transaction (PROTOCOL 6): what the pool refuses above. */
export function txGasMax({ policy }: RpcContext): bigint {
  return BigInt(policy.document.normal.maxTxGas);
}

/** Height of a named block; `null` where there is none. */
export function resolveBlock({ reader }: Pick<RpcContext, "reader">, id: BlockId): number | null {
  return resolve(reader.chain, id);
}

/** Height of a named block that must exist. Throws `BLOCK_NOT_FOUND`. */
export function requireBlock(context: Pick<RpcContext, "reader">, id: BlockId): number {
  const number = resolveBlock(context, id);
  if (number === null) throw new NodeError("BLOCK_NOT_FOUND");
  return number;
}

/** A block with its receipts: a stored one, or the open one where `pending` is asked for. */
export function findBody(context: RpcContext, id: BlockId): BlockBody | null {
  if (id.kind === "tag" && id.tag === "pending") {
    const open = context.reader.pendingBodies().at(-1);
    if (open !== undefined) return pendingBody(open);
  }
  const found = findBlock(context, resolveBlock(context, id));
  return found === null
    ? null
    : { block: found.stored.block, receipts: found.receipts, isPending: false };
}

/** A stored block with its receipts; `null` where there is none. */
export function findBlock(
  { reader }: Pick<RpcContext, "reader">,
  number: number | null,
): { readonly stored: StoredBlock; readonly receipts: readonly Receipt[] } | null {
  if (number === null) return null;
  const stored = reader.chain.blockByNumber(number);
  const receipts = reader.chain.receipts(number);
  return stored === null || receipts === null ? null : { stored, receipts };
}
