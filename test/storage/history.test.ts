import fc from "fast-check";
import t, { type Test } from "tap";
import { fromHex, type Hex, toHex } from "../../lanes/bytes.ts";
import { keccakHex } from "../../node/primitives/hash.ts";
import { type ChainSnapshot, openChainReader } from "../../node/storage/chain-reader.ts";
import { createStore } from "../../node/storage/chain-store.ts";
import type { Operation, RecordView } from "../../node/storage/database.ts";
import { createStateView } from "../../node/storage/history.ts";
import { accountKey, blockKey, PREFIX } from "../../node/storage/keys.ts";
import type { Store } from "../../node/storage/store.ts";
import { undoOperations } from "../../node/storage/undo.ts";
import { atOnce } from "../../node/turns.ts";
import { encodeVersioned, nextVersion, type Version } from "../../node/storage/versions.ts";
import { addressAt, createFixtureChain, createRandom, ROLLUP_HASH } from "./fixtures/chain.ts";
import { withRawLevel } from "./fixtures/raw.ts";
import { dumpRecords } from "./fixtures/records.ts";

type Chain = ReturnType<typeof createFixtureChain>;

/** Everything in the state, and the trie's nodes by path. */
interface Recorded {
  readonly state: unknown;
  readonly trie: ReadonlyMap<Hex, Uint8Array>;
}

function record({ model }: Chain): Recorded {
  const state = [...Array(12).keys()]
    .map(addressAt)
    .map((address) => [
      address,
      model.accounts.get(address) ?? null,
      [...(model.slots.get(address) ?? [])]
        .map(([slot, value]) => ({ slot, value }))
        .sort((a, b) => (a.slot < b.slot ? -1 : 1)),
    ]);
  return { state, trie: new Map(model.trie) };
}

async function readBack(
  snapshot: ChainSnapshot,
  block: number,
  paths: Iterable<[Hex, Uint8Array]>,
): Promise<Recorded> {
  const { state, nodes } = snapshot.stateAt(block);
  const addresses = [...Array(12).keys()].map(addressAt);
  const read = addresses.map((address) => {
    const slots = state.slots(address);
    for (const { slot, value } of slots)
      if (state.slot(address, slot) !== value) throw new Error(`slot ${slot} disagrees`);
    return [address, state.account(address), slots];
  });
  const trie = new Map<Hex, Uint8Array>();
  for (const [path, node] of paths)
    trie.set(path, (await nodes.node(fromHex(path), keccakHex(node))).raw);
  return { state: read, trie };
}

/** The state after every block that is kept is what it was when that block was the head. */
async function checkHistory(
  t: Test,
  dataDir: string,
  recorded: readonly Recorded[],
  oldest: number,
): Promise<void> {
  const reader = await openChainReader(dataDir);
  const snapshot = reader.snapshot();
  const head = recorded.length - 1;
  try {
    for (let block = oldest; block <= head; block++) {
      const expected = recorded[block]!;
      t.strictSame(await readBack(snapshot, block, expected.trie), expected, `block ${block}`);
    }
    for (const block of [oldest - 1, head + 1])
      t.throws(() => snapshot.stateAt(block), {
        code: "STATE_NOT_AVAILABLE",
        data: { block, oldest, head },
      });
  } finally {
    await snapshot.release();
    await reader.close();
  }
}

interface Step {
  readonly kind: "grow" | "back" | "restart";
  readonly by: number;
}

const stepOf = (kind: Step["kind"], max: number): fc.Arbitrary<Step> =>
  fc.record({ kind: fc.constant(kind), by: fc.integer({ min: 1, max }) });

const STEPS = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: stepOf("grow", 9) },
    { weight: 3, arbitrary: stepOf("back", 6) },
    { weight: 1, arbitrary: stepOf("restart", 1) },
  ),
  { minLength: 2, maxLength: 9 },
);

