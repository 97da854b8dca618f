import { encodeRlp, keccak256 } from "ethers";
import * as fc from "fast-check";
import t from "tap";
import { bytesEqual, concatBytes, fromHex, toHex } from "../../lanes/bytes.ts";
import {
  decodeDeposit,
  decodeTransaction,
  encodeDeposit,
  laneTransaction,
} from "../../node/primitives/transaction.ts";

const fields = {
  sourceHash: `0x${"5c".repeat(32)}`,
  sender: `0x${"de".repeat(20)}`,
  to: `0x${"ad".repeat(20)}`,
  mint: 10n ** 18n,
  value: 256n,
  gasLimit: 1_000_000n,
  isSystemTx: false,
  data: fromHex("0x098999be01"),
} as const;

t.test("has the form of the OP Stack", async (t) => {
  const deposit = encodeDeposit(fields);
  const body = encodeRlp([
    fields.sourceHash,
    fields.sender,
    fields.to,
    "0x0de0b6b3a7640000",
    "0x0100",
    "0x0f4240",
    "0x",
    "0x098999be01",
  ]);
  t.equal(toHex(deposit.raw), `0x7e${body.slice(2)}`);
  t.equal(deposit.hash, keccak256(deposit.raw));
  t.match(laneTransaction(deposit), { type: 0x7e, nonce: 0n, selector: "0x098999be" });
});

t.test("decodes what it encodes: no target, no mint, system, no data", async (t) => {
  for (const variant of [
    fields,
    { ...fields, to: null },
    { ...fields, mint: 0n, value: 0n, data: new Uint8Array(0) },
    { ...fields, isSystemTx: true },
    { ...fields, mint: 2n ** 128n - 1n, value: 2n ** 256n - 1n, gasLimit: 2n ** 64n - 1n },
  ]) {
    const deposit = encodeDeposit(variant);
    t.same(decodeDeposit(deposit.raw), { ok: true, value: deposit });
  }
});

t.test("is never taken from a client", async (t) => {
  t.match(decodeTransaction(encodeDeposit(fields).raw), {
    ok: false,
    code: "TX_TYPE_NOT_SUPPORTED",
  });
});

t.test("refuses other forms, and random changes never throw", async (t) => {
  const { raw } = encodeDeposit(fields);
  const refused = (bytes: Uint8Array, name: string) =>
    t.match(decodeDeposit(bytes), { ok: false, code: "TX_MALFORMED" }, name);
  refused(new Uint8Array(0), "empty");
  refused(concatBytes(Uint8Array.of(0x02), raw.subarray(1)), "type");
  refused(concatBytes(raw, Uint8Array.of(0)), "trailing bytes");
  refused(raw.subarray(0, -1), "cut");
  refused(Uint8Array.of(0x7e, 0xc0), "no fields");
  const flag = raw.length - 7;
  t.equal(raw[flag], 0x80, "the flag's place");
  refused(raw.with(flag, 2), "a flag that is neither");
  refused(raw.with(flag, 0), "false as a zero byte");
  fc.assert(
    fc.property(fc.nat(raw.length - 1), fc.integer({ min: 0, max: 255 }), (at, value) => {
      const changed = raw.with(at, value);
      const verdict = decodeDeposit(changed);
      return !verdict.ok || bytesEqual(encodeDeposit(verdict.value).raw, changed);
    }),
    { numRuns: 2000 },
  );
});
