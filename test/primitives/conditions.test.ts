/** Conditions of a transaction: their bytes, and what they come to. */
import * as fc from "fast-check";
import t from "tap";
import { type Hex, toHex } from "../../lanes/bytes.ts";
import { encodeRlp } from "../../lanes/rlp.ts";
import {
  CONDITION_SLOTS_MAX,
  decodeConditions,
  encodeConditions,
  judgeConditions,
  type TransactionConditions,
} from "../../node/primitives/conditions.ts";

const NONE: TransactionConditions = {
  ...{ blockNumberMin: null, blockNumberMax: null, timestampMin: null, timestampMax: null },
  ...{ priceEpochMin: null, slots: [] },
};
const bytes = (size: number): fc.Arbitrary<Hex> =>
  fc.uint8Array({ minLength: size, maxLength: size }).map(toHex);
const bound = fc.option(fc.maxSafeNat());
const conditions: fc.Arbitrary<TransactionConditions> = fc.record({
  ...{ blockNumberMin: bound, blockNumberMax: bound, timestampMin: bound, timestampMax: bound },
  priceEpochMin: bound,
  slots: fc.array(fc.record({ address: bytes(20), slot: bytes(32), value: bytes(32) }), {
    maxLength: 5,
  }),
});

t.test("one form, and nothing else is one", async (t) => {
  fc.assert(
    fc.property(conditions, fc.nat(), fc.integer({ min: 1, max: 255 }), (one, at, by) => {
      const encoded = encodeConditions(one);
      t.same(decodeConditions(encoded), one);
      const damaged = encoded.slice();
      damaged[at % damaged.length] = (damaged[at % damaged.length] ?? 0) ^ by;
      const read = decodeConditions(damaged);
      // Other bytes are other conditions, or none.
      if (read !== null) t.same(encodeConditions(read), damaged);
    }),
    { numRuns: 300 },
  );
  const slot = { address: `0x${"11".repeat(20)}`, slot: toHex(new Uint8Array(32)) } as const;
  const many = Array.from({ length: CONDITION_SLOTS_MAX + 1 }, () => ({
    ...slot,
    value: slot.slot,
  }));
  t.ok(decodeConditions(encodeConditions({ ...NONE, slots: many.slice(1) })));
  t.equal(decodeConditions(encodeConditions({ ...NONE, slots: many })), null);
  t.equal(decodeConditions(encodeRlp([])), null);
  t.equal(decodeConditions(new Uint8Array(0)), null);
});

t.test("bounds include their ends; what may still come is early", async (t) => {
  const judge = (change: Partial<TransactionConditions>, stored = 5n) =>
    judgeConditions(
      { ...NONE, ...change },
      { blockNumber: 10, timestamp: 100, epoch: 7, slot: () => stored },
    );
  t.equal(judge({}), "met");
  for (const [change, verdict] of [
    [{ blockNumberMin: 10, blockNumberMax: 10 }, "met"],
    [{ blockNumberMin: 11 }, "early"],
    [{ blockNumberMax: 9 }, "failed"],
    [{ timestampMin: 100, timestampMax: 100 }, "met"],
    [{ timestampMin: 101 }, "early"],
    [{ timestampMax: 99 }, "failed"],
    [{ priceEpochMin: 7 }, "met"],
    [{ priceEpochMin: 8 }, "early"],
    [{ blockNumberMin: 11, timestampMax: 99 }, "failed"],
  ] as const)
    t.equal(judge(change), verdict, JSON.stringify(change));
  const value: Hex = `0x${"05".padStart(64, "0")}`;
  const slots = [{ address: `0x${"11".repeat(20)}`, slot: value, value }] as const;
  t.equal(judge({ slots }), "met");
  t.equal(judge({ slots }, 6n), "failed");
  t.equal(judge({ slots, priceEpochMin: 8 }, 6n), "early", "the epoch may write it");
});
