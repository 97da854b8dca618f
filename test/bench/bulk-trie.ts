/**
 * A whole Merkle Patricia trie from its sorted leaves, bottom up: for a state of a million
 * accounts, where inserting one after another would take minutes.
 *
 * Owns nothing but the construction. Nodes come out by path, as `TrieNodeChange` has them. Shares
 * no code with the engine's trie, which checks every node it reads of this one by its hash. Source:
 * yellow paper, appendices C and D.
 */
import { RLP } from "@ethereumjs/rlp";
import { concatBytes, type Hex, toHex } from "../../lanes/bytes.ts";
import { keccak256 } from "../../node/primitives/hash.ts";
import { EMPTY_TRIE_ROOT } from "../../node/primitives/header.ts";
import type { TrieNodeChange } from "../../node/storage/state.ts";

/** A leaf: 32-byte key, RLP of the value. */
export interface BulkLeaf {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** How a parent holds a child: hash, or the items of a node that is short. */
export type NodeReference = Uint8Array | NodeReference[];

const KEY_NIBBLES = 64;
const WIDTH = 16;
const HASH_BYTES = 32;
const NOTHING = new Uint8Array(0);

/** Orders leaves as a trie has them. */
export function byKey(a: BulkLeaf, b: BulkLeaf): number {
  return Buffer.compare(a.key, b.key);
}

/** A subtree and what its parent holds of it. */
export interface Subtree {
  readonly reference: NodeReference;
  readonly nodes: TrieNodeChange[];
}

/** The subtree of sorted leaves, each key once, that share their first `depth` nibbles. */
export function buildSubtree(
  owner: Uint8Array,
  leaves: readonly BulkLeaf[],
  depth: number,
): Subtree {
  const nodes: TrieNodeChange[] = [];
  const place = (items: NodeReference[], path: Uint8Array): NodeReference => {
    const raw = RLP.encode(items);
    if (raw.length < HASH_BYTES && path.length > 0) return items;
    nodes.push({ path: concatBytes(owner, path), node: raw, previous: null });
    return keccak256(raw);
  };
  const build = (low: number, high: number, at: number): NodeReference => {
    const first = leafAt(leaves, low).key;
    const path = nibblesOf(first, 0, at);
    if (high - low === 1) {
      const rest = nibblesOf(first, at, KEY_NIBBLES);
      return place([compactKey(rest, true), leafAt(leaves, low).value], path);
    }
    const common = commonNibbles(first, leafAt(leaves, high - 1).key);
    if (common > at) {
      const child = build(low, high, common);
      return place([compactKey(nibblesOf(first, at, common), false), child], path);
    }
    const items: NodeReference[] = new Array<NodeReference>(WIDTH + 1).fill(NOTHING);
    for (let start = low; start < high;) {
      const nibble = nibbleAt(leafAt(leaves, start).key, at);
      let end = start + 1;
      while (end < high && nibbleAt(leafAt(leaves, end).key, at) === nibble) end++;
      items[nibble] = build(start, end, at + 1);
      start = end;
    }
    return place(items, path);
  };
  return { reference: build(0, leaves.length, depth), nodes };
}

/** The branch at the root over its sixteen subtrees. */
export function joinSubtrees(references: readonly NodeReference[]): {
  readonly root: Hex;
  readonly node: TrieNodeChange;
} {
  const raw = RLP.encode([...references, NOTHING]);
  return { root: toHex(keccak256(raw)), node: { path: NOTHING, node: raw, previous: null } };
}

/** Root and nodes of a whole trie in one go. */
export function buildTrie(
  owner: Uint8Array,
  leaves: readonly BulkLeaf[],
): { readonly root: Hex; readonly nodes: readonly TrieNodeChange[] } {
  if (leaves.length === 0) return { root: EMPTY_TRIE_ROOT, nodes: [] };
  const { reference, nodes } = buildSubtree(owner, leaves, 0);
  return { root: toHex(reference as Uint8Array), nodes };
}

function leafAt(leaves: readonly BulkLeaf[], index: number): BulkLeaf {
  return leaves[index] as BulkLeaf;
}

function nibbleAt(key: Uint8Array, index: number): number {
  const byte = key[index >> 1] ?? 0;
  return index % 2 === 0 ? byte >> 4 : byte & 0x0f;
}

function nibblesOf(key: Uint8Array, from: number, to: number): Uint8Array {
  const nibbles = new Uint8Array(to - from);
  for (let index = from; index < to; index++) nibbles[index - from] = nibbleAt(key, index);
  return nibbles;
}

function commonNibbles(a: Uint8Array, b: Uint8Array): number {
  let index = 0;
  while (index < KEY_NIBBLES && nibbleAt(a, index) === nibbleAt(b, index)) index++;
  return index;
}

/** Hex-prefix encoding. */
function compactKey(nibbles: Uint8Array, leaf: boolean): Uint8Array {
  const odd = nibbles.length % 2;
  const compact = new Uint8Array(1 + (nibbles.length - odd) / 2);
  compact[0] = (leaf ? 0x20 : 0) | (odd === 1 ? 0x10 | (nibbles[0] ?? 0) : 0);
  for (let index = odd; index < nibbles.length; index += 2)
    compact[1 + (index - odd) / 2] = ((nibbles[index] ?? 0) << 4) | (nibbles[index + 1] ?? 0);
  return compact;
}
