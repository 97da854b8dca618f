/** The trie built bottom up has the root and the nodes, each at its path, of `@ethereumjs/mpt`'s. */
import t from "tap";
import { RLP } from "@ethereumjs/rlp";
import { pathKey } from "../../node/execution/embedded/trie.ts";
import { keccak256 } from "../../node/primitives/hash.ts";
import { EMPTY_TRIE_ROOT } from "../../node/primitives/header.ts";
import type { TrieNodeChange } from "../../node/storage/state.ts";
import { createReferenceTrie } from "../execution/fixtures/reference-trie.ts";
import { createRandom } from "../parity/random.ts";
import { type BulkLeaf, buildSubtree, buildTrie, byKey, joinSubtrees } from "./bulk-trie.ts";

const OWNER = Uint8Array.of(9, 9);
const NO_OWNER = new Uint8Array(0);

function someLeaves(seed: number, count: number): BulkLeaf[] {
  const random = createRandom(seed);
  return Array.from({ length: count }, () => ({
    key: keccak256(random.bytes(8)),
    value: RLP.encode(random.bytes(1 + random.below(80))),
  })).sort(byKey);
}

/** Leaves that differ in their last nibbles only: a long extension, and inline leaves. */
function closeLeaves(): BulkLeaf[] {
  const key = keccak256(OWNER);
  return [0x10, 0x11, 0x1f, 0x20].map((last) => ({
    key: Uint8Array.from([...key.subarray(0, 31), last]),
    value: Uint8Array.of(last),
  }));
}

function byPath(nodes: readonly TrieNodeChange[]): Map<string, Uint8Array | null> {
  return new Map(nodes.map(({ path, node }) => [pathKey(path), node]));
}

t.test("a whole trie", async (t) => {
  const sets = [...[1, 2, 3, 17, 400].map((count) => someLeaves(count, count)), closeLeaves()];
  for (const leaves of sets) {
    const reference = await createReferenceTrie();
    for (const { key, value } of leaves) await reference.set(key, value);
    const nodes = new Map<string, Uint8Array>();
    reference.collect(OWNER, nodes);
    const built = buildTrie(OWNER, leaves);
    t.equal(built.root, reference.root(), `${leaves.length} leaves`);
    t.strictSame(byPath(built.nodes), nodes);
    t.equal(built.nodes.length, nodes.size, "no path twice");
  }
  t.same(buildTrie(OWNER, []), { root: EMPTY_TRIE_ROOT, nodes: [] });
});

t.test("sixteen parts make the same trie as one", async (t) => {
  const leaves = someLeaves(3, 2_000);
  const whole = buildTrie(NO_OWNER, leaves);
  const parts = Array.from({ length: 16 }, (_, nibble) =>
    buildSubtree(
      NO_OWNER,
      leaves.filter(({ key }) => (key[0] ?? 0) >> 4 === nibble),
      1,
    ),
  );
  const { root, node } = joinSubtrees(parts.map(({ reference }) => reference));
  t.equal(root, whole.root);
  t.strictSame(byPath([...parts.flatMap(({ nodes }) => nodes), node]), byPath(whole.nodes));
});
