import fc from "fast-check";
import t from "tap";
import { concatBytes, toHex } from "../../../../lanes/bytes.ts";
import {
  at1,
  at2,
  bls1,
  Bls1,
  bls2,
  Bls2,
  BLS_MODULUS,
  BLS_ORDER,
  blsOutside1,
  blsOutside2,
  field,
  word,
} from "../../fixtures/curves.ts";
import { agrees, callEthereum, damaged, faultOf } from "../../fixtures/precompiles.ts";

const [ADD_1, SUM_1, ADD_2, SUM_2, PAIRING, MAP_1, MAP_2] = [
  0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10, 0x11,
] as const;

const INFINITY_1 = new Uint8Array(128);
const INFINITY_2 = new Uint8Array(256);
const YES = toHex(word(1n));
const NO = toHex(word(0n));

t.test("sums take points outside of the subgroup; products and pairings do not", async (t) => {
  for (const seed of [0n, 33n, 5000n]) {
    const [one, two] = [blsOutside1(seed), blsOutside2(seed)];
    t.same(callEthereum(ADD_1, concatBytes(bls1(one), bls1(one))), {
      gas: 375n,
      output: toHex(bls1(one.double())),
      failed: false,
    });
    t.same(callEthereum(ADD_2, concatBytes(bls2(two), bls2(Bls2.BASE))), {
      gas: 600n,
      output: toHex(bls2(two.add(Bls2.BASE))),
      failed: false,
    });
    for (const [index, input] of [
      [SUM_1, concatBytes(bls1(one), word(1n))],
      [SUM_1, concatBytes(bls1(Bls1.BASE), word(1n), bls1(one), word(0n))],
      [SUM_2, concatBytes(bls2(two), word(1n))],
      [SUM_2, concatBytes(bls2(Bls2.BASE), word(1n), bls2(two), word(0n))],
      [PAIRING, concatBytes(bls1(one), bls2(Bls2.BASE))],
      [PAIRING, concatBytes(bls1(Bls1.BASE), bls2(two))],
      [PAIRING, concatBytes(INFINITY_1, bls2(two))],
      [PAIRING, concatBytes(bls1(one), INFINITY_2)],
    ] as const)
      t.equal(faultOf(index, input), "point not on curve", `0x${index.toString(16)}`);
  }
});

t.test("lengths: empty lists, halves, and one byte more", async (t) => {
  for (const index of [SUM_1, SUM_2, PAIRING])
    t.equal(faultOf(index, new Uint8Array(0)), "input is empty");
  const lengths = [
    [ADD_1, 256],
    [SUM_1, 160],
    [ADD_2, 512],
    [SUM_2, 288],
    [PAIRING, 384],
    [MAP_1, 64],
    [MAP_2, 128],
  ] as const;
  for (const [index, length] of lengths) {
    t.equal(faultOf(index, new Uint8Array(length)), null, "zeros are infinity, or zero");
    for (const wrong of [length - 1, length + 1, length / 2])
      t.equal(faultOf(index, new Uint8Array(wrong)), "invalid input length");
  }
  for (const index of [ADD_1, ADD_2, MAP_1, MAP_2])
    t.equal(faultOf(index, new Uint8Array(0)), "invalid input length");
});

t.test("numbers: padding must be zero, and the modulus is out of the field", async (t) => {
  const inputs = [
    [ADD_1, concatBytes(bls1(at1(2n)), bls1(at1(3n)))],
    [SUM_1, concatBytes(bls1(at1(2n)), word(3n))],
    [ADD_2, concatBytes(bls2(at2(2n)), bls2(at2(3n)))],
    [SUM_2, concatBytes(bls2(at2(2n)), word(3n))],
    [PAIRING, concatBytes(bls1(at1(2n)), bls2(at2(3n)))],
    [MAP_1, field(7n)],
    [MAP_2, concatBytes(field(7n), field(8n))],
  ] as const;
  for (const [index, input] of inputs) {
    t.equal(faultOf(index, input), null);
    for (let at = 0; at + 64 <= input.length; at += 64) {
      for (const padding of [0, 15]) {
        const padded = Uint8Array.from(input);
        padded[at + padding] = 1;
        t.not(faultOf(index, padded), null, `0x${index.toString(16)}: padding at ${at + padding}`);
      }
      for (const value of [BLS_MODULUS, BLS_MODULUS + 7n, 2n ** 384n - 1n]) {
        const over = Uint8Array.from(input);
        over.set(field(value), at);
        t.not(faultOf(index, over), null, `0x${index.toString(16)}: number at ${at}`);
      }
    }
  }
  // x + p is no other name of x.
  const { x, y } = Bls1.BASE.toAffine();
  const alias = concatBytes(field(x + BLS_MODULUS), field(y), INFINITY_1);
  t.equal(faultOf(ADD_1, alias), "point not on curve");
});

