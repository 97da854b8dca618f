/** The chain's memory of prices has one form in bytes. */
import fc from "fast-check";
import t from "tap";
import { toHex } from "../../lanes/bytes.ts";
import {
  isNewer,
  NO_PRICES,
  type PriceState,
  priceStateFromRlp,
  priceStateToRlp,
} from "../../lanes/price-state.ts";
import { decodeRlp, encodeRlp } from "../../lanes/rlp.ts";

const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(toHex);
const key = fc.uint8Array({ minLength: 20, maxLength: 20 }).map(toHex);
const value = fc.bigInt(-(2n ** 127n), 2n ** 127n - 1n);
const confidence = fc.bigInt(0n, 2n ** 128n - 1n);
const session = fc.nat(7);
const entry = fc.record({
  publisher: fc.integer({ min: 1, max: 65_535 }),
  ...{ key, publishTimeMs: fc.nat(), sequence: fc.bigInt(0n, 2n ** 64n - 1n), reportHash: hash },
  ...{ value, confidence, session },
});
const applied = fc.record({
  ...{ value, confidence, timeMs: fc.nat(), session, appliedMs: fc.nat() },
  status: fc.constantFrom(0 as const, 1 as const),
});
const feed = fc.record({
  applied: fc.option(applied),
  history: fc.array(fc.record({ value, appliedMs: fc.nat() }), { maxLength: 4 }),
  jump: fc.option(fc.record({ sinceMs: fc.nat(), isUp: fc.boolean() })),
  entries: fc.array(entry, { maxLength: 4 }),
});
const state: fc.Arbitrary<PriceState> = fc.record({
  epoch: fc.nat(),
  cut: fc.bigInt(0n, 2n ** 72n - 1n),
  graceEndMs: fc.nat(),
  suspended: fc.uniqueArray(key, { maxLength: 3 }).map((keys) => keys.sort()),
  feeds: fc.array(fc.tuple(hash, feed), { maxLength: 4 }).map((feeds) => new Map(feeds)),
});

const DEPTH = 8;
const encoded = (of: PriceState): Uint8Array => encodeRlp(priceStateToRlp(of));
const decoded = (bytes: Uint8Array): PriceState | null =>
  priceStateFromRlp(decodeRlp(bytes, DEPTH) ?? undefined);

t.test("a state survives its bytes, whatever the order of its feeds", async (t) => {
  fc.assert(
    fc.property(state, (of) => {
      const bytes = encoded(of);
      t.same(decoded(bytes), of);
      const turned = { ...of, feeds: new Map([...of.feeds].reverse()) };
      t.same(encoded(turned), bytes);
    }),
    { numRuns: 500 },
  );
  t.same(decoded(encoded(NO_PRICES)), NO_PRICES);
});

t.test("other bytes are no state, or the one form of another", async (t) => {
  let refused = 0;
  fc.assert(
    fc.property(state, fc.nat(), fc.nat(255), (of, place, byte) => {
      const bytes = encoded(of);
      bytes[place % bytes.length] = byte;
      const read = decoded(bytes);
      if (read === null) refused += 1;
      else t.same(encoded(read), bytes);
    }),
    { numRuns: 500 },
  );
  t.ok(refused > 20, `${refused} are refused`);
});

t.test("of two entries one is the newer", async (t) => {
  fc.assert(
    fc.property(entry, entry, fc.boolean(), fc.boolean(), (one, two, sameTime, sameSequence) => {
      const other = {
        ...two,
        publishTimeMs: sameTime ? one.publishTimeMs : two.publishTimeMs,
        sequence: sameSequence ? one.sequence : two.sequence,
      };
      t.equal(isNewer(one, other), one.reportHash !== other.reportHash && !isNewer(other, one));
      if (one.publishTimeMs !== other.publishTimeMs)
        t.equal(isNewer(one, other), one.publishTimeMs > other.publishTimeMs);
      else if (one.sequence !== other.sequence)
        t.equal(isNewer(one, other), one.sequence > other.sequence);
    }),
    { numRuns: 500 },
  );
});
