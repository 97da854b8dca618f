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
const ROOT_TAG = Uint8Array.of(2);

/** Tag and both halves of the node that is being hashed. */
const nodeBytes = new Uint8Array(1 + 2 * WORD_BYTES);
nodeBytes[0] = 1;

/** A leaf's fields, each one ABI word. */
export type TreeLeaf = readonly Uint8Array[];

/** Root over the leaves in order. */
export function treeRoot(treeName: string, leaves: readonly TreeLeaf[]): Hex {
  return rootOfLeafHashes(leafHashes(treeName, leaves));
}

/** 32-byte hash of the leaf at `index`. */
export function treeLeafHash(treeName: string, index: number, leaf: TreeLeaf): Uint8Array {
  return leafHash(keccakText(treeName), index, leaf);
}

/** Root over leaves that are hashed already. */
export function rootOfLeafHashes(hashes: readonly Uint8Array[]): Hex {
  const builder = new TreeBuilder();
  for (const hash of hashes) builder.add(hash);
  return builder.root();
}

/**
 * A tree that grows leaf by leaf: what is added costs one hash on average, the root as many as the
 * tree is high.
 */
export class TreeBuilder {
  /** By height, the perfect subtree that waits for its right neighbour. */
  readonly #waiting: (Uint8Array | null)[] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** Adds a leaf by its hash. */
  add(leaf: Uint8Array): void {
    this.#count += 1;
    let hash = leaf;
    let height = 0;
    for (let left = this.#waiting[0]; left; left = this.#waiting[height]) {
      hash = nodeHash(left, hash);
      this.#waiting[height++] = null;
    }
    this.#waiting[height] = hash;
  }

  root(): Hex {
    let top: Uint8Array | null = null;
    for (const left of this.#waiting)
      if (left !== null) top = top === null ? left : nodeHash(left, top);
    return rootOf(this.#count, top ?? new Uint8Array(WORD_BYTES));
  }
}

/** The paths of a tree's leaves: what is between them and the top is hashed once for all. */
export class TreePaths {
  /** From the leaves up; the last one has one node, or none in an empty tree. */
  readonly #levels: (readonly Uint8Array[])[];

  constructor(leafHashes: readonly Uint8Array[]) {
    this.#levels = [leafHashes];
    for (let level = leafHashes; level.length > 1;) {
      level = parents(level);
      this.#levels.push(level);
    }
  }

  /**
   * Siblings from the leaf to the top, for `treePathHolds`. The index must be one of the leaves'.
   * A level where the node moves up alone adds nothing.
   */
  path(index: number): Hex[] {
    if (!(index in (this.#levels[0] ?? []))) throw new RangeError("no such leaf");
    const path: Hex[] = [];
    let position = index;
    for (const level of this.#levels) {
      const sibling = level[position % 2 === 0 ? position + 1 : position - 1];
      if (sibling !== undefined) path.push(toHex(sibling));
      position = Math.floor(position / 2);
    }
    return path;
  }
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

/** The hashes of all leaves, in order. */
export function leafHashes(treeName: string, leaves: readonly TreeLeaf[]): Uint8Array[] {
  const name = keccakText(treeName);
  return leaves.map((fields, index) => leafHash(name, index, fields));
}

function leafHash(name: Uint8Array, index: number, fields: TreeLeaf): Uint8Array {
  return keccak(concatBytes(LEAF_TAG, name, u64(index), ...fields));
}

function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  nodeBytes.set(left, 1);
  nodeBytes.set(right, 1 + WORD_BYTES);
  return keccak(nodeBytes);
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
