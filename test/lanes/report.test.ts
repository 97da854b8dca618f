/** Reports: one form, one digest, one signer. ACCEPTANCE rows 5, 6, 8, 10. */
import fc from "fast-check";
import t from "tap";
import { hashTypedData } from "viem";
import { bigintToBytes, bytesToBigint, concatBytes, toHex } from "../../lanes/bytes.ts";
import {
  decodeReport,
  encodeReport,
  OBSERVATIONS_MAX,
  type PriceReport,
  reportDigest,
  reportHash,
} from "../../lanes/report.ts";
import { areConflicting, verifyReport } from "../../lanes/report-rules.ts";
import { addressOf, recoverSigner } from "../../node/primitives/signature.ts";
import { ETH, feedPolicy, feedIdOf, publisherKey, reportBytes } from "./fixtures/reports.ts";

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
const policy = feedPolicy();
const verify = (bytes: Uint8Array, source = 0) =>
  verifyReport(source, bytes, policy, recoverSigner);

const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(toHex);
const observation = fc.record({
  feedId: hash,
  value: fc.bigInt(-(2n ** 127n), 2n ** 127n - 1n),
  confidence: fc.bigInt(0n, 2n ** 128n - 1n),
  session: fc.nat(7),
});
const report = fc.record({
  sequence: fc.bigInt(0n, 2n ** 64n - 1n),
  publishTimeMs: fc.nat(),
  observations: fc.uniqueArray(observation, {
    minLength: 1,
    maxLength: 8,
    selector: ({ feedId }) => feedId,
  }),
});
const signature = fc.uint8Array({ minLength: 65, maxLength: 65 });

t.test("a report survives its bytes, and no other bytes are one", async (t) => {
  fc.assert(
    fc.property(report, signature, fc.nat(), fc.nat(255), (said, signed, place, byte) => {
      const bytes = encodeReport({ ...said, signature: signed });
      t.same(decodeReport(bytes), { ok: true, value: { ...said, signature: signed } });
      t.notOk(decodeReport(concatBytes(bytes, Uint8Array.of(byte))).ok);
      t.notOk(decodeReport(bytes.subarray(1)).ok);
      const changed = bytes.slice();
      changed[place % bytes.length] = byte;
      const read = decodeReport(changed);
      if (read.ok) t.same(encodeReport(read.value), changed, "there is one form");
    }),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      const read = decodeReport(bytes);
      return !read.ok || toHex(encodeReport(read.value)) === toHex(bytes);
    }),
    { numRuns: 500 },
  );
  const twice = reportBytes(policy, 1, { observations: [{ value: 1n }, { value: 2n }] });
  t.match(decodeReport(twice), { ok: false, data: { field: "feedId" } });
  const most = Array.from({ length: OBSERVATIONS_MAX }, (_, at) => ({
    ...{ feedId: feedIdOf(String(at)), value: 1n },
  }));
  t.ok(decodeReport(reportBytes(policy, 1, { observations: most })).ok);
});

t.test("the digest is EIP-712's, as viem computes it", async (t) => {
  const types = {
    PriceReport: [
      { name: "sequence", type: "uint64" },
      { name: "publishTimeMs", type: "uint64" },
      { name: "observations", type: "Observation[]" },
    ],
    Observation: [
      { name: "feedId", type: "bytes32" },
      { name: "value", type: "int128" },
      { name: "confidence", type: "uint128" },
      { name: "session", type: "uint8" },
    ],
  };
  fc.assert(
    fc.property(report, hash, (said: PriceReport, salt) => {
      const message = { ...said, publishTimeMs: BigInt(said.publishTimeMs) };
      const domain = { name: "Pricelane Report", version: "1", salt };
      const expected = hashTypedData({ domain, types, primaryType: "PriceReport", message });
      t.equal(toHex(reportDigest(salt, said)), expected);
    }),
    { numRuns: 500 },
  );
});

t.test("a publisher's own report of its own feeds is taken", async (t) => {
  const bytes = reportBytes(policy, 3, { value: 250_000_000_000n, hot: 1 });
  const key = addressOf(publisherKey(3, 1));
  t.match(verify(bytes), { ok: true, value: { publisher: 3, key, source: 0 } });
});

