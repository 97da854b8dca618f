import { MessageChannel } from "node:worker_threads";
import t from "tap";
import { bigintToBytes, type Hex, toHex } from "../../../lanes/bytes.ts";
import {
  type AccountWrite,
  SEALED_BLOCKS_MAX,
  type SealedRoots,
} from "../../../node/execution/engine.ts";
import { listRoot } from "../../../node/execution/embedded/list-root.ts";
import { createRootHasher } from "../../../node/execution/embedded/root-hasher.ts";
import { EMPTY_ACCOUNT } from "../../../node/execution/embedded/state.ts";
import { EMPTY_TRIE_ROOT } from "../../../node/primitives/header.ts";
import { connect, serve } from "../../../node/port.ts";
import {
  createRootClient,
  createRootService,
  type RootService,
} from "../../../node/workers/root.ts";
import { COST_A_TURN } from "../../../node/turns.ts";
import { watchTurns } from "../../fixtures/turn-watch.ts";
import { words } from "../fixtures/chain.ts";
import { createNodeStore } from "../fixtures/trie-rig.ts";

const ADDRESS: Hex = `0x${"ad".repeat(20)}`;
const OTHER: Hex = `0x${"07".repeat(20)}`;

function write(fields: Partial<AccountWrite>): AccountWrite {
  const after = { ...EMPTY_ACCOUNT, nonce: 1n };
  return { address: ADDRESS, after, storageCleared: false, slots: [], ...fields };
}

function slots(count: number, value = 1n): AccountWrite["slots"] {
  return Array.from({ length: count }, (_, i) => ({ slot: words(BigInt(i)), value }));
}

t.test("sealed nodes wait for the store: committed or forgotten", async (t) => {
  const store = createNodeStore();
  const hasher = createRootHasher(store.reader);
  const filled = [write({ slots: slots(40) })];
  await hasher.extend(filled);
  const first = await hasher.seal();
  await hasher.discard();
  await hasher.extend(filled);
  const again = await hasher.seal();
  t.same(again, first);
  t.not(again.storageRoots.get(ADDRESS), EMPTY_TRIE_ROOT);
  store.apply(again.nodes);
  await hasher.committed();

  const before = store.reads.count;
  await hasher.extend([write({ after: null })]);
  const last = await hasher.seal();
  t.equal(last.stateRoot, EMPTY_TRIE_ROOT);
  t.equal(last.storageRoots.size, 0);
  t.equal(store.reads.count, before, "committed nodes are in memory");
  store.apply(last.nodes);
  t.equal(store.nodes.size, 0, "every node of the account goes");
});

t.test("a block in slices is the block at once", async (t) => {
  const stores = [createNodeStore(), createNodeStore()];
  const [whole, sliced] = stores.map(({ reader }) => createRootHasher(reader));
  await whole!.extend([write({ slots: slots(30, 2n) }), write({ address: OTHER })]);
  const parts = [write({ slots: slots(20, 1n) })];
  await sliced!.extend(parts);
  await sliced!.extend([write({ address: OTHER }), write({ slots: slots(30, 2n) })]);
  const roots = await whole!.seal();
  const slicedRoots = await sliced!.seal();
  t.same(slicedRoots.nodes, roots.nodes, "the nodes in the same order too");
  t.equal(slicedRoots.stateRoot, roots.stateRoot);
  t.same(new Map([...slicedRoots.storageRoots].sort()), new Map([...roots.storageRoots].sort()));
});

t.test("lists grow slice by slice, and begin anew with each block", async (t) => {
  const hasher = createRootHasher(createNodeStore().reader);
  const values = Array.from({ length: 200 }, (_, i) => new Uint8Array(1 + (i % 70)).fill(i));
  const add = (from: number, to: number) => {
    const receipts = values.slice(from, to).toReversed();
    return hasher.extend([], { transactions: values.slice(from, to), receipts });
  };
  await add(0, 130);
  await hasher.extend([]);
  await add(130, 200);
  const roots = await hasher.seal();
  t.equal(roots.transactionsRoot, listRoot(values));
  const receipts = [...values.slice(0, 130).toReversed(), ...values.slice(130).toReversed()];
  t.equal(roots.receiptsRoot, listRoot(receipts));
  await add(3, 9);
  t.equal((await hasher.seal()).transactionsRoot, listRoot(values.slice(3, 9)));
  await add(0, 50);
  await hasher.discard();
  t.equal((await hasher.seal()).transactionsRoot, EMPTY_TRIE_ROOT, "given up with the block");
});

t.test("blocks are sealed ahead of the store, up to the bound", async (t) => {
  const store = createNodeStore();
  const hasher = createRootHasher(store.reader, 1);
  const sealed = [];
  for (let block = 1; block <= SEALED_BLOCKS_MAX; block++) {
    await hasher.extend([write({ slots: slots(40, BigInt(block)) })]);
    sealed.push(await hasher.seal());
  }
  await t.rejects(hasher.seal(), /too many sealed/);
  for (const { nodes } of sealed) {
    store.apply(nodes);
    await hasher.committed();
  }
  await t.rejects(hasher.committed(), /no block is sealed/);
  const stored = new Map(store.nodes);
  await hasher.extend([write({ slots: slots(40, 1n) })]);
  const { nodes } = await hasher.seal();
  store.apply(nodes);
  store.undo(nodes);
  t.same(store.nodes, stored, "previous is what stood there after the block before");
});

