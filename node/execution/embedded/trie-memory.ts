/**
 * Which nodes of a resident trie stay in memory: counting, and giving up what was not used lately.
 *
 * Owns how a node ages. Owns neither the bound nor when it is looked at: `state-trie.ts`.
 * Invariants: a node given up is in the store as it is, so that the reference in its parent's RLP
 * finds it there again; what is below an old node is as old.
 */
import assert from "node:assert/strict";
import { type Allocate, copyTo } from "./trie-arena.ts";
import { BRANCH_WIDTH, type TrieNode, UNLOADED } from "./trie-node.ts";

/** Numbers of blocks, ascending as they are sealed. */
export interface BlockClock {
  /** The open block: nodes that it reads or changes bear its number. */
  block: number;
  /** The newest block that the store has. */
  committed: number;
}

/**
 * A leaf serves one key, so that it is used again less often than the nodes above it; and it is the
 * one node that is not read again where its account or slot is known. It ages so much faster.
 */
const LEAF_AGING = 4;

/** Age in blocks; 0 for what the store may not have yet. */
function ageOf({ kind, seen }: TrieNode, { block, committed }: BlockClock): number {
  if (seen > committed) return 0;
  return (block - seen) * (kind === "leaf" ? LEAF_AGING : 1);
}

/** Counts the nodes below and including `node` by age. */
export function countNodes(node: TrieNode, clock: BlockClock, byAge: Map<number, number>): void {
  const age = ageOf(node, clock);
  byAge.set(age, (byAge.get(age) ?? 0) + 1);
  if (node.kind === "extension" && node.child !== UNLOADED) countNodes(node.child, clock, byAge);
  if (node.kind !== "branch") return;
  for (const child of node.children)
    if (child !== null && child !== UNLOADED) countNodes(child, clock, byAge);
}

/** Whether a node is older than `ageMax`. */
export function isOld(node: TrieNode, clock: BlockClock, ageMax: number): boolean {
  if (ageOf(node, clock) <= ageMax) return false;
  assert(!node.dirty, "an old node is in the store as it is");
  return true;
}

/**
 * Gives up the nodes below `node` that are older than `ageMax`, and moves what stays: the arrays of
 * those that went would keep their chunks of memory otherwise.
 */
export function pruneNodes(
  node: TrieNode,
  clock: BlockClock,
  ageMax: number,
  allocate: Allocate,
): void {
  const { rlp, base } = node;
  node.rlp = copyTo(allocate, rlp);
  if (base !== null) node.base = base === rlp ? node.rlp : copyTo(allocate, base);
  if (node.kind === "extension" && node.child !== UNLOADED) {
    if (isOld(node.child, clock, ageMax)) node.child = UNLOADED;
    else pruneNodes(node.child, clock, ageMax, allocate);
  }
  if (node.kind !== "branch") return;
  for (let i = 0; i < BRANCH_WIDTH; i++) {
    const child = node.children[i] ?? null;
    if (child === null || child === UNLOADED) continue;
    if (isOld(child, clock, ageMax)) node.children[i] = UNLOADED;
    else pruneNodes(child, clock, ageMax, allocate);
  }
}