t.test("sums of products: scalars of any size, infinity, cancellation, the discount", async (t) => {
  const term = (factor: bigint, scalar: bigint): Uint8Array =>
    concatBytes(bls1(at1(factor)), word(scalar));
  const cases: readonly (readonly [Uint8Array, Uint8Array, bigint])[] = [
    [term(3n, 0n), INFINITY_1, 12_000n],
    [term(3n, BLS_ORDER), INFINITY_1, 12_000n],
    [term(3n, BLS_ORDER + 1n), bls1(at1(3n)), 12_000n],
    [term(3n, 2n ** 256n - 1n), bls1(at1((3n * (2n ** 256n - 1n)) % BLS_ORDER)), 12_000n],
    [concatBytes(term(3n, 5n), term(5n, BLS_ORDER - 3n)), INFINITY_1, 22_776n],
    [concatBytes(term(3n, 5n), INFINITY_1, word(9n)), bls1(at1(15n)), 22_776n],
    [concatBytes(term(3n, 5n), term(3n, 5n), term(4n, 1n)), bls1(at1(34n)), 30_528n],
  ];
  for (const [input, output, gas] of cases)
    t.same(callEthereum(SUM_1, input), { gas, output: toHex(output), failed: false });
  // From 128 terms on the discount stays.
  for (const [count, gas] of [
    [127, 127n * 6240n],
    [128, 128n * 6228n],
    [129, 129n * 6228n],
  ] as const) {
    const input = concatBytes(...Array.from({ length: count }, () => term(1n, 1n)));
    t.same(callEthereum(SUM_1, input), {
      gas,
      output: toHex(bls1(at1(BigInt(count)))),
      failed: false,
    });
  }
});

function balanced(a: bigint, b: bigint, error = 0n): Uint8Array {
  return concatBytes(
    bls1(at1(a)),
    bls2(at2(b)),
    bls1(at1((a * b + error) % BLS_ORDER).negate()),
    bls2(Bls2.BASE),
  );
}

t.test("pairings", async (t) => {
  const infinities = [
    concatBytes(INFINITY_1, INFINITY_2),
    concatBytes(INFINITY_1, bls2(at2(3n))),
    concatBytes(bls1(at1(3n)), INFINITY_2),
  ];
  const checks: readonly (readonly [Uint8Array, string, bigint])[] = [
    [balanced(3n, 5n), YES, 102_900n],
    [balanced(3n, 5n, 1n), NO, 102_900n],
    [concatBytes(bls1(Bls1.BASE), bls2(Bls2.BASE)), NO, 70_300n],
    ...infinities.map((pair) => [pair, YES, 70_300n] as const),
    [concatBytes(...infinities, balanced(7n, 9n)), YES, 200_700n],
    [concatBytes(balanced(7n, 9n, 2n), ...infinities), NO, 200_700n],
  ];
  for (const [input, output, gas] of checks)
    t.same(callEthereum(PAIRING, input), { gas, output, failed: false });
});

const OVER = [BLS_MODULUS, BLS_MODULUS - 1n, 0n, 1n].map(field);
const factor = fc.oneof(fc.bigInt(1n, 4n), fc.bigInt(1n, BLS_ORDER - 1n));
const scalar = fc
  .oneof(
    fc.bigInt(0n, 4n),
    fc.bigInt(BLS_ORDER - 2n, BLS_ORDER + 2n),
    fc.bigInt(0n, 2n ** 256n - 1n),
  )
  .map(word);
const seed = fc.bigInt(0n, 60n);
const point1 = fc.oneof(
  { weight: 6, arbitrary: factor.map((by) => bls1(at1(by))) },
  { weight: 1, arbitrary: seed.map((from) => bls1(blsOutside1(from))) },
  { weight: 1, arbitrary: fc.constant(INFINITY_1) },
);
const point2 = fc.oneof(
  { weight: 6, arbitrary: factor.map((by) => bls2(at2(by))) },
  { weight: 1, arbitrary: seed.map((from) => bls2(blsOutside2(from))) },
  { weight: 1, arbitrary: fc.constant(INFINITY_2) },
);
const join = (parts: readonly Uint8Array[]): Uint8Array => concatBytes(...parts);
const number = fc.bigInt(0n, BLS_MODULUS - 1n).map(field);

const INPUTS: readonly (readonly [number, fc.Arbitrary<Uint8Array>, number])[] = [
  [ADD_1, fc.tuple(point1, point1).map(join), 60],
  [ADD_2, fc.tuple(point2, point2).map(join), 40],
  [SUM_1, fc.array(fc.tuple(point1, scalar).map(join), { maxLength: 4 }).map(join), 30],
  [SUM_2, fc.array(fc.tuple(point2, scalar).map(join), { maxLength: 3 }).map(join), 20],
  [
    PAIRING,
    fc
      .tuple(fc.bigInt(1n, 9n), fc.bigInt(1n, 9n), fc.bigInt(0n, 1n))
      .map(([a, b, error]) => balanced(a, b, error)),
    12,
  ],
  [MAP_1, number, 30],
  [MAP_2, fc.tuple(number, number).map(join), 15],
];

for (const [index, input, numRuns] of INPUTS)
  t.test(`0x${index.toString(16)} agrees with the reference`, async (t) => {
    await fc.assert(
      fc.asyncProperty(damaged(input, OVER), (data) => agrees(index, data)),
      { numRuns },
    );
    t.pass();
  });
