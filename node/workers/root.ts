/**
 * State roots as a service of a pool worker, and its client: the same `RootHasher` on both ends.
 *
 * Owns the form in which byte arrays cross between the threads: many small ones as one large one
 * and their lengths. Each array costs the structured clone about a microsecond at either end, and
 * a view takes the whole buffer behind it along; a block has ten thousand of them.
 */
import assert from "node:assert/strict";
import type { RootHasher, SealedRoots } from "../execution/engine.ts";
import { packWrites, unpackWrites } from "../execution/slice-codec.ts";
import { createRootHasher } from "../execution/embedded/root-hasher.ts";
import type { Remote } from "../port.ts";
import type { TrieNodeChange, TrieReader } from "../storage/state.ts";

/** Byte arrays one after the other; the length `ABSENT` stands for `null`. */
interface Packed {
  readonly bytes: Uint8Array;
  readonly lengths: Uint32Array;
}

interface PackedRoots extends Omit<SealedRoots, "nodes"> {
  /** Path, node and previous of each change. */
  readonly nodes: Packed;
}

/** `RootHasher` as `serve` takes it. */
export type RootService = Pick<RootHasher, "committed" | "discard"> & {
  /** Writes as `slice-codec.ts` packs them. */
  extend(writes: Uint8Array): Promise<void>;
  seal(lists: readonly Packed[]): Promise<PackedRoots>;
};

const ABSENT = 0xffffffff;
const ARRAYS_A_NODE = 3;

/** Serves roots over the committed trie that `trie` reads. */
export function createRootService(trie: TrieReader): RootService {
  const hasher = createRootHasher(trie);
  return {
    extend: (writes) => hasher.extend(unpackWrites(writes)),
    async seal(lists) {
      const { nodes, ...roots } = await hasher.seal(lists.map(unpackList));
      return {
        ...roots,
        nodes: packNodes(nodes),
      };
    },
    committed: () => hasher.committed(),
    discard: () => hasher.discard(),
  };
}

/** The hasher behind a port. */
export function createRootClient(remote: Remote<RootService>): RootHasher {
  return {
    extend: (slice) => remote.extend(packWrites(slice)),
    async seal(lists) {
      const { nodes, ...roots } = await remote.seal(lists.map(pack));
      return { ...roots, nodes: unpackNodes(nodes) };
    },
    committed: () => remote.committed(),
    discard: () => remote.discard(),
  };
}

function packNodes(nodes: readonly TrieNodeChange[]): Packed {
  const arrays: (Uint8Array | null)[] = [];
  for (const { path, node, previous } of nodes) arrays.push(path, node, previous);
  return pack(arrays);
}

function pack(arrays: readonly (Uint8Array | null)[]): Packed {
  const lengths = new Uint32Array(arrays.length);
  let total = 0;
  for (const [index, array] of arrays.entries()) {
    lengths[index] = array?.length ?? ABSENT;
    total += array?.length ?? 0;
  }
  const bytes = new Uint8Array(total);
  let at = 0;
  for (const array of arrays) {
    if (array === null) continue;
    bytes.set(array, at);
    at += array.length;
  }
  return { bytes, lengths };
}

/** The arrays as views of the large one. */
function unpack({ bytes, lengths }: Packed): (Uint8Array | null)[] {
  const arrays: (Uint8Array | null)[] = [];
  let at = 0;
  for (const length of lengths) {
    arrays.push(length === ABSENT ? null : bytes.subarray(at, at + length));
    if (length !== ABSENT) at += length;
  }
  return arrays;
}

function unpackList(packed: Packed): Uint8Array[] {
  return unpack(packed).filter((array) => array !== null);
}

function unpackNodes(packed: Packed): TrieNodeChange[] {
  const arrays = unpack(packed);
  const nodes: TrieNodeChange[] = [];
  for (let i = 0; i < arrays.length; i += ARRAYS_A_NODE) {
    const path = arrays[i] ?? null;
    assert(path !== null, "a node has a path");
    nodes.push({ path, node: arrays[i + 1] ?? null, previous: arrays[i + 2] ?? null });
  }
  return nodes;
}
