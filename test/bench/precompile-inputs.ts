/**
 * The inputs at which each precompile does most for its gas: the shortest, the longest, those with
 * the best discount, and those that fail at the very end.
 */
import { p256 } from "@noble/curves/nist.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bigintToBytes, concatBytes, fromHex } from "../../lanes/bytes.ts";
import {
  at1,
  at2,
  bls1,
  bls2,
  BLS_MODULUS,
  Bls1,
  blsOutside1,
  blsOutside2,
  bn1,
  Bn1,
  bn2,
  Bn2,
  bnOutside2,
  field,
  word,
} from "../execution/fixtures/curves.ts";

export interface WorstInput {
  readonly address: number;
  readonly title: string;
  readonly input: () => Uint8Array;
  /** An input of the same price that does not fail; the input itself where it does not. */
  readonly priced?: () => Uint8Array;
}

const repeat = (count: number, make: (index: number) => Uint8Array): Uint8Array =>
  concatBytes(...Array.from({ length: count }, (_, index) => make(index)));

const zeros = (length: number): Uint8Array => new Uint8Array(length);
const ones = (length: number): Uint8Array => new Uint8Array(length).fill(0xff);

const KEY = word(0x1234567890abcdefn);
const DIGEST = sha256(ones(1));

function ecrecover(): Uint8Array {
  const signature = secp256k1.sign(DIGEST, KEY, { prehash: false, format: "recovered" });
  return concatBytes(DIGEST, word(27n + BigInt(signature[0] ?? 0)), signature.subarray(1));
}

function p256Verify(): Uint8Array {
  const signature = p256.sign(DIGEST, KEY, { prehash: false, format: "compact" });
  return concatBytes(DIGEST, signature, p256.getPublicKey(KEY, false).subarray(1));
}

/** All bits set: every bit of the exponent costs most, and no number is shorter than declared. */
function modexp(base: number, exponent: Uint8Array, modulus: number, last = 0xff): Uint8Array {
  const lengths = [base, exponent.length, modulus].map((length) => word(BigInt(length)));
  const input = concatBytes(...lengths, ones(base).fill(0xfe), exponent, ones(modulus));
  input[input.length - 1] = last;
  return input;
}

function blake2f(rounds: number): Uint8Array {
  return concatBytes(bigintToBytes(BigInt(rounds), 4), ones(208), Uint8Array.of(1));
}

const SCALAR = ones(32);

const bls1Term = (index: number): Uint8Array => concatBytes(bls1(at1(BigInt(index) + 7n)), SCALAR);
const bls2Term = (index: number): Uint8Array => concatBytes(bls2(at2(BigInt(index) + 7n)), SCALAR);
const blsPair = (index: number): Uint8Array =>
  concatBytes(bls1(at1(BigInt(index) + 7n)), bls2(at2(BigInt(index) + 9n)));
const bnPair = (index: number): Uint8Array =>
  concatBytes(
    bn1(Bn1.BASE.multiply(BigInt(index) + 7n)),
    bn2(Bn2.BASE.multiply(BigInt(index) + 9n)),
  );

/** The commitment to f(x) = 5 + 3x, by [τ]G1 of the ceremony. */
function pointEvaluation(error: bigint): Uint8Array {
  const tau = Bls1.fromBytes(
    fromHex(
      "0xad3eb50121139aa34db1d545093ac9374ab7bca2c0f3bf28e27c8dcd8fc7cb42d25926fc0c97b336e9f0fb35e5a04c81",
    ),
  );
  const commitment = at1(5n).add(tau.multiply(3n)).toBytes();
  const versionedHash = sha256(commitment);
  versionedHash[0] = 1;
  const z = 2n ** 253n + 12_345n;
  const y = (5n + 3n * z + error) % Bls1.Fn.ORDER;
  return concatBytes(versionedHash, word(z), word(y), commitment, at1(3n).toBytes());
}