/** Grows a chain, forks it and opens it again as `steps` say, and checks its history each time. */
async function live(
  t: Test,
  options: { readonly dataDir: string; readonly undoBlocks: number },
  seed: number,
  steps: readonly Step[],
): Promise<void> {
  const chain = createFixtureChain(seed);
  let store = await createStore(options);
  try {
    await store.initialize(chain.genesis, ROLLUP_HASH);
    const recorded = [record(chain)];
    const marks = [chain.mark()];
    let oldest = 0;
    let forks = 0;
    for (const { kind, by } of steps) {
      const number = Math.max(oldest, recorded.length - 1 - by);
      if (kind === "restart") {
        await store.close();
        store = await createStore(options);
      } else if (kind === "back" && number < recorded.length - 1) {
        await store.rollback(number);
        recorded.length = number + 1;
        marks[number]!(seed + ++forks);
        marks.length = number;
        marks.push(chain.mark());
      }
      for (let i = 0; kind === "grow" && i < by; i++) {
        await store.commitBlock(chain.next());
        recorded.push(record(chain));
        marks.push(chain.mark());
        oldest = Math.max(oldest, recorded.length - 1 - options.undoBlocks);
      }
      await checkHistory(t, options.dataDir, recorded, oldest);
    }
  } finally {
    await store.close();
  }
}

t.test("every block that is kept reads as when it was the head", async (t) => {
  const undoBlocks = fc.integer({ min: 2, max: 20 });
  await fc.assert(
    fc.asyncProperty(fc.nat(), undoBlocks, STEPS, (seed, kept, steps) =>
      live(t, { dataDir: t.testdir(), undoBlocks: kept }, seed, steps),
    ),
    { numRuns: 15 },
  );
});

const HISTORY = 8192;

/** A long chain in memory, in which one key changes in the blocks that `changes` says. */
function longChain(changes: (block: number) => boolean): { view: RecordView; looks: () => number } {
  const records = new Map<string, Uint8Array>();
  const put = ({ key, payload }: Operation): void => {
    if (payload === null) records.delete(toHex(key));
    else records.set(toHex(key), payload);
  };
  const key = accountKey(addressAt(1));
  let version: Version | null = null;
  for (let block = 1; block <= HISTORY; block++) {
    const before = records.get(toHex(key)) ?? null;
    if (changes(block)) version = nextVersion(version, block);
    const payload = version && encodeVersioned(version, new TextEncoder().encode(String(block)));
    const change = changes(block) ? [{ key, before, payload }] : [];
    for (const operation of [...atOnce(undoOperations(block, change)), ...change]) put(operation);
  }
  let count = 0;
  const view: RecordView = {
    get(at) {
      count += 1;
      return records.get(toHex(at)) ?? null;
    },
  };
  return { view, looks: () => count };
}

t.test(
  "any block of a long history is a few looks away, however often a key changed",
  async (t) => {
    const random = createRandom(3);
    const often = new Set(Array.from({ length: 900 }, () => 1 + random(HISTORY)));
    const bursts = (block: number): boolean => block % 1000 < 300;
    const patterns: readonly (readonly [string, (block: number) => boolean])[] = [
      ["always", () => true],
      ["at random", (block) => often.has(block)],
      ["in bursts", bursts],
      ["late", (block) => block > HISTORY - 4000],
      ["early", (block) => block < 3],
      ["never", () => false],
    ];
    for (const [name, changes] of patterns) {
      const { view, looks } = longChain(changes);
      let most = 0;
      for (let block = 0; block <= HISTORY; block += 3) {
        let newest = block;
        while (newest > 0 && !changes(newest)) newest--;
        const before = looks();
        const found = createStateView(view, block).get(accountKey(addressAt(1)));
        most = Math.max(most, looks() - before);
        const value = found === null ? 0 : Number(new TextDecoder().decode(found));
        if (value !== newest) t.equal(value, newest, `${name}: block ${block}`);
      }
      t.ok(most <= 40, `${name}: ${most} looks at most`);
    }
  },
);

async function grow(store: Store, chain: Chain, blocks: number): Promise<void> {
  for (let i = 0; i < blocks; i++) await store.commitBlock(chain.next());
}

