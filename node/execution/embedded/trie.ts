/**
 * One incremental hashed Merkle Patricia trie over nodes stored by path.
 *
 * Owns batch updates and the node changes they make: every node that is written, moved or left
 * without a place gives one change with what stood there before, so that nothing is orphaned.
 * Does not own key hashing, accounts or storage: `state-trie.ts`.
 * Invariants: nodes outside the touched paths are never read; every node read from the reader is
 * checked against the hash its parent holds. Source: yellow paper, appendix D.
 */
import { RLP } from "@ethereumjs/rlp";
import { bytesEqual, concatBytes, type Hex, toHex } from "../../../lanes/bytes.ts";
import { NodeError } from "../../errors.ts";
import { EMPTY_TRIE_ROOT } from "../../primitives/header.ts";
import type { TrieNodeChange, TrieReader } from "../../storage/state.ts";
import {
  type Branch,
  BRANCH_WIDTH,
  decodeNode,
  hashOf,
  isInline,
  type LoadedNode,
  nodeToItems,
  type RlpItem,
  toNibbles,
  type TrieNode,
} from "./trie-node.ts";

export interface TrieUpdate {
  readonly key: Uint8Array;
  /** Not empty; `null` deletes. */
  readonly value: Uint8Array | null;
}

export interface TrieResult {
  readonly root: Hex;
  readonly changes: readonly TrieNodeChange[];
}

export interface Trie {
  /** Sets or deletes keys, in any order; a later entry for a key wins. */
  update(updates: readonly TrieUpdate[]): void;
  /** Deletes everything, reading every stored node once. */
  clear(): void;
  /** Root and node changes since the trie was opened. Call once, last. */
  finish(): TrieResult;
}

const NO_NIBBLES = new Uint8Array(0);

/** Key of a path in maps: latin1, one character a byte. */
export function pathKey(path: Uint8Array): string {
  return Buffer.from(path.buffer, path.byteOffset, path.length).toString("latin1");
}

/**
 * Opens a trie whose nodes stand at `owner ‖ nibbles`.
 *
 * `root` is the expected root where it is known; a stored root node with another hash throws
 * `STORAGE_CORRUPT`.
 */
export function openTrie(reader: TrieReader, owner: Uint8Array, root: Hex | null): Trie {
  return new PathTrie(reader, owner, root);
}

class PathTrie implements Trie {
  readonly #reader: TrieReader;
  readonly #owner: Uint8Array;
  /** Stored nodes seen so far, by path. */
  readonly #seen = new Map<string, { readonly path: Uint8Array; readonly raw: Uint8Array }>();
  #root: TrieNode | null;

  constructor(reader: TrieReader, owner: Uint8Array, root: Hex | null) {
    this.#reader = reader;
    this.#owner = owner;
    this.#root = this.#loadRoot(root);
  }

  update(updates: readonly TrieUpdate[]): void {
    for (const { key, value } of updates) {
      const nibbles = toNibbles(key);
      this.#root =
        value === null
          ? this.#remove(this.#root, NO_NIBBLES, nibbles)
          : this.#insert(this.#root, NO_NIBBLES, nibbles, value);
    }
  }

