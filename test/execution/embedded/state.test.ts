import fc from "fast-check";
import t from "tap";
import { type Hex } from "../../../lanes/bytes.ts";
import { createCachedReader } from "../../../node/execution/embedded/cached-reader.ts";
import { createRootHasher } from "../../../node/execution/embedded/root-hasher.ts";
import { diffToSlice } from "../../../node/execution/embedded/state-trie.ts";
import {
  createWorkingState,
  EMPTY_ACCOUNT,
  type WorkingState,
} from "../../../node/execution/embedded/state.ts";
import { createLayer, createLayeredReader } from "../../../node/execution/embedded/state-layer.ts";
import { EMPTY_TRIE_ROOT } from "../../../node/primitives/header.ts";
import type { StateDiff } from "../../../node/storage/state.ts";
import { words } from "../fixtures/chain.ts";
import { createMemoryState, type MemoryState } from "../fixtures/state.ts";

const ADDRESSES = [1, 2, 3].map((i): Hex => `0x${String(i).repeat(40)}`);
const SLOTS = [0n, 1n, 2n].map((i) => words(i));

const address = fc.constantFrom(...ADDRESSES);
const step = fc.oneof(
  fc.record({ kind: fc.constant("balance" as const), address, value: fc.bigInt(0n, 3n) }),
  fc.record({
    kind: fc.constant("slot" as const),
    address,
    slot: fc.constantFrom(...SLOTS),
    value: fc.bigInt(0n, 2n),
  }),
  fc.record({ kind: fc.constant("code" as const), address, value: fc.bigInt(0n, 2n) }),
  fc.record({ kind: fc.constant("delete" as const), address, value: fc.constant(0n) }),
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

function run(state: WorkingState, one: Step): void {
  const existing = state.account(one.address);
  switch (one.kind) {
    case "balance":
      state.setAccount(one.address, {
        ...(existing ?? EMPTY_ACCOUNT),
        nonce: 1n,
        balance: one.value,
      });
      return;
    case "slot":
      // Only accounts that exist have storage.
      if (existing !== null) state.setSlot(one.address, one.slot, one.value);
      return;
    case "code":
      state.setCode(one.address, new Uint8Array(Number(one.value)).fill(7));
      return;
    case "delete":
      state.setAccount(one.address, null);
  }
}

/** Everything that can be read. */
function view(state: WorkingState) {
  return ADDRESSES.map((of) => ({
    account: state.account(of),
    code: state.code(of),
    slots: SLOTS.map((slot) => state.slot(of, slot)),
  }));
}

/** Commits what is open, as engine and store do together. */
async function commit(memory: MemoryState, state: WorkingState, apply: (diff: StateDiff) => void) {
  const hasher = createRootHasher(memory.trie);
  const diff = state.diff();
  await hasher.extend(diffToSlice(diff));
  const roots = await hasher.seal();
  const accounts = diff.accounts.map((change) =>
    change.after === null
      ? change
      : {
          ...change,
          after: { ...change.after, storageRoot: roots.storageRoots.get(change.address)! },
        },
  );
  const committed = { diff: { ...diff, accounts }, trie: roots.nodes };
  memory.commit(committed);
  apply(committed.diff);
  state.clear();
  return { ...committed, stateRoot: roots.stateRoot };
}

/** By addresses, slots and hashes: the order of a diff says nothing, and a revert may change it. */
function inOrder({ accounts, codes }: StateDiff): StateDiff {
  const by = <T>(items: readonly T[], key: (item: T) => Hex): T[] =>
    [...items].sort((a, b) => (key(a) < key(b) ? -1 : 1));
  return {
    accounts: by(
      accounts.map((change) => ({ ...change, slots: by(change.slots, ({ slot }) => slot) })),
      ({ address }) => address,
    ),
    codes: by(codes, ({ hash }) => hash),
  };
}

t.test("a revert restores every read and the diff, whatever happened in between", async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 12 }),
      fc.array(step, { maxLength: 8 }),
      fc.array(step, { maxLength: 8 }),
      fc.array(step, { maxLength: 8 }),
      async (base, before, outer, inner) => {
        const memory = createMemoryState();
        const reader = createCachedReader(memory.state);
        const state = createWorkingState(reader);
        for (const one of base) run(state, one);
        await commit(memory, state, (diff) => {
          reader.apply(diff);
        });
        state.beginTransaction();
        for (const one of before) run(state, one);
        const seen = view(state);
        const diff = inOrder(state.diff());
        state.checkpoint();
        for (const one of outer) run(state, one);
        state.checkpoint();
        for (const one of inner) run(state, one);
        state.commit();
        state.revert();
        t.same(view(state), seen);
        t.same(inOrder(state.diff()), diff);
      },
    ),
    { numRuns: 150 },
  );
});

