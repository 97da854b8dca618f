import fc from "fast-check";
import t from "tap";
import {
  bigintToBytes,
  bigintToMinimalBytes,
  bytesEqual,
  bytesToBigint,
  concatBytes,
  fromHex,
  isHexOf,
  toHex,
} from "../../lanes/bytes.ts";

t.test("bytes, hex and integers convert back and forth", async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), (bytes) => {
      t.same(fromHex(toHex(bytes)), bytes);
      t.same(bigintToBytes(bytesToBigint(bytes), bytes.length), bytes);
    }),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 256n }), (value) => {
      const bytes = bigintToMinimalBytes(value);
      t.equal(bytesToBigint(bytes), value);
      t.not(bytes[0], 0);
    }),
    { numRuns: 500 },
  );
  t.equal(toHex(Uint8Array.of(0xab, 0x01)), "0xab01");
});

t.test("integers of every length have no leading zero", async (t) => {
  t.same(bigintToMinimalBytes(0n), new Uint8Array(0));
  for (let bits = 1n; bits <= 300n; bits++)
    for (const value of [2n ** (bits - 1n), 2n ** bits - 1n]) {
      const digits = value.toString(16);
      const hex = digits.length % 2 === 0 ? digits : `0${digits}`;
      t.equal(toHex(bigintToMinimalBytes(value)), `0x${hex}`);
    }
  t.throws(() => bigintToMinimalBytes(-1n));
});

t.test("an integer that does not fit is a programmer's error", async (t) => {
  t.throws(() => bigintToBytes(256n, 1), RangeError);
  t.throws(() => bigintToBytes(-1n, 1), RangeError);
  t.throws(() => fromHex("0x0"));
  t.throws(() => fromHex("0xzz"));
});

t.test("isHexOf judges values of any kind", async (t) => {
  for (const good of ["0xab", "0xAB"]) t.ok(isHexOf(good, 1));
  for (const bad of ["ab", "0xabc", "0xa", "0Xab", "0xag", 171, null, undefined, ["0xab"]]) {
    t.notOk(isHexOf(bad, 1), String(bad));
  }
});

t.test("joining and comparing", async (t) => {
  const [a, b] = [Uint8Array.of(1, 2), Uint8Array.of(3)];
  t.same(concatBytes(a, new Uint8Array(), b), Uint8Array.of(1, 2, 3));
  t.ok(bytesEqual(a, Uint8Array.of(1, 2)));
  t.notOk(bytesEqual(a, Uint8Array.of(1, 3)));
  t.notOk(bytesEqual(a, b));
});