t.test("an untouched storage is not read, whatever becomes of its account", async (t) => {
  const store = createNodeStore();
  const hasher = createRootHasher(store.reader);
  await hasher.extend([write({ slots: slots(40) })]);
  const first = await hasher.seal();
  store.apply(first.nodes);
  await hasher.discard();
  store.reads.count = 0;
  await hasher.extend([write({ after: { ...EMPTY_ACCOUNT, nonce: 2n } })]);
  const second = await hasher.seal();
  t.equal(second.storageRoots.get(ADDRESS), first.storageRoots.get(ADDRESS));
  t.equal(store.reads.count, 1, "the account's leaf");
});

t.test("discard forgets memory, so that a store rolled back is read anew", async (t) => {
  const store = createNodeStore();
  const hasher = createRootHasher(store.reader);
  await hasher.extend([write({})]);
  const first = await hasher.seal();
  store.apply(first.nodes);
  await hasher.committed();
  store.undo(first.nodes);
  await hasher.discard();
  await hasher.extend([write({})]);
  t.same(await hasher.seal(), first);
});

t.test("after a failure everything fails, until discard", async (t) => {
  const store = createNodeStore();
  const hasher = createRootHasher(store.reader);
  await hasher.extend([write({ slots: slots(40) }), write({ address: OTHER })]);
  store.apply((await hasher.seal()).nodes);
  await hasher.discard();
  const [path, node] = [...store.nodes].find(([key]) => key.length === 33)!;
  store.nodes.delete(path);
  const code = { code: "STORAGE_CORRUPT" };
  await t.rejects(hasher.extend([write({ slots: slots(40, 2n) })]), code);
  store.nodes.set(path, node);
  await t.rejects(hasher.extend([write({})]), code);
  await t.rejects(hasher.seal(), code);
  await hasher.discard();
  await hasher.extend([write({ slots: slots(40, 2n) })]);
  await t.resolves(hasher.seal());
});

t.test("a slice that names an account twice is a programmer's error", async (t) => {
  const hasher = createRootHasher(createNodeStore().reader);
  await t.rejects(hasher.extend([write({}), write({})]), /each account once/);
});

t.test("the service answers over a port as the hasher does here", async (t) => {
  const { port1, port2 } = new MessageChannel();
  t.teardown(() => {
    port1.close();
  });
  const store = createNodeStore();
  const stop = serve(port1, "root", createRootService(store.reader));
  const client = connect<RootService>(port2, "root");
  const far = createRootClient(client.remote);
  const near = createRootHasher(createNodeStore().reader);
  const list = [Uint8Array.of(1), new Uint8Array(100).fill(7).subarray(10)];
  const blocks = [[write({ slots: slots(40) })], [write({ slots: slots(30, 0n) })]];
  for (const slice of blocks) {
    const lists = { transactions: list, receipts: [] };
    await Promise.all([far.extend(slice, lists), near.extend(slice, lists)]);
    const [farRoots, nearRoots] = await Promise.all([far.seal(), near.seal()]);
    t.same(farRoots, nearRoots);
    t.equal(farRoots.transactionsRoot, listRoot(list));
    t.equal(farRoots.receiptsRoot, EMPTY_TRIE_ROOT);
    store.apply(farRoots.nodes);
    await Promise.all([far.committed(), near.committed()]);
  }
  await t.rejects(far.committed(), "nothing is sealed any more");
  await far.discard();
  client.close();
  stop();
});

t.test("the roots of a large block are unpacked in turns", async (t) => {
  const store = createNodeStore();
  const service = createRootService(store.reader);
  const watch = watchTurns();
  // As from another thread, but that the lengths, which are read one by one, are counted.
  const seal: RootService["seal"] = async () => {
    const roots = structuredClone(await service.seal());
    const watched = (name: "nodes" | "storageRoots") => {
      const { bytes, lengths } = roots[name];
      const subarray = (from: number, to: number) => {
        watch.touch(name);
        return lengths.subarray(from, to);
      };
      return { bytes, lengths: { length: lengths.length, subarray } as unknown as Uint32Array };
    };
    return { ...roots, nodes: watched("nodes"), storageRoots: watched("storageRoots") };
  };
  const far = createRootClient({ ...service, seal });
  const addresses = Array.from({ length: 5000 }, (_, i) => toHex(bigintToBytes(BigInt(i), 20)));
  await far.extend([...addresses.map((address) => write({ address })), write({ slots: slots(9) })]);
  let roots: SealedRoots | null = null;
  const most = await watch.during(async () => {
    roots = await far.seal();
  });
  t.ok((most["nodes"] ?? Infinity) <= 4 * COST_A_TURN, `${most["nodes"]} nodes`);
  t.ok((most["storageRoots"] ?? Infinity) <= 2 * COST_A_TURN, `${most["storageRoots"]} roots`);
  t.equal(roots!.storageRoots.size, 5001);
  t.equal(roots!.storageRoots.get(addresses[7]!), EMPTY_TRIE_ROOT);
});
