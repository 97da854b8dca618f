import assert from "node:assert";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import t from "tap";
import { type Hex, toHex } from "../../lanes/bytes.ts";
import { createStore } from "../../node/storage/chain-store.ts";
import { META } from "../../node/storage/keys.ts";
import type {
  BlockCommit,
  DerivationCursor,
  Store,
  StoredBlock,
} from "../../node/storage/store.ts";
import { COST_A_TURN } from "../../node/turns.ts";
import { type TurnWatch, watchTurns } from "../fixtures/turn-watch.ts";
import { createFixtureChain, type Model, ROLLUP_HASH } from "./fixtures/chain.ts";
import { CONTRACT, enlarge, plainAddress, SLOTS, TRANSACTIONS } from "./fixtures/large-block.ts";
import { dumpRecords } from "./fixtures/records.ts";

/** All records but one: how far the journal has come is not taken back with a block. */
async function chainRecords(dataDir: string): Promise<Map<string, string>> {
  const records = await dumpRecords(dataDir);
  assert(records.delete(toHex(META.journalPosition)), "every block writes it");
  return records;
}

/** Everything the model knows, read back through the store. */
function readState(store: Store, model: Model): unknown {
  return {
    accounts: [...model.accounts.keys()].map((address) => [address, store.state.account(address)]),
    slots: [...model.slots.keys()].map((address) => [address, store.state.slots(address)]),
    codes: [...model.codes.keys()].map((hash) => [hash, toHex(store.state.code(hash))]),
    trie: [...model.trie.keys()].map((path) => {
      const node = store.trie.node(Buffer.from(path.slice(2), "hex"));
      return [path, node && toHex(node)];
    }),
  };
}

function modelState(model: Model): unknown {
  return {
    accounts: [...model.accounts],
    slots: [...model.slots].map(([address, slots]) => [
      address,
      [...slots]
        .map(([slot, value]) => ({ slot, value }))
        .sort((a, b) => (a.slot < b.slot ? -1 : 1)),
    ]),
    codes: [...model.codes].map(([hash, code]) => [hash, toHex(code)]),
    trie: [...model.trie].map(([path, node]) => [path, toHex(node)]),
  };
}

t.test("what is committed is read back, also after opening again", async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.integer({ min: 1, max: 12 }), async (seed, count) => {
      const dataDir = t.testdir();
      const chain = createFixtureChain(seed);
      let store = await createStore({ dataDir });
      t.ok(store.isEmpty());
      await store.initialize(chain.genesis, ROLLUP_HASH);
      const commits = [chain.genesis];
      for (let i = 0; i < count; i++) {
        const commit = chain.next();
        await store.commitBlock(commit);
        commits.push(commit);
      }
      for (const reopened of [false, true]) {
        if (reopened) {
          await store.close();
          store = await createStore({ dataDir });
          await store.initialize(chain.genesis, ROLLUP_HASH);
        }
        for (const { stored, receipts } of commits) {
          const { number } = stored.block.header;
          const { hash } = stored.block;
          t.strictSame(store.blockByNumber(number), stored);
          t.strictSame(store.blockByHash(hash), stored);
          t.strictSame(store.receipts(number), receipts);
          t.strictSame(store.headerByNumber(number), { hash, header: stored.block.header });
          t.strictSame(store.headerByHash(hash), { hash, header: stored.block.header });
          t.strictSame(store.logsBloom(number), stored.block.header.logsBloom);
          t.equal(store.numberByHash(hash), number);
          stored.block.transactions.forEach((transaction, index) =>
            t.same(store.transactionLocation(transaction.hash), { blockNumber: number, index }),
          );
        }
        t.same(store.heads(), commits.at(-1)?.heads);
        t.strictSame(readState(store, chain.model), modelState(chain.model));
      }
      await store.close();
    }),
    { numRuns: 12 },
  );
});

t.test("rollback restores every record of the database as it was", async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.nat(),
      fc.integer({ min: 0, max: 5 }),
      fc.integer({ min: 1, max: 8 }),
      async (seed, kept, taken) => {
        const dataDir = t.testdir();
        const chain = createFixtureChain(seed);
        const store = await createStore({ dataDir });
        await store.initialize(chain.genesis, ROLLUP_HASH);
        for (let i = 0; i < kept; i++) await store.commitBlock(chain.next());
        const accepted = Array.from({ length: taken }, (_, i) => BigInt(i + 1));
        await store.appendJournal(
          accepted.map((number) => ({ accepted: number, kind: 1, bytes: new Uint8Array(50) })),
        );
        const before = await chainRecords(dataDir);
        const blocks: StoredBlock[] = [];
        for (let i = 0; i < taken; i++) {
          // A number that was never in the journal is settled too: it is ignored.
          const commit = chain.next([BigInt(i + 1), 999n]);
          blocks.push(commit.stored);
          await store.commitBlock(commit);
        }
        t.same(await store.loadJournal(), []);
        t.notSame(await chainRecords(dataDir), before);
        t.strictSame(await store.rollback(kept), blocks);
        t.strictSame([...(await chainRecords(dataDir))], [...before]);
        t.same(await store.loadJournal(), [], "what was settled stays settled");
        await store.close();
      },
    ),
    { numRuns: 12 },
  );
});

