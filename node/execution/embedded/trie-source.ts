/**
 * Where a trie's nodes come from: the store, by path, or their parent's RLP.
 *
 * Owns paths, the check of every node against the hash its parent holds, and the count of nodes
 * that came into memory. Does not own how nodes change: `trie-update.ts`.
 */
import { bytesEqual, toHex } from "../../../lanes/bytes.ts";
import { NodeError } from "../../errors.ts";
import { keccak256 } from "../../primitives/hash.ts";
import type { TrieReader } from "../../storage/state.ts";
import { type Allocate, allocateAlone, type Arena, copyTo, createArena } from "./trie-arena.ts";
import { nibbleAt } from "./trie-codec.ts";
import type { BlockClock } from "./trie-memory.ts";
import {
  type Branch,
  decodeNode,
  encodeLeaf,
  type Extension,
  inlineChild,
  isReference,
  referenceOffset,
  type TrieNode,
  UNLOADED,
} from "./trie-node.ts";

/** What the tries of one state share. */
export interface TrieScope extends BlockClock {
  readonly reader: TrieReader;
  /** Nodes in memory: never less than there are, and exact after they were counted. */
  resident: number;
  /** Where their RLP is. */
  arena: Arena;
}

/** The scope of tries that nothing has touched yet. */
export function createScope(reader: TrieReader): TrieScope {
  return { reader, block: 1, committed: 0, resident: 0, arena: createArena() };
}

/** Nodes of one trie, which stand at `owner ‖ nibbles`. */
export interface NodeSource {
  /** The stored root, checked where it is known; `null` where nothing is stored. */
  root(expected: Uint8Array | null): TrieNode | null;
  /**
   * A branch's child; the branch stands at `depth` nibbles of `key`. Where the child is the leaf of
   * `key` with the value `guess`, it is not read.
   */
  child(
    branch: Branch,
    index: number,
    key: Uint8Array,
    depth: number,
    guess?: Uint8Array | null,
  ): TrieNode | null;
  /** An extension's child; the extension stands at `depth` nibbles of `key`. */
  below(extension: Extension, key: Uint8Array, depth: number): TrieNode;
  /** The node at `path` that a parent refers to in item `index` of its RLP. */
  load(parent: Uint8Array, index: number, path: Uint8Array): TrieNode;
  /** Path of what stands below `depth` nibbles of a key and some more. */
  path(key: Uint8Array, depth: number, nibbles: Uint8Array): Uint8Array;
}

/** For leaves that are guessed, maybe wrongly: a state trie's are a key and an account at most. */
const scratch = new Uint8Array(256);
const allocateScratch: Allocate = (length) =>
  length > scratch.length ? allocateAlone(length) : scratch.subarray(0, length);

/** Errors of all methods: `STORAGE_CORRUPT`, and what the reader throws. */
export function createNodeSource(scope: TrieScope, owner: Uint8Array): NodeSource {
  const admit = (bytes: Uint8Array, isStored: boolean): TrieNode => {
    const rlp = copyTo(scope.arena.allocate, bytes);
    const node = decodeNode(rlp, scope.block);
    if (isStored) node.base = rlp;
    scope.resident += 1;
    return node;
  };

  const load = (parent: Uint8Array, index: number, path: Uint8Array): TrieNode => {
    const at = referenceOffset(parent, index);
    const inline = inlineChild(parent, at);
    if (inline !== null) return admit(inline, false);
    const raw = scope.reader.node(path);
    if (raw === null || !isReference(parent, at, keccak256(raw))) throw missing(path);
    return admit(raw, true);
  };

  /** The leaf of a key and a value, if that is what the branch refers to. */
  const guessLeaf = (
    branch: Branch,
    index: number,
    key: Uint8Array,
    depth: number,
    value: Uint8Array,
  ): TrieNode | null => {
    const rlp = encodeLeaf(key, depth, value, allocateScratch);
    const isChild = isReference(branch.rlp, referenceOffset(branch.rlp, index), keccak256(rlp));
    return isChild ? admit(rlp, true) : null;
  };

  const pathOf = (key: Uint8Array, depth: number, nibbles: Uint8Array): Uint8Array => {
    const path = new Uint8Array(owner.length + depth + nibbles.length);
    path.set(owner);
    for (let i = 0; i < depth; i++) path[owner.length + i] = nibbleAt(key, i);
    path.set(nibbles, owner.length + depth);
    return path;
  };

  return {
    load,
    path: pathOf,
    root(expected) {
      const raw = scope.reader.node(owner);
      if (raw === null && expected === null) return null;
      if (raw === null || (expected !== null && !bytesEqual(keccak256(raw), expected)))
        throw missing(owner);
      return admit(raw, true);
    },
    child(branch, index, key, depth, guess = null) {
      const child = branch.children[index] ?? null;
      if (child !== UNLOADED) return child;
      const loaded =
        (guess === null ? null : guessLeaf(branch, index, key, depth + 1, guess)) ??
        load(branch.rlp, index, pathOf(key, depth, Uint8Array.of(index)));
      branch.children[index] = loaded;
      return loaded;
    },
    below(extension, key, depth) {
      if (extension.child === UNLOADED)
        extension.child = load(extension.rlp, 1, pathOf(key, depth, extension.key));
      return extension.child;
    },
  };
}

function missing(path: Uint8Array): NodeError {
  return new NodeError("STORAGE_CORRUPT", { record: "trie node", path: toHex(path) });
}
