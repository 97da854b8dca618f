import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { fromHex, type Hex, toHex } from "../../lanes/bytes.ts";
import { NodeError } from "../../node/errors.ts";
import { createStore } from "../../node/storage/chain-store.ts";
import { sealRecord } from "../../node/storage/checksum.ts";
import { openDatabase } from "../../node/storage/database.ts";
import { accountKey, blockKey, hashKey, META, slotKey } from "../../node/storage/keys.ts";
import { addressAt, createFixtureChain, createRandom, ROLLUP_HASH } from "./fixtures/chain.ts";
import { withRawLevel } from "./fixtures/raw.ts";
import { chainFiles, copyStore, dumpRecords, flipBit } from "./fixtures/records.ts";

const FLIPS = 40;

async function fill(dataDir: string, blocks: number): Promise<void> {
  const chain = createFixtureChain(11);
  const store = await createStore({ dataDir });
  await store.initialize(chain.genesis, ROLLUP_HASH);
  for (let i = 0; i < blocks; i++) await store.commitBlock(chain.next());
  await store.close();
}

/** Opens and reads every record of `expected`; what was noticed, and which values were wrong. */
async function readAll(
  dataDir: string,
  expected: ReadonlyMap<string, string>,
): Promise<{ noticed: boolean; wrong: string[] }> {
  let noticed = false;
  const wrong: string[] = [];
  const note = (error: unknown): void => {
    if (!(error instanceof NodeError) || error.code !== "STORAGE_CORRUPT") throw error;
    noticed = true;
  };
  try {
    const database = await openDatabase(dataDir);
    for (const [key, payload] of expected)
      try {
        const found = database.get(fromHex(key as Hex));
        if (found === null) noticed = true;
        else if (toHex(found) !== payload) wrong.push(key);
      } catch (error) {
        note(error);
      }
    await database.close();
  } catch (error) {
    note(error);
  }
  return { noticed, wrong };
}

t.test("a flipped bit in a table never gives a wrong value", async (t) => {
  const dir = t.testdir();
  const dataDir = join(dir, "a");
  await fill(dataDir, 60);
  // Opening again moves the log into tables.
  await (await createStore({ dataDir })).close();
  const store = await createStore({ dataDir });
  const expected = await dumpRecords(dataDir);
  await store.close();
  t.same(await readAll(dataDir, expected), { noticed: false, wrong: [] });
  // Some flips end the process by an assertion of LevelDB itself; none of this seed's do.
  const random = createRandom(6);
  let noticed = 0;
  for (let run = 0; run < FLIPS; run++) {
    const copy = join(dir, "b");
    await copyStore(dataDir, copy);
    const tables = await chainFiles(copy, ".ldb");
    const table = tables[random(tables.length)]!;
    await flipBit(table, random((await stat(table)).size * 8));
    const result = await readAll(copy, expected);
    t.same(result.wrong, []);
    if (result.noticed) noticed += 1;
    await rm(copy, { recursive: true });
  }
  // The others hit older versions of records, which nobody reads.
  t.ok(noticed > FLIPS / 3, `${noticed} of ${FLIPS} flips hit something that is read`);
});

t.test("records under the wrong key are noticed", async (t) => {
  const dataDir = t.testdir();
  await fill(dataDir, 3);
  const [one, other] = [blockKey("SIDECAR", 1), blockKey("SIDECAR", 2)];
  await withRawLevel(dataDir, async (level) => level.put(one, await level.get(other)));
  await t.rejects(createStore({ dataDir }), {
    code: "STORAGE_CORRUPT",
    data: { reason: "checksum" },
  });
});

