/**
 * State roots as a service of a pool worker, and its client: the same `RootHasher` on both ends.
 *
 * Owns the form in which byte arrays cross between the threads: many small ones as one large one
 * and their lengths. Each array costs the structured clone about a microsecond at either end, and
 * a view takes the whole buffer behind it along; a block has ten thousand of them. The large one is
 * shared memory, which is not copied: the sequencing thread would do that, in one piece.
 */
import assert from "node:assert/strict";
import { fromHex, type Hex, toHex } from "../../lanes/bytes.ts";
import type { RootHasher, SealedRoots, SliceLists } from "../execution/engine.ts";
import { createRootHasher } from "../execution/embedded/root-hasher.ts";
import { packWrites, unpackWrites } from "../execution/slice-codec.ts";
import type { Remote } from "../port.ts";
import { EMPTY_TRIE_ROOT } from "../primitives/header.ts";
import type { TrieNodeChange, TrieReader } from "../storage/state.ts";
import { inTurns, type Steps } from "../turns.ts";

/** Byte arrays one after the other; the length `ABSENT` stands for `null`. */
interface Packed {
  readonly bytes: Uint8Array;
  readonly lengths: Uint32Array;
}

interface PackedRoots extends Omit<SealedRoots, "nodes" | "storageRoots"> {
  /** Path, node and previous of each change. */
  readonly nodes: Packed;
  /** Address and storage root of each account; `null` for the root of nothing. */
  readonly storageRoots: Packed;
}

/** `RootHasher` as `serve` takes it. */
export type RootService = Pick<RootHasher, "committed" | "discard"> & {
  /** Writes as `slice-codec.ts` packs them. */
  extend(writes: Uint8Array, transactions: Packed, receipts: Packed): Promise<void>;
  seal(): Promise<PackedRoots>;
};

const ABSENT = 0xffffffff;
const ARRAYS_A_NODE = 3;
const ARRAYS_A_ROOT = 2;
/** Microseconds to unpack a node, and a root with its account. */
const NODE_COST = 0.3;
const ROOT_COST = 0.7;

const NO_LISTS: SliceLists = { transactions: [], receipts: [] };

/** Serves roots over the committed trie that `trie` reads. */
export function createRootService(trie: TrieReader): RootService {
  const hasher = createRootHasher(trie);
  return {
    extend: (writes, transactions, receipts) =>
      hasher.extend(unpackWrites(writes), {
        transactions: unpackList(transactions),
        receipts: unpackList(receipts),
      }),
    async seal() {
      const { nodes, storageRoots, ...roots } = await hasher.seal();
      return {
        ...roots,
        nodes: packNodes(nodes),
        storageRoots: packRoots(storageRoots),
      };
    },
    committed: () => hasher.committed(),
    discard: () => hasher.discard(),
  };
}

/** The hasher behind a port. */
export function createRootClient(remote: Remote<RootService>): RootHasher {
  return {
    extend: (slice, { transactions, receipts } = NO_LISTS) =>
      remote.extend(packWrites(slice), pack(transactions), pack(receipts)),
    async seal() {
      const { nodes, storageRoots, ...roots } = await remote.seal();
      return {
        ...roots,
        nodes: await inTurns(unpackNodes(nodes)),
        storageRoots: await inTurns(unpackRoots(storageRoots)),
      };
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

function packRoots(storageRoots: SealedRoots["storageRoots"]): Packed {
  const arrays: (Uint8Array | null)[] = [];
  for (const [address, root] of storageRoots)
    arrays.push(fromHex(address), root === EMPTY_TRIE_ROOT ? null : fromHex(root));
  return pack(arrays);
}

function pack(arrays: readonly (Uint8Array | null)[]): Packed {
  const lengths = new Uint32Array(arrays.length);
  let total = 0;
  for (const [index, array] of arrays.entries()) {
    lengths[index] = array?.length ?? ABSENT;
    total += array?.length ?? 0;
  }
  const bytes = new Uint8Array(new SharedArrayBuffer(total));
  let at = 0;
  for (const array of arrays) {
    if (array === null) continue;
    bytes.set(array, at);
    at += array.length;
  }
  return { bytes, lengths };
}

/** The arrays as views of the large one, so many at a time. */
function* unpack({ bytes, lengths }: Packed, countARow: number): Generator<(Uint8Array | null)[]> {
  let at = 0;
  for (let row = 0; row < lengths.length; row += countARow) {
    const arrays: (Uint8Array | null)[] = [];
    for (const length of lengths.subarray(row, row + countARow)) {
      arrays.push(length === ABSENT ? null : bytes.subarray(at, at + length));
      if (length !== ABSENT) at += length;
    }
    yield arrays;
  }
}

function unpackList(packed: Packed): Uint8Array[] {
  const list: Uint8Array[] = [];
  for (const [array = null] of unpack(packed, 1)) if (array !== null) list.push(array);
  return list;
}

function* unpackNodes(packed: Packed): Steps<TrieNodeChange[]> {
  const nodes: TrieNodeChange[] = [];
  for (const [path = null, node = null, previous = null] of unpack(packed, ARRAYS_A_NODE)) {
    assert(path !== null, "a node has a path");
    nodes.push({ path, node, previous });
    yield NODE_COST;
  }
  return nodes;
}

function* unpackRoots(packed: Packed): Steps<Map<Hex, Hex>> {
  const roots = new Map<Hex, Hex>();
  for (const [address = null, root = null] of unpack(packed, ARRAYS_A_ROOT)) {
    assert(address !== null, "a root has an account");
    roots.set(toHex(address), root === null ? EMPTY_TRIE_ROOT : toHex(root));
    yield ROOT_COST;
  }
  return roots;
}