t.test("nothing of a block is left when it has left the history", async (t) => {
  const dataDir = t.testdir();
  const chain = createFixtureChain(8);
  let store = await createStore({ dataDir, undoBlocks: 40 });
  await store.initialize(chain.genesis, ROLLUP_HASH);
  await grow(store, chain, 60);
  const count = async (prefix: number): Promise<number> =>
    [...(await dumpRecords(dataDir)).keys()].filter((key) => fromHex(key as Hex)[0] === prefix)
      .length;
  t.equal(await count(PREFIX.UNDO), 40);
  t.ok((await count(PREFIX.TOMBSTONES)) > 3);
  await store.close();
  // A shorter history is reached two blocks at a time.
  store = await createStore({ dataDir, undoBlocks: 5 });
  await grow(store, chain, 20);
  t.equal(await count(PREFIX.UNDO), 40 - 20);
  await grow(store, chain, 20);
  t.equal(await count(PREFIX.UNDO), 5);
  // Slots in the model without a value have no record but a tombstone of the last five blocks.
  const living = [...chain.model.slots.values()].reduce((sum, slots) => sum + slots.size, 0);
  const records = await count(PREFIX.SLOT);
  t.ok(records >= living && records <= living + 5 * 60, `${records} records of ${living} slots`);
  await store.close();
});

t.test("tombstones go with the block that made them, unless written over", async (t) => {
  const dataDir = t.testdir();
  const store = await createStore({ dataDir, undoBlocks: 2 });
  const chain = createFixtureChain(1);
  const address = addressAt(700);
  const alive = { nonce: 1n, balance: 5n, codeHash: ROLLUP_HASH, storageRoot: ROLLUP_HASH };
  // Block 8 writes over the tombstone of block 6 and prunes it too.
  const states = [alive, null, null, null, null, alive, null, null, alive, alive];
  for (const [i, after] of states.entries()) {
    const before = states[i - 1] ?? null;
    const change = { address, before, after, storageCleared: false, slots: [] };
    const diff = { codes: [], accounts: before === after ? [] : [change] };
    const commit = { ...(i === 0 ? chain.genesis : chain.next()), diff, trie: [] };
    if (i === 0) await store.initialize(commit, ROLLUP_HASH);
    else await store.commitBlock(commit);
    const stored = (await dumpRecords(dataDir)).has(toHex(accountKey(address)));
    // Deleted in block 1: a tombstone until block 3 makes the state before block 1 unreadable.
    t.equal(stored, i !== 3 && i !== 4, `block ${i}`);
    t.equal(store.state.account(address) === null, after === null);
  }
  await store.close();
});

t.test("a broken history is damage, not a wrong value", async (t) => {
  const dataDir = t.testdir();
  const chain = createFixtureChain(6);
  const store = await createStore({ dataDir });
  await store.initialize(chain.genesis, ROLLUP_HASH);
  await grow(store, chain, 30);
  await store.close();
  await withRawLevel(dataDir, async (level) => {
    for (let number = 5; number < 30; number++) await level.del(blockKey("UNDO", number));
  });
  const again = await createStore({ dataDir });
  const reader = await openChainReader(dataDir);
  const snapshot = reader.snapshot();
  const { state, nodes } = snapshot.stateAt(4);
  const addresses = [...Array(12).keys()].map(addressAt);
  t.throws(() => addresses.map((address) => state.account(address)), { code: "STORAGE_CORRUPT" });
  await t.rejects(nodes.node(Uint8Array.of(1), ROLLUP_HASH), { code: "STORAGE_CORRUPT" });
  await snapshot.release();
  await reader.close();
  await again.close();
});

t.test("looking for old trie nodes ends", async (t) => {
  const dataDir = t.testdir();
  const chain = createFixtureChain(6);
  const store = await createStore({ dataDir });
  await store.initialize(chain.genesis, ROLLUP_HASH);
  await grow(store, chain, 200);
  const reader = await openChainReader(dataDir);
  const snapshot = reader.snapshot();
  const { nodes } = snapshot.stateAt(0);
  const missing = async (): Promise<void> => {
    for (;;)
      await nodes.node(Uint8Array.of(99), ROLLUP_HASH).catch((error: unknown) => {
        if ((error as { code: string }).code !== "STORAGE_CORRUPT") throw error;
      });
  };
  await t.rejects(missing(), { code: "LIMIT_EXCEEDED", data: { max: 100_000 } });
  await snapshot.release();
  await reader.close();
  await store.close();
});
