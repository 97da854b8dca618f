import { readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import t from "tap";
import { createStore } from "../../node/storage/chain-store.ts";
import { openRecord, sealRecord } from "../../node/storage/checksum.ts";
import { CHAIN_FORMAT, openDatabase, openSharedDatabase } from "../../node/storage/database.ts";
import { META } from "../../node/storage/keys.ts";
import { COST_A_TURN } from "../../node/turns.ts";
import { watchTurns } from "../fixtures/turn-watch.ts";
import { createFixtureChain, ROLLUP_HASH } from "./fixtures/chain.ts";
import { startFixture } from "./fixtures/children.ts";
import { withRawLevel } from "./fixtures/raw.ts";
import { chainFiles, flipBit } from "./fixtures/records.ts";

/** Writes a few blocks and closes. */
async function fill(dataDir: string): Promise<void> {
  const chain = createFixtureChain(1);
  const store = await createStore({ dataDir });
  await store.initialize(chain.genesis, ROLLUP_HASH);
  for (let i = 0; i < 5; i++) await store.commitBlock(chain.next());
  await store.close();
}

t.test("a second process is told that the folder is taken", async (t) => {
  const dataDir = t.testdir();
  await fill(dataDir);
  const { child, lines, closed } = startFixture("hold-open", [dataDir]);
  for await (const line of lines) {
    t.equal(line, "open");
    const error = await createStore({ dataDir }).catch((error: unknown) => error);
    t.match(error, { code: "STORAGE_LOCKED", cause: Error });
    child.kill("SIGKILL");
  }
  await closed;
  const store = await createStore({ dataDir });
  t.equal(store.heads().unsafe.number, 5, "free again when the process is gone");
  await store.close();
});

t.test("a second store in the same process is told so too", async (t) => {
  const dataDir = t.testdir();
  const store = await createStore({ dataDir });
  await t.rejects(createStore({ dataDir }), { code: "STORAGE_LOCKED" });
  await store.close();
  await (await createStore({ dataDir })).close();
});

t.test("another chain format is refused with both numbers, by owner and reader", async (t) => {
  const dataDir = t.testdir();
  await fill(dataDir);
  const newer = Uint8Array.of(0, 0, 0, CHAIN_FORMAT + 1);
  await withRawLevel(dataDir, (level) => level.put(META.format, sealRecord(META.format, newer)));
  const expected = {
    code: "STORAGE_FORMAT",
    data: { found: CHAIN_FORMAT + 1, expected: CHAIN_FORMAT },
  };
  await t.rejects(createStore({ dataDir }), expected);
  await t.rejects(openSharedDatabase(dataDir), expected);
});

t.test("a database without a format number is not ours", async (t) => {
  const dataDir = t.testdir();
  await fill(dataDir);
  await withRawLevel(dataDir, (level) => level.del(META.format));
  await t.rejects(createStore({ dataDir }), { code: "STORAGE_CORRUPT" });
});

t.test("missing and damaged files of LevelDB itself", async (t) => {
  const cases: [name: string, damage: (dataDir: string) => Promise<unknown>][] = [
    ["CURRENT is missing", (dataDir) => rm(join(dataDir, "chain/CURRENT"))],
    ["CURRENT is empty", (dataDir) => truncate(join(dataDir, "chain/CURRENT"))],
    [
      "MANIFEST is missing",
      async (dataDir) => {
        const name = (await readFile(join(dataDir, "chain/CURRENT"), "utf8")).trim();
        await rm(join(dataDir, "chain", name));
      },
    ],
    [
      "MANIFEST is damaged",
      async (dataDir) => {
        const name = (await readFile(join(dataDir, "chain/CURRENT"), "utf8")).trim();
        await flipBit(join(dataDir, "chain", name), 8 * 9);
      },
    ],
    [
      "a table is missing",
      async (dataDir) => {
        // Opening once moves the log into a table.
        await (await createStore({ dataDir })).close();
        await rm((await chainFiles(dataDir, ".ldb"))[0]!);
      },
    ],
  ];
  for (const [name, damage] of cases)
    await t.test(name, async (t) => {
      const dataDir = t.testdir();
      await fill(dataDir);
      await damage(dataDir);
      await t.rejects(createStore({ dataDir }), { code: "STORAGE_CORRUPT" });
      await t.rejects(createStore({ dataDir }), { code: "STORAGE_CORRUPT" }, "and never repaired");
    });
});

t.test("a creation that was cut off is begun again", async (t) => {
  const dataDir = t.testdir({ chain: { "MANIFEST-000001": "", LOCK: "", LOG: "" } });
  const database = await openDatabase(dataDir);
  t.not(database.get(META.format), null);
  await database.close();
});

t.test("a folder that cannot be written is STORAGE_FAILED with its cause", async (t) => {
  const dataDir = join(t.testdir({ file: "not a folder" }), "file");
  const error = await openDatabase(dataDir).catch((error: unknown) => error);
  t.match(error, { code: "STORAGE_FAILED", data: { reason: "ENOTDIR" }, cause: Error });
});

t.test("a checksum covers payload and key", async (t) => {
  const key = Uint8Array.of(1, 2, 3);
  const payload = Uint8Array.of(4, 5);
  const value = sealRecord(key, payload);
  t.strictSame(openRecord(key, value), payload);
  const damaged: [Uint8Array, Uint8Array][] = [
    [Uint8Array.of(1, 2, 4), value],
    [key, value.with(0, 9)],
    [key, value.with(5, (value[5] ?? 0) ^ 1)],
    [key, value.subarray(0, 3)],
  ];
  for (const [at, bytes] of damaged)
    t.throws(() => openRecord(at, bytes), { code: "STORAGE_CORRUPT" });
});

t.test("reads of a snapshot do not change", async (t) => {
  const database = await openDatabase(t.testdir());
  const key = Uint8Array.of(0x40);
  await database.write([{ key, payload: Uint8Array.of(1) }]);
  const snapshot = database.snapshot();
  await database.write([{ key, payload: Uint8Array.of(2) }]);
  t.strictSame(snapshot.get(key), Uint8Array.of(1));
  t.strictSame(database.get(key), Uint8Array.of(2));
  t.strictSame(await database.getMany([Uint8Array.of(0x41), key]), [null, Uint8Array.of(2)]);
  await snapshot.release();
  await database.write([{ key, payload: null }]);
  t.equal(database.get(key), null);
  await database.close();
});

t.test("the lock of a failed opening is given back", async (t) => {
  const dataDir = t.testdir();
  await fill(dataDir);
  const current = join(dataDir, "chain/CURRENT");
  const content = await readFile(current);
  await rm(current);
  await t.rejects(createStore({ dataDir }), { code: "STORAGE_CORRUPT" });
  await writeFile(current, content);
  const store = await createStore({ dataDir });
  t.equal(store.heads().unsafe.number, 5);
  await store.close();
});

t.test("a large batch is put together in turns, also one of large records", async (t) => {
  const database = await openDatabase(t.testdir());
  for (const { count, bytes } of [
    { count: 5000, bytes: 20 },
    { count: 40, bytes: 200_000 },
  ]) {
    const operations = Array.from({ length: count }, (_, i) => ({
      key: Uint8Array.of(0x0d, i >> 8, i),
      payload: new Uint8Array(bytes).fill(i),
    }));
    const watch = watchTurns();
    const most = await watch.during(() => database.write(watch.counted("records", operations)));
    const expected = COST_A_TURN / (1 + bytes / 1024);
    t.ok((most["records"] ?? 0) <= expected + 2, `${most["records"]} between two turns`);
    const found = await database.getMany(operations.map(({ key }) => key));
    t.ok(
      isDeepStrictEqual(
        found.map((record) => Buffer.from(record!)),
        operations.map(({ payload }) => Buffer.from(payload)),
      ),
    );
  }
  await database.close();
});
