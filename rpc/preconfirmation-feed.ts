/**
 * What subscribers of `preconfirmations` and `newFlashblocks` are told of a flashblock.
 *
 * Owns filters and JSON. A receipt is made once, for whoever wants it, and only for transactions
 * that somebody wants: a large flashblock of the normal lane costs those who watch the fast one
 * nothing.
 */
import type { Hex } from "../lanes/bytes.ts";
import { toHex } from "../lanes/bytes.ts";
import { NORMAL_RANK, SYSTEM_RANK } from "../lanes/classify.ts";
import { decodeLeaves } from "../lanes/flashblock-leaves.ts";
import { inclusionReceiptToJson } from "../lanes/receipt-json.ts";
import {
  flashblockHashes,
  flashblockOrderHash,
  flashblockRanks,
  flashblockResultHash,
  type SignedFlashblock,
} from "../lanes/signed-flashblock.ts";
import { accept } from "../lanes/verdict.ts";
import type { DroppedTransaction } from "../node/api.ts";
import { NodeError } from "../node/errors.ts";
import { type JsonObject, quantity } from "./codec.ts";
import type { KnownFlashblock } from "./flashblocks.ts";
import { PRECONFIRMATION_HASHES_MAX } from "./limits.ts";
import type { ParamVerdict } from "./method.ts";
import { bad, member, parseFixed, parseList, parseMembers } from "./params.ts";

type Lane = "fast" | "normal" | "all";

export interface PreconfirmationCriteria {
  readonly lane: Lane;
  /** Only these; `null` for any. */
  readonly hashes: ReadonlySet<Hex> | null;
}

export const FAST_ONLY: PreconfirmationCriteria = { lane: "fast", hashes: null };

/** `{ lane?: "fast" | "normal" | "all", hashes?: [hash…] }`; without a lane, hashes are of any. */
export function parsePreconfirmationCriteria(
  value: unknown,
): ParamVerdict<PreconfirmationCriteria> {
  const members = parseMembers(value, "filter");
  if (!members.ok) return members;
  for (const name of members.value.keys())
    if (name !== "lane" && name !== "hashes") return bad(`filter.${name}`, "lane or hashes");
  const hashes = member<readonly Hex[] | null>(
    members.value,
    "filter",
    "hashes",
    null,
    (given, name) =>
      parseList(given, PRECONFIRMATION_HASHES_MAX, name, (entry, at) => parseFixed(entry, 32, at)),
  );
  if (!hashes.ok) return hashes;
  const fallback = hashes.value === null ? "fast" : "all";
  const lane = member<Lane>(members.value, "filter", "lane", fallback, (given, name) =>
    given === "fast" || given === "normal" || given === "all"
      ? accept(given)
      : bad(name, "fast, normal or all"),
  );
  if (!lane.ok) return lane;
  return accept({
    lane: lane.value,
    hashes: hashes.value === null ? null : new Set(hashes.value),
  });
}

function wants({ lane, hashes }: PreconfirmationCriteria, rank: number, hash: Hex): boolean {
  if (rank === SYSTEM_RANK) return false;
  const isFast = rank !== NORMAL_RANK;
  return (lane === "all" || (lane === "fast") === isFast) && (hashes?.has(hash) ?? true);
}

export function wantsDrop(
  { lane, hashes }: PreconfirmationCriteria,
  drop: Pick<DroppedTransaction, "hash" | "lane">,
): boolean {
  return (lane === "all" || lane === drop.lane) && (hashes?.has(drop.hash) ?? true);
}

interface Watcher {
  readonly criteria: { readonly preconfirmations: PreconfirmationCriteria };
}

/** Tells each watcher the receipts it wants, in the flashblock's order. */
export function tellPreconfirmations<W extends Watcher>(
  flashblock: KnownFlashblock,
  watchers: Iterable<W>,
  tell: (watcher: W, result: string) => void,
): void {
  const all = [...watchers];
  if (all.length === 0) return;
  const ranks = flashblockRanks(flashblock.bytes);
  let index = 0;
  for (const bytes of flashblockHashes(flashblock.bytes)) {
    const rank = ranks[index] ?? SYSTEM_RANK;
    const hash = toHex(bytes);
    let result: string | null = null;
    for (const watcher of all) {
      if (!wants(watcher.criteria.preconfirmations, rank, hash)) continue;
      result ??= JSON.stringify(inclusionReceiptToJson(flashblock.receipt(index)));
      tell(watcher, result);
    }
    index += 1;
  }
}

export function dropToJson(drop: DroppedTransaction): JsonObject {
  const { hash, accepted, lane, code, blockNumber } = drop;
  const { message } = new NodeError(code);
  return {
    type: "drop",
    hash,
    lane,
    accepted: quantity(accepted),
    code,
    message,
    blockNumber: quantity(blockNumber),
  };
}

/** A flashblock with the order and the results of its transactions. */
export function flashblockToJson(flashblock: SignedFlashblock): JsonObject {
  const { header, gasUsed, signature } = flashblock;
  const leaves = decodeLeaves(flashblock.leaves);
  return {
    blockNumber: quantity(header.blockNumber),
    index: quantity(header.index),
    parentOrderHash: header.parentOrderHash,
    orderHash: flashblockOrderHash(flashblock),
    resultHash: flashblockResultHash(flashblock),
    timestampMs: quantity(header.timestampMs),
    leaderEpoch: quantity(header.leaderEpoch),
    gasUsed: quantity(gasUsed),
    signature: toHex(signature),
    transactions: (leaves.ok ? leaves.value : []).map(({ lane, result }) => ({
      hash: lane.txHash,
      rank: quantity(lane.rank),
      accepted: quantity(lane.accepted),
      ready: quantity(lane.ready),
      status: quantity(result.status),
      gasUsed: quantity(result.gasUsed),
    })),
  };
}