t.test(
  "committed diffs lead to the state and roots of the whole; rollback leads back",
  async (t) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(step, { maxLength: 10 }), { minLength: 1, maxLength: 4 }),
        async (blocks) => {
          const memory = createMemoryState();
          const reader = createCachedReader(memory.state);
          const state = createWorkingState(reader);
          const commits: Awaited<ReturnType<typeof commit>>[] = [];
          for (const steps of blocks) {
            for (const one of steps) run(state, one);
            const seen = view(state).map(({ code, slots }) => ({ code, slots }));
            commits.push(
              await commit(memory, state, (diff) => {
                reader.apply(diff);
              }),
            );
            const cached = view(state).map(({ code, slots }) => ({ code, slots }));
            t.same(cached, seen, "through the cache");
            const uncached = view(createWorkingState(memory.state));
            t.same(uncached, view(state), "past the cache");
          }
          // All at once in one block: the same root.
          const other = createMemoryState();
          const whole = createWorkingState(other.state);
          for (const one of blocks.flat()) run(whole, one);
          const once = await commit(other, whole, () => undefined);
          t.equal(once.stateRoot, commits.at(-1)?.stateRoot);
          t.same(new Map([...other.nodes].sort()), new Map([...memory.nodes].sort()));
          for (const change of commits.toReversed()) memory.rollback(change);
          t.equal(memory.nodes.size, 0);
        },
      ),
      { numRuns: 120 },
    );
  },
);

t.test("the original value of a slot is that at the start of the transaction", (t) => {
  const state = createWorkingState(createMemoryState().state);
  const [of = "0x"] = ADDRESSES;
  const [slot = "0x"] = SLOTS;
  state.setAccount(of, { ...EMPTY_ACCOUNT, nonce: 1n });
  state.setSlot(of, slot, 5n);
  state.beginTransaction();
  t.equal(state.originalSlot(of, slot), 5n);
  state.checkpoint();
  state.setSlot(of, slot, 6n);
  state.setSlot(of, slot, 7n);
  t.equal(state.originalSlot(of, slot), 5n);
  state.revert();
  t.equal(state.slot(of, slot), 5n);
  t.equal(state.originalSlot(of, slot), 5n);
  t.end();
});

t.test("reads of committed records are cached, also what is not there", (t) => {
  const memory = createMemoryState();
  const reader = createCachedReader(memory.state);
  const [of = "0x"] = ADDRESSES;
  for (let i = 0; i < 5; i++) t.equal(reader.account(of), null);
  t.equal(memory.reads.accounts, 1);
  t.end();
});

t.test("a new account has no storage to delete", (t) => {
  const state = createWorkingState(createMemoryState().state);
  const [of = "0x"] = ADDRESSES;
  state.setAccount(of, { ...EMPTY_ACCOUNT, nonce: 1n });
  state.setAccount(of, null);
  t.same(state.diff(), { accounts: [], codes: [] });
  state.setAccount(of, { ...EMPTY_ACCOUNT, nonce: 2n });
  t.equal(state.diff().accounts[0]?.after?.storageRoot, EMPTY_TRIE_ROOT);
  t.end();
});

t.test("a sealed account's slots are looked through once, however often it is read", async (t) => {
  const layer = createLayer();
  const [of] = ADDRESSES as [Hex];
  const zeros = new Map(SLOTS.map((slot) => [slot, 0n]));
  let looks = 0;
  zeros.values = () => {
    looks += 1;
    return Map.prototype.values.call(zeros) as MapIterator<bigint>;
  };
  layer.accounts.set(of, EMPTY_ACCOUNT);
  layer.slots.set(of, zeros);
  const reader = createLayeredReader(createMemoryState().state);
  reader.pin(layer);
  const state = createWorkingState(reader);
  for (const slot of SLOTS) {
    t.equal(state.account(of)?.storageRoot, EMPTY_TRIE_ROOT);
    t.equal(state.slot(of, slot), 0n);
  }
  t.equal(looks, 1);
});
