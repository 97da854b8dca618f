import { createMPT } from "@ethereumjs/mpt";
import { RLP } from "@ethereumjs/rlp";
import fc from "fast-check";
import t from "tap";
import { toHex } from "../../../lanes/bytes.ts";
import { NodeError } from "../../../node/errors.ts";
import { listRoot, openTrie, pathKey } from "../../../node/execution/embedded/trie.ts";
import { EMPTY_TRIE_ROOT } from "../../../node/primitives/header.ts";
import type { TrieNodeChange } from "../../../node/storage/state.ts";

const OWNER = new Uint8Array(32).fill(0xee);

/** A store of nodes that checks every `previous` it is given. */
function createNodes() {
  const nodes = new Map<string, Uint8Array>();
  const apply = (changes: readonly TrieNodeChange[]): void => {
    const paths = new Set(changes.map(({ path }) => pathKey(path)));
    if (paths.size !== changes.length) throw new Error("a path changes twice");
    for (const { path, node, previous } of changes) {
      const key = pathKey(path);
      const stored = nodes.get(key) ?? null;
      if ((stored === null) !== (previous === null)) throw new Error("previous: presence");
      if (stored !== null && previous !== null && toHex(stored) !== toHex(previous))
        throw new Error("previous: bytes");
      if (node !== null && stored !== null && toHex(node) === toHex(stored))
        throw new Error("a change that changes nothing");
      if (node === null) nodes.delete(key);
      else nodes.set(key, node);
    }
  };
  return { nodes, apply, reader: { node: (path: Uint8Array) => nodes.get(pathKey(path)) ?? null } };
}

/** Keys that share long prefixes: deep tries, extensions and inline leaves. */
const nearKey = fc
  .tuple(fc.constantFrom(28, 30, 31), fc.uint8Array({ minLength: 4, maxLength: 4 }))
  .map(([shared, tail]) => {
    const key = new Uint8Array(32).fill(0x11);
    for (let i = shared; i < 32; i++) key[i] = (tail[i - 28] ?? 0) & 0x13;
    return key;
  });
const farKey = fc.uint8Array({ minLength: 32, maxLength: 32 });
/** Keys of which many are prefixes of others: branches with values. */
const prefixKey = fc
  .array(fc.constantFrom(0x11, 0x12), { minLength: 1, maxLength: 5 })
  .map((key) => Uint8Array.from(key));
const shortValue = fc.uint8Array({ minLength: 1, maxLength: 3 });
const longValue = fc.uint8Array({ minLength: 33, maxLength: 80 });
const update = fc.record({
  key: fc.oneof(
    { weight: 3, arbitrary: nearKey },
    { weight: 3, arbitrary: prefixKey },
    { weight: 1, arbitrary: farKey },
  ),
  value: fc.option(fc.oneof(shortValue, longValue), { freq: 2, nil: null }),
});
const batches = fc.array(fc.array(update, { maxLength: 25 }), { maxLength: 8 });

t.test("random batches give the roots of the reference, and no node is left over", async (t) => {
  await fc.assert(
    fc.asyncProperty(batches, async (all) => {
      const { nodes, apply, reader } = createNodes();
      const reference = await createMPT();
      const model = new Map<string, { key: Uint8Array; value: Uint8Array }>();
      let root = EMPTY_TRIE_ROOT;
      for (const batch of all) {
        for (const { key, value } of batch) {
          if (value === null) await reference.del(key);
          else await reference.put(key, value);
          if (value === null) model.delete(toHex(key));
          else model.set(toHex(key), { key, value });
        }
        const trie = openTrie(reader, OWNER, root);
        trie.update(batch);
        const result = trie.finish();
        if (result.root !== toHex(reference.root())) throw new Error("root");
        apply(result.changes);
        ({ root } = result);

        // The same content built at once must give exactly the same nodes.
        const fresh = openTrie({ node: () => null }, OWNER, EMPTY_TRIE_ROOT);
        fresh.update([...model.values()]);
        const built = fresh.finish();
        const expected = new Map(built.changes.map(({ path, node }) => [pathKey(path), node]));
        if (expected.size !== nodes.size) throw new Error("orphan or missing nodes");
        for (const [path, node] of expected)
          if (node === null || toHex(nodes.get(path) ?? new Uint8Array()) !== toHex(node))
            throw new Error("node");
      }
    }),
    { numRuns: 150 },
  );
  t.pass("150 runs");
});

