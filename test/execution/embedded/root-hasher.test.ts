import { MessageChannel } from "node:worker_threads";
import t from "tap";
import { type Hex } from "../../../lanes/bytes.ts";
import type { RootHasher } from "../../../node/execution/engine.ts";
import { createRootHasher } from "../../../node/execution/embedded/root-hasher.ts";
import { EMPTY_ACCOUNT } from "../../../node/execution/embedded/state.ts";
import { listRoot } from "../../../node/execution/embedded/trie.ts";
import { EMPTY_TRIE_ROOT } from "../../../node/primitives/header.ts";
import { connect, serve } from "../../../node/port.ts";
import type { AccountChange, StateDiff } from "../../../node/storage/state.ts";
import { createRootService } from "../../../node/workers/root.ts";
import { words } from "../fixtures/chain.ts";
import { createMemoryState } from "../fixtures/state.ts";

const ADDRESS: Hex = `0x${"ad".repeat(20)}`;

function change(fields: Partial<AccountChange>): StateDiff {
  const account: AccountChange = {
    address: ADDRESS,
    before: null,
    after: { ...EMPTY_ACCOUNT, nonce: 1n },
    storageCleared: false,
    slots: [],
    ...fields,
  };
  return { accounts: [account], codes: [] };
}

t.test("computed nodes wait for the store: committed or forgotten", async (t) => {
  const memory = createMemoryState();
  const hasher = createRootHasher(memory.trie);
  const slots = Array.from({ length: 40 }, (_, i) => ({
    slot: words(BigInt(i)),
    before: 0n,
    after: BigInt(i + 1),
  }));
  const first = await hasher.compute(change({ slots }), []);
  await t.rejects(hasher.compute(change({}), []), "one change at a time");
  await hasher.discard();
  const again = await hasher.compute(change({ slots }), []);
  t.equal(again.stateRoot, first.stateRoot);
  const storageRoot = again.storageRoots.get(ADDRESS)!;
  t.not(storageRoot, EMPTY_TRIE_ROOT);
  const after = { ...EMPTY_ACCOUNT, nonce: 1n, storageRoot };
  const set = change({ slots, after });
  memory.commit({ diff: set, trie: again.nodes });
  await hasher.committed();

  const before = memory.reads.nodes;
  const gone = change({ before: after, after: null, slots: [] });
  const last = await hasher.compute(gone, []);
  t.equal(last.stateRoot, EMPTY_TRIE_ROOT);
  t.equal(last.storageRoots.size, 0);
  t.equal(memory.reads.nodes, before, "committed nodes come from the cache");
  t.equal(last.nodes.length, memory.nodes.size, "every node of the account goes");
  t.ok(last.nodes.every(({ node }) => node === null));
});

t.test("an unchanged storage is not read", async (t) => {
  const memory = createMemoryState();
  const storageRoot = words(123n);
  const after = { ...EMPTY_ACCOUNT, balance: 1n, storageRoot };
  const before = { ...after, balance: 0n };
  const result = await createRootHasher(memory.trie).compute(change({ before, after }), []);
  t.equal(result.storageRoots.get(ADDRESS), storageRoot);
});

t.test("discard forgets the cache, so that a store rolled back is read anew", async (t) => {
  const memory = createMemoryState();
  const hasher = createRootHasher(memory.trie);
  const first = await hasher.compute(change({}), []);
  const committed = { diff: change({}), trie: first.nodes };
  memory.commit(committed);
  await hasher.committed();
  memory.rollback(committed);
  await hasher.discard();
  const again = await hasher.compute(change({}), []);
  t.same(again, first);
});

t.test("the service answers over a port as the hasher does here", async (t) => {
  const { port1, port2 } = new MessageChannel();
  t.teardown(() => {
    port1.close();
  });
  const stop = serve(port1, "root", createRootService(createMemoryState().trie));
  const client = connect<RootHasher>(port2, "root");
  const list = [Uint8Array.of(1), new Uint8Array(100)];
  const far = await client.remote.compute(change({}), [list, []]);
  const near = await createRootHasher(createMemoryState().trie).compute(change({}), [list, []]);
  t.same(far, near);
  t.same(far.listRoots, [listRoot(list), EMPTY_TRIE_ROOT]);
  t.ok(far.nodes.every(({ node }) => node?.byteLength === node?.buffer.byteLength));
  await client.remote.committed();
  await t.rejects(client.remote.committed(), "nothing is computed any more");
  client.close();
  stop();
});
