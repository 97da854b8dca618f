/**
 * Nodes of the Merkle Patricia trie: their shapes in memory and their RLP.
 *
 * Owns encoding and decoding, inline nodes (RLP under 32 bytes stands in its parent) included.
 * Does not own where nodes are stored nor how they change: `trie.ts`.
 * Source: yellow paper, appendix D.
 */
import { RLP } from "@ethereumjs/rlp";
import { NodeError } from "../../errors.ts";
import { keccak256 } from "../../primitives/hash.ts";

/** A child that has not been loaded; its node stands at the child's path. */
export interface Unloaded {
  readonly kind: "unloaded";
  readonly hash: Uint8Array;
}

export interface Leaf {
  readonly kind: "leaf";
  /** Remaining nibbles, one a byte. */
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export interface Extension {
  readonly kind: "extension";
  readonly key: Uint8Array;
  child: TrieNode;
}

export interface Branch {
  readonly kind: "branch";
  readonly children: (TrieNode | null)[];
  /** Of the key that ends here: none in state and list tries, whose keys are prefix-free. */
  value: Uint8Array | null;
}

export type LoadedNode = Leaf | Extension | Branch;
export type TrieNode = LoadedNode | Unloaded;

/** What RLP gives for a node: bytes and, for inline children, nested lists. */
export type RlpItem = Uint8Array | RlpItem[];

const HASH_BYTES = 32;
export const BRANCH_WIDTH = 16;
const EMPTY_BYTES = new Uint8Array(0);

/** Nibbles of a key, one a byte. */
export function toNibbles(key: Uint8Array): Uint8Array {
  const nibbles = new Uint8Array(key.length * 2);
  for (let i = 0; i < key.length; i++) {
    const byte = key[i] ?? 0;
    nibbles[2 * i] = byte >> 4;
    nibbles[2 * i + 1] = byte & 0x0f;
  }
  return nibbles;
}

/** Hex-prefix encoding of nibbles. Source: yellow paper, appendix C. */
function compactKey(nibbles: Uint8Array, leaf: boolean): Uint8Array {
  const odd = nibbles.length % 2;
  const compact = new Uint8Array(1 + (nibbles.length - odd) / 2);
  compact[0] = (leaf ? 0x20 : 0) | (odd === 1 ? 0x10 | (nibbles[0] ?? 0) : 0);
  for (let i = odd; i < nibbles.length; i += 2)
    compact[1 + (i - odd) / 2] = ((nibbles[i] ?? 0) << 4) | (nibbles[i + 1] ?? 0);
  return compact;
}

function decodeCompactKey(compact: Uint8Array): { key: Uint8Array; leaf: boolean } {
  const flag = compact[0] ?? 0;
  const nibbles = toNibbles(compact);
  return { key: nibbles.slice((flag & 0x10) === 0 ? 2 : 1), leaf: (flag & 0x20) !== 0 };
}

/** The node that bytes from the store spell; throws `STORAGE_CORRUPT` where they spell none. */
export function decodeNode(raw: Uint8Array): LoadedNode {
  const node = itemToNode(RLP.decode(raw));
  if (node === null || node.kind === "unloaded") throw corrupt();
  return node;
}

function itemToNode(item: RlpItem): TrieNode | null {
  if (item instanceof Uint8Array) {
    if (item.length === 0) return null;
    if (item.length !== HASH_BYTES) throw corrupt();
    return { kind: "unloaded", hash: item };
  }
  if (item.length === BRANCH_WIDTH + 1) {
    const value = item[BRANCH_WIDTH];
    if (!(value instanceof Uint8Array)) throw corrupt();
    const children = item.slice(0, BRANCH_WIDTH).map(itemToNode);
    return { kind: "branch", children, value: value.length === 0 ? null : value };
  }
  const [compact, content] = item;
  if (item.length !== 2 || !(compact instanceof Uint8Array) || content === undefined)
    throw corrupt();
  const { key, leaf } = decodeCompactKey(compact);
  if (leaf) {
    if (!(content instanceof Uint8Array)) throw corrupt();
    return { kind: "leaf", key, value: content };
  }
  const child = itemToNode(content);
  if (child === null) throw corrupt();
  return { kind: "extension", key, child };
}

/** Items of a node, its children given by `reference` as the parent must hold them. */
export function nodeToItems(
  node: LoadedNode,
  reference: (child: TrieNode, key: Uint8Array) => RlpItem,
): RlpItem[] {
  if (node.kind === "leaf") return [compactKey(node.key, true), node.value];
  if (node.kind === "extension")
    return [compactKey(node.key, false), reference(node.child, node.key)];
  const items: RlpItem[] = node.children.map((child, index) =>
    child === null ? EMPTY_BYTES : reference(child, Uint8Array.of(index)),
  );
  items.push(node.value ?? EMPTY_BYTES);
  return items;
}

/** How a parent refers to a node: the node itself when its RLP is short, else its hash. */
export function isInline(raw: Uint8Array): boolean {
  return raw.length < HASH_BYTES;
}

export function hashOf(raw: Uint8Array): Uint8Array {
  return keccak256(raw);
}

function corrupt(): NodeError {
  return new NodeError("STORAGE_CORRUPT", { record: "trie node" });
}
