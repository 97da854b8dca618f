/**
 * A block on one that is sealed but not hashed: what does not ask for the parent's hash goes on,
 * what does waits for it, and the blocks are those that would have been built one after another.
 */
import t from "tap";
import { bigintToBytes, toHex } from "../../../lanes/bytes.ts";
import { createEmbeddedEngine } from "../../../node/execution/embedded/engine.ts";
import { createRootHasher } from "../../../node/execution/embedded/root-hasher.ts";
import type { BlockEnvironment, Engine, RootHasher } from "../../../node/execution/engine.ts";
import { buildGenesis } from "../../../node/chain/genesis.ts";
import { HISTORY_STORAGE } from "../../../node/primitives/predeploys.ts";
import { COST_A_TURN } from "../../../node/turns.ts";
import { watchTurns } from "../../fixtures/turn-watch.ts";
import { createMemoryState, type MemoryState } from "../fixtures/state.ts";
import {
  ALICE,
  BOB,
  CAROL,
  CONTRACTS,
  createChain,
  deposit,
  ETHER,
  lower,
  makeConfig,
  receiptOf,
  sign,
  words,
} from "../fixtures/chain.ts";

/** Roots that are told only when the test says so. */
function heldRoots(hasher: RootHasher): RootHasher & { release(): void } {
  let release: () => void = () => undefined;
  let released = new Promise<void>((resolve) => {
    release = resolve;
  });
  return {
    ...hasher,
    async seal() {
      const roots = await hasher.seal();
      await released;
      released = new Promise<void>((resolve) => {
        release = resolve;
      });
      return roots;
    },
    release: () => {
      release();
    },
  };
}

interface Scene {
  readonly engine: Engine;
  readonly memory: MemoryState;
  readonly roots: ReturnType<typeof heldRoots>;
  readonly first: BlockEnvironment;
  readonly second: BlockEnvironment;
}

function openScene(): Scene {
  const rollup = makeConfig();
  const memory = createMemoryState();
  const genesis = buildGenesis(rollup);
  memory.commit(genesis);
  const roots = heldRoots(createRootHasher(memory.trie));
  const engine = createEmbeddedEngine({ rollup, head: genesis.block, state: memory.state, roots });
  const first = createChain(rollup).environment();
  const second = { ...first, parent: null, timestamp: first.timestamp + 1 };
  return { engine, memory, roots, first, second };
}

const turns = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
};

t.test("blocks are the same whether or not the parent was hashed in time", async (t) => {
  const one = createChain();
  const block1 = await one.block([await sign(ALICE, { to: lower(BOB.address), value: ETHER })]);
  const number = block1.block.header.number;
  // Reads the parent's hash with BLOCKHASH, and from the history contract, besides moving value.
  const [blockhash, history, transfer] = await Promise.all([
    sign(ALICE, { nonce: 1, to: CONTRACTS.ancestor.address, data: words(BigInt(number)) }),
    sign(CAROL, { to: HISTORY_STORAGE, data: words(BigInt(number)) }),
    sign(BOB, { to: lower(CAROL.address), value: 7n }),
  ]);
  const block2 = await one.block([transfer, blockhash, history]);

  const { engine, memory, roots, first, second } = openScene();
  await engine.open(first);
  for (const transaction of block1.block.transactions) receiptOf(await engine.apply(transaction));
  const sealing = engine.seal();
  await engine.open(second);
  t.equal(engine.account(lower(BOB.address)).balance > ETHER, true, "on the sealed state");
  receiptOf(await engine.apply(transfer));
  t.equal(engine.endSlice(), null, "the first slice holds the parent's hash");
  let isDone = false;
  const waiting = engine.apply(blockhash).finally(() => {
    isDone = true;
  });
  await turns();
  t.equal(isDone, false, "who asks for the hash waits");
  roots.release();
  receiptOf(await waiting);
  const sealed1 = await sealing;
  t.equal(sealed1.block.hash, block1.block.hash);
  receiptOf(await engine.apply(history));
  const slice = engine.endSlice();
  t.same(
    slice?.transactions.map(({ hash }) => hash),
    [transfer, blockhash, history].map(({ hash }) => hash),
  );
  memory.commit(sealed1);
  await engine.committed();
  roots.release();
  const sealing2 = engine.seal();
  await turns();
  roots.release();
  const sealed2 = await sealing2;
  t.equal(sealed2.block.hash, block2.block.hash);
  t.same(sealed2.diff, block2.diff, "with the roots that the block before left");
  t.same(sealed2.receipts, block2.receipts);
});

