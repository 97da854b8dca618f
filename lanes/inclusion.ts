/**
 * Inclusion receipts: that a transaction stands at a place of a signed flashblock, with a result.
 * A leaf of each of its two trees, under the hashes that one signature covers. PROTOCOL 4.
 *
 * Owns the receipt and its check. The order is promised under the bond; the result is what the
 * sequencer executed, and every follower verifies it. Does not own the JSON form.
 */
import { U64_MAX, U72_MAX } from "./abi.ts";
import type { Hex } from "./bytes.ts";
import { NORMAL_RANK, SYSTEM_RANK } from "./classify.ts";
import {
  type FlashblockHeader,
  type LaneLeaf,
  laneWords,
  NO_RULE,
  orderHash,
  resultHash,
  type ResultLeaf,
  resultWords,
} from "./flashblock.ts";
import { decodeLeaves } from "./flashblock-leaves.ts";
import { classOfRank, isRuleOfRank, type Policy } from "./policy.ts";
import { broken, type ReceiptTrust, type ReceiptVerdict } from "./receipt-trust.ts";
import { flashblockDigest } from "./signed.ts";
import type { SignedFlashblock } from "./signed-flashblock.ts";
import { leafHashes, treePathHolds, TreePaths } from "./tree.ts";
import { accept } from "./verdict.ts";

export interface InclusionReceipt {
  readonly header: FlashblockHeader;
  readonly resultRoot: Hex;
  /** Of the flashblock. */
  readonly gasUsed: bigint;
  /** Of the transaction in the flashblock. */
  readonly index: number;
  readonly lane: LaneLeaf;
  readonly result: ResultLeaf;
  readonly lanePath: readonly Hex[];
  readonly resultPath: readonly Hex[];
  /** 65 bytes. */
  readonly signature: Uint8Array;
}

/**
 * Makes receipts of one flashblock's transactions; its trees are hashed once. Throws RangeError for
 * leaves that are malformed: they are our own.
 */
export function inclusionReceipts(flashblock: SignedFlashblock): {
  readonly count: number;
  receipt(index: number): InclusionReceipt;
} {
  const decoded = decodeLeaves(flashblock.leaves);
  if (!decoded.ok) throw new RangeError("malformed leaves");
  const leaves = decoded.value;
  const laneHashes = leafHashes(
    "laneRoot",
    leaves.map(({ lane }) => laneWords(lane)),
  );
  const resultHashes = leafHashes(
    "resultRoot",
    leaves.map(({ result }) => resultWords(result)),
  );
  const lanePaths = new TreePaths(laneHashes);
  const resultPaths = new TreePaths(resultHashes);
  const { header, resultRoot, gasUsed, signature } = flashblock;
  return {
    count: leaves.length,
    receipt(index) {
      const leaf = leaves[index];
      if (leaf === undefined) throw new RangeError("no such transaction");
      const lanePath = lanePaths.path(index);
      const resultPath = resultPaths.path(index);
      return { header, resultRoot, gasUsed, index, ...leaf, lanePath, resultPath, signature };
    },
  };
}

/** Whether the sequencer has promised this. Errors: verdict `RECEIPT_INVALID`, `data.part`. */
export function checkInclusionReceipt(
  receipt: InclusionReceipt,
  trust: ReceiptTrust,
): ReceiptVerdict {
  const { header, index, lane, result, signature, resultRoot, gasUsed } = receipt;
  const count = header.txCount;
  if (header.chainId !== trust.domain.chainId) return broken("chainId");
  if (header.term !== trust.term) return broken("term");
  if (header.policyHash !== trust.policy.hash) return broken("policyHash");
  if (lane.txHash !== result.txHash) return broken("txHash");
  const wrong = placeFault(lane, trust.policy);
  if (wrong !== null) return broken(wrong);
  const order = {
    treeName: "laneRoot",
    root: header.laneRoot,
    count,
    index,
    leaf: laneWords(lane),
  };
  if (!treePathHolds(order, receipt.lanePath)) return broken("lanePath");
  if (result.status !== 0 && result.status !== 1) return broken("status");
  if (result.gasUsed > gasUsed) return broken("gasUsed");
  const leaf = resultWords(result);
  const outcome = { treeName: "resultRoot", root: resultRoot, count, index, leaf };
  if (!treePathHolds(outcome, receipt.resultPath)) return broken("resultPath");
  const digest = flashblockDigest(trust.domain, {
    orderHash: orderHash(header),
    resultHash: resultHash(resultRoot, gasUsed),
  });
  return trust.recover(digest, signature) === trust.sequencer ? accept(null) : broken("signature");
}

/** The part of a place that no honest flashblock has; `null` where there is none. */
export function placeFault(
  { rank, rule, accepted, ready, gasLimit }: Omit<LaneLeaf, "txHash">,
  policy: Policy,
): string | null {
  const isFast = classOfRank(policy, rank) !== undefined;
  if (!isFast && rank !== SYSTEM_RANK && rank !== NORMAL_RANK) return "rank";
  if (isFast ? !isRuleOfRank(policy, rule, rank) : rule !== NO_RULE) return "rule";
  if (gasLimit > U64_MAX) return "gasLimit";
  if (accepted > U72_MAX || ready > U72_MAX) return "numbers";
  if (rank === SYSTEM_RANK) return accepted === 0n ? null : "accepted";
  return accepted > 0n && ready > accepted ? null : "ready";
}