  clear(): void {
    const visit = (node: TrieNode | null, path: Uint8Array): void => {
      if (node === null) return;
      const loaded = this.#load(node, path);
      if (loaded.kind === "extension") visit(loaded.child, concatBytes(path, loaded.key));
      if (loaded.kind === "branch")
        for (const [index, child] of loaded.children.entries())
          visit(child, concatBytes(path, Uint8Array.of(index)));
    };
    visit(this.#root, NO_NIBBLES);
    this.#root = null;
  }

  finish(): TrieResult {
    const changes: TrieNodeChange[] = [];
    const kept = new Set<string>();

    const write = (path: Uint8Array, raw: Uint8Array): void => {
      const full = concatBytes(this.#owner, path);
      const key = pathKey(full);
      kept.add(key);
      const previous = this.#seen.get(key)?.raw ?? null;
      if (previous === null || !bytesEqual(previous, raw))
        changes.push({ path: full, node: raw, previous });
    };
    const reference = (node: TrieNode, path: Uint8Array): RlpItem => {
      if (node.kind === "unloaded") return node.hash;
      const items = nodeToItems(node, (child, key) => reference(child, concatBytes(path, key)));
      const raw = RLP.encode(items);
      if (isInline(raw)) return items;
      write(path, raw);
      return hashOf(raw);
    };

    let root = EMPTY_TRIE_ROOT;
    if (this.#root !== null) {
      const loaded = this.#load(this.#root, NO_NIBBLES);
      const raw = RLP.encode(nodeToItems(loaded, reference));
      write(NO_NIBBLES, raw);
      root = toHex(hashOf(raw));
    }
    for (const [key, { path, raw }] of this.#seen)
      if (!kept.has(key)) changes.push({ path, node: null, previous: raw });
    return { root, changes };
  }

  #loadRoot(expected: Hex | null): LoadedNode | null {
    if (expected === EMPTY_TRIE_ROOT) return null;
    const raw = this.#read(NO_NIBBLES);
    if (raw === null) {
      if (expected !== null) throw this.#missing(NO_NIBBLES);
      return null;
    }
    if (expected !== null && toHex(hashOf(raw)) !== expected) throw this.#missing(NO_NIBBLES);
    return decodeNode(raw);
  }

  #read(path: Uint8Array): Uint8Array | null {
    const full = concatBytes(this.#owner, path);
    const raw = this.#reader.node(full);
    if (raw !== null) this.#seen.set(pathKey(full), { path: full, raw });
    return raw;
  }

  #load(node: TrieNode, path: Uint8Array): LoadedNode {
    if (node.kind !== "unloaded") return node;
    const raw = this.#read(path);
    if (raw === null || !bytesEqual(hashOf(raw), node.hash)) throw this.#missing(path);
    return decodeNode(raw);
  }

  #missing(path: Uint8Array): NodeError {
    return new NodeError("STORAGE_CORRUPT", {
      record: "trie node",
      path: toHex(concatBytes(this.#owner, path)),
    });
  }

  #insert(node: TrieNode | null, path: Uint8Array, key: Uint8Array, value: Uint8Array): LoadedNode {
    if (node === null) return { kind: "leaf", key, value };
    const loaded = this.#load(node, path);
    if (loaded.kind === "branch") {
      const index = key[0];
      if (index === undefined) {
        loaded.value = value;
        return loaded;
      }
      const child = loaded.children[index] ?? null;
      loaded.children[index] = this.#insert(child, join(path, index), key.subarray(1), value);
      return loaded;
    }
    const common = commonLength(loaded.key, key);
    if (loaded.kind === "leaf" && common === loaded.key.length && common === key.length)
      return { kind: "leaf", key: loaded.key, value };
    if (loaded.kind === "extension" && common === loaded.key.length) {
      const childPath = concatBytes(path, loaded.key);
      loaded.child = this.#insert(loaded.child, childPath, key.subarray(common), value);
      return loaded;
    }
    return split(loaded, key, value, common);
  }

  #remove(node: TrieNode | null, path: Uint8Array, key: Uint8Array): TrieNode | null {
    if (node === null) return null;
    const loaded = this.#load(node, path);
    if (loaded.kind === "leaf") return bytesEqual(loaded.key, key) ? null : loaded;
    if (loaded.kind === "branch") {
      const index = key[0];
      if (index === undefined) {
        loaded.value = null;
        return this.#collapse(loaded, path);
      }
      const child = loaded.children[index] ?? null;
      if (child === null) return loaded;
      loaded.children[index] = this.#remove(child, join(path, index), key.subarray(1));
      return this.#collapse(loaded, path);
    }
    const { length } = loaded.key;
    if (commonLength(loaded.key, key) < length) return loaded;
    const childPath = concatBytes(path, loaded.key);
    const child = this.#remove(loaded.child, childPath, key.subarray(length));
    return child === null ? null : prepend(loaded.key, this.#load(child, childPath));
  }

  /** A branch with one child left and no value, or only a value, is not a branch. */
  #collapse(branch: Branch, path: Uint8Array): LoadedNode | null {
    let only = -1;
    for (const [index, child] of branch.children.entries()) {
      if (child === null) continue;
      if (only >= 0) return branch;
      only = index;
    }
    const child = branch.children[only] ?? null;
    if (branch.value !== null)
      return child === null ? { kind: "leaf", key: NO_NIBBLES, value: branch.value } : branch;
    if (child === null) return null;
    return prepend(Uint8Array.of(only), this.#load(child, join(path, only)));
  }
}

/** The node with nibbles before it: in a leaf or extension itself, before a branch in a new one. */
function prepend(key: Uint8Array, node: LoadedNode): LoadedNode {
  if (node.kind === "leaf") return { ...node, key: concatBytes(key, node.key) };
  if (node.kind === "extension") return { ...node, key: concatBytes(key, node.key) };
  return { kind: "extension", key, child: node };
}

/** Puts a branch where a leaf's or extension's key and a new key part ways. */
function split(
  node: Exclude<LoadedNode, Branch>,
  key: Uint8Array,
  value: Uint8Array,
  common: number,
): LoadedNode {
  const branch: Branch = {
    kind: "branch",
    children: new Array<null>(BRANCH_WIDTH).fill(null),
    value: null,
  };
  const rest = node.key.subarray(common + 1);
  if (node.kind === "leaf") place(branch, node.key.subarray(common), node.value);
  else
    branch.children[node.key[common] ?? 0] =
      rest.length === 0 ? node.child : { kind: "extension", key: rest, child: node.child };
  place(branch, key.subarray(common), value);
  if (common === 0) return branch;
  return { kind: "extension", key: key.subarray(0, common), child: branch };
}

/** Gives a new branch the key that ends in it or goes on below it. */
function place(branch: Branch, key: Uint8Array, value: Uint8Array): void {
  const index = key[0];
  if (index === undefined) branch.value = value;
  else branch.children[index] = { kind: "leaf", key: key.subarray(1), value };
}

function join(path: Uint8Array, nibble: number): Uint8Array {
  const joined = new Uint8Array(path.length + 1);
  joined.set(path);
  joined[path.length] = nibble;
  return joined;
}

function commonLength(a: Uint8Array, b: Uint8Array): number {
  const limit = Math.min(a.length, b.length);
  let i = 0;
  while (i < limit && a[i] === b[i]) i++;
  return i;
}

/** Root of the trie with `rlp(index)` keys: transactions and receipts of a block. */
export function listRoot(values: readonly Uint8Array[]): Hex {
  const trie = openTrie({ node: () => null }, NO_NIBBLES, EMPTY_TRIE_ROOT);
  trie.update(values.map((value, index) => ({ key: RLP.encode(index), value })));
  return trie.finish().root;
}