t.test("the commit of the sealed block may come at any moment of the open one", async (t) => {
  const { engine, memory, roots, first, second } = openScene();
  const transfers = await Promise.all(
    [0, 1, 2, 3].map((nonce) => sign(ALICE, { nonce, to: lower(BOB.address), value: 1n })),
  );
  await engine.open(first);
  receiptOf(await engine.apply(transfers[0]!));
  const sealing = engine.seal();
  await engine.open(second);
  receiptOf(await engine.apply(transfers[1]!));
  roots.release();
  memory.commit(await sealing);
  // Not waited for: the builder goes on in the same turn.
  const committed = engine.committed();
  receiptOf(await engine.apply(transfers[2]!));
  await committed;
  receiptOf(await engine.apply(transfers[3]!));
  t.equal(engine.account(lower(ALICE.address)).nonce, 4n);
  const sealing2 = engine.seal();
  roots.release();
  const { diff } = await sealing2;
  const alice = diff.accounts.find(({ address }) => address === lower(ALICE.address));
  t.match(alice, { before: { nonce: 1n }, after: { nonce: 4n } });
});

t.test("what is discarded is the open block and the sealed one", async (t) => {
  const { engine, roots, first, second } = openScene();
  await engine.open(first);
  receiptOf(await engine.apply(await sign(ALICE, { to: lower(BOB.address), value: 1n })));
  void engine.seal();
  await engine.open(second);
  receiptOf(await engine.apply(await sign(ALICE, { nonce: 1, to: lower(BOB.address), value: 1n })));
  roots.release();
  await engine.discard();
  t.equal(engine.account(lower(ALICE.address)).nonce, 0n);
  await engine.open(first);
  receiptOf(await engine.apply(await sign(ALICE, { to: lower(BOB.address), value: 1n })));
});

t.test("one block at most is sealed and not committed", async (t) => {
  const { engine, first, second } = openScene();
  await engine.open(first);
  void engine.seal();
  await engine.open(second);
  t.throws(() => engine.seal(), { code: "ERR_ASSERTION" });
  await t.rejects(engine.open(second), { code: "ERR_ASSERTION" });
});

t.test("a large block gets its storage roots in turns", async (t) => {
  const watch = watchTurns();
  const rollup = makeConfig({ gasLimit: "100000000" });
  const chain = createChain(rollup, {
    wrapRoots: (roots) => ({
      ...roots,
      async seal() {
        const { storageRoots, ...rest } = await roots.seal();
        const counted = new Map(storageRoots);
        counted.get = (address) => {
          watch.touch("roots");
          return storageRoots.get(address);
        };
        return { ...rest, storageRoots: counted };
      },
    }),
  });
  const accounts = 2500;
  const gifts = Array.from({ length: accounts }, (_, index) =>
    deposit({
      to: toHex(bigintToBytes((7n << 150n) + BigInt(index), 20)),
      mint: 1n,
      value: 1n,
      gasLimit: 21_000n,
    }),
  );
  const most = await watch.during(async () => {
    const { diff } = await chain.block(gifts);
    t.ok(diff.accounts.length > accounts);
  });
  t.ok((most["roots"] ?? Infinity) <= COST_A_TURN + 1, `${most["roots"]} between two turns`);
});
