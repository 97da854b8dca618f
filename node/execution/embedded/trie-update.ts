/**
 * A batch of updates to a resident trie: one walk over the nodes that the keys touch.
 *
 * The batch is sorted, so that each node is visited once with the part of the batch that lies below
 * it; a branch or extension that the batch empties is put right on the way back, when all of its
 * children are what they will be. The result depends on the content only, as the trie's form does.
 * Does not own hashing and changes: `trie.ts`. Source: yellow paper, appendix D.
 */
import assert from "node:assert/strict";
import { bytesEqual } from "../../../lanes/bytes.ts";
import type { Allocate } from "./trie-arena.ts";
import {
  commonNibbles,
  compareKeys,
  isLeafSuffix,
  leafKey,
  matchingNibbles,
  nibbleAt,
  nibbleCount,
  unpackNibbles,
} from "./trie-codec.ts";
import {
  type Branch,
  BRANCH_WIDTH,
  createBranch,
  createExtension,
  createLeaf,
  encodeLeaf,
  type Extension,
  type Leaf,
  leafCompact,
  leafValue,
  moveExtension,
  prependNibbles,
  setLeafValue,
  type TrieNode,
} from "./trie-node.ts";
import type { NodeSource, TrieScope } from "./trie-source.ts";

export interface TrieUpdate {
  readonly key: Uint8Array;
  /** Not empty; `null` deletes. A function is called once, with what the key holds. */
  readonly value: Uint8Array | null | ((old: Uint8Array | null) => Uint8Array | null);
  /** What the key may hold in the store, as far as the caller knows: saves a read if it does. */
  readonly guess?: Uint8Array | null;
}

/** Entries whose value is set. */
interface Entry {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

interface UpdatePlace {
  readonly scope: TrieScope;
  readonly source: NodeSource;
  /** Hears of each path that loses its node, with what stood there before the block. */
  readonly onVacated: (path: Uint8Array, base: Uint8Array) => unknown;
}

const NO_NIBBLES = new Uint8Array(0);

/** The root after the updates, in any order; of several for one key the last counts. */
export function updateNodes(
  root: TrieNode | null,
  updates: readonly TrieUpdate[],
  place: UpdatePlace,
): TrieNode | null {
  return updates.length === 0 ? root : new Batch(sortUpdates(updates), place).applyTo(root);
}

function newValue({ value }: TrieUpdate, old: Uint8Array | null): Uint8Array | null {
  return typeof value === "function" ? value(old) : value;
}

class Batch {
  /** Sorted, each key once. */
  readonly #updates: readonly TrieUpdate[];
  readonly #source: NodeSource;
  readonly #place: UpdatePlace;
  readonly #block: number;
  readonly #allocate: Allocate;

  constructor(updates: readonly TrieUpdate[], place: UpdatePlace) {
    this.#updates = updates;
    this.#source = place.source;
    this.#place = place;
    this.#block = place.scope.block;
    this.#allocate = place.scope.arena.allocate;
  }

  applyTo(root: TrieNode | null): TrieNode | null {
    return this.#apply(root, 0, 0, this.#updates.length);
  }

  /** Applies entries `from` to `to` of the batch below `depth` nibbles that they share. */
  #apply(node: TrieNode | null, depth: number, from: number, to: number): TrieNode | null {
    if (node === null) return this.#insert(depth, from, to);
    node.seen = this.#block;
    let fresh: TrieNode | null;
    if (node.kind === "leaf") fresh = this.#applyToLeaf(node, depth, from, to);
    else if (node.kind === "extension") fresh = this.#applyToExtension(node, depth, from, to);
    else fresh = this.#applyToBranch(node, depth, from, to);
    if (fresh === node || node.base === null) return fresh;
    if (fresh === null)
      this.#place.onVacated(this.#source.path(this.#key(from), depth, NO_NIBBLES), node.base);
    else fresh.base = node.base;
    return fresh;
  }

