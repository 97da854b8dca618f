/**
 * The batch payload: round trips, one byte string for given blocks, and strict, bounded decoding.
 */
import fc from "fast-check";
import { brotliCompressSync, constants } from "node:zlib";
import t from "tap";
import { bytesEqual, type Hex, toHex } from "../../lanes/bytes.ts";
import { createColumnReader, createColumnWriter } from "../../node/settlement/columns.ts";
import {
  COLUMNS_BYTES_MAX,
  decodeColumns,
  decodePayload,
  encodeColumns,
  encodePayload,
  type PayloadBlock,
} from "../../node/settlement/codec.ts";
import { createCompressService } from "../../node/workers/compress.ts";
import { NO_LANE_PRICES } from "../../lanes/lane-data.ts";

const service = createCompressService();
const compress = (bytes: Uint8Array) => service.compress(bytes);
const decompress = (bytes: Uint8Array, max: number) => service.decompress(bytes, max);

const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(toHex);
/** Few different ones, so that runs of equal policies occur. */
const policyHash: fc.Arbitrary<Hex> = fc.oneof(
  fc.constant<Hex>(`0x${"11".repeat(32)}`),
  fc.constant<Hex>(`0x${"22".repeat(32)}`),
  hash,
);
const raw = fc.uint8Array({ minLength: 1, maxLength: 300 }).filter((bytes) => bytes[0] !== 0x7e);
const admission = fc.bigInt({ min: 0n, max: 2n ** 72n - 1n });
const safeInteger = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const report = fc.record({ source: fc.nat(255), bytes: fc.uint8Array({ maxLength: 9 }) });
const flashblock = fc.record({
  txCount: safeInteger,
  timestampMs: safeInteger,
  leaderEpoch: safeInteger,
  conflicts: fc.array(fc.tuple(report, report), { maxLength: 2 }),
  epoch: fc.option(fc.record({ cut: admission, reports: fc.array(report, { maxLength: 3 }) })),
});
const draft = fc.record({
  step: fc.nat(10_000),
  originAdvances: fc.boolean(),
  policyHash,
  flashblocks: fc.array(flashblock, { minLength: 1, maxLength: 4 }),
  entries: fc.array(fc.record({ accepted: admission, ready: admission, raw }), { maxLength: 5 }),
});
const blocksArbitrary: fc.Arbitrary<PayloadBlock[]> = fc
  .array(draft, { minLength: 1, maxLength: 20 })
  .map((drafts) => {
    let timestamp = 1_700_000_000;
    return drafts.map((block, i) => ({
      timestamp: (timestamp += block.step),
      originAdvances: i > 0 && block.originAdvances,
      laneData: {
        policyHash: block.policyHash,
        flashblocks: block.flashblocks,
        numbers: block.entries.map(({ accepted, ready }) => ({ accepted, ready })),
      },
      transactions: block.entries.map((entry) => entry.raw),
    }));
  });

const sample = (transactions: readonly Uint8Array[] = []): PayloadBlock => ({
  timestamp: 1_700_000_000,
  originAdvances: false,
  laneData: {
    policyHash: `0x${"11".repeat(32)}`,
    flashblocks: [
      {
        txCount: 1 + transactions.length,
        timestampMs: 1_699_999_999_500,
        leaderEpoch: 1,
        ...NO_LANE_PRICES,
      },
    ],
    numbers: transactions.map((_, i) => ({ accepted: BigInt(2 * i), ready: BigInt(2 * i + 1) })),
  },
  transactions,
});

t.test("blocks survive columns and compression", async (t) => {
  await fc.assert(
    fc.asyncProperty(blocksArbitrary, async (blocks) => {
      const decoded = await decodePayload(await encodePayload(blocks, compress), decompress);
      t.ok(decoded.ok);
      if (decoded.ok) t.same(decoded.value, blocks);
    }),
    { numRuns: 60 },
  );
});

t.test("mutated columns are refused, or are the encoding of what they decode to", async (t) => {
  let accepted = 0;
  fc.assert(
    fc.property(
      blocksArbitrary,
      fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 3 }),
      fc.constantFrom("set", "insert", "remove"),
      (blocks, edits, kind) => {
        const bytes = [...encodeColumns(blocks)];
        for (const [at, value] of edits) {
          const position = at % Math.max(1, bytes.length);
          if (kind === "set") bytes[position] = value;
          else if (kind === "insert") bytes.splice(position, 0, value);
          else bytes.splice(position, 1);
        }
        const mutated = Uint8Array.from(bytes);
        const decoded = decodeColumns(mutated);
        if (!decoded.ok) return true;
        accepted++;
        return bytesEqual(encodeColumns(decoded.value), mutated);
      },
    ),
    { numRuns: 5_000 },
  );
  t.ok(accepted > 100, "mutations that stay decodable were tried too");
});

t.test("arbitrary bytes never throw", async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const decoded = decodeColumns(bytes);
      return !decoded.ok || bytesEqual(encodeColumns(decoded.value), bytes);
    }),
    { numRuns: 5_000 },
  );
  t.equal(decodeColumns(new Uint8Array(0)).ok, false);
});

