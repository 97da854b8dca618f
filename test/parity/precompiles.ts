/**
 * Inputs for every precompile of Isthmus: valid ones, ones of the wrong length, and valid ones with
 * a bit flipped. Made with the curves' reference library, never with the code under test.
 */
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { bn254 } from "@noble/curves/bn254.js";
import { p256, p384 } from "@noble/curves/nist.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bigintToBytes, concatBytes, fromHex } from "../../lanes/bytes.ts";
import type { Random } from "./random.ts";

const G1 = bls12_381.G1.Point;
const G2 = bls12_381.G2.Point;
const BN1 = bn254.G1.Point;
const BN2 = bn254.G2.Point;
type PointG1 = InstanceType<typeof G1>;
type PointG2 = InstanceType<typeof G2>;

const BLS_MODULUS = bls12_381.fields.Fp.ORDER;
const BN_MODULUS = bn254.fields.Fp.ORDER;

const word = (value: bigint): Uint8Array => bigintToBytes(value, 32);
const field = (value: bigint): Uint8Array => bigintToBytes(value, 64);
const scalar = (random: Random): bigint => BigInt(random.below(1_000_000)) + 1n;

function g1Bytes(point: PointG1): Uint8Array {
  if (point.is0()) return new Uint8Array(128);
  const { x, y } = point.toAffine();
  return concatBytes(field(x), field(y));
}

function g2Bytes(point: PointG2): Uint8Array {
  if (point.is0()) return new Uint8Array(256);
  const { x, y } = point.toAffine();
  return concatBytes(field(x.c0), field(x.c1), field(y.c0), field(y.c1));
}

/** On the curve by construction; once in a while infinity, or outside the subgroup. */
function g1(random: Random): Uint8Array {
  switch (random.below(8)) {
    case 0:
      return new Uint8Array(128);
    case 1:
      return outsideSubgroup(random);
    default:
      return g1Bytes(G1.BASE.multiply(scalar(random)));
  }
}

function g2(random: Random): Uint8Array {
  return random.oneIn(8) ? new Uint8Array(256) : g2Bytes(G2.BASE.multiply(scalar(random)));
}

/** A point of y² = x³ + 4 whose order is not the subgroup's: almost every one is so. */
function outsideSubgroup(random: Random): Uint8Array {
  const { Fp } = bls12_381.fields;
  for (let x = BigInt(random.below(1000)) + 5n; ; x++) {
    const square = Fp.add(Fp.pow(x, 3n), 4n);
    if (Fp.pow(square, (BLS_MODULUS - 1n) / 2n) !== 1n) continue;
    return concatBytes(field(x), field(Fp.sqrt(square)));
  }
}

function bn1(random: Random): Uint8Array {
  if (random.oneIn(8)) return new Uint8Array(64);
  const { x, y } = BN1.BASE.multiply(scalar(random)).toAffine();
  return concatBytes(word(x), word(y));
}

/** Pairs whose product is one: e(aP, bQ) · e(−abP, Q); the second half is wrong at times. */
function bnPairing(random: Random): Uint8Array {
  const [a, b] = [scalar(random), scalar(random)];
  const product = a * b + (random.oneIn(3) ? 1n : 0n);
  const encode = (p: InstanceType<typeof BN1>, q: InstanceType<typeof BN2>): Uint8Array => {
    const [one, two] = [p.toAffine(), q.toAffine()];
    return concatBytes(
      ...[one.x, one.y, two.x.c1, two.x.c0, two.y.c1, two.y.c0].map((value) => word(value)),
    );
  };
  return concatBytes(
    encode(BN1.BASE.multiply(a), BN2.BASE.multiply(b)),
    encode(BN1.BASE.multiply(product).negate(), BN2.BASE),
    new Uint8Array(random.oneIn(4) ? 192 : 0),
  );
}

function blsPairing(random: Random): Uint8Array {
  const [a, b] = [scalar(random), scalar(random)];
  const product = a * b + (random.oneIn(3) ? 1n : 0n);
  return concatBytes(
    g1Bytes(G1.BASE.multiply(a)),
    g2Bytes(G2.BASE.multiply(b)),
    g1Bytes(G1.BASE.multiply(product).negate()),
    g2Bytes(G2.BASE),
    new Uint8Array(random.oneIn(4) ? 384 : 0),
  );
}

function ecrecover(random: Random): Uint8Array {
  const digest = random.bytes(32);
  const key = word(scalar(random));
  const signature = secp256k1.sign(digest, key, { prehash: false, format: "recovered" });
  const recovery = signature[0] ?? 0;
  const v = random.pick([27n + BigInt(recovery), 27n, 28n, 0n, 29n, 1n << 200n]);
  return concatBytes(digest, word(v), signature.subarray(1));
}

function modexp(random: Random): Uint8Array {
  const lengths = [random.pick([0, 1, 31, 32, 33, 64, 200]), random.pick([0, 1, 5, 32, 33, 70])];
  const [base = 0, exponent = 0] = lengths;
  const modulus = random.pick([0, 1, 2, 32, 33, 64, 130]);
  const body = random.bytes(base + exponent + modulus);
  // A modulus of one or zero, and an even one.
  if (modulus > 0 && random.oneIn(4)) body.fill(0, base + exponent);
  if (modulus > 0 && random.oneIn(4)) body.fill(0, base + exponent).set([1], body.length - 1);
  const huge = random.oneIn(20) ? 2n ** 64n + 5n : BigInt(exponent);
  return concatBytes(word(BigInt(base)), word(huge), word(BigInt(modulus)), body);
}

