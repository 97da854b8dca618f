import { RLP } from "@ethereumjs/rlp";
import fc from "fast-check";
import t from "tap";
import { bytesEqual, toHex, ZERO_HASH } from "../../lanes/bytes.ts";
import {
  decodeLaneState,
  encodeLaneState,
  genesisLaneState,
  type LaneState,
  raiseReady,
} from "../../lanes/lane-state.ts";

const ready = fc.bigInt({ min: 1n, max: 2n ** 72n - 1n });
const states: fc.Arbitrary<LaneState> = fc.record({
  blockNumber: fc.maxSafeNat(),
  timestamp: fc.maxSafeNat(),
  timestampMs: fc.maxSafeNat(),
  orderHash: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => toHex(bytes)),
  lastForced: fc.maxSafeNat(),
  leaderEpoch: fc.maxSafeNat(),
  readyByRank: fc
    .uniqueArray(fc.integer({ min: 1, max: 255 }), { maxLength: 5 })
    .chain((ranks) =>
      fc.tuple(
        ...ranks.sort((a, b) => a - b).map((rank) => ready.map((r) => ({ rank, ready: r }))),
      ),
    ),
});

t.test("LaneState survives its bytes", async (t) => {
  fc.assert(
    fc.property(states, (state) => {
      t.same(decodeLaneState(encodeLaneState(state)), { ok: true, value: state });
    }),
    { numRuns: 100 },
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

t.test("ranks are ascending, in range and once each", async (t) => {
  const decode = (...ranks: number[]) => {
    const entries = ranks.map((rank) => [rank === 0 ? new Uint8Array() : rank, 1]);
    return decodeLaneState(RLP.encode([1, 1, 1, new Uint8Array(32), 1, 1, entries])).ok;
  };
  t.ok(decode(1, 2, 255));
  for (const bad of [[0], [2, 1], [1, 1], [256]]) t.notOk(decode(...bad), bad.join());
  t.notOk(decodeLaneState(new Uint8Array()).ok);
  t.notOk(decodeLaneState(RLP.encode([1, 1, 1, new Uint8Array(31), 1, 1, []])).ok);
  t.notOk(decodeLaneState(RLP.encode([1, 1, 1, new Uint8Array(32), 1, 1, [[1]]])).ok);
});

t.test("genesis has no flashblocks behind it", async (t) => {
  t.same(genesisLaneState(1_700_000_000), {
    blockNumber: 0,
    timestamp: 1_700_000_000,
    timestampMs: 1_700_000_000_000,
    orderHash: ZERO_HASH,
    lastForced: 0,
    leaderEpoch: 0,
    readyByRank: [],
  });
});

t.test("the highest number of a rank stays", async (t) => {
  const before = [
    { rank: 1, ready: 5n },
    { rank: 255, ready: 9n },
  ];
  const block = [
    { rank: 255, ready: 7n },
    { rank: 3, ready: 11n },
    { rank: 1, ready: 13n },
    { rank: 1, ready: 12n },
  ];
  t.same(raiseReady(before, block), [
    { rank: 1, ready: 13n },
    { rank: 3, ready: 11n },
    { rank: 255, ready: 9n },
  ]);
  t.equal(before[0]?.ready, 5n, "the state before is not touched");
});
