/**
 * The `RootHasher` over a trie reader: computed nodes wait until the store has them, and clean nodes
 * are kept in a bounded cache.
 *
 * Owns the node cache and the order compute → committed | discard. Runs on any thread:
 * `node/workers/root.ts` serves it off the sequencing thread. DESIGN 4, I10.
 */
import assert from "node:assert/strict";
import type { Hex } from "../../../lanes/bytes.ts";
import type { TrieReader } from "../../storage/state.ts";
import type { RootHasher, SealedRoots } from "../engine.ts";
import { createGenerationCache } from "./generation-cache.ts";
import { computeRoots } from "./state-trie.ts";
import { listRoot, pathKey } from "./trie.ts";

/** Nodes of one cache generation; two are kept. About 200 bytes a node. */
const CACHED_NODES_MAX = 50_000;

/** A hasher whose base is what `trie` reads now. */
export function createRootHasher(trie: TrieReader): RootHasher {
  const cache = createGenerationCache<string, Uint8Array>(CACHED_NODES_MAX);
  let stateRoot: Hex | null = null;
  let pending: SealedRoots | null = null;

  const cached: TrieReader = {
    node(path) {
      const key = pathKey(path);
      const hit = cache.get(key);
      if (hit !== undefined) return hit;
      const node = trie.node(path);
      if (node !== null) cache.set(key, node);
      return node;
    },
  };

  // An async function turns a throw into a rejection for callers on this very thread.
  return {
    // eslint-disable-next-line @typescript-eslint/require-await -- see above
    async compute(diff, lists) {
      assert(pending === null, "the previous change is neither committed nor discarded");
      const result = computeRoots(diff, cached, stateRoot);
      pending = { ...result, listRoots: lists.map(listRoot) };
      return pending;
    },
    // eslint-disable-next-line @typescript-eslint/require-await -- see above
    async committed() {
      assert(pending !== null, "nothing was computed");
      for (const { path, node } of pending.nodes) {
        if (node === null) cache.delete(pathKey(path));
        else cache.set(pathKey(path), node);
      }
      ({ stateRoot } = pending);
      pending = null;
    },
    // eslint-disable-next-line @typescript-eslint/require-await -- see above
    async discard() {
      pending = null;
      stateRoot = null;
      cache.clear();
    },
  };
}