const SHORT: readonly WorstInput[] = [
  { address: 0x01, title: "valid", input: ecrecover },
  { address: 0x02, title: "empty", input: () => zeros(0) },
  { address: 0x02, title: "one word", input: () => zeros(32) },
  { address: 0x02, title: "1 MB", input: () => zeros(1_000_000) },
  { address: 0x03, title: "empty", input: () => zeros(0) },
  { address: 0x03, title: "1 MB", input: () => zeros(1_000_000) },
  { address: 0x04, title: "empty", input: () => zeros(0) },
  { address: 0x04, title: "1 MB", input: () => zeros(1_000_000) },
  { address: 0x06, title: "two points", input: () => bnPair(1).subarray(0, 64) },
  {
    address: 0x07,
    title: "longest scalar",
    input: () => concatBytes(bnPair(1).subarray(0, 64), SCALAR),
  },
  { address: 0x09, title: "no round", input: () => blake2f(0) },
  { address: 0x09, title: "one million rounds", input: () => blake2f(1_000_000) },
  { address: 0x0a, title: "valid", input: () => pointEvaluation(0n) },
  {
    address: 0x0a,
    title: "invalid",
    input: () => pointEvaluation(1n),
    priced: () => pointEvaluation(0n),
  },
  { address: 0x0b, title: "two points", input: () => concatBytes(bls1(at1(5n)), bls1(at1(6n))) },
  { address: 0x0d, title: "two points", input: () => concatBytes(bls2(at2(5n)), bls2(at2(6n))) },
  { address: 0x10, title: "largest number", input: () => field(BLS_MODULUS - 1n) },
  {
    address: 0x11,
    title: "largest numbers",
    input: () => concatBytes(field(BLS_MODULUS - 1n), field(BLS_MODULUS - 2n)),
  },
  { address: 0x100, title: "valid", input: p256Verify },
];

const MODEXP: readonly WorstInput[] = [
  ["empty", () => zeros(0)],
  ["1 byte, exponent 75", () => modexp(1, ones(75), 1)],
  ["8 bytes, exponent 75", () => modexp(8, ones(75), 8)],
  ["8 bytes, exponent 1024", () => modexp(8, ones(1024), 8)],
  ["8 bytes, even, exponent 1024", () => modexp(8, ones(1024), 8, 0xfe)],
  ["8 bytes, exponent of 1 MB zeros", () => modexp(8, zeros(1_000_000), 8)],
  ["16 bytes, exponent 32", () => modexp(16, ones(32), 16)],
  ["16 bytes, exponent 1024", () => modexp(16, ones(1024), 16)],
  ["24 bytes, exponent 32", () => modexp(24, ones(32), 24)],
  ["32 bytes, exponent 32", () => modexp(32, ones(32), 32)],
  ["64 bytes, exponent 64", () => modexp(64, ones(64), 64)],
  ["256 bytes, exponent 3", () => modexp(256, Uint8Array.of(3), 256)],
  ["256 bytes, exponent 15", () => modexp(256, Uint8Array.of(15), 256)],
  ["256 bytes, exponent 32", () => modexp(256, ones(32), 256)],
  ["1024 bytes, exponent 3", () => modexp(1024, Uint8Array.of(3), 1024)],
  ["1024 bytes, exponent 32", () => modexp(1024, ones(32), 1024)],
  ["4096 bytes, exponent 3", () => modexp(4096, Uint8Array.of(3), 4096)],
  ["53000 bytes, exponent 3", () => modexp(53_000, Uint8Array.of(3), 53_000)],
  ["53000 bytes, base alone", () => modexp(53_000, Uint8Array.of(2), 26_500)],
].map(([title, input]) => ({ address: 0x05, title, input }) as WorstInput);

const LISTS: readonly WorstInput[] = [
  { address: 0x08, title: "no pair", input: () => zeros(0) },
  { address: 0x08, title: "one pair", input: () => bnPair(1) },
  { address: 0x08, title: "twenty pairs", input: () => repeat(20, bnPair) },
  {
    address: 0x08,
    title: "twenty pairs, the last outside",
    input: () => concatBytes(repeat(19, bnPair), bn1(Bn1.BASE), bn2(bnOutside2(1n))),
    priced: () => repeat(20, bnPair),
  },
  { address: 0x0c, title: "one product", input: () => bls1Term(1) },
  { address: 0x0c, title: "128 products", input: () => repeat(128, bls1Term) },
  {
    address: 0x0c,
    title: "128 products, the last outside",
    input: () => concatBytes(repeat(127, bls1Term), bls1(blsOutside1(1n)), SCALAR),
    priced: () => repeat(128, bls1Term),
  },
  { address: 0x0e, title: "one product", input: () => bls2Term(1) },
  { address: 0x0e, title: "128 products", input: () => repeat(128, bls2Term) },
  {
    address: 0x0e,
    title: "128 products, the last outside",
    input: () => concatBytes(repeat(127, bls2Term), bls2(blsOutside2(1n)), SCALAR),
    priced: () => repeat(128, bls2Term),
  },
  { address: 0x0f, title: "one pair", input: () => blsPair(1) },
  { address: 0x0f, title: "twenty pairs", input: () => repeat(20, blsPair) },
  {
    address: 0x0f,
    title: "twenty pairs, the last outside",
    input: () => concatBytes(repeat(19, blsPair), bls1(at1(3n)), bls2(blsOutside2(1n))),
    priced: () => repeat(20, blsPair),
  },
];

export const WORST_INPUTS: readonly WorstInput[] = [...SHORT, ...MODEXP, ...LISTS].sort(
  (a, b) => a.address - b.address,
);
