import t from "tap";
import { concat, keccak256 as viemKeccak, numberToHex, pad } from "viem";
import { fromHex, toHex } from "../../lanes/bytes.ts";
import {
  attributesTransaction,
  blobBaseFee,
  parseAttributes,
} from "../../node/chain/attributes.ts";
import { decodeDeposit, encodeDeposit } from "../../node/primitives/transaction.ts";
import { ALICE, attributes, makeConfig, ORIGIN, sign } from "../execution/fixtures/chain.ts";

const rollup = makeConfig({
  system: {
    baseFeeScalar: 1368,
    blobBaseFeeScalar: 810949,
    operatorFeeScalar: 0x0a0b0c0d,
    operatorFeeConstant: "72623859790382856",
  },
});

t.test("the calldata is the OP Stack's Isthmus form, field by field", (t) => {
  const transaction = attributesTransaction(rollup, ORIGIN, 2n);
  const { data } = transaction;
  t.equal(data.length, 176);
  const fields = [
    [0, 4, "0x098999be"],
    [4, 8, "0x00000558"],
    [8, 12, "0x000c5fc5"],
    [12, 20, "0x0000000000000002"],
    [20, 28, `0x${ORIGIN.timestamp.toString(16).padStart(16, "0")}`],
    [28, 36, "0x0000000000000006"],
    [36, 68, `0x${ORIGIN.baseFee.toString(16).padStart(64, "0")}`],
    [68, 100, `0x${"3".padStart(64, "0")}`],
    [100, 132, ORIGIN.hash],
    [132, 164, `0x${rollup.system.batcher.slice(2).padStart(64, "0")}`],
    [164, 168, "0x0a0b0c0d"],
    [168, 176, "0x0102030405060708"],
  ] as const;
  for (const [from, to, expected] of fields)
    t.equal(toHex(data.subarray(from, to)), expected, `bytes ${from} to ${to}`);
  t.match(transaction, {
    type: 0x7e,
    sender: "0xdeaddeaddeaddeaddeaddeaddeaddeaddead0001",
    to: "0x4200000000000000000000000000000000000015",
    mint: 0n,
    value: 0n,
    gasLimit: 1_000_000n,
    isSystemTx: false,
  });
  t.end();
});

t.test("the source hash is that of the OP Stack's L1 info deposits", (t) => {
  // Built here from the words of deposits.md by another library.
  const sequence = pad(numberToHex(3n), { size: 32 });
  const expected = viemKeccak(
    concat([pad("0x01", { size: 32 }), viemKeccak(concat([ORIGIN.hash, sequence]))]),
  );
  t.equal(attributesTransaction(rollup, ORIGIN, 3n).sourceHash, expected);
  t.end();
});

t.test("parsing gives the origin back, also from the wire", (t) => {
  const transaction = attributesTransaction(rollup, ORIGIN, 4n);
  const decoded = decodeDeposit(transaction.raw);
  t.ok(decoded.ok);
  if (!decoded.ok) return;
  t.same(parseAttributes(decoded.value), {
    ok: true,
    value: {
      originNumber: 6,
      originHash: ORIGIN.hash,
      originTimestamp: ORIGIN.timestamp,
      sequenceNumber: 4n,
    },
  });
  t.end();
});

t.test("any other form is refused by the field at fault", async (t) => {
  const good = attributes(rollup);
  const number = Uint8Array.from(good.data);
  number.fill(0xff, 28, 36);
  const selector = Uint8Array.from(good.data);
  selector[0] = 1;
  const bad = [
    [{ sender: `0x${"11".repeat(20)}` }, "from"],
    [{ to: null }, "to"],
    [{ mint: 1n }, "value"],
    [{ value: 1n }, "value"],
    [{ gasLimit: 999_999n }, "gas"],
    [{ isSystemTx: true }, "isSystemTx"],
    [{ data: good.data.subarray(0, 175) }, "data"],
    [{ data: selector }, "data"],
    [{ data: number }, "number"],
    [{ sourceHash: ORIGIN.hash }, "sourceHash"],
  ] as const;
  for (const [change, field] of bad)
    t.same(parseAttributes(encodeDeposit({ ...good, ...change })), {
      ok: false,
      code: "BLOCK_MALFORMED",
      data: { attributes: field },
    });
  const user = await sign(ALICE, { data: toHex(fromHex("0x098999be")) });
  t.match(parseAttributes(user), { ok: false, data: { attributes: "type" } });
});

t.test("the blob base fee is EIP-4844's, with any fork's fraction, and ends", (t) => {
  t.equal(blobBaseFee(0n, 3_338_477), 1n);
  // Vectors of EIP-4844's reference tests: excess → fee, Cancun's fraction.
  t.equal(blobBaseFee(2_314_057n, 3_338_477), 1n);
  t.equal(blobBaseFee(2_314_058n, 3_338_477), 2n);
  t.equal(blobBaseFee(10n * 1024n * 1024n, 3_338_477), 23n);
  t.equal(blobBaseFee(10n * 1024n * 1024n, 5_007_716), 8n, "Prague's fraction");
  t.equal(blobBaseFee(2n ** 64n - 1n, 3_338_477), 2n ** 256n - 1n);
  t.end();
});
