/**
 * Admission receipts: that a transaction or report was taken in, with its number, its lane and its
 * deadline, in a group that the sequencer signed once. PROTOCOL 3.
 *
 * Owns the leaf and the check of a receipt. Does not own how a signature is recovered.
 */
import { u64, u72, word } from "./abi.ts";
import type { Hex } from "./bytes.ts";
import { NORMAL_RANK, SYSTEM_RANK } from "./classify.ts";
import { classOfRank } from "./policy.ts";
import { broken, type ReceiptTrust, type ReceiptVerdict } from "./receipt-trust.ts";
import { type AdmissionGroup, admissionGroupDigest } from "./signed.ts";
import { treeLeafHash, treePathHolds, type TreeLeaf, type TreePaths } from "./tree.ts";
import { accept } from "./verdict.ts";

const TREE = "admissionRoot";
/** `accepted` is `leaderEpoch · 2^40 + seq`. */
const SEQ_BITS = 40n;

export interface AdmissionLeaf {
  /** keccak-256 of the raw transaction, or of `source ‖ bytes` of a report. */
  readonly hash: Hex;
  readonly accepted: bigint;
  readonly lane: "fast" | "normal";
  /** The class: 1 to 254 in the fast lane, 255 normal; 0 is a report, which an epoch applies. */
  readonly rank: number;
  readonly policyHash: Hex;
  /** The last block in which it may stand, or a report be used; 0 for the normal lane. */
  readonly deadlineBlock: number;
}

export interface AdmissionReceipt {
  readonly leaf: AdmissionLeaf;
  /** Of the leaf in its group. */
  readonly index: number;
  readonly path: readonly Hex[];
  readonly group: AdmissionGroup;
  /** 65 bytes. */
  readonly signature: Uint8Array;
}

/** 32 bytes. */
export function admissionLeafHash(leaf: AdmissionLeaf, index: number): Uint8Array {
  return treeLeafHash(TREE, index, leafWords(leaf));
}

/** The receipt of the leaf at `index`; `paths` are those of its whole group. */
export function admissionReceipt(
  group: AdmissionGroup,
  signature: Uint8Array,
  paths: TreePaths,
  index: number,
  leaf: AdmissionLeaf,
): AdmissionReceipt {
  return { leaf, index, path: paths.path(index), group, signature };
}

/** Whether the sequencer has promised this. Errors: verdict `RECEIPT_INVALID`, `data.part`. */
export function checkAdmissionReceipt(
  { leaf, index, path, group, signature }: AdmissionReceipt,
  trust: ReceiptTrust,
): ReceiptVerdict {
  if (group.term !== trust.term) return broken("term");
  if (leaf.policyHash !== trust.policy.hash) return broken("policyHash");
  const isReport = leaf.rank === SYSTEM_RANK;
  const isFast = isReport || classOfRank(trust.policy, leaf.rank) !== undefined;
  if (!isFast && leaf.rank !== NORMAL_RANK) return broken("rank");
  if ((leaf.lane === "fast") !== isFast) return broken("lane");
  if (leaf.deadlineBlock > 0 !== isFast) return broken("deadlineBlock");
  if (leaf.accepted < group.firstAccepted) return broken("accepted");
  if (leaf.accepted >> SEQ_BITS !== BigInt(group.leaderEpoch)) return broken("leaderEpoch");
  const { root, count } = group;
  const claim = { treeName: TREE, root, count, index, leaf: leafWords(leaf) };
  if (!treePathHolds(claim, path)) return broken("path");
  if (trust.recover(admissionGroupDigest(trust.domain, group), signature) !== trust.sequencer)
    return broken("signature");
  return accept(null);
}

function leafWords(leaf: AdmissionLeaf): TreeLeaf {
  return [
    word(leaf.hash),
    u72(leaf.accepted),
    u64(leaf.lane === "fast" ? 1 : 0),
    u64(leaf.rank),
    word(leaf.policyHash),
    u64(leaf.deadlineBlock),
  ];
}