function blake2f(random: Random): Uint8Array {
  const rounds = random.pick([0, 1, 12, 300]);
  const input = concatBytes(bigintToBytes(BigInt(rounds), 4), random.bytes(208), Uint8Array.of(1));
  input[212] = random.pick([0, 1, 1, 2]);
  return input;
}

function p256Verify(random: Random): Uint8Array {
  const digest = random.bytes(32);
  const key = word(scalar(random));
  // Half of all signatures are high-s: EIP-7951 and RIP-7212 accept both.
  const options = { prehash: false, format: "compact", lowS: random.oneIn(2) } as const;
  const signature = p256.sign(digest, key, options);
  const other = p384.Point.BASE.toAffine();
  const foreign = concatBytes(word(other.x >> 128n), word(other.y >> 128n));
  const own = p256.getPublicKey(key, false).subarray(1);
  return concatBytes(digest, signature, random.oneIn(10) ? foreign : own);
}

/** f(x) = c and f(x) = c + x·d, committed to with the point [τ] of the ceremony. */
const TAU_G1 = G1.fromBytes(
  fromHex(
    "0xad3eb50121139aa34db1d545093ac9374ab7bca2c0f3bf28e27c8dcd8fc7cb42d25926fc0c97b336e9f0fb35e5a04c81",
  ),
);

/** The proof of a line is its slope, whatever the place. */
function pointEvaluation(random: Random): Uint8Array {
  const { Fr } = bls12_381.fields;
  const [c, d] = [scalar(random), random.oneIn(3) ? 0n : scalar(random)];
  const z = scalar(random);
  const slope = d === 0n ? G1.ZERO : TAU_G1.multiply(d);
  const commitment = G1.BASE.multiply(c).add(slope).toBytes();
  const y = Fr.create(c + d * z + (random.oneIn(4) ? 1n : 0n));
  const proof = (d === 0n ? G1.ZERO : G1.BASE.multiply(d)).toBytes();
  const versionedHash = sha256(commitment);
  versionedHash[0] = random.oneIn(10) ? 2 : 1;
  return concatBytes(versionedHash, word(z), word(y), commitment, proof);
}

/** Address and a good input. */
const PRECOMPILES: readonly (readonly [number, (random: Random) => Uint8Array])[] = [
  [0x01, ecrecover],
  [0x02, (random) => random.bytes(random.below(200))],
  [0x03, (random) => random.bytes(random.below(200))],
  [0x04, (random) => random.bytes(random.below(200))],
  [0x05, modexp],
  [0x06, (random) => concatBytes(bn1(random), bn1(random))],
  [0x07, (random) => concatBytes(bn1(random), word(scalar(random)))],
  [0x08, bnPairing],
  [0x09, blake2f],
  [0x0a, pointEvaluation],
  [0x0b, (random) => concatBytes(g1(random), g1(random))],
  [0x0c, (random) => products(random, () => concatBytes(g1(random), word(scalar(random))))],
  [0x0d, (random) => concatBytes(g2(random), g2(random))],
  [0x0e, (random) => products(random, () => concatBytes(g2(random), word(scalar(random))))],
  [0x0f, blsPairing],
  [0x10, (random) => field(BigInt(random.below(1000)))],
  [0x11, (random) => concatBytes(field(7n), field(BigInt(random.below(1000))))],
  [0x100, p256Verify],
];

function products(random: Random, term: () => Uint8Array): Uint8Array {
  return concatBytes(...Array.from({ length: 1 + random.below(4) }, term));
}

export interface PrecompileCall {
  readonly address: bigint;
  readonly input: Uint8Array;
}

/** A call of one precompile; about a third of the inputs are damaged. */
export function precompileCall(random: Random): PrecompileCall {
  const [address, make] = random.pick(PRECOMPILES);
  return { address: BigInt(address), input: damage(random, make(random)) };
}

function damage(random: Random, input: Uint8Array): Uint8Array {
  switch (random.below(9)) {
    case 0: {
      const flipped = Uint8Array.from(input);
      const at = random.below(Math.max(1, input.length));
      if (flipped.length > 0) flipped[at] = (flipped[at] ?? 0) ^ (1 << random.below(8));
      return flipped;
    }
    case 1:
      return input.subarray(0, random.below(input.length + 1));
    case 2: {
      // A field element that is the modulus itself, or beyond.
      const modulus =
        input.length % 64 === 0 && random.oneIn(2) ? word(BN_MODULUS) : field(BLS_MODULUS);
      const flipped = concatBytes(modulus, input.subarray(modulus.length));
      return flipped;
    }
    default:
      return random.oneIn(12) ? concatBytes(input, random.bytes(random.below(70))) : input;
  }
}

/** Precompiles with a limit on their input (Granite, Isthmus): the longest input, and one more. */
export const LIMITED: readonly (readonly [address: bigint, bytes: bigint])[] = [
  [0x08n, 112_512n],
  [0x08n, 112_704n],
  [0x0cn, 513_760n],
  [0x0cn, 513_920n],
  [0x0en, 488_448n],
  [0x0en, 488_736n],
  [0x0fn, 235_008n],
  [0x0fn, 235_392n],
];
