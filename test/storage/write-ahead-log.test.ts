import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import fc from "fast-check";
import { Level } from "level";
import t from "tap";
import { createStore } from "../../node/storage/chain-store.ts";
import { findLogDamage } from "../../node/storage/write-ahead-log.ts";
import { createFixtureChain, createRandom, ROLLUP_HASH } from "./fixtures/chain.ts";
import { chainFiles, copyStore, flipBit } from "./fixtures/records.ts";

const BATCHES = 40;
/** Longer than one of the log's 32 KiB blocks, so that it is written in several fragments. */
const LARGE_BYTES = 70_000;

interface SampleLog {
  readonly log: Uint8Array;
  /** Length of the log after each batch. */
  readonly ends: readonly number[];
}

/** A log as LevelDB itself writes it: one synced batch after another, some of them large. */
async function writeLog(dataDir: string): Promise<SampleLog> {
  const folder = join(dataDir, "level");
  const level = new Level<Uint8Array, Uint8Array>(folder, {
    keyEncoding: "view",
    valueEncoding: "view",
  });
  await level.open();
  const random = createRandom(1);
  const ends: number[] = [];
  let log: Uint8Array = new Uint8Array(0);
  for (let i = 0; i < BATCHES; i++) {
    const length = i % 13 === 7 ? LARGE_BYTES : 20 + random(900);
    const value = Uint8Array.from({ length }, () => random(256));
    await level.batch([{ type: "put", key: Uint8Array.of(i), value }], { sync: true });
    log = await readFile(join(folder, "000003.log"));
    ends.push(log.length);
  }
  await level.close();
  return { log, ends };
}

t.test("an intact log and every torn tail of it pass", async (t) => {
  const { log } = await writeLog(t.testdir());
  t.ok(log.length > 3 * LARGE_BYTES);
  t.equal(findLogDamage(log), null);
  const failed: number[] = [];
  for (let cut = 0; cut < log.length; cut += 499) {
    const torn = log.slice(0, cut);
    if (findLogDamage(torn) !== null) failed.push(cut);
    // The file system may have made the file longer without its content.
    const padded = new Uint8Array(cut + 500);
    padded.set(torn);
    if (findLogDamage(padded) !== null) failed.push(cut);
  }
  t.same(failed, []);
});

t.test("a large batch whose first pages never reached the disk is a torn tail", async (t) => {
  const { log, ends } = await writeLog(t.testdir());
  const large = ends.findIndex((end, i) => i > 0 && end - ends[i - 1]! > LARGE_BYTES);
  const torn = log.slice(0, ends[large]);
  torn.fill(0, ends[large - 1], ends[large - 1]! + 40_000);
  t.equal(findLogDamage(torn), null);
  const more = log.slice(0, ends[large + 1]);
  more.fill(0, ends[large - 1], ends[large - 1]! + 40_000);
  t.equal(findLogDamage(more), ends[large - 1], "but not with a batch behind it");
});

t.test("any flipped bit before the last batch is found", async (t) => {
  const { log, ends } = await writeLog(t.testdir());
  const lastStart = ends.at(-2)!;
  fc.assert(
    fc.property(fc.integer({ min: 0, max: lastStart * 8 - 1 }), (bit) => {
      const damaged = log.slice();
      damaged[bit >> 3] = damaged[bit >> 3]! ^ (1 << (bit & 7));
      const found = findLogDamage(damaged);
      // The few bytes that end a block hold no record: a flip there changes nothing.
      const trailer = 32_768 - ((bit >> 3) % 32_768) <= 6;
      return trailer ? true : found !== null && found <= bit >> 3;
    }),
    { numRuns: 150 },
  );
  t.pass("all found");
});

t.test("a store whose log lost an acknowledged batch does not open", async (t) => {
  const dir = t.testdir();
  const dataDir = join(dir, "a");
  const chain = createFixtureChain(3);
  const store = await createStore({ dataDir });
  await store.initialize(chain.genesis, ROLLUP_HASH);
  for (let i = 0; i < 30; i++) await store.commitBlock(chain.next());
  await copyStore(dataDir, join(dir, "intact"));
  await copyStore(dataDir, join(dir, "damaged"));
  await copyStore(dataDir, join(dir, "torn"));
  await store.close();

  const intact = await createStore({ dataDir: join(dir, "intact") });
  t.equal(intact.heads().unsafe.number, 30);
  await intact.close();

  const [log] = await chainFiles(join(dir, "damaged"), ".log");
  const bytes = await readFile(log!);
  await flipBit(log!, (bytes.length >> 1) * 8);
  const error = { code: "STORAGE_CORRUPT", data: { reason: "damaged log record" } };
  await t.rejects(createStore({ dataDir: join(dir, "damaged") }), error);
  await t.rejects(createStore({ dataDir: join(dir, "damaged") }), error, "nor the second time");

  const [tail] = await chainFiles(join(dir, "torn"), ".log");
  await writeFile(tail!, bytes.subarray(0, bytes.length - 10));
  const torn = await createStore({ dataDir: join(dir, "torn") });
  t.equal(torn.heads().unsafe.number, 29, "a batch that was being written is not there");
  t.ok(torn.blockByNumber(29));
  await torn.close();
});