t.test("rollback lowers heads, moves the cursor, and stops where reverse diffs end", async (t) => {
  const dataDir = t.testdir();
  const chain = createFixtureChain(1);
  const store = await createStore({ dataDir, undoBlocks: 3 });
  await store.initialize(chain.genesis, ROLLUP_HASH);
  const refs = [chain.genesis.heads.unsafe];
  for (let i = 0; i < 6; i++) {
    const commit = chain.next();
    refs.push(commit.heads.unsafe);
    await store.commitBlock(commit);
  }
  const cursor: DerivationCursor = {
    nextBatchIndex: 4,
    previousBatchHash: `0x${"11".repeat(32)}`,
    l1Block: { number: 77, hash: `0x${"22".repeat(32)}` },
    pendingFinality: [{ l1Number: 70, l2: refs[1]! }],
  };
  await store.saveHeads({ unsafe: refs[6]!, safe: refs[5]!, finalized: refs[2]! }, cursor);
  t.strictSame(store.cursor(), cursor);
  await t.rejects(store.rollback(2), {
    code: "STATE_NOT_AVAILABLE",
    data: { block: 2, oldest: 3 },
  });
  t.same(store.heads().unsafe, refs[6], "a refused rollback changes nothing");
  const earlier = { ...cursor, nextBatchIndex: 3 };
  t.equal((await store.rollback(3, earlier)).length, 3);
  t.same(store.heads(), { unsafe: refs[3], safe: refs[3], finalized: refs[2] });
  t.strictSame(store.cursor(), earlier);
  t.equal(store.blockByNumber(4), null);
  t.equal(store.numberByHash(refs[4]!.hash), null);
  t.same(await store.rollback(3), [], "nothing above is nothing to do");
  await store.close();
});

t.test("a folder of another chain is refused", async (t) => {
  const dataDir = t.testdir();
  const chain = createFixtureChain(2);
  const store = await createStore({ dataDir });
  await store.initialize(chain.genesis, ROLLUP_HASH);
  await store.initialize(chain.genesis, ROLLUP_HASH);
  const otherHash: Hex = `0x${"dd".repeat(32)}`;
  await t.rejects(store.initialize(chain.genesis, otherHash), {
    code: "STORAGE_OTHER_CHAIN",
    data: { found: ROLLUP_HASH, expected: otherHash },
  });
  await t.rejects(store.initialize(createFixtureChain(3).genesis, ROLLUP_HASH), {
    code: "STORAGE_OTHER_CHAIN",
  });
  await store.close();
});

t.test("an empty chain folder is filled anew beside its journal", async (t) => {
  const dataDir = t.testdir();
  const chain = createFixtureChain(2);
  let store = await createStore({ dataDir });
  await store.initialize(chain.genesis, ROLLUP_HASH);
  await store.close();
  await rm(join(dataDir, "chain"), { recursive: true });
  store = await createStore({ dataDir });
  t.ok(store.isEmpty());
  await t.rejects(store.initialize(createFixtureChain(3).genesis, ROLLUP_HASH), {
    code: "STORAGE_OTHER_CHAIN",
    data: { folder: "journal" },
  });
  await store.initialize(chain.genesis, ROLLUP_HASH);
  await store.close();
});

t.test("signature, signer's marks and leader epoch are kept", async (t) => {
  const dataDir = t.testdir();
  const chain = createFixtureChain(4);
  let store = await createStore({ dataDir });
  await store.initialize(chain.genesis, ROLLUP_HASH);
  const commit = chain.next();
  await store.commitBlock({ ...commit, stored: { ...commit.stored, signature: null } });
  t.equal(store.blockByNumber(1)?.signature, null);
  const signature = new Uint8Array(65).fill(9);
  await store.saveSignature(1, signature);
  await t.rejects(store.saveSignature(2, signature), { code: "BLOCK_NOT_FOUND" });
  const mark = {
    kind: "block",
    height: 1,
    index: 0,
    hash: commit.stored.block.hash,
    origin: ROLLUP_HASH,
  } as const;
  await store.saveSignedMark(mark);
  t.equal(await store.raiseLeaderEpoch(0), 1);
  await store.close();
  store = await createStore({ dataDir });
  t.strictSame(store.blockByNumber(1), { ...commit.stored, signature });
  t.strictSame(store.signedMark("block", 1), mark);
  t.equal(store.signedMark("batch", 1), null);
  t.equal(store.signedMark("block", 2), null);
  t.equal(await store.raiseLeaderEpoch(0), 2);
  t.equal(await store.raiseLeaderEpoch(6), 7, "an epoch that was seen elsewhere is not used again");
  await store.close();
});

