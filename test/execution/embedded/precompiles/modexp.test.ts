import fc from "fast-check";
import t from "tap";
import { bigintToBytes, bytesToBigint, concatBytes, toHex } from "../../../../lanes/bytes.ts";
import { word } from "../../fixtures/curves.ts";
import { agrees, callEthereum, GAS_LIMIT } from "../../fixtures/precompiles.ts";

const MODEXP = 0x05;

function encode(base: Uint8Array, exponent: Uint8Array, modulus: Uint8Array): Uint8Array {
  const lengths = [base, exponent, modulus].map(({ length }) => word(BigInt(length)));
  return concatBytes(...lengths, base, exponent, modulus);
}

/** By the schoolbook. */
function expected(base: Uint8Array, exponent: Uint8Array, modulus: Uint8Array): string {
  const m = bytesToBigint(modulus);
  if (m === 0n) return toHex(new Uint8Array(modulus.length));
  let power = 1n % m;
  for (const bit of bytesToBigint(exponent).toString(2)) {
    power = (power * power) % m;
    if (bit === "1") power = (power * bytesToBigint(base)) % m;
  }
  return toHex(bigintToBytes(power, modulus.length));
}

const bytes = (value: bigint): Uint8Array => bigintToBytes(value, 32);

t.test("known answers of EIP-198", async (t) => {
  const p = 2n ** 256n - 2n ** 32n - 977n;
  const fermat = encode(Uint8Array.of(3), bytes(p - 1n), bytes(p));
  // 255 bits below the first, sixteen words squared, a third.
  t.same(callEthereum(MODEXP, fermat), { gas: 1360n, output: toHex(word(1n)), failed: false });
  const zeroBase = encode(new Uint8Array(0), bytes(p - 1n), bytes(p));
  t.same(callEthereum(MODEXP, zeroBase), { gas: 1360n, output: toHex(word(0n)), failed: false });
  // The modulus is cut off in the input and goes on with zeros: 0x8000...
  const short = concatBytes(word(1n), word(2n), word(32n), Uint8Array.of(3, 0xff, 0xff, 0x80));
  t.equal(
    callEthereum(MODEXP, short).output,
    "0x3b01b01ac41f2d6e917c6d6a221ce793802469026d9ab7578fa2e79e4da6aaab",
  );
});

t.test("what is declared is charged before it is touched", async (t) => {
  const huge = 2n ** 256n - 1n;
  for (const lengths of [
    [huge, 0n, 1n],
    [0n, huge, 1n],
    [1n, huge, huge],
    [huge, huge, huge],
    [2n ** 32n, 1n, 1n],
    [1n, 2n ** 63n, 1n],
  ]) {
    const input = concatBytes(...lengths.map(word));
    const result = callEthereum(MODEXP, input, 30_000_000n);
    t.same(result, { gas: 30_000_000n, output: "0x", failed: true }, lengths.join(" "));
  }
  // Nothing is asked for: whatever the exponent, it is the least price, and nothing to do.
  for (const exponent of [0n, 33n, 2n ** 40n, huge]) {
    const input = concatBytes(word(0n), word(exponent), word(0n));
    t.same(callEthereum(MODEXP, input), { gas: 200n, output: "0x", failed: false });
  }
  // A long exponent of zeros that are not there, and so a modulus that is not there.
  const zeros = concatBytes(word(1n), word(3_000_000n), word(2n), Uint8Array.of(7));
  t.same(callEthereum(MODEXP, zeros), { gas: 7_999_914n, output: "0x0000", failed: false });
  t.ok(callEthereum(MODEXP, zeros, 7_999_913n).failed);
});

t.test("moduli of each shape, at the limits of the fast paths", async (t) => {
  const moduli = [0n, 1n, 2n, 3n, 2n ** 32n, 2n ** 63n, 2n ** 64n - 1n, 2n ** 64n, 2n ** 64n + 1n];
  const more = [
    2n ** 63n - 25n,
    2n ** 64n - 2n ** 32n,
    6n * 2n ** 61n,
    2n ** 128n,
    2n ** 255n - 19n,
  ];
  for (const modulus of [...moduli, ...more])
    for (const base of [0n, 1n, 2n, modulus, modulus + 1n, 2n ** 255n - 1n])
      for (const exponent of [0n, 1n, 2n, 15n, 16n, 17n, 65_537n, 2n ** 64n - 1n]) {
        const parts = [bytes(base), bytes(exponent), bytes(modulus)] as const;
        const { output } = callEthereum(MODEXP, encode(...parts));
        if (output !== expected(...parts)) t.fail(`${base} ** ${exponent} % ${modulus}`);
      }
  t.pass();
});

const part = (maxLength: number): fc.Arbitrary<Uint8Array> =>
  fc.oneof(
    fc.uint8Array({ maxLength }),
    // Leading and trailing zeros, and all bits set.
    fc.uint8Array({ maxLength: 8 }).map((some) => concatBytes(new Uint8Array(9), some)),
    fc.uint8Array({ maxLength: 8 }).map((some) => concatBytes(some, new Uint8Array(9))),
    fc.nat({ max: maxLength }).map((length) => new Uint8Array(length).fill(0xff)),
  );

t.test("agrees with the reference", async (t) => {
  await fc.assert(
    fc.asyncProperty(part(80), part(40), part(80), (base, exponent, modulus) =>
      agrees(MODEXP, encode(base, exponent, modulus)),
    ),
    { numRuns: 400 },
  );
  // Lengths and numbers that do not fit together.
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.nat({ max: 70 }), { minLength: 3, maxLength: 3 }),
      fc.uint8Array({ maxLength: 120 }),
      fc.nat({ max: 300 }),
      (lengths, body, cut) => {
        const input = concatBytes(...lengths.map((length) => word(BigInt(length))), body);
        return agrees(MODEXP, input.subarray(0, cut));
      },
    ),
    { numRuns: 300 },
  );
  t.pass();
});

t.test("long numbers, that are multiplied in chunks, agree with the schoolbook", async (t) => {
  const random = fc.uint8Array({ minLength: 1, maxLength: 9000, size: "max" });
  fc.assert(
    fc.property(random, random, fc.constantFrom(0, 1, 2, 3, 7, 255), (base, modulus, exponent) => {
      const parts = [base, Uint8Array.of(exponent), modulus] as const;
      return callEthereum(MODEXP, encode(...parts), GAS_LIMIT).output === expected(...parts);
    }),
    { numRuns: 25 },
  );
  for (const size of [2047, 2048, 2049, 4096, 33_000]) {
    const parts = [0xfe, 0xff].map((byte) => new Uint8Array(size).fill(byte));
    const [base = parts[0]!, modulus = parts[1]!] = parts;
    const exponent = Uint8Array.of(5);
    const { output } = callEthereum(MODEXP, encode(base, exponent, modulus));
    t.ok(output === expected(base, exponent, modulus), `${size} bytes`);
  }
});
