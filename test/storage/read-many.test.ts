import t from "tap";
import { readMany } from "../../node/storage/read-many.ts";
import { COST_A_TURN } from "../../node/turns.ts";
import { watchTurns } from "../fixtures/turn-watch.ts";

const COST = 1;
const keyOf = (item: number): Uint8Array => Uint8Array.of(item >> 8, item);
const items = Array.from({ length: 5000 }, (_, index) => index);

t.test("many records are read a few at a time and worked on in turns, in order", async (t) => {
  const watch = watchTurns();
  const taken: (number | null)[] = [];
  let readAtOnce = 0;
  const database = {
    getMany: async (keys: readonly Uint8Array[]) => {
      readAtOnce = Math.max(readAtOnce, keys.length);
      await Promise.resolve();
      return keys.map((key) => (key[1] === 7 ? null : key));
    },
  };
  const most = await watch.during(() =>
    readMany(database, items, {
      cost: COST,
      keyOf,
      take(item, record) {
        watch.touch("records");
        const [high = 0, low = 0] = record ?? [];
        taken.push(record === null ? null : high * 256 + low);
        if (record !== null && high * 256 + low !== item) throw new Error("another's record");
      },
    }),
  );
  t.equal(taken.length, items.length);
  t.equal(taken.filter((record) => record === null).length, 20);
  t.ok(readAtOnce > 1 && readAtOnce <= 256, `${readAtOnce} at once`);
  t.ok((most["records"] ?? Infinity) <= COST_A_TURN / COST, `${most["records"]} in a turn`);
});

t.test("the first failure is told, and the read behind it fails unheard", async (t) => {
  let reads = 0;
  const database = {
    getMany: async () => {
      reads += 1;
      await Promise.resolve();
      throw new Error(`read ${reads}`);
    },
  };
  await t.rejects(
    readMany(database, items, { cost: COST, keyOf, take: () => t.fail("nothing arrived") }),
    /read/,
  );
  t.equal(reads, 2);
  await new Promise((resolve) => setImmediate(resolve));
});

t.test("nothing to read reads nothing", async (t) => {
  const database = { getMany: () => Promise.reject(new Error("asked")) };
  await readMany(database, [], { cost: COST, keyOf, take: () => t.fail("nothing there") });
});
