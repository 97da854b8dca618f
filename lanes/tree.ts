/**
 * The positional Merkle tree of PROTOCOL 1. Its name and each leaf's index are hashed into the
 * leaf, so a leaf proves its place and cannot be shown as a leaf of another tree.
 *
 *   leaf  keccak256(0x00 ‖ abi.encode(keccak256(treeName), index, fields…))
 *   node  keccak256(0x01 ‖ left ‖ right); an odd node moves up unchanged
 *   root  keccak256(0x02 ‖ uint64 count ‖ top), the top of an empty tree being 0
 */
import { u64, WORD_BYTES } from "./abi.ts";
import { concatBytes, fromHex, type Hex, toHex } from "./bytes.ts";
import { keccak, keccakText } from "./keccak.ts";

const LEAF_TAG = Uint8Array.of(0);
const NODE_TAG = Uint8Array.of(1);
const ROOT_TAG = Uint8Array.of(2);

/** A leaf's fields, each one ABI word. */
export type TreeLeaf = readonly Uint8Array[];

/** Root over the leaves in order. */
export function treeRoot(treeName: string, leaves: readonly TreeLeaf[]): Hex {
  let level = leafHashes(treeName, leaves);
  while (level.length > 1) level = parents(level);
  return rootOf(leaves.length, level[0] ?? new Uint8Array(WORD_BYTES));
}

/**
 * Siblings from the leaf to the top, for `treePathHolds`. The index must be one of the leaves'.
 * A level where the node moves up alone adds nothing.
 */
export function treePath(treeName: string, leaves: readonly TreeLeaf[], index: number): Hex[] {
  if (!(index in leaves)) throw new RangeError("no such leaf");
  const path: Hex[] = [];
  let position = index;
  for (let level = leafHashes(treeName, leaves); level.length > 1; level = parents(level)) {
    const sibling = level[position % 2 === 0 ? position + 1 : position - 1];
    if (sibling !== undefined) path.push(toHex(sibling));
    position = Math.floor(position / 2);
  }
  return path;
}

/** What a path claims: that `leaf` is number `index` of the `count` leaves under `root`. */
export interface TreeClaim {
  readonly treeName: string;
  readonly root: Hex;
  readonly count: number;
  readonly index: number;
  readonly leaf: TreeLeaf;
}

/** Whether the path proves the claim. Hashes in the path must be 32-byte hex. */
export function treePathHolds(claim: TreeClaim, path: readonly Hex[]): boolean {
  const { treeName, root, count, index, leaf } = claim;
  if (!Number.isSafeInteger(index) || index < 0 || index >= count) return false;
  let hash = leafHash(keccakText(treeName), index, leaf);
  let position = index;
  let used = 0;
  for (let size = count; size > 1; size = Math.ceil(size / 2)) {
    const movesUpAlone = position === size - 1 && position % 2 === 0;
    if (!movesUpAlone) {
      const sibling = path[used++];
      if (sibling === undefined) return false;
      const bytes = fromHex(sibling);
      hash = position % 2 === 0 ? nodeHash(hash, bytes) : nodeHash(bytes, hash);
    }
    position = Math.floor(position / 2);
  }
  return used === path.length && rootOf(count, hash) === root;
}

function leafHashes(treeName: string, leaves: readonly TreeLeaf[]): Uint8Array[] {
  const name = keccakText(treeName);
  return leaves.map((fields, index) => leafHash(name, index, fields));
}

function leafHash(name: Uint8Array, index: number, fields: TreeLeaf): Uint8Array {
  return keccak(concatBytes(LEAF_TAG, name, u64(index), ...fields));
}

function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return keccak(concatBytes(NODE_TAG, left, right));
}

function parents(level: readonly Uint8Array[]): Uint8Array[] {
  const above: Uint8Array[] = [];
  for (let i = 0; i < level.length; i += 2) {
    const left = level[i];
    const right = level[i + 1];
    if (left !== undefined) above.push(right === undefined ? left : nodeHash(left, right));
  }
  return above;
}

function rootOf(count: number, top: Uint8Array): Hex {
  // The count is hashed as 8 bytes, not as a word: the tail of the word.
  return toHex(keccak(concatBytes(ROOT_TAG, u64(count).subarray(WORD_BYTES - 8), top)));
}
