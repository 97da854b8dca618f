import t from "tap";
import { bigintToBytes, type Hex, toHex } from "../../../lanes/bytes.ts";
import type { StateSlice } from "../../../node/execution/engine.ts";
import { createStateTries } from "../../../node/execution/embedded/state-trie.ts";
import { EMPTY_ACCOUNT } from "../../../node/execution/embedded/state.ts";
import { createScope } from "../../../node/execution/embedded/trie-source.ts";
import { createNodeStore } from "../fixtures/trie-rig.ts";

const MIB = 1024 * 1024;

const addressOf = (index: number): Hex => toHex(bigintToBytes(BigInt(index + 1), 20));

/** Accounts `from` to `to` with a balance. */
function accounts(from: number, to: number, balance: number): StateSlice {
  return Array.from({ length: to - from }, (_, i) => ({
    address: addressOf(from + i),
    after: { ...EMPTY_ACCOUNT, balance: BigInt(balance) },
    storageCleared: false,
    slots: [],
  }));
}

/** Tries over a store, committed block by block; counts reads of storage roots by themselves. */
function createRig(residentMax: number) {
  const store = createNodeStore();
  const rootsRead = { count: 0 };
  const scope = createScope({
    node(path) {
      if (path.length === 32) rootsRead.count += 1;
      return store.reader.node(path);
    },
  });
  const tries = createStateTries(scope, residentMax);
  const block = (slice: StateSlice): void => {
    tries.extend(slice);
    store.apply(tries.seal().nodes);
    tries.committed();
  };
  return { store, scope, rootsRead, block };
}

t.test("nodes in memory stay within the bound, the ones used last among them", (t) => {
  const { store, scope, block } = createRig(2000);
  for (let at = 0; at < 4000; at += 100) {
    block(accounts(at, at + 100, 1));
    t.ok(scope.resident <= 2000, `${scope.resident} nodes`);
  }
  t.ok(store.nodes.size > 4000);
  store.reads.count = 0;
  block(accounts(3980, 4000, 2));
  t.equal(store.reads.count, 0, "the last block's are there");
  block(accounts(0, 20, 2));
  t.ok(store.reads.count > 20, "the first block's are not");
  t.end();
});

t.test("memory for nodes follows what is left of them, not what was written", (t) => {
  const { scope, block } = createRig(100_000);
  let written = 0;
  for (let balance = 1; balance <= 60; balance++) {
    const before = scope.arena;
    block(accounts(0, 4000, balance));
    if (scope.arena === before) continue;
    written += before.bytes();
    t.ok(scope.arena.bytes() < 4 * MIB, "what stays of it was packed");
  }
  t.ok(written > 30 * MIB, "there was something to pack");
  t.ok(scope.arena.bytes() < 40 * MIB);
  t.end();
});

t.test("storage tries that nothing uses are given up as a whole", (t) => {
  const { store, scope, rootsRead, block } = createRig(200);
  const touch = (index: number, value: bigint): void => {
    const slots = [1, 2, 3].map((n) => ({ slot: toHex(bigintToBytes(BigInt(n), 32)), value }));
    block([{ ...accounts(index, index + 1, 1)[0]!, slots }]);
  };
  for (let i = 0; i < 400; i++) touch(i, 1n);
  t.ok(store.nodes.size > 1200);
  t.ok(scope.resident <= 200, `${scope.resident} nodes`);
  t.equal(rootsRead.count, 0, "all of them were new");
  touch(399, 2n);
  t.equal(rootsRead.count, 0, "the last one is there");
  touch(0, 2n);
  t.equal(rootsRead.count, 1, "the first one is read again");
  t.end();
});
