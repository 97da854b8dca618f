import * as fc from "fast-check";
import t from "tap";
import { bytesEqual, concatBytes, fromHex, ZERO_HASH } from "../../lanes/bytes.ts";
import { type LaneData, NO_LANE_PRICES } from "../../lanes/lane-data.ts";
import {
  BLOCK_BYTES_MAX,
  decodeSignedBlock,
  encodeSignedBlock,
  replaceSignature,
} from "../../node/primitives/block.ts";
import { encodeDeposit } from "../../node/primitives/transaction.ts";
import { HEADER, RAW_TRANSACTIONS } from "./fixtures/anvil-block.ts";
import { header } from "./fixtures/header.ts";

const deposit = encodeDeposit({
  sourceHash: ZERO_HASH,
  sender: `0x${"de".repeat(20)}`,
  to: `0x${"ad".repeat(20)}`,
  mint: 0n,
  value: 0n,
  gasLimit: 1_000_000n,
  isSystemTx: false,
  data: new Uint8Array(0),
});
const raws = [deposit.raw, ...RAW_TRANSACTIONS.map(fromHex)];
const laneData: LaneData = {
  policyHash: `0x${"31".repeat(32)}`,
  flashblocks: [
    { txCount: raws.length, timestampMs: 1_700_000_000_123, leaderEpoch: 2, ...NO_LANE_PRICES },
  ],
  numbers: RAW_TRANSACTIONS.map((_, index) => ({
    accepted: BigInt(index) + 2n ** 40n,
    ready: BigInt(index) + 2n ** 41n,
  })),
};
const signature = new Uint8Array(65).fill(0x1b);
const transactions = raws.map((raw) => ({ raw }));
const wire = encodeSignedBlock({ header, transactions }, laneData, signature);

function code(bytes: Uint8Array): string | null {
  const verdict = decodeSignedBlock(bytes);
  return verdict.ok ? null : verdict.code;
}

t.test("a signature is replaced without decoding anything", async (t) => {
  const block = { header, transactions };
  const unsigned = encodeSignedBlock(block, laneData, null);
  const other = new Uint8Array(65).fill(0xe4);
  for (const before of [unsigned, wire]) {
    t.same(replaceSignature(before, other), encodeSignedBlock(block, laneData, other));
    t.same(replaceSignature(before, new Uint8Array(0)), unsigned);
  }
  for (const bytes of [
    new Uint8Array(0),
    wire.subarray(1),
    wire.subarray(0, -1),
    Uint8Array.of(0xc0),
  ])
    t.equal(replaceSignature(bytes, other), null);
});

t.test("decodes what it encodes", async (t) => {
  for (const signed of [signature, null]) {
    const bytes = encodeSignedBlock({ header, transactions }, laneData, signed);
    const verdict = decodeSignedBlock(bytes);
    t.ok(verdict.ok);
    if (!verdict.ok) return;
    const block = verdict.value;
    t.equal(block.hash, HEADER.hash, "the hash is the header's");
    t.same(block.header, header);
    t.same(block.laneData, laneData);
    t.same(block.signature, signed);
    t.same(
      block.transactions.map(({ raw }) => raw),
      raws,
    );
    t.same(encodeSignedBlock(block, block.laneData, block.signature), bytes);
  }
});

t.test("a block without transactions, and one whose list has a short prefix", async (t) => {
  const none = { ...laneData, flashblocks: [], numbers: [] };
  const verdict = decodeSignedBlock(encodeSignedBlock({ header, transactions: [] }, none, null));
  t.match(verdict, { ok: true, value: { transactions: [], signature: null } });
});

t.test("a decoded block keeps nothing of the message it came in", async (t) => {
  const verdict = decodeSignedBlock(wire);
  t.ok(verdict.ok);
  if (!verdict.ok) return;
  for (const { raw } of verdict.value.transactions) t.not(raw.buffer, wire.buffer);
  t.not(verdict.value.signature?.buffer, wire.buffer);
});

t.test(
  "whatever byte is changed, it is refused or is the one encoding of another block",
  async (t) => {
    let refused = 0;
    fc.assert(
      fc.property(
        fc.nat(wire.length - 1),
        fc.integer({ min: 1, max: 255 }),
        fc.constantFrom("change", "insert", "remove"),
        (at, value, kind) => {
          const rest = wire.subarray(kind === "insert" ? at : at + 1);
          const middle = kind === "remove" ? [] : [(wire[at] ?? 0) ^ value];
          const changed = concatBytes(wire.subarray(0, at), Uint8Array.from(middle), rest);
          const verdict = decodeSignedBlock(changed);
          if (!verdict.ok) {
            refused++;
            return verdict.code === "BLOCK_MALFORMED";
          }
          const { value: block } = verdict;
          const again = encodeSignedBlock(block, block.laneData, block.signature);
          return bytesEqual(again, changed);
        },
      ),
      { numRuns: 3000 },
    );
    t.ok(refused > 500, `${refused} of 3000 were refused`);
  },
);

t.test("parts that are missing or of another kind", async (t) => {
  t.equal(code(new Uint8Array(0)), "BLOCK_MALFORMED");
  t.equal(code(Uint8Array.of(0xc0)), "BLOCK_MALFORMED");
  t.equal(code(Uint8Array.of(0x80)), "BLOCK_MALFORMED");
  t.equal(code(concatBytes(wire, Uint8Array.of(0))), "BLOCK_MALFORMED");
  t.equal(code(wire.subarray(0, -1)), "BLOCK_MALFORMED");
  const withSignature = (bytes: Uint8Array) =>
    code(encodeSignedBlock({ header, transactions }, laneData, bytes));
  t.equal(withSignature(new Uint8Array(64)), "BLOCK_MALFORMED");
  t.equal(withSignature(new Uint8Array(66)), "BLOCK_MALFORMED");
  const withRaw = (raw: Uint8Array) =>
    code(encodeSignedBlock({ header, transactions: [{ raw }] }, laneData, null));
  t.equal(withRaw(new Uint8Array(0)), "BLOCK_MALFORMED");
  t.equal(withRaw(Uint8Array.of(0x03, 0xc0)), "BLOCK_MALFORMED");
  t.equal(withRaw(deposit.raw.subarray(0, -1)), "BLOCK_MALFORMED");
});

t.test("size first: what is over the limit is not looked at", async (t) => {
  t.equal(code(new Uint8Array(BLOCK_BYTES_MAX + 1)), "BLOCK_TOO_LARGE");
  t.equal(code(new Uint8Array(BLOCK_BYTES_MAX)), "BLOCK_MALFORMED");
});

t.test("deep nesting is refused, and soon", async (t) => {
  const nested = new Uint8Array(BLOCK_BYTES_MAX);
  // From the end: each list holds the one after it, with a four-byte prefix.
  for (let start = BLOCK_BYTES_MAX; start >= 4; start -= 4) {
    const size = BLOCK_BYTES_MAX - start;
    nested.set([0xfa, size >> 16, (size >> 8) & 0xff, size & 0xff], start - 4);
  }
  const startedMs = performance.now();
  t.equal(code(nested), "BLOCK_MALFORMED");
  t.comment(`refused in ${Math.round(performance.now() - startedMs)} ms`);
});
