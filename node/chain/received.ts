/**
 * A block from a peer, as content to be executed: its origin held against this node's own view of
 * L1, its system transactions rebuilt, its senders recovered.
 *
 * Owns what can be wrong with a block before lanes and execution are looked at. Does not own those,
 * nor the signature, which was checked before.
 */
import type { Hex } from "../../lanes/bytes.ts";
import { EPOCH_SENDER } from "../../lanes/epoch-transaction.ts";
import type { LaneData } from "../../lanes/lane-data.ts";
import { DEPOSIT_TYPE } from "../../lanes/transaction.ts";
import { accept, refuse, type Verdict } from "../../lanes/verdict.ts";
import type { ErrorCode } from "../errors.ts";
import type { UnverifiedBlock } from "../primitives/block.ts";
import type { L1Origin } from "../primitives/l1-origin.ts";
import type { UserTransaction } from "../primitives/transaction.ts";
import type { RollupConfig } from "../rollup-config.ts";
import { attributesAfter, parseAttributes } from "./attributes.ts";
import type { OriginPosition } from "./origin.ts";

/** A block to be executed on the head: everything its hash depends on. */
export interface BlockContent {
  /** Unix seconds. */
  readonly timestamp: number;
  readonly origin: L1Origin;
  readonly laneData: LaneData;
  readonly transactions: readonly UserTransaction[];
}

export interface ReceivedDeps {
  readonly rollup: RollupConfig;
  /** This node's own view of L1; `null` where L1 has no such block yet. */
  originAt(number: number): Promise<L1Origin | null>;
  /** Senders of raw transactions, recovered in the worker pool; `null` for an invalid signature. */
  recoverSenders(raws: readonly Uint8Array[]): Promise<readonly (Hex | null)[]>;
}

/** The content of a block whose parent stands at `parent`. */
export async function contentOf(
  block: UnverifiedBlock,
  parent: OriginPosition,
  deps: ReceivedDeps,
): Promise<Verdict<BlockContent, ErrorCode>> {
  const [first, ...rest] = block.transactions;
  if (first?.type !== DEPOSIT_TYPE) return refuse("BLOCK_ORIGIN_INVALID", { rule: "attributes" });
  const attributes = parseAttributes(first);
  if (!attributes.ok) return attributes;
  const { originNumber, originHash } = attributes.value;
  const origin = await deps.originAt(originNumber);
  if (origin === null) return refuse("L1_ORIGIN_UNKNOWN", { origin: originNumber });
  if (origin.hash !== originHash) return refuse("BLOCK_ORIGIN_INVALID", { rule: "not canonical" });
  const rebuilt = attributesAfter(deps.rollup, origin, parent).transaction;
  // O3 with an empty inbox: beside the attributes only epochs are system transactions. They are
  // made anew from LaneData, so that other ones show as another hash.
  const isStrange = rest.some((each) => each.type === DEPOSIT_TYPE && each.sender !== EPOCH_SENDER);
  if (rebuilt.hash !== first.hash || isStrange)
    return refuse("BLOCK_ORIGIN_INVALID", { rule: "O3" });
  const signed = rest.filter((each) => each.type !== DEPOSIT_TYPE);
  const senders = await deps.recoverSenders(signed.map(({ raw }) => raw));
  const users: UserTransaction[] = [];
  for (const [index, transaction] of signed.entries()) {
    const sender = senders[index];
    if (sender === null || sender === undefined) return refuse("SENDER_UNRECOVERABLE", { index });
    users.push({ ...transaction, sender });
  }
  const { timestamp } = block.header;
  return accept({ timestamp, origin, laneData: block.laneData, transactions: users });
}