t.test("the scan at start-up finds every kind of hole in the newest blocks", async (t) => {
  const hash = createFixtureChain(11).next().stored.block.hash;
  const other = createFixtureChain(12);
  other.next();
  const foreign = other.next().stored.block;
  const cases: [number: number, reason: string, key: Uint8Array][] = [
    [2, "block is missing", blockKey("HEADER", 2)],
    [2, "block record is missing", blockKey("BLOCK", 2)],
    [2, "sidecar record is missing", blockKey("SIDECAR", 2)],
    [2, "receipts record is missing", blockKey("RECEIPTS", 2)],
    [1, "hash index", hashKey("NUMBER_BY_HASH", hash)],
  ];
  for (const [number, reason, key] of cases)
    await t.test(reason, async (t) => {
      const data = { number, reason };
      const dataDir = t.testdir();
      await fill(dataDir, 4);
      await withRawLevel(dataDir, (level) => level.del(key));
      await t.rejects(createStore({ dataDir }), { code: "STORAGE_CORRUPT", data });
    });

  await t.test("a header that is not its hash's", async (t) => {
    const dataDir = t.testdir();
    await fill(dataDir, 4);
    const key = blockKey("HEADER", 2);
    await withRawLevel(dataDir, async (level) => {
      const payload = new Uint8Array(await level.get(key)).subarray(0, -4);
      payload[40] = payload[40]! ^ 1;
      await level.put(key, sealRecord(key, payload));
    });
    await t.rejects(createStore({ dataDir }), {
      code: "STORAGE_CORRUPT",
      data: { number: 2, reason: "header hash" },
    });
  });

  await t.test("a whole block of another chain", async (t) => {
    const dataDir = t.testdir();
    const source = t.testdir({ a: {}, b: {} });
    await fill(join(dataDir, "a"), 4);
    const chain = createFixtureChain(12);
    const store = await createStore({ dataDir: join(source, "b") });
    await store.initialize(chain.genesis, ROLLUP_HASH);
    for (let i = 0; i < 2; i++) await store.commitBlock(chain.next());
    const keys = [blockKey("HEADER", 2), hashKey("NUMBER_BY_HASH", foreign.hash)];
    await store.close();
    const values: Uint8Array[] = [];
    await withRawLevel(join(source, "b"), async (level) => {
      for (const key of keys) values.push(await level.get(key));
    });
    await withRawLevel(join(dataDir, "a"), (level) =>
      level.batch(keys.map((key, i) => ({ type: "put", key, value: values[i]! }))),
    );
    await t.rejects(createStore({ dataDir: join(dataDir, "a") }), {
      code: "STORAGE_CORRUPT",
      data: { number: 2, reason: "parent hash" },
    });
  });

  await t.test("heads", async (t) => {
    const dataDir = t.testdir();
    await fill(dataDir, 4);
    await withRawLevel(dataDir, (level) => level.del(META.heads));
    await t.rejects(createStore({ dataDir }), {
      code: "STORAGE_CORRUPT",
      data: { record: "heads" },
    });
  });
});

t.test("damaged state is noticed when it is read", async (t) => {
  const dataDir = t.testdir();
  await fill(dataDir, 30);
  const chain = createFixtureChain(11);
  for (let i = 0; i < 30; i++) chain.next();
  const [address, slots] = [...chain.model.slots].find(([, slots]) => slots.size > 1)!;
  const slot = [...slots.keys()][0]!;
  const account = [...chain.model.accounts.keys()][0] ?? addressAt(0);
  await withRawLevel(dataDir, async (level) => {
    for (const key of [accountKey(account), slotKey("SLOT", address, slot)]) {
      const value = new Uint8Array(await level.get(key));
      value[0] = value[0]! ^ 0x10;
      await level.put(key, value);
    }
    await level.del(slotKey("SLOT_LINK", address, [...slots.keys()][1]!));
  });
  const store = await createStore({ dataDir });
  t.throws(() => store.state.account(account), { code: "STORAGE_CORRUPT" });
  t.throws(() => store.state.slot(address, slot), { code: "STORAGE_CORRUPT" });
  t.throws(() => store.state.slots(address), { code: "STORAGE_CORRUPT" });
  t.throws(() => store.state.code(ROLLUP_HASH), { code: "STORAGE_CORRUPT" });
  await store.close();
});