t.test("only a child of the head is committed", async (t) => {
  const chain = createFixtureChain(5);
  const store = await createStore({ dataDir: t.testdir() });
  await store.initialize(chain.genesis, ROLLUP_HASH);
  chain.next();
  await t.rejects(store.commitBlock(chain.next()), /follows the head/);
  await store.close();
});

/** What costs least is touched most often between two turns: a trie node 0.3 µs, else 0.5. */
const touchedMax = (name: string): number => (name === "trie" ? 4 : 2) * COST_A_TURN;

/** The commit, which counts what is read of it. */
function countedCommit(commit: BlockCommit, watch: TurnWatch): BlockCommit {
  const { diff, stored } = commit;
  const transactions = stored.block.transactions.map((transaction) => {
    const { hash, sender } = transaction;
    return Object.defineProperties(
      { ...transaction },
      {
        hash: { get: () => (watch.touch("hashes"), hash) },
        sender: { get: () => (watch.touch("senders"), sender) },
      },
    );
  });
  return {
    ...commit,
    stored: { ...stored, block: { ...stored.block, transactions } },
    receipts: watch.counted("receipts", commit.receipts),
    diff: {
      ...diff,
      accounts: watch.counted(
        "accounts",
        diff.accounts.map((account) => ({
          ...account,
          slots: watch.counted("slots", account.slots),
        })),
      ),
    },
    trie: watch.counted("trie", commit.trie),
  };
}

t.test("a large block is committed in turns, and taken back whole", async (t) => {
  const dataDir = t.testdir();
  const chain = createFixtureChain(6);
  const store = await createStore({ dataDir, undoBlocks: 2 });
  await store.initialize(chain.genesis, ROLLUP_HASH);
  const records = Array.from({ length: TRANSACTIONS }, (_, index) => ({
    accepted: BigInt(index + 1),
    kind: 1,
    bytes: new Uint8Array(100),
  }));
  await store.appendJournal(records);
  const dumps = [await chainRecords(dataDir)];
  for (const makes of [true, false]) {
    const commit = enlarge(chain.next(), makes);
    const watch = watchTurns();
    const most = await watch.during(() => store.commitBlock(countedCommit(commit, watch)));
    t.same(Object.keys(most).sort(), [
      "accounts",
      "hashes",
      "receipts",
      "senders",
      "slots",
      "trie",
    ]);
    for (const [name, touched] of Object.entries(most))
      t.ok(touched <= touchedMax(name), `${touched} ${name} between two turns`);
    const { number } = commit.stored.block.header;
    t.ok(isDeepStrictEqual(store.receipts(number), commit.receipts), "all receipts");
    t.ok(isDeepStrictEqual(store.blockByNumber(number), commit.stored), "the block");
    t.equal(store.state.slots(CONTRACT).length, makes ? SLOTS : 0);
    t.equal(store.state.account(plainAddress(7))?.balance, makes ? 7n : undefined);
    t.same(await store.loadJournal(), []);
    dumps.push(await chainRecords(dataDir));
  }
  t.equal((await store.rollback(1)).length, 1);
  t.ok(isDeepStrictEqual(await chainRecords(dataDir), dumps[1]), "every record as before");
  t.equal((await store.rollback(0)).length, 1);
  t.ok(isDeepStrictEqual(await chainRecords(dataDir), dumps[0]), "every record as before");
  await store.close();
});

t.test("while a large block is committed, readers see all of it or nothing", async (t) => {
  const chain = createFixtureChain(7);
  const store = await createStore({ dataDir: t.testdir() });
  await store.initialize(chain.genesis, ROLLUP_HASH);
  const seen = new Set<string>();
  let turns = 0;
  const look = () => {
    const head = store.heads().unsafe.number;
    const receipts = store.receipts(1) === null ? "no receipts" : "receipts";
    const state = store.state.account(CONTRACT) === null ? "no state" : "state";
    // A look is three reads: the block may become durable between two of them.
    if (store.heads().unsafe.number === head) seen.add(`${head}, ${receipts}, ${state}`);
  };
  let watching = setImmediate(function next() {
    look();
    turns += 1;
    watching = setImmediate(next);
  });
  const committing = store.commitBlock(enlarge(chain.next(), true));
  const journaled = store.appendJournal([
    { accepted: 10n ** 9n, kind: 1, bytes: new Uint8Array(9) },
  ]);
  await Promise.all([committing, journaled]);
  clearImmediate(watching);
  look();
  t.ok(turns > 50, `${turns} turns`);
  t.same([...seen], ["0, no receipts, no state", "1, receipts, state"]);
  t.equal((await store.loadJournal()).length, 1, "what comes meanwhile is written afterwards");
  await store.close();
});
