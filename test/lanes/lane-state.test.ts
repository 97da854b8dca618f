import { type Input as RLPInput, RLP } from "@ethereumjs/rlp";
import fc from "fast-check";
import t from "tap";
import { bytesEqual, toHex, ZERO_HASH } from "../../lanes/bytes.ts";
import {
  decodeLaneState,
  encodeLaneState,
  genesisLaneState,
  type LaneState,
} from "../../lanes/lane-state.ts";
import { mergeReports } from "../../lanes/epoch.ts";
import { NO_PRICES, type PriceState } from "../../lanes/price-state.ts";
import { feedPolicy, heard } from "./fixtures/reports.ts";

const ready = fc.bigInt({ min: 1n, max: 2n ** 72n - 1n });
const gas = fc.bigInt({ min: 0n, max: 2n ** 72n - 1n });
const report = fc.record({
  value: fc.bigInt(1n, 1000n),
  sequence: fc.bigInt(1n, 2n ** 64n - 1n),
  publisher: fc.integer({ min: 1, max: 5 }),
});
/** Prices as some reports make them; every other state has its own test. */
const prices = fc.array(report, { maxLength: 4 }).map((reports): PriceState => {
  const said = reports.map(({ publisher, ...each }) => heard(publisher, each));
  return { ...NO_PRICES, feeds: mergeReports(feedPolicy(), new Map(), said, 0) };
});
const states: fc.Arbitrary<LaneState> = fc.record({
  blockNumber: fc.maxSafeNat(),
  timestamp: fc.maxSafeNat(),
  timestampMs: fc.maxSafeNat(),
  orderHash: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => toHex(bytes)),
  lastForced: fc.maxSafeNat(),
  leaderEpoch: fc.maxSafeNat(),
  policyHash: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => toHex(bytes)),
  recent: fc.array(
    fc.record({
      classes: byRank(fc.record({ cap: gas, gas })),
      ready: byRank(ready.map((number) => ({ ready: number }))),
    }),
    { maxLength: 5 },
  ),
  accepted: fc.bigInt(0n, 2n ** 72n - 1n),
  prices,
});

/** Entries of some ranks, ascending. */
function byRank<T extends object>(entry: fc.Arbitrary<T>): fc.Arbitrary<(T & { rank: number })[]> {
  return fc
    .uniqueArray(fc.integer({ min: 1, max: 255 }), { maxLength: 4 })
    .chain((ranks) =>
      fc.tuple(
        ...ranks.sort((a, b) => a - b).map((rank) => entry.map((own) => ({ rank, ...own }))),
      ),
    );
}

t.test("LaneState survives its bytes", async (t) => {
  fc.assert(
    fc.property(states, (state) => {
      t.same(decodeLaneState(encodeLaneState(state)), { ok: true, value: state });
    }),
    { numRuns: 500 },
  );
});

t.test("changed bytes are refused, or are another state's only form", async (t) => {
  fc.assert(
    fc.property(states, fc.nat(), fc.integer({ min: 1, max: 255 }), (state, at, flip) => {
      const bytes = encodeLaneState(state).slice();
      const index = at % bytes.length;
      bytes[index] = (bytes[index] ?? 0) ^ flip;
      const decoded = decodeLaneState(bytes);
      if (!decoded.ok) return;
      t.notSame(decoded.value, state);
      t.ok(bytesEqual(encodeLaneState(decoded.value), bytes));
    }),
    { numRuns: 500 },
  );
});

const NONE = new Uint8Array();
const PRICES = [NONE, NONE, NONE, [], []];

t.test("ranks are ascending, in range and once each", async (t) => {
  const state = (recent: RLPInput) =>
    RLP.encode([1, 1, 1, new Uint8Array(32), 1, 1, new Uint8Array(32), recent, 1, PRICES]);
  const rankOf = (rank: number) => (rank === 0 ? new Uint8Array() : rank);
  const decode = (...ranks: number[]) => {
    const ready = ranks.map((rank) => [rankOf(rank), 1]);
    const classes = ranks.map((rank) => [rankOf(rank), 2, 1]);
    const parts = [state([[[], ready]]), state([[classes, []]])].map(
      (bytes) => decodeLaneState(bytes).ok,
    );
    t.equal(parts[0], parts[1]);
    return parts[0];
  };
  t.ok(decode(1, 2, 255));
  for (const bad of [[0], [2, 1], [1, 1], [256]]) t.notOk(decode(...bad), bad.join());
  t.notOk(decodeLaneState(new Uint8Array()).ok);
  for (const [order, policy] of [
    [31, 32],
    [32, 31],
  ] as const) {
    const fields = [1, 1, 1, new Uint8Array(order), 1, 1, new Uint8Array(policy), [], 1, PRICES];
    t.notOk(decodeLaneState(RLP.encode(fields)).ok, "a hash that is too short");
  }
  for (const bad of [[[1]], [[[], [], []]], [[[[1, 2]], []]], [[[], [[1, new Uint8Array()]]]]])
    t.notOk(decodeLaneState(state(bad)).ok, JSON.stringify(bad));
  const many = Array.from({ length: 257 }, () => [[], []]);
  t.notOk(decodeLaneState(state(many)).ok, "more blocks than any policy looks back");
  t.ok(decodeLaneState(state(many.slice(1))).ok);
});

t.test("genesis has no flashblocks behind it", async (t) => {
  t.same(genesisLaneState(1_700_000_000), {
    blockNumber: 0,
    timestamp: 1_700_000_000,
    timestampMs: 1_700_000_000_000,
    orderHash: ZERO_HASH,
    lastForced: 0,
    leaderEpoch: 0,
    policyHash: ZERO_HASH,
    recent: [],
    accepted: 0n,
    prices: NO_PRICES,
  });
});
