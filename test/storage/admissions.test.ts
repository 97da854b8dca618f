/** The log of what was taken in and dropped: read back, bounded, and gone with its block. */
import fc from "fast-check";
import t from "tap";
import type { Hex } from "../../lanes/bytes.ts";
import {
  admissionOperations,
  readAdmissions,
  readDrop,
  removeAdmissions,
} from "../../node/storage/admissions.ts";
import type { Operation } from "../../node/storage/database.ts";
import type { BlockAdmissions, DropEntry } from "../../node/storage/store.ts";
import { atOnce } from "../../node/turns.ts";

/** Records in memory. */
function records() {
  const all = new Map<string, Uint8Array>();
  return {
    all,
    get: (key: Uint8Array) => all.get(key.toString()) ?? null,
    write(operations: readonly Operation[]) {
      for (const { key, payload } of operations)
        if (payload === null) all.delete(key.toString());
        else all.set(key.toString(), payload);
    },
  };
}

const hashOf = (number: number): Hex => `0x${number.toString(16).padStart(64, "0")}`;
const accepted = fc.record({
  accepted: fc.bigInt(1n, (1n << 72n) - 1n),
  hash: fc.nat(30).map(hashOf),
  timeMs: fc.nat(),
  rank: fc.constantFrom(1, 2, 254, 255),
});
const dropped = fc.record({
  accepted: fc.bigInt(1n, (1n << 72n) - 1n),
  hash: fc.nat(30).map(hashOf),
  timeMs: fc.nat(),
  code: fc.constantFrom("EVICTED", "TX_EXPIRED", "NONCE_TOO_LOW" as const),
  raw: fc.uint8Array({ minLength: 1, maxLength: 40 }),
});
const log = fc.record({
  accepted: fc.array(accepted, { maxLength: 8 }),
  dropped: fc.uniqueArray(dropped, { maxLength: 8, selector: ({ hash }) => hash }),
});

t.test("what was logged is read back, and leaves nothing behind", async (t) => {
  fc.assert(
    fc.property(fc.array(log, { minLength: 1, maxLength: 4 }), (logs) => {
      const store = records();
      const newest = new Map<Hex, DropEntry & { blockNumber: number }>();
      for (const [number, each] of logs.entries()) {
        store.write(atOnce(admissionOperations(number, each as BlockAdmissions)));
        for (const drop of each.dropped as DropEntry[])
          newest.set(drop.hash, { ...drop, blockNumber: number });
      }
      for (const [number, each] of logs.entries()) t.same(readAdmissions(store, number), each);
      for (const [hash, { accepted: number, timeMs, code, blockNumber }] of newest)
        t.same(readDrop(store, hash), { accepted: number, timeMs, code, blockNumber });
      // Pruned from the oldest on: what was dropped again later is still known.
      for (const number of logs.keys()) {
        for (const [hash, { blockNumber }] of newest)
          t.equal(
            readDrop(store, hash)?.blockNumber,
            blockNumber < number ? undefined : blockNumber,
          );
        store.write(atOnce(removeAdmissions(store, number)));
      }
      t.equal(store.all.size, 0);
    }),
    { numRuns: 500 },
  );
});

t.test("a block keeps some megabytes of what it dropped, and every reason", async (t) => {
  const store = records();
  const drops = Array.from({ length: 300 }, (_, at) => ({
    accepted: BigInt(at + 1),
    hash: hashOf(at),
    timeMs: 7,
    code: "EVICTED" as const,
    raw: new Uint8Array(100_000).fill(at),
  }));
  store.write(atOnce(admissionOperations(5, { accepted: [], dropped: drops })));
  const read = readAdmissions(store, 5).dropped;
  t.equal(read.length, 300);
  t.equal(read.filter(({ raw }) => raw !== null).length, 83);
  t.match(readDrop(store, hashOf(299)), { code: "EVICTED", blockNumber: 5 });
});
