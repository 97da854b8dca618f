import t, { type Test } from "tap";
import { createStore } from "../../node/storage/chain-store.ts";
import { sealRecord } from "../../node/storage/checksum.ts";
import { journalKey } from "../../node/storage/keys.ts";
import type { JournalRecord, Store } from "../../node/storage/store.ts";
import { createFixtureChain, ROLLUP_HASH } from "./fixtures/chain.ts";
import { type RawLevel, watchBatches, withRawLevel } from "./fixtures/raw.ts";

const EPOCH = 3n << 40n;

function record(seq: number): JournalRecord {
  return { accepted: EPOCH + BigInt(seq), kind: 1, bytes: new Uint8Array(100).fill(seq) };
}

async function openStore(dataDir: string): Promise<Store> {
  const store = await createStore({ dataDir });
  await store.initialize(createFixtureChain(1).genesis, ROLLUP_HASH);
  return store;
}

/** A closed folder with unsettled records 1 to 6 but 3. */
async function journalFolder(t: Test): Promise<string> {
  const dataDir = t.testdir();
  const store = await openStore(dataDir);
  await store.appendJournal([1, 2, 3, 4, 5, 6].map(record));
  await store.settleJournal([record(3).accepted]);
  await store.close();
  return dataDir;
}

async function assertDamaged(t: Test, dataDir: string): Promise<void> {
  const store = await openStore(dataDir);
  await t.rejects(store.loadJournal(), { code: "STORAGE_CORRUPT" });
  await store.close();
}

t.test("records come back in accepted order, settled ones do not", async (t) => {
  const dataDir = t.testdir();
  let store = await openStore(dataDir);
  t.same(await store.loadJournal(), []);
  await store.appendJournal([record(1), record(2)]);
  await store.appendJournal([record(5)]);
  await store.appendJournal([record(6), record(7)]);
  await store.settleJournal([record(2).accepted, record(6).accepted, record(40).accepted]);
  t.strictSame(await store.loadJournal(), [record(1), record(5), record(7)]);
  await store.close();
  store = await openStore(dataDir);
  t.strictSame(await store.loadJournal(), [record(1), record(5), record(7)]);
  await store.settleJournal([1, 5, 7].map((seq) => record(seq).accepted));
  await store.appendJournal([record(8)]);
  t.strictSame(await store.loadJournal(), [record(8)]);
  await t.rejects(store.appendJournal([record(8)]), /ascend/);
  await store.close();
});

t.test("calls made while a batch is under way share the next one", async (t) => {
  const store = await openStore(t.testdir());
  const watch = watchBatches();
  t.teardown(watch.stop);
  const calls: Promise<void>[] = [];
  for (let seq = 1; seq <= 250; seq++) calls.push(store.appendJournal([record(seq)]));
  await calls[0];
  for (let seq = 251; seq <= 300; seq++) calls.push(store.appendJournal([record(seq)]));
  await Promise.all(calls);
  t.ok(watch.sync.length <= 4, `300 calls took ${watch.sync.length} batches`);
  t.equal((await store.loadJournal()).length, 300);
  await store.close();
});

t.test("no write leaves the disk behind: every batch is synced", async (t) => {
  const watch = watchBatches();
  t.teardown(watch.stop);
  const chain = createFixtureChain(1);
  const store = await openStore(t.testdir());
  await store.appendJournal([record(1), record(2)]);
  await store.settleJournal([record(1).accepted]);
  const commit = chain.next([record(2).accepted]);
  await store.commitBlock(commit);
  await store.saveSignature(1, new Uint8Array(65));
  await store.saveHeads(commit.heads);
  await store.raiseLeaderEpoch(0);
  await store.saveSignedMark({
    kind: "batch",
    height: 1,
    index: 0,
    hash: ROLLUP_HASH,
    origin: ROLLUP_HASH,
  });
  await store.rollback(0);
  await store.close();
  t.strictSame(watch.sync, new Array(watch.sync.length).fill(true));
  t.equal(watch.sync.length, 11);
});

t.test("a call is answered only when its batch is on disk", async (t) => {
  const dataDir = t.testdir();
  const store = await openStore(dataDir);
  const order: string[] = [];
  const appended = store.appendJournal([record(1)]).then(() => order.push("append"));
  const settled = store.settleJournal([record(1).accepted]).then(() => order.push("settle"));
  t.same(order, []);
  await Promise.all([appended, settled]);
  await store.close();
  await t.rejects(store.appendJournal([record(2)]), { code: "STORAGE_FAILED" });
});

t.test("an unsettled record that is missing is noticed", async (t) => {
  for (const seq of [1, 4, 6]) {
    const dataDir = await journalFolder(t);
    await withRawLevel(dataDir, (level) => level.del(journalKey(record(seq).accepted)), "journal");
    await assertDamaged(t, dataDir);
  }
});

t.test("a settled record that is back is noticed", async (t) => {
  const dataDir = t.testdir();
  let store = await openStore(dataDir);
  await store.appendJournal([record(1), record(2)]);
  await store.close();
  const key = journalKey(record(1).accepted);
  let value: Uint8Array | undefined;
  await withRawLevel(dataDir, async (level) => (value = await level.get(key)), "journal");
  store = await openStore(dataDir);
  await store.settleJournal([record(1).accepted]);
  await store.close();
  await withRawLevel(dataDir, (level) => level.put(key, value!), "journal");
  await assertDamaged(t, dataDir);
});

t.test("changed, swapped and forged records are noticed", async (t) => {
  const flipped = await journalFolder(t);
  await withRawLevel(
    flipped,
    async (level) => {
      const value = new Uint8Array(await level.get(journalKey(record(4).accepted)));
      value[60] = value[60]! ^ 1;
      await level.put(journalKey(record(4).accepted), value);
    },
    "journal",
  );
  await assertDamaged(t, flipped);

  const swapped = await journalFolder(t);
  await withRawLevel(
    swapped,
    async (level) => {
      const keys = [journalKey(record(4).accepted), journalKey(record(5).accepted)] as const;
      const values = await level.getMany([...keys]);
      await level.put(keys[0], values[1]!);
      await level.put(keys[1], values[0]!);
    },
    "journal",
  );
  await assertDamaged(t, swapped);

  // With a checksum that fits: only the sum and the chain of hashes are left to notice.
  for (const seq of [4, 6]) {
    const forged = await journalFolder(t);
    const forge = async (level: RawLevel) => {
      const key = journalKey(record(seq).accepted);
      const payload = new Uint8Array(await level.get(key)).subarray(0, -4);
      payload[80] = payload[80]! ^ 1;
      await level.put(key, sealRecord(key, payload));
    };
    await withRawLevel(forged, forge, "journal");
    await assertDamaged(t, forged);
  }
});

t.test("a number that is named twice is settled once", async (t) => {
  const dataDir = t.testdir();
  let store = await createStore({ dataDir });
  await store.appendJournal([record(1), record(2), record(3)]);
  const twice = [record(2).accepted, record(2).accepted];
  await Promise.all([store.settleJournal(twice), store.settleJournal(twice)]);
  await store.close();
  store = await createStore({ dataDir });
  t.same(await store.loadJournal(), [record(1), record(3)]);
  await store.close();
});
