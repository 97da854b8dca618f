/**
 * Nodes of the Merkle Patricia trie in memory: their shapes, and their RLP.
 *
 * Owns decoding and encoding, inline nodes (RLP under 32 bytes stands in its parent) included. A
 * node's own RLP is its memory: a leaf is nothing else, and a branch keeps in it the hashes of the
 * children that are not loaded, so that encoding it again copies them and writes only what changed.
 * Does not own where nodes are stored nor how they change: `trie.ts`.
 * Invariant: RLP arrays are never written to after they were made; they are shared with the store's
 * changes. Source: yellow paper, appendix D.
 */
import { concatBytes } from "../../../lanes/bytes.ts";
import { NodeError } from "../../errors.ts";
import { keccak256 } from "../../primitives/hash.ts";
import { type Allocate, allocateAlone, copyTo } from "./trie-arena.ts";
import {
  compactNibbles,
  createList,
  encodeStrings,
  expandNibbles,
  isLeafKey,
  isListAt,
  itemEnd,
  leafSuffix,
  payloadStart,
  stringAt,
  stringLength,
  writeString,
} from "./trie-codec.ts";

/** A child that stands in the store, or inline in its parent's RLP. */
export const UNLOADED = "unloaded";

interface NodeState {
  /** Block in which the node was last read or changed. */
  seen: number;
  /** Whether its parent's RLP does not refer to it as it is now. */
  dirty: boolean;
  /** What stands at its path in the state of the previous block; `null` for nothing. */
  base: Uint8Array | null;
  /** As of the last encoding: holds the references to children that are not dirty. */
  rlp: Uint8Array;
}

export interface Leaf extends NodeState {
  readonly kind: "leaf";
}

export interface Extension extends NodeState {
  readonly kind: "extension";
  /** Nibbles, one a byte; at least one. */
  readonly key: Uint8Array;
  child: TrieNode | typeof UNLOADED;
}

export interface Branch extends NodeState {
  readonly kind: "branch";
  readonly children: Child[];
  /** Of the key that ends here: none in state and list tries, whose keys are prefix-free. */
  value: Uint8Array | null;
}

export type TrieNode = Leaf | Extension | Branch;
export type Child = TrieNode | typeof UNLOADED | null;

/** Of a branch's dirty children, by index. */
type References = readonly (Uint8Array | null)[];

export const BRANCH_WIDTH = 16;
const BRANCH_ITEMS = BRANCH_WIDTH + 1;
const HASH_BYTES = 32;
/** Head byte of a 32-byte string: a reference by hash. */
const HASH_HEAD = 0x80 + HASH_BYTES;
const EMPTY_HEAD = 0x80;
const EMPTY_BYTES = new Uint8Array(0);
/** A branch without anything: what new ones are encoded from. */
const EMPTY_BRANCH = encodeStrings(
  new Array<Uint8Array>(BRANCH_ITEMS).fill(EMPTY_BYTES),
  allocateAlone,
);

/** RLP of a leaf at `depth` of a packed key. */
export function encodeLeaf(
  key: Uint8Array,
  depth: number,
  value: Uint8Array,
  allocate: Allocate,
): Uint8Array {
  return encodeStrings([leafSuffix(key, depth), value], allocate);
}

/** A new leaf. */
export function createLeaf(rlp: Uint8Array, seen: number): Leaf {
  return { kind: "leaf", seen, dirty: true, base: null, rlp };
}

/** A new extension before a node that stands where it stood. */
export function createExtension(key: Uint8Array, child: TrieNode, seen: number): Extension {
  // What referred to the child until now is gone.
  child.dirty = true;
  return { kind: "extension", seen, dirty: true, base: null, rlp: EMPTY_BYTES, key, child };
}

/** An extension with the same child and another key, at another path. */
export function moveExtension(from: Extension, key: Uint8Array, seen: number): Extension {
  const { rlp, child } = from;
  return { kind: "extension", seen, dirty: true, base: null, rlp, key, child };
}

export function createBranch(seen: number): Branch {
  const children = new Array<Child>(BRANCH_WIDTH).fill(null);
  const rlp = EMPTY_BRANCH;
  return { kind: "branch", seen, dirty: true, base: null, rlp, children, value: null };
}

/** Hex-prefix key of a leaf, as a view. */
export function leafCompact({ rlp }: Leaf): Uint8Array {
  return stringAt(rlp, payloadStart(rlp, 0));
}

export function leafValue({ rlp }: Leaf): Uint8Array {
  return stringAt(rlp, itemEnd(rlp, payloadStart(rlp, 0)));
}

