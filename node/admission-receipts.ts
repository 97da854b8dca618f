/**
 * Admission receipts from what the sequencing thread answers: all leaves of a group, and which of
 * them it is; on a follower the receipt that the sequencer has sent. A group has up to thousands of
 * leaves, and each asks for a receipt of its own: its tree is hashed once.
 */
import { type AdmissionReceipt, admissionReceipt } from "../lanes/admission.ts";
import type { Hex } from "../lanes/bytes.ts";
import { TreePaths } from "../lanes/tree.ts";
import type { AdmissionProof } from "./api.ts";
import { keepNewest } from "./keep-newest.ts";

const HASH_BYTES = 32;
/** Groups whose tree is kept: answers of one group come one after another. */
const GROUPS_KEPT = 8;

export class AdmissionReceipts {
  readonly #trees = new Map<Hex, TreePaths>();

  of(proof: AdmissionProof | AdmissionReceipt): AdmissionReceipt {
    if ("path" in proof) return proof;
    const { group, signature, leafHashes, index, leaf } = proof;
    return admissionReceipt(group, signature, this.#treeOf(group.root, leafHashes), index, leaf);
  }

  #treeOf(root: Hex, leafHashes: Uint8Array): TreePaths {
    const known = this.#trees.get(root);
    if (known !== undefined) return known;
    const count = leafHashes.length / HASH_BYTES;
    const tree = new TreePaths(
      Array.from({ length: count }, (_, at) =>
        leafHashes.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES),
      ),
    );
    this.#trees.set(root, tree);
    keepNewest(this.#trees, GROUPS_KEPT);
    return tree;
  }
}