t.test("each rule of the columns refuses on its own", async (t) => {
  const good = encodeColumns([sample([Uint8Array.of(2, 1)])]);
  t.equal(decodeColumns(good).ok, true);
  const field = (bytes: Uint8Array): unknown => {
    const verdict = decodeColumns(bytes);
    return verdict.ok ? "accepted" : verdict.data["field"];
  };
  t.equal(field(Uint8Array.of(...good, 0)), "trailing bytes");
  t.equal(field(good.subarray(0, good.length - 1)), "transaction");

  const deposit = good.slice();
  deposit[deposit.length - 2] = 0x7e;
  t.equal(field(deposit), "transaction", "a deposit cannot come in a batch");

  t.equal(field(Uint8Array.of(0)), "block count");
  t.equal(field(Uint8Array.of(0x81, 0x20)), "block count", "4097 blocks");
  t.equal(field(Uint8Array.of(0x81, 0x00, ...good.subarray(1))), "block count", "1 in two bytes");
  t.equal(field(new Uint8Array(COLUMNS_BYTES_MAX + 1)), "size");

  const empty = createColumnWriter();
  empty.number(1);
  empty.number(1_700_000_000);
  empty.bytes(new Uint8Array(32));
  empty.number(0);
  t.equal(field(empty.finish()), "flashblock count", "a block has a flashblock");

  const longTransaction = encodeColumns([sample([new Uint8Array(120 * 1024).fill(2)])]);
  t.equal(decodeColumns(longTransaction).ok, true, "120 KB is a transaction");
  t.equal(
    field(encodeColumns([sample([new Uint8Array(120 * 1024 + 1).fill(2)])])),
    "transaction",
    "a byte more is not",
  );
  const heavy = Array.from({ length: 8 }, () => new Uint8Array(120 * 1024).fill(2));
  t.equal(field(encodeColumns([sample(heavy)])), "transaction", "a block has its limit");
});

t.test("a policy hash is repeated only by its bit", async (t) => {
  const block = sample();
  const twice = encodeColumns([block, { ...block, timestamp: block.timestamp + 1 }]);
  // n, T (5 bytes), difference, origin bits, policy bits, one hash.
  const policyBits = 1 + 5 + 1 + 1;
  t.equal(twice[policyBits], 0);
  const repeated = Uint8Array.from([
    ...twice.subarray(0, policyBits),
    1,
    ...twice.subarray(policyBits + 1, policyBits + 33),
    ...twice.subarray(policyBits + 1),
  ]);
  const verdict = decodeColumns(repeated);
  t.match(verdict, { ok: false, data: { field: "policy hash" } });
});

t.test("compression is strict and bounded", async (t) => {
  const payload = await encodePayload([sample()], compress);
  const refused = async (bytes: Uint8Array): Promise<unknown> => {
    const verdict = await decodePayload(bytes, decompress);
    return verdict.ok ? "accepted" : verdict.data["field"];
  };
  t.equal(await refused(payload), "accepted");
  t.equal(await refused(Uint8Array.of(...payload, 0)), "trailing compressed bytes");
  t.equal(await refused(payload.subarray(0, payload.length - 1)), "compression");
  t.equal(await refused(Uint8Array.of(2, ...payload.subarray(1))), "version");
  t.equal(await refused(new Uint8Array(0)), "version");

  // Zeros shrink to nothing: refused at the bound, whatever is behind it.
  const fast = { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } };
  const bomb = brotliCompressSync(new Uint8Array(8 * COLUMNS_BYTES_MAX), fast);
  t.ok(bomb.length < 1024);
  t.equal(await refused(Uint8Array.of(1, ...bomb)), "compression");
  const compressed = await compress(new Uint8Array(100_000));
  t.equal((await decompress(compressed, 100_000)).ok, true);
  t.equal((await decompress(compressed, 99_999)).ok, false);
});

t.test("columns keep integers in their shortest form", async (t) => {
  fc.assert(
    fc.property(
      safeInteger,
      fc.maxSafeInteger(),
      fc.bigInt({ min: -(2n ** 72n), max: 2n ** 72n }),
      (a, b, c) => {
        const out = createColumnWriter();
        out.number(a);
        out.signedNumber(b);
        out.signedBigint(c);
        const input = createColumnReader(out.finish());
        return (
          input.number() === a &&
          input.signedNumber() === b &&
          input.signedBigint() === c &&
          input.remaining === 0 &&
          !input.failed()
        );
      },
    ),
  );
  for (const bytes of [[0x80], [0x80, 0x00], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]]) {
    const input = createColumnReader(Uint8Array.from(bytes));
    t.equal(input.number(), 0);
    t.equal(input.failed(), true);
  }
  const bits = createColumnReader(Uint8Array.of(0b0000_1000));
  t.same(bits.bits(3), [false, false, false]);
  t.equal(bits.failed(), true, "filler bits are zero");
});