t.test("clearing deletes every node, also when new keys follow", (t) => {
  const keys = Array.from({ length: 50 }, (_, i) => new Uint8Array(32).fill(i * 5));
  const { nodes, apply, reader } = createNodes();
  const trie = openTrie(reader, OWNER, EMPTY_TRIE_ROOT);
  trie.update(keys.map((key) => ({ key, value: key })));
  const first = trie.finish();
  apply(first.changes);
  t.ok(nodes.size > 50);

  const again = openTrie(reader, OWNER, first.root);
  again.clear();
  again.update([{ key: keys[3]!, value: Uint8Array.of(1) }]);
  const second = again.finish();
  apply(second.changes);
  t.equal(nodes.size, 1, "one leaf is the whole trie");

  const last = openTrie(reader, OWNER, second.root);
  last.clear();
  const third = last.finish();
  apply(third.changes);
  t.equal(third.root, EMPTY_TRIE_ROOT);
  t.equal(nodes.size, 0);
  t.end();
});

t.test("an update reads only the paths it touches", (t) => {
  const keys = Array.from({ length: 4096 }, (_, i) => {
    const key = new Uint8Array(32);
    key[0] = i >> 4;
    key[1] = (i & 0xf) << 4;
    return key;
  });
  const { apply, reader, nodes } = createNodes();
  const trie = openTrie(reader, OWNER, EMPTY_TRIE_ROOT);
  trie.update(keys.map((key) => ({ key, value: key })));
  const built = trie.finish();
  apply(built.changes);
  let reads = 0;
  const counting = {
    node: (path: Uint8Array) => {
      reads += 1;
      return reader.node(path);
    },
  };
  const next = openTrie(counting, OWNER, built.root);
  next.update([{ key: keys[77]!, value: Uint8Array.of(9) }]);
  apply(next.finish().changes);
  t.ok(nodes.size > 4096);
  t.equal(reads, 4, "root, two branches, leaf");
  t.end();
});

t.test("a missing or foreign node is STORAGE_CORRUPT, never a wrong root", (t) => {
  const { nodes, apply, reader } = createNodes();
  const key = new Uint8Array(32).fill(1);
  const other = new Uint8Array(32).fill(0x21);
  const trie = openTrie(reader, OWNER, EMPTY_TRIE_ROOT);
  trie.update([key, other].map((k) => ({ key: k, value: new Uint8Array(40).fill(7) })));
  const { root, changes } = trie.finish();
  apply(changes);
  const child = changes.find(({ path }) => path.length === 33)!;
  const attempt = (): void => {
    const again = openTrie(reader, OWNER, root);
    again.update([
      { key, value: null },
      { key: other, value: null },
    ]);
    again.finish();
  };
  nodes.set(pathKey(child.path), RLP.encode([Uint8Array.of(0x20), Uint8Array.of(1)]));
  t.throws(attempt, { code: "STORAGE_CORRUPT" });
  nodes.delete(pathKey(child.path));
  t.throws(attempt, { code: "STORAGE_CORRUPT" });
  nodes.delete(pathKey(OWNER));
  t.throws(attempt, NodeError);
  t.end();
});

t.test("list roots equal the reference's, for many lengths", async (t) => {
  for (const length of [0, 1, 2, 16, 17, 127, 128, 129, 300]) {
    const values = Array.from({ length }, (_, i) => new Uint8Array(1 + (i % 60)).fill(i & 0xff));
    const reference = await createMPT();
    for (const [index, value] of values.entries()) await reference.put(RLP.encode(index), value);
    t.equal(listRoot(values), toHex(reference.root()), `${length} values`);
  }
});
