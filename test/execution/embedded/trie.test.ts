import { RLP } from "@ethereumjs/rlp";
import t from "tap";
import { toHex } from "../../../lanes/bytes.ts";
import { pathKey } from "../../../node/execution/embedded/trie.ts";
import { EMPTY_TRIE_ROOT } from "../../../node/primitives/header.ts";
import { createRandom } from "../../parity/random.ts";
import { runStateEpisode } from "../fixtures/state-episode.ts";
import { runTrieEpisode } from "../fixtures/trie-episode.ts";
import { createTrieRig } from "../fixtures/trie-rig.ts";

const OWNER = new Uint8Array(32).fill(0xee);
const SEED = 20_260_401;

t.test("random blocks give the reference's roots and nodes, whatever is forgotten", async (t) => {
  const total = { updates: 0, roots: 0, nodes: 0 };
  for (let i = 0; i < 24; i++) {
    const run = i % 2 === 0 ? runTrieEpisode : runStateEpisode;
    const count = await run(createRandom(SEED + i), 1000);
    total.updates += count.updates;
    total.roots += count.roots;
    total.nodes += count.nodes;
  }
  t.ok(total.updates >= 24_000 && total.roots > 200 && total.nodes > 1000, JSON.stringify(total));
});

t.test("clearing deletes every node, also when new keys follow", (t) => {
  const keys = Array.from({ length: 50 }, (_, i) => new Uint8Array(32).fill(i * 5));
  const rig = createTrieRig(OWNER);
  const { nodes } = rig.store;
  rig.update(keys.map((key) => ({ key, value: key })));
  rig.seal();
  rig.commit();
  t.ok(nodes.size > 50);

  rig.discard();
  rig.trie().clear();
  rig.update([{ key: keys[3]!, value: Uint8Array.of(1) }]);
  rig.seal();
  rig.commit();
  t.equal(nodes.size, 1, "one leaf is the whole trie");

  rig.trie().clear();
  t.equal(rig.seal(), EMPTY_TRIE_ROOT);
  rig.commit();
  t.equal(nodes.size, 0);
  t.end();
});

t.test("an inline node over a path that loses its node is no change itself", (t) => {
  const key = (hex: string): Uint8Array => Buffer.from(hex, "hex");
  const long = new Uint8Array(40).fill(7);
  const tiny = Uint8Array.of(1);
  const rig = createTrieRig(OWNER);
  rig.update(["1110", "1111", "2000"].map((hex) => ({ key: key(hex), value: long })));
  rig.seal();
  rig.commit();
  t.ok(rig.store.nodes.has(pathKey(Buffer.concat([OWNER, key("010101")]))), "a branch is stored");
  // Now a branch of two tiny leaves, one level above, which stands in its parent's RLP.
  rig.update([
    { key: key("1110"), value: tiny },
    { key: key("1111"), value: null },
    { key: key("1120"), value: tiny },
  ]);
  rig.seal();
  t.doesNotThrow(() => {
    rig.commit();
  });
  t.equal(rig.store.nodes.size, 2, "the root and the long leaf");
  t.end();
});

/** A committed trie of 4096 keys, nothing of it in memory. */
function wideTrie() {
  const keys = Array.from({ length: 4096 }, (_, i) => {
    const key = new Uint8Array(32);
    key[0] = i >> 4;
    key[1] = (i & 0xf) << 4;
    return key;
  });
  const rig = createTrieRig(OWNER);
  rig.update(keys.map((key) => ({ key, value: key.slice(0, 4) })));
  rig.seal();
  rig.commit();
  rig.discard();
  rig.store.reads.count = 0;
  return { rig, keys };
}

t.test("an update reads only the paths it touches, and nothing twice", (t) => {
  const { rig, keys } = wideTrie();
  const { reads, nodes } = rig.store;
  rig.update([{ key: keys[77]!, value: Uint8Array.of(9) }]);
  t.ok(nodes.size > 4096);
  t.equal(reads.count, 4, "root, two branches, leaf");
  rig.update([{ key: keys[77]!, value: Uint8Array.of(10) }]);
  rig.seal();
  rig.update([{ key: keys[78]!, value: Uint8Array.of(10) }]);
  t.equal(reads.count, 5, "one more leaf");
  t.end();
});

t.test("a slice hashes what it changed, and the seal no more than the last one", (t) => {
  const { rig, keys } = wideTrie();
  rig.update([{ key: keys[5]!, value: Uint8Array.of(1) }]);
  const first = rig.seal();
  rig.commit();
  t.same(rig.trie().root(), rig.trie().root());
  const before = rig.trie().root();
  t.equal(toHex(before), first);
  rig.update([{ key: keys[5]!, value: Uint8Array.of(1) }]);
  t.equal(rig.trie().root(), before, "the same array: nothing was hashed again");
  t.end();
});

t.test("what is given up is read again; what is not in the store stays", (t) => {
  const { rig, keys } = wideTrie();
  const { reads } = rig.store;
  const set = (index: number, value: number): void => {
    rig.update([{ key: keys[index]!, value: Uint8Array.of(value) }]);
    rig.seal();
  };
  set(5, 1);
  rig.commit();
  set(4000, 1);
  rig.prune(0);
  const before = reads.count;
  set(4000, 2);
  t.equal(reads.count, before, "the sealed block's nodes stay");
  set(5, 2);
  t.ok(reads.count > before, "the committed block's went");
  rig.commit();
  rig.commit();
  rig.commit();
  rig.prune(4);
  const later = reads.count;
  set(5, 3);
  t.equal(reads.count, later, "the last block's stay");
  set(4000, 3);
  t.equal(reads.count, later + 1, "of the block before, the leaf went: it ages faster");
  t.end();
});

t.test("a leaf that is known is not read, and one guessed wrong is", (t) => {
  const { rig, keys } = wideTrie();
  const { reads } = rig.store;
  const [first, second] = [keys[77]!, keys[78]!];
  rig.update([{ key: first, value: Uint8Array.of(9), guess: first.slice(0, 4) }]);
  t.equal(reads.count, 3, "root and two branches");
  rig.update([{ key: second, value: Uint8Array.of(9), guess: Uint8Array.of(1) }]);
  t.equal(reads.count, 4);
  rig.seal();
  rig.commit();
  t.end();
});

t.test("a missing or foreign node is STORAGE_CORRUPT, never a wrong root", (t) => {
  const key = new Uint8Array(32).fill(1);
  const other = new Uint8Array(32).fill(0x21);
  const rig = createTrieRig(OWNER);
  const { nodes } = rig.store;
  rig.update([key, other].map((k) => ({ key: k, value: new Uint8Array(40).fill(7) })));
  rig.seal();
  rig.commit();
  const child = [...nodes.keys()].find((path) => path.length === 33)!;
  const attempt = (): void => {
    rig.discard();
    rig.update([key, other].map((k) => ({ key: k, value: null })));
  };
  nodes.set(child, RLP.encode([Uint8Array.of(0x20), Uint8Array.of(1)]));
  t.throws(attempt, { code: "STORAGE_CORRUPT" });
  nodes.delete(child);
  t.throws(attempt, { code: "STORAGE_CORRUPT" });
  for (const root of ["", "80", "c0", "c2", "c28080", "c1c0", "f851", "ffffffffffffffffff"]) {
    nodes.set(pathKey(OWNER), Buffer.from(root, "hex"));
    t.throws(attempt, { code: "STORAGE_CORRUPT" }, `root ${root}`);
  }
  t.end();
});
