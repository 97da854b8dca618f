import { RLP } from "@ethereumjs/rlp";
import fc from "fast-check";
import t from "tap";
import { keccak256 } from "viem";
import { bytesEqual, toHex } from "../../lanes/bytes.ts";
import {
  decodeLaneData,
  decodeLanePrices,
  encodeLaneData,
  encodeLanePrices,
  FLASHBLOCKS_MAX,
  LANE_NUMBERS_MAX,
  type LaneData,
  laneDataHash,
} from "../../lanes/lane-data.ts";

const number = fc.bigInt({ min: 0n, max: 2n ** 72n - 1n });
const report = fc.record({ source: fc.nat(255), bytes: fc.uint8Array({ maxLength: 9 }) });
const epoch = fc.record({ cut: number, reports: fc.array(report, { maxLength: 3 }) });
const laneDatas: fc.Arbitrary<LaneData> = fc.record({
  policyHash: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => toHex(bytes)),
  flashblocks: fc.array(
    fc.record({
      txCount: fc.maxSafeNat(),
      timestampMs: fc.maxSafeNat(),
      leaderEpoch: fc.nat(2 ** 32 - 1),
      conflicts: fc.array(fc.tuple(report, report), { maxLength: 2 }),
      epoch: fc.option(epoch),
    }),
    { maxLength: 6 },
  ),
  numbers: fc.array(fc.record({ accepted: number, ready: number }), { maxLength: 12 }),
});

t.test("LaneData survives its bytes", async (t) => {
  fc.assert(
    fc.property(laneDatas, (data) => {
      const bytes = encodeLaneData(data);
      t.same(decodeLaneData(bytes), { ok: true, value: data });
      t.equal(laneDataHash(data), keccak256(bytes));
    }),
    { numRuns: 500 },
  );
});

t.test("prices of a flashblock survive their bytes, and no others are read", async (t) => {
  fc.assert(
    fc.property(laneDatas, ({ flashblocks }) => {
      for (const { conflicts, epoch: own } of flashblocks) {
        const prices = { conflicts, epoch: own };
        const bytes = encodeLanePrices(prices);
        t.same(decodeLanePrices(bytes), { ok: true, value: prices });
        t.notOk(decodeLanePrices(Uint8Array.of(...bytes, 0)).ok, "a byte more");
        t.notOk(decodeLanePrices(bytes.slice(1)).ok, "a byte fewer");
      }
    }),
    { numRuns: 100 },
  );
  for (const fields of [[], [[]], [[], [], []], [[], ""], [[[]], []], "x"])
    t.match(decodeLanePrices(RLP.encode(fields)), { ok: false, data: { field: "prices" } });
});

t.test("changed bytes are refused, or are another LaneData's only form", async (t) => {
  let refused = 0;
  fc.assert(
    fc.property(laneDatas, fc.nat(), fc.integer({ min: 1, max: 255 }), (data, at, flip) => {
      const bytes = encodeLaneData(data).slice();
      const index = at % bytes.length;
      bytes[index] = (bytes[index] ?? 0) ^ flip;
      const decoded = decodeLaneData(bytes);
      if (!decoded.ok) {
        refused++;
        t.equal(decoded.code, "BLOCK_MALFORMED");
        return;
      }
      t.notSame(decoded.value, data);
      t.ok(bytesEqual(encodeLaneData(decoded.value), bytes));
    }),
    { numRuns: 1000 },
  );
  t.ok(refused > 100, "the property was not vacuous");
});

const HASH = new Uint8Array(32);
type Rlp = Parameters<typeof RLP.encode>[0];
const flashblock: Rlp[] = [Uint8Array.of(1), Uint8Array.of(2), Uint8Array.of(), [], []];
const REPORT: Rlp = [Uint8Array.of(), Uint8Array.of(1, 2)];
const THREE: Rlp = [REPORT, REPORT, REPORT];
const WIDE: Rlp = [Uint8Array.of(1, 0), Uint8Array.of(1, 2)];
const numbers = [Uint8Array.of(1), Uint8Array.of(2)];

t.test("each part is checked, and the refusal names it", async (t) => {
  t.ok(decodeLaneData(RLP.encode([HASH, [flashblock], [numbers]])).ok, "the base case is good");
  const wide = new Uint8Array(10).fill(1);
  const cases: [string, string, Rlp][] = [
    ["not a list", "laneData", HASH],
    ["a field missing", "laneData", [HASH, [flashblock]]],
    ["a field too many", "laneData", [HASH, [flashblock], [numbers], []]],
    ["a short hash", "laneData.policyHash", [HASH.slice(1), [flashblock], [numbers]]],
    ["no list of flashblocks", "laneData.flashblocks", [HASH, HASH, [numbers]]],
    ["no conflict", "laneData.flashblocks", [HASH, [flashblock.with(3, [[]])], [numbers]]],
    ["half a conflict", "laneData.flashblocks", [HASH, [flashblock.with(3, [[REPORT]])], []]],
    ["a third report", "laneData.flashblocks", [HASH, [flashblock.with(3, [THREE])], []]],
    ["half an epoch", "laneData.flashblocks", [HASH, [flashblock.with(4, [""])], [numbers]]],
    ["a wide cut", "laneData.flashblocks", [HASH, [flashblock.with(4, [wide, []])], []]],
    ["half a report", "laneData.flashblocks", [HASH, [flashblock.with(4, ["", [[""]]])], []]],
    ["a wide source", "laneData.flashblocks", [HASH, [flashblock.with(4, ["", [WIDE]])], []]],
    ["a string for an epoch", "laneData.flashblocks", [HASH, [flashblock.with(4, "")], [numbers]]],
    ["a missing epoch", "laneData.flashblocks", [HASH, [flashblock.slice(0, 4)], [numbers]]],
    ["an unsafe time", "laneData.flashblocks", [HASH, [flashblock.with(1, wide)], [numbers]]],
    ["a zero-padded count", "laneData.flashblocks", [HASH, [flashblock.with(0, HASH)], []]],
    ["73 bits", "laneData.numbers", [HASH, [flashblock], [[wide, wide]]]],
    ["one number", "laneData.numbers", [HASH, [flashblock], [[Uint8Array.of(1)]]]],
    [
      "too many flashblocks",
      "laneData.flashblocks",
      [HASH, Array(FLASHBLOCKS_MAX + 1).fill(flashblock), []],
    ],
    [
      "too many numbers",
      "laneData.numbers",
      [HASH, [flashblock], Array(LANE_NUMBERS_MAX + 1).fill(numbers)],
    ],
  ];
  for (const [name, field, value] of cases) {
    const expected = { ok: false, code: "BLOCK_MALFORMED", data: { field } };
    t.same(decodeLaneData(RLP.encode(value)), expected, name);
  }
});
