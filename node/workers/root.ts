/**
 * State roots as a service of a pool worker: the same `RootHasher`, its results ready for the
 * structured clone. Owns nothing but that; the wiring opens the reader and the port.
 */
import type { RootHasher, SealedRoots } from "../execution/engine.ts";
import { createRootHasher } from "../execution/embedded/root-hasher.ts";
import type { StateDiff, TrieNodeChange, TrieReader } from "../storage/state.ts";

/** `RootHasher` as `serve` takes it. */
type RootService = { [K in keyof RootHasher]: RootHasher[K] };

/** Serves roots over the committed trie that `trie` reads. */
export function createRootService(trie: TrieReader): RootService {
  const hasher = createRootHasher(trie);
  return {
    async compute(
      diff: StateDiff,
      lists: readonly (readonly Uint8Array[])[],
    ): Promise<SealedRoots> {
      const result = await hasher.compute(diff, lists);
      return { ...result, nodes: result.nodes.map(compactChange) };
    },
    committed: () => hasher.committed(),
    discard: () => hasher.discard(),
  };
}

/**
 * A clone copies the whole buffer behind a view: nodes that share a larger one are copied first.
 */
function compactChange(change: TrieNodeChange): TrieNodeChange {
  return { path: change.path, node: compact(change.node), previous: compact(change.previous) };
}

function compact(bytes: Uint8Array | null): Uint8Array | null {
  return bytes === null || bytes.byteLength === bytes.buffer.byteLength
    ? bytes
    : Uint8Array.from(bytes);
}
