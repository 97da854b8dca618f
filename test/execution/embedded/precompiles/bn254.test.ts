import fc from "fast-check";
import t from "tap";
import { concatBytes, toHex } from "../../../../lanes/bytes.ts";
import {
  BN_MODULUS,
  BN_ORDER,
  bn1,
  Bn1,
  bn2,
  Bn2,
  bnOutside2,
  word,
} from "../../fixtures/curves.ts";
import { agrees, callEthereum, damaged, faultOf } from "../../fixtures/precompiles.ts";

const ADD = 0x06;
const MULTIPLY = 0x07;
const PAIRING = 0x08;

const INFINITY_1 = new Uint8Array(64);
const INFINITY_2 = new Uint8Array(128);
const at = (factor: bigint) => Bn1.BASE.multiply(factor);
const at2 = (factor: bigint) => Bn2.BASE.multiply(factor);

t.test("sums: of equals, opposites, infinity; short and long inputs", async (t) => {
  const [g, two] = [bn1(Bn1.BASE), bn1(at(2n))];
  const sums: readonly (readonly [Uint8Array, Uint8Array])[] = [
    [concatBytes(g, g), two],
    [concatBytes(g, bn1(Bn1.BASE.negate())), INFINITY_1],
    [concatBytes(g, INFINITY_1), g],
    [concatBytes(INFINITY_1, g), g],
    [concatBytes(two, g), bn1(at(3n))],
    [new Uint8Array(0), INFINITY_1],
    [g, g],
    [concatBytes(g, g, Uint8Array.of(1, 2, 3)), two],
  ];
  for (const [input, output] of sums)
    t.same(callEthereum(ADD, input), { gas: 150n, output: toHex(output), failed: false });
});

t.test("products: scalars beyond the order", async (t) => {
  const products: readonly (readonly [bigint, Uint8Array])[] = [
    [0n, INFINITY_1],
    [1n, bn1(at(5n))],
    [BN_ORDER - 1n, bn1(at(5n).negate())],
    [BN_ORDER, INFINITY_1],
    [BN_ORDER + 2n, bn1(at(10n))],
    [2n ** 256n - 1n, bn1(at((5n * (2n ** 256n - 1n)) % BN_ORDER))],
  ];
  for (const [scalar, output] of products)
    t.same(callEthereum(MULTIPLY, concatBytes(bn1(at(5n)), word(scalar))), {
      gas: 6000n,
      output: toHex(output),
      failed: false,
    });
  t.equal(callEthereum(MULTIPLY, bn1(at(5n))).output, toHex(INFINITY_1), "no scalar is zero");
});

t.test("points that are none cost all the gas", async (t) => {
  const g = bn1(Bn1.BASE);
  const bad = [
    concatBytes(word(1n), word(3n)),
    concatBytes(word(0n), word(1n)),
    concatBytes(word(BN_MODULUS), word(0n)),
    concatBytes(word(0n), word(BN_MODULUS)),
    concatBytes(word(1n + BN_MODULUS), word(2n)),
    concatBytes(word(1n), word(2n + BN_MODULUS)),
    g.subarray(0, 63),
  ];
  for (const point of bad) {
    const padded = concatBytes(point, new Uint8Array(64 - point.length));
    for (const [index, input] of [
      [ADD, concatBytes(padded, g)],
      [ADD, concatBytes(g, point)],
      [MULTIPLY, concatBytes(padded, word(2n))],
      [PAIRING, concatBytes(padded, bn2(Bn2.BASE))],
    ] as const) {
      const expected = { gas: 90_000n, output: "0x", failed: true };
      t.same(callEthereum(index, input, 90_000n), expected, toHex(point));
    }
  }
});

/** e(aP, bQ) · e(−abP, Q) = 1. */
function balanced(a: bigint, b: bigint, error = 0n): Uint8Array {
  return concatBytes(
    bn1(at(a)),
    bn2(at2(b)),
    bn1(at((a * b + error) % BN_ORDER).negate()),
    bn2(Bn2.BASE),
  );
}

t.test("pairings", async (t) => {
  const yes = toHex(word(1n));
  const no = toHex(word(0n));
  const infinities = [
    concatBytes(INFINITY_1, INFINITY_2),
    concatBytes(INFINITY_1, bn2(at2(3n))),
    concatBytes(bn1(at(3n)), INFINITY_2),
  ];
  const checks: readonly (readonly [Uint8Array, string, bigint])[] = [
    [new Uint8Array(0), yes, 45_000n],
    [balanced(3n, 5n), yes, 113_000n],
    [balanced(3n, 5n, 1n), no, 113_000n],
    [concatBytes(bn1(Bn1.BASE), bn2(Bn2.BASE)), no, 79_000n],
    ...infinities.map((pair) => [pair, yes, 79_000n] as const),
    [concatBytes(...infinities, balanced(7n, 9n)), yes, 215_000n],
    [concatBytes(balanced(7n, 9n, 2n), ...infinities), no, 215_000n],
  ];
  for (const [input, output, gas] of checks)
    t.same(callEthereum(PAIRING, input), { gas, output, failed: false });
});

t.test("a point of G2 must be in the subgroup, even beside infinity", async (t) => {
  for (const seed of [1n, 40n, 700n]) {
    const outside = bn2(bnOutside2(seed));
    t.equal(faultOf(PAIRING, concatBytes(bn1(Bn1.BASE), outside)), "point not on curve");
    t.equal(faultOf(PAIRING, concatBytes(INFINITY_1, outside)), "point not on curve");
  }
  const swapped = bn2(Bn2.BASE);
  swapped.set(bn2(Bn2.BASE).subarray(32, 64), 0);
  t.equal(faultOf(PAIRING, concatBytes(bn1(Bn1.BASE), swapped)), "point not on curve");
  t.equal(faultOf(PAIRING, new Uint8Array(191)), "invalid input length");
  t.equal(faultOf(PAIRING, new Uint8Array(193)), "invalid input length");
});

const scalar = fc.oneof(
  fc.bigInt({ min: 0n, max: 4n }),
  fc.bigInt({ min: 1n, max: BN_ORDER - 1n }),
  fc.bigInt({ min: BN_ORDER - 3n, max: BN_ORDER + 3n }),
);
const point = scalar.map((factor) =>
  factor % BN_ORDER === 0n ? INFINITY_1 : bn1(at(factor % BN_ORDER)),
);
const OVER = [BN_MODULUS, BN_MODULUS - 1n, 0n, 1n, 2n ** 256n - 1n].map(word);

t.test("agrees with the reference", async (t) => {
  const sum = fc.tuple(point, point).map((parts) => concatBytes(...parts));
  const product = fc.tuple(point, scalar.map(word)).map((parts) => concatBytes(...parts));
  const pairing = fc
    .tuple(fc.bigInt(1n, 9n), fc.bigInt(1n, 9n), fc.bigInt(0n, 1n))
    .map(([a, b, error]) => balanced(a, b, error));
  for (const [index, input, numRuns] of [
    [ADD, sum, 150],
    [MULTIPLY, product, 100],
    [PAIRING, pairing, 25],
  ] as const)
    await fc.assert(
      fc.asyncProperty(damaged(input, OVER), (data) => agrees(index, data)),
      { numRuns },
    );
  t.pass();
});