export function setLeafValue(leaf: Leaf, value: Uint8Array, allocate: Allocate): void {
  leaf.rlp = encodeStrings([leafCompact(leaf), value], allocate);
  leaf.dirty = true;
}

/**
 * The node with nibbles before it: in a new leaf or extension that takes its place, or before a
 * branch, which stays, in a new extension.
 */
export function prependNibbles(
  nibbles: Uint8Array,
  node: TrieNode,
  seen: number,
  allocate: Allocate,
): Leaf | Extension {
  if (node.kind === "branch") return createExtension(nibbles, node, seen);
  const rest = node.kind === "leaf" ? expandNibbles(leafCompact(node)) : node.key;
  const key = concatBytes(nibbles, rest);
  if (node.kind === "extension") return moveExtension(node, key, seen);
  const items = [compactNibbles(key, true), leafValue(node)];
  return createLeaf(encodeStrings(items, allocate), seen);
}

/** Where the reference to a child stands in the parent's last encoding. */
export function referenceOffset(rlp: Uint8Array, index: number): number {
  let at = payloadStart(rlp, 0);
  for (let i = 0; i < index; i++) at = itemEnd(rlp, at);
  return at;
}

/** RLP of an inline child, or `null` where the reference at `at` is a hash. */
export function inlineChild(rlp: Uint8Array, at: number): Uint8Array | null {
  return isListAt(rlp, at) ? rlp.slice(at, itemEnd(rlp, at)) : null;
}

/** Whether the reference at `at` is this hash. */
export function isReference(rlp: Uint8Array, at: number, hash: Uint8Array): boolean {
  if (rlp[at] !== HASH_HEAD) return false;
  for (let i = 0; i < HASH_BYTES; i++) if (rlp[at + 1 + i] !== hash[i]) return false;
  return true;
}

/**
 * The node that bytes from the store spell, standing as they say. Throws `STORAGE_CORRUPT` where
 * they spell none.
 */
export function decodeNode(rlp: Uint8Array, seen: number): TrieNode {
  const starts: number[] = [];
  let at = payloadStart(rlp, 0);
  while (at < rlp.length && starts.length <= BRANCH_ITEMS) {
    starts.push(at);
    at = itemEnd(rlp, at);
  }
  if (!isListAt(rlp, 0) || itemEnd(rlp, 0) !== rlp.length || at !== rlp.length) throw corrupt();
  if (starts.length === BRANCH_ITEMS) return decodeBranch(rlp, starts, seen);
  const [first, second] = starts;
  if (first === undefined || second === undefined || starts.length !== 2 || isListAt(rlp, first))
    throw corrupt();
  const compact = stringAt(rlp, first);
  if (compact.length === 0) throw corrupt();
  if (isLeafKey(compact)) {
    if (isListAt(rlp, second)) throw corrupt();
    return { kind: "leaf", seen, dirty: false, base: null, rlp };
  }
  const key = expandNibbles(compact);
  if (decodeChild(rlp, second) === null || key.length === 0) throw corrupt();
  return { kind: "extension", seen, dirty: false, base: null, rlp, key, child: UNLOADED };
}

function decodeBranch(rlp: Uint8Array, starts: readonly number[], seen: number): Branch {
  const children: Child[] = [];
  for (let i = 0; i < BRANCH_WIDTH; i++) children.push(decodeChild(rlp, starts[i] ?? 0));
  const at = starts[BRANCH_WIDTH] ?? 0;
  if (isListAt(rlp, at)) throw corrupt();
  const value = rlp[at] === EMPTY_HEAD ? null : stringAt(rlp, at);
  return { kind: "branch", seen, dirty: false, base: null, rlp, children, value };
}

function decodeChild(rlp: Uint8Array, at: number): typeof UNLOADED | null {
  if (rlp[at] === EMPTY_HEAD) return null;
  if (rlp[at] !== HASH_HEAD && !isListAt(rlp, at)) throw corrupt();
  return UNLOADED;
}

/** Gives a dirty node the RLP of what it is now, and every dirty node below it. */
export function encodeNode(node: TrieNode, allocate: Allocate): void {
  node.dirty = false;
  if (node.kind === "extension") {
    const { child } = node;
    const reference = child === UNLOADED || !child.dirty ? null : referenceTo(child, allocate);
    encodeExtension(node, reference, allocate);
  } else if (node.kind === "branch") {
    const references = new Array<Uint8Array | null>(BRANCH_WIDTH).fill(null);
    for (let i = 0; i < BRANCH_WIDTH; i++) {
      const child = node.children[i] ?? null;
      if (child !== null && child !== UNLOADED && child.dirty)
        references[i] = referenceTo(child, allocate);
    }
    encodeBranch(node, references, allocate);
  }
}