  #applyToLeaf(leaf: Leaf, depth: number, from: number, to: number): TrieNode | null {
    const first = this.#update(from);
    if (to - from === 1 && isLeafSuffix(leafCompact(leaf), first.key, depth))
      return this.#withValue(leaf, newValue(first, leafValue(leaf)));
    // The leaf is one more entry among those of the batch, unless one of them replaces it.
    const own = { key: leafKey(leafCompact(leaf), first.key, depth), value: leafValue(leaf) };
    const entries: Entry[] = [];
    let waiting = true;
    for (let i = from; i < to; i++) {
      const update = this.#update(i);
      const order = waiting ? compareKeys(update.key, own.key) : 1;
      if (waiting && order > 0) entries.push(own);
      if (order >= 0) waiting = false;
      const value = newValue(update, order === 0 ? own.value : null);
      if (value !== null) entries.push({ key: update.key, value });
    }
    if (waiting) entries.push(own);
    const [only] = entries;
    if (only === undefined) return null;
    if (entries.length === 1 && compareKeys(only.key, own.key) === 0)
      return this.#withValue(leaf, only.value);
    return this.#build(entries, depth, 0, entries.length);
  }

  /** The leaf with another value: itself, and not dirty where the value is what it has. */
  #withValue(leaf: Leaf, value: Uint8Array | null): Leaf | null {
    if (value === null) return null;
    if (!bytesEqual(leafValue(leaf), value)) setLeafValue(leaf, value, this.#allocate);
    return leaf;
  }

  #applyToExtension(node: Extension, depth: number, from: number, to: number): TrieNode | null {
    const { key } = node;
    const first = this.#key(from);
    // The batch is sorted: what its ends share with the extension, all share.
    const common = Math.min(
      matchingNibbles(key, first, depth),
      matchingNibbles(key, this.#key(to - 1), depth),
    );
    if (common < key.length) {
      const branch = this.#split(node, first, depth, common);
      const fresh = this.#applyToBranch(branch, depth + common, from, to);
      const left = fresh === branch ? this.#collapse(branch, first, depth + common) : fresh;
      if (left === null || common === 0) return left;
      return this.#prepend(key.subarray(0, common), left, first, depth);
    }
    const child = this.#source.below(node, first, depth);
    const fresh = this.#apply(child, depth + key.length, from, to);
    if (fresh === null) return null;
    if (fresh.kind !== "branch") return this.#prepend(key, fresh, first, depth);
    node.child = fresh;
    if (fresh.dirty) node.dirty = true;
    return node;
  }

  /** The branch where the batch parts from an extension, with what is left of that below it. */
  #split(node: Extension, key: Uint8Array, depth: number, common: number): Branch {
    const branch = this.#admit(createBranch(this.#block));
    const index = node.key[common] ?? 0;
    if (common + 1 < node.key.length) {
      const rest = node.key.subarray(common + 1);
      branch.children[index] = this.#admit(moveExtension(node, rest, this.#block));
    } else {
      const child = this.#source.below(node, key, depth);
      // What referred to the child until now is gone.
      child.dirty = true;
      branch.children[index] = child;
    }
    return branch;
  }

  #applyToBranch(branch: Branch, depth: number, from: number, to: number): TrieNode | null {
    let shrunk = false;
    let at = from;
    const first = this.#update(from);
    if (nibbleCount(first.key) === depth) {
      at += 1;
      const value = newValue(first, branch.value);
      if (!equalValues(branch.value, value)) {
        branch.value = value;
        branch.dirty = true;
        shrunk = value === null;
      }
    }
    while (at < to) {
      const key = this.#key(at);
      const index = nibbleAt(key, depth);
      let end = at + 1;
      while (end < to && nibbleAt(this.#key(end), depth) === index) end++;
      const guess = end - at === 1 ? this.#update(at).guess : null;
      const child = this.#source.child(branch, index, key, depth, guess);
      const fresh = this.#apply(child, depth + 1, at, end);
      if (fresh !== child) {
        branch.children[index] = fresh;
        branch.dirty = true;
        shrunk ||= fresh === null;
      } else if (fresh !== null && fresh.dirty) branch.dirty = true;
      at = end;
    }
    return shrunk ? this.#collapse(branch, first.key, depth) : branch;
  }

  /** A branch with one child left and no value, or only a value, is not a branch. */
  #collapse(branch: Branch, key: Uint8Array, depth: number): TrieNode | null {
    let only = -1;
    for (let i = 0; i < BRANCH_WIDTH; i++) {
      if (branch.children[i] === null) continue;
      if (only >= 0 || branch.value !== null) return branch;
      only = i;
    }
    if (only < 0) {
      if (branch.value === null) return null;
      const own = key.subarray(0, depth / 2);
      return this.#admit(
        createLeaf(encodeLeaf(own, depth, branch.value, this.#allocate), this.#block),
      );
    }
    const child = this.#source.child(branch, only, key, depth);
    assert(child !== null, "the child that is left");
    return this.#prepend(Uint8Array.of(only), child, key, depth);
  }

  /** The node with nibbles before it, at `depth` of `key`; it stood that much below. */
  #prepend(nibbles: Uint8Array, node: TrieNode, key: Uint8Array, depth: number): TrieNode {
    if (node.kind !== "branch" && node.base !== null)
      this.#place.onVacated(this.#source.path(key, depth, nibbles), node.base);
    return this.#admit(prependNibbles(nibbles, node, this.#block, this.#allocate));
  }

  /** A subtree of what the batch sets from `from` to `to`; `null` where it only deletes. */
  #insert(depth: number, from: number, to: number): TrieNode | null {
    const entries: Entry[] = [];
    for (let i = from; i < to; i++) {
      const update = this.#update(i);
      const value = newValue(update, null);
      if (value !== null) entries.push({ key: update.key, value });
    }
    return entries.length === 0 ? null : this.#build(entries, depth, 0, entries.length);
  }

  #build(entries: readonly Entry[], depth: number, from: number, to: number): TrieNode {
    const block = this.#block;
    const { key, value } = entries[from] as Entry;
    if (to - from === 1)
      return this.#admit(createLeaf(encodeLeaf(key, depth, value, this.#allocate), block));
    const common = commonNibbles(key, (entries[to - 1] as Entry).key, depth);
    const fork = depth + common;
    const branch = this.#admit(createBranch(block));
    let at = from;
    if (nibbleCount(key) === fork) {
      branch.value = value;
      at += 1;
    }
    while (at < to) {
      const index = nibbleAt((entries[at] as Entry).key, fork);
      let end = at + 1;
      while (end < to && nibbleAt((entries[end] as Entry).key, fork) === index) end++;
      branch.children[index] = this.#build(entries, fork + 1, at, end);
      at = end;
    }
    if (common === 0) return branch;
    return this.#admit(createExtension(unpackNibbles(key, depth, fork), branch, block));
  }

  #update(index: number): TrieUpdate {
    return this.#updates[index] as TrieUpdate;
  }

  #key(index: number): Uint8Array {
    return this.#update(index).key;
  }

  #admit<N extends TrieNode>(node: N): N {
    this.#place.scope.resident += 1;
    return node;
  }
}

function equalValues(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a === b || (a !== null && b !== null && bytesEqual(a, b));
}

/** By key, each key once: of entries with one key the last. */
function sortUpdates(updates: readonly TrieUpdate[]): readonly TrieUpdate[] {
  // The sort is stable.
  const sorted = [...updates].sort((a, b) => compareKeys(a.key, b.key));
  return sorted.filter(({ key }, index) => {
    const next = sorted[index + 1];
    return next === undefined || compareKeys(key, next.key) !== 0;
  });
}
