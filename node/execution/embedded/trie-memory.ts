/**
 * Which nodes of a resident trie stay in memory: counting, and giving up what was not used lately.
 *
 * Owns neither the bound nor when it is looked at: `state-trie.ts`. Invariant: a node given up is in
 * the store as it is, so the reference in its parent's RLP finds it there again.
 */
import assert from "node:assert/strict";
import { BRANCH_WIDTH, type TrieNode, UNLOADED } from "./trie-node.ts";

/** Counts the nodes below and including `node` by the block that saw them last. */
export function countNodes(node: TrieNode, bySeen: Map<number, number>): void {
  bySeen.set(node.seen, (bySeen.get(node.seen) ?? 0) + 1);
  if (node.kind === "extension" && node.child !== UNLOADED) countNodes(node.child, bySeen);
  if (node.kind !== "branch") return;
  for (const child of node.children)
    if (child !== null && child !== UNLOADED) countNodes(child, bySeen);
}

/** Gives up the nodes below `node` that no block from `before` on has seen. */
export function pruneNodes(node: TrieNode, before: number): void {
  if (node.kind === "extension" && node.child !== UNLOADED) {
    if (isOld(node.child, before)) node.child = UNLOADED;
    else pruneNodes(node.child, before);
  }
  if (node.kind !== "branch") return;
  for (let i = 0; i < BRANCH_WIDTH; i++) {
    const child = node.children[i] ?? null;
    if (child === null || child === UNLOADED) continue;
    if (isOld(child, before)) node.children[i] = UNLOADED;
    else pruneNodes(child, before);
  }
}

/** A node is seen whenever one below it is, so that what is below an old one is as old. */
function isOld(node: TrieNode, before: number): boolean {
  if (node.seen >= before) return false;
  assert(!node.dirty, "a node that is given up is in the store as it is");
  return true;
}