/** How a parent refers to a dirty node: the node itself when its RLP is short, else its hash. */
function referenceTo(node: TrieNode, allocate: Allocate): Uint8Array {
  encodeNode(node, allocate);
  return isInline(node.rlp) ? node.rlp : keccak256(node.rlp);
}

/** Encodes an extension again; `reference` is its child's where that is dirty. */
function encodeExtension(
  extension: Extension,
  reference: Uint8Array | null,
  allocate: Allocate,
): void {
  const { key, rlp } = extension;
  const compact = compactNibbles(key, false);
  if (reference === null) {
    const at = referenceOffset(rlp, 1);
    const kept = rlp.subarray(at, itemEnd(rlp, at));
    const list = createList(stringLength(compact) + kept.length, allocate);
    list.rlp.set(kept, writeString(list.rlp, list.at, compact));
    extension.rlp = list.rlp;
  } else {
    const list = createList(stringLength(compact) + referenceLength(reference), allocate);
    writeReference(list.rlp, writeString(list.rlp, list.at, compact), reference);
    extension.rlp = list.rlp;
  }
}

/**
 * Encodes a branch again. `references` has those of its dirty children, by index; everything else
 * is copied from the last encoding, what lies together in one piece.
 */
function encodeBranch(branch: Branch, references: References, allocate: Allocate): void {
  branch.rlp =
    patchBranch(branch, references, allocate) ?? rebuildBranch(branch, references, allocate);
}

/** The usual case: hashes in the place of hashes; `null` where more has changed. */
function patchBranch(
  { rlp: old, children, value }: Branch,
  references: References,
  allocate: Allocate,
): Uint8Array | null {
  let at = payloadStart(old, 0);
  for (let i = 0; i < BRANCH_WIDTH; i++) {
    const reference = references[i] ?? null;
    const head = old[at];
    const fits =
      reference === null
        ? children[i] !== null || head === EMPTY_HEAD
        : reference.length === HASH_BYTES && head === HASH_HEAD;
    if (!fits) return null;
    at = itemEnd(old, at);
  }
  // A value may have changed too; state and list tries have none.
  if (value !== null || old[at] !== EMPTY_HEAD) return null;
  const out = copyTo(allocate, old);
  at = payloadStart(old, 0);
  for (let i = 0; i < BRANCH_WIDTH; i++) {
    const reference = references[i] ?? null;
    if (reference !== null) out.set(reference, at + 1);
    at = itemEnd(old, at);
  }
  return out;
}

function rebuildBranch(branch: Branch, references: References, allocate: Allocate): Uint8Array {
  const { rlp: old, children, value } = branch;
  const list = createList(branchLength(branch, references), allocate);
  const out = list.rlp;
  let to = list.at;
  let at = payloadStart(old, 0);
  let copied = at;
  for (let i = 0; i < BRANCH_WIDTH; i++) {
    const end = itemEnd(old, at);
    const reference = references[i] ?? null;
    if (reference !== null || (children[i] === null && old[at] !== EMPTY_HEAD)) {
      if (at > copied) out.set(old.subarray(copied, at), to);
      to = writeReference(out, to + at - copied, reference ?? EMPTY_BYTES);
      copied = end;
    }
    at = end;
  }
  if (at > copied) out.set(old.subarray(copied, at), to);
  writeString(out, to + at - copied, value ?? EMPTY_BYTES);
  return out;
}

function branchLength({ rlp, children, value }: Branch, references: References): number {
  let length = stringLength(value ?? EMPTY_BYTES);
  let at = payloadStart(rlp, 0);
  for (let i = 0; i < BRANCH_WIDTH; i++) {
    const end = itemEnd(rlp, at);
    const reference = references[i] ?? null;
    if (reference !== null) length += referenceLength(reference);
    else length += children[i] === null ? 1 : end - at;
    at = end;
  }
  return length;
}

/** Whether a node stands in its parent's RLP instead of the store. */
export function isInline(rlp: Uint8Array): boolean {
  return rlp.length < HASH_BYTES;
}

/** Of a hash, of an inline node, or of nothing. */
function referenceLength(reference: Uint8Array): number {
  return reference.length === HASH_BYTES || reference.length === 0
    ? 1 + reference.length
    : reference.length;
}

function writeReference(out: Uint8Array, at: number, reference: Uint8Array): number {
  if (reference.length === HASH_BYTES || reference.length === 0)
    return writeString(out, at, reference);
  out.set(reference, at);
  return at + reference.length;
}

function corrupt(): NodeError {
  return new NodeError("STORAGE_CORRUPT", { record: "trie node" });
}
