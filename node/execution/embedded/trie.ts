/**
 * One resident Merkle Patricia trie over nodes stored by path.
 *
 * Owns batch updates, hashing of what they changed, and the node changes of a block: every node
 * that is written, moved or left without a place gives one change with what stood there before the
 * block, so that nothing is orphaned. Nodes stay in memory from block to block until pruned.
 * Does not own key hashing, accounts or storage (`state-trie.ts`), nor a node's form
 * (`trie-node.ts`).
 * Invariants: nodes outside the touched paths are never read; every node read from the reader is
 * checked against the hash its parent holds; a node changed since the last committed block is in
 * memory, so the reader is asked only for nodes that are in the store as they are here. After an
 * error the trie is of no use. Source: yellow paper, appendix D.
 */
import { bytesEqual, concatBytes, fromHex } from "../../../lanes/bytes.ts";
import { keccak256 } from "../../primitives/hash.ts";
import { EMPTY_TRIE_ROOT } from "../../primitives/header.ts";
import type { TrieNodeChange } from "../../storage/state.ts";
import { countNodes, isOld, pruneNodes } from "./trie-memory.ts";
import { BRANCH_WIDTH, encodeNode, isInline, type TrieNode, UNLOADED } from "./trie-node.ts";
import { createNodeSource, type NodeSource, type TrieScope } from "./trie-source.ts";
import { type TrieUpdate, updateNodes } from "./trie-update.ts";

export interface Trie {
  /** Sets or deletes keys, in any order; a later entry for a key wins. */
  update(updates: readonly TrieUpdate[]): void;
  /** Deletes everything, reading every stored node once. */
  clear(): void;
  /** Root of what is in the trie now: hashes what changed since it was last asked for. */
  root(): Uint8Array;
  /**
   * Adds the node changes of the block, in the order of their paths but for deletions, which come
   * last. The scope's next block begins after it.
   */
  seal(changes: TrieNodeChange[]): void;
  isEmpty(): boolean;
  /** Counts the nodes in memory by age in blocks. */
  countNodes(byAge: Map<number, number>): void;
  /**
   * Gives up the nodes that are older, but for the root; returns whether that is as old, so that
   * nothing but the root is left. What the store may not have yet has the age 0. What stays moves
   * to the scope's arena.
   */
  prune(ageMax: number): boolean;
}

export const EMPTY_ROOT = fromHex(EMPTY_TRIE_ROOT);

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
export function openTrie(scope: TrieScope, owner: Uint8Array, root: Uint8Array | null): Trie {
  return new PathTrie(scope, owner, root);
}

class PathTrie implements Trie {
  readonly #scope: TrieScope;
  readonly #owner: Uint8Array;
  readonly #source: NodeSource;
  /** What stood, before the block, at paths that have lost their node in it. */
  readonly #vacated = new Map<string, Uint8Array>();
  #root: TrieNode | null = null;
  /** Of `#root` unless that is dirty. */
  #hash: Uint8Array = EMPTY_ROOT;

  constructor(scope: TrieScope, owner: Uint8Array, root: Uint8Array | null) {
    this.#scope = scope;
    this.#owner = owner;
    this.#source = createNodeSource(scope, owner);
    if (root !== null && bytesEqual(root, EMPTY_ROOT)) return;
    this.#root = this.#source.root(root);
    if (this.#root !== null) this.#hash = root ?? keccak256(this.#root.rlp);
  }

  update(updates: readonly TrieUpdate[]): void {
    this.#root = updateNodes(this.#root, updates, {
      scope: this.#scope,
      source: this.#source,
      onVacated: (path, base) => this.#vacated.set(pathKey(path), base),
    });
  }

  clear(): void {
    if (this.#root !== null) this.#vacate(this.#root, this.#owner);
    this.#root = null;
  }

  root(): Uint8Array {
    if (this.#root === null) return EMPTY_ROOT;
    if (this.#root.dirty) {
      encodeNode(this.#root, this.#scope.arena.allocate);
      this.#hash = keccak256(this.#root.rlp);
    }
    return this.#hash;
  }

  seal(changes: TrieNodeChange[]): void {
    this.root();
    if (this.#root !== null) this.#collect(this.#root, this.#owner, changes);
    for (const [path, previous] of [...this.#vacated].sort(([a], [b]) => (a < b ? -1 : 1)))
      changes.push({ path: Buffer.from(path, "latin1"), node: null, previous });
    this.#vacated.clear();
  }

  isEmpty(): boolean {
    return this.#root === null;
  }

  countNodes(byAge: Map<number, number>): void {
    if (this.#root !== null) countNodes(this.#root, this.#scope, byAge);
  }

  prune(ageMax: number): boolean {
    if (this.#root === null) return true;
    pruneNodes(this.#root, this.#scope, ageMax, this.#scope.arena.allocate);
    return isOld(this.#root, this.#scope, ageMax);
  }

  /** Adds the changes of a node that the block saw, and of those below it. */
  #collect(node: TrieNode, path: Uint8Array, changes: TrieNodeChange[]): void {
    const stored = isInline(node.rlp) && node !== this.#root ? null : node.rlp;
    const previous = node.base ?? this.#takeVacated(path);
    const { block } = this.#scope;
    const wasStored = stored !== null || previous !== null;
    const at = wasStored ? changes.push({ path, node: stored, previous }) : -1;
    node.base = stored;
    if (node.kind === "extension" && node.child !== UNLOADED && node.child.seen === block)
      this.#collect(node.child, concatBytes(path, node.key), changes);
    if (node.kind === "branch")
      for (let i = 0; i < BRANCH_WIDTH; i++) {
        const child = node.children[i] ?? null;
        if (child !== null && child !== UNLOADED && child.seen === block)
          this.#collect(child, appendNibble(path, i), changes);
      }
    // What refers to a node that changed has changed too, and need not be compared.
    if (changes.length === at && equalValues(stored, previous)) changes.pop();
  }

  /** Notes what stood at the path of a node and of all below it. */
  #vacate(node: TrieNode, path: Uint8Array): void {
    if (node.base !== null) this.#vacated.set(pathKey(path), node.base);
    const below = (index: number, child: TrieNode | typeof UNLOADED, at: Uint8Array): void => {
      this.#vacate(child === UNLOADED ? this.#source.load(node.rlp, index, at) : child, at);
    };
    if (node.kind === "extension") below(1, node.child, concatBytes(path, node.key));
    if (node.kind === "branch")
      for (const [index, child] of node.children.entries())
        if (child !== null) below(index, child, appendNibble(path, index));
  }

  /** What stood at a path before another node came to stand there. */
  #takeVacated(path: Uint8Array): Uint8Array | null {
    if (this.#vacated.size === 0) return null;
    const key = pathKey(path);
    const base = this.#vacated.get(key) ?? null;
    if (base !== null) this.#vacated.delete(key);
    return base;
  }
}

function equalValues(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a === b || (a !== null && b !== null && bytesEqual(a, b));
}

function appendNibble(path: Uint8Array, nibble: number): Uint8Array {
  const longer = new Uint8Array(path.length + 1);
  longer.set(path);
  longer[path.length] = nibble;
  return longer;
}