t.test("any other is refused with its reason", async (t) => {
  const said = { value: 5n };
  const good = reportBytes(policy, 1, said);
  const refusal = (bytes: Uint8Array, source = 0): unknown => {
    const verdict = verify(bytes, source);
    return verdict.ok || verdict.code;
  };
  t.equal(refusal(good), true);
  t.equal(refusal(good, 1), "REPORT_SOURCE_UNKNOWN");
  t.equal(refusal(good.subarray(1)), "REPORT_MALFORMED");
  t.equal(refusal(reportBytes(policy, 77, said)), "REPORT_KEY_UNKNOWN");
  const foreign = { ...policy, document: { ...policy.document, feedSet: feedIdOf("another") } };
  t.equal(refusal(reportBytes(foreign, 1, said)), "REPORT_KEY_UNKNOWN", "row 5");
  const feedId = feedIdOf("BTC/USD");
  const other = reportBytes(policy, 1, { observations: [{ feedId, value: 5n }] });
  t.equal(refusal(other), "REPORT_FEED_UNKNOWN");
  for (const value of [0n, -1n, 10n ** 14n + 1n])
    t.equal(refusal(reportBytes(policy, 1, { value })), "REPORT_VALUE_OUT_OF_RANGE", "row 10");

  const at = good.length - 65;
  const twin = good.slice();
  const s = bytesToBigint(good.subarray(at + 32, at + 64));
  twin.set(bigintToBytes(ORDER - s, 32), at + 32);
  twin[at + 64] = good[at + 64] === 27 ? 28 : 27;
  t.equal(refusal(twin), "REPORT_SIGNATURE_INVALID", "row 6: the high-s twin");
  for (const [from, to] of [
    [at, at + 32],
    [at + 32, at + 64],
  ] as const) {
    const zero = good.slice().fill(0, from, to);
    t.equal(refusal(zero), "REPORT_SIGNATURE_INVALID", "row 8");
  }
  for (const v of [0, 1, 26, 29, 255]) {
    const wrong = good.slice();
    wrong[at + 64] = v;
    t.equal(refusal(wrong), "REPORT_SIGNATURE_INVALID", "row 8");
  }
});

t.test("a publisher speaks of feeds that name it", async (t) => {
  const narrow = feedPolicy([
    {},
    { id: "BTC/USD", publishers: [1, 2, 3], quorum: 3, jumpQuorum: 3 },
  ]);
  const feedId = feedIdOf("BTC/USD");
  const said = { observations: [{ feedId, value: 5n }] };
  const own = verifyReport(0, reportBytes(narrow, 3, said), narrow, recoverSigner);
  t.ok(own.ok);
  const strange = verifyReport(0, reportBytes(narrow, 4, said), narrow, recoverSigner);
  t.match(strange, { ok: false, code: "REPORT_FEED_UNKNOWN", data: { feedId, publisher: 4 } });
});

t.test("two reports of one key and sequence conflict, and no others", async (t) => {
  const take = (publisher: number, sequence: bigint, value: bigint, hot = 0) => {
    const verdict = verify(reportBytes(policy, publisher, { sequence, value, hot }));
    if (!verdict.ok) throw new Error(verdict.code);
    return verdict.value;
  };
  const first = take(1, 7n, 5n);
  t.ok(areConflicting(first, take(1, 7n, 6n)));
  t.notOk(areConflicting(first, take(1, 7n, 5n)), "the same once more");
  const again = { ...first, bytes: first.bytes.map((byte, at) => byte ^ Number(at >= 82)) };
  const resigned = { ...again, hash: reportHash(0, again.bytes) };
  t.not(resigned.hash, first.hash);
  t.equal(first.bytes.length, 82 + 65);
  t.notOk(areConflicting(first, resigned), "the same contents, signed once more");
  t.notOk(areConflicting(first, take(1, 8n, 6n)));
  t.notOk(areConflicting(first, take(2, 7n, 6n)));
  t.notOk(areConflicting(first, take(1, 7n, 6n, 1)), "sequences are a key's");
  t.equal(first.report.observations[0]?.feedId, ETH);
});
