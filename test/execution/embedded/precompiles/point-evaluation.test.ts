import { DasContextJs } from "@crate-crypto/node-eth-kzg";
import { bls12_381 } from "@noble/curves/bls12-381.js";
import { sha256 } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import t from "tap";
import {
  bigintToBytes,
  bytesToBigint,
  concatBytes,
  fromHex,
  toHex,
} from "../../../../lanes/bytes.ts";
import {
  at1,
  BLS_MODULUS,
  BLS_ORDER,
  Bls1,
  Bls2,
  blsOutside1,
  word,
} from "../../fixtures/curves.ts";
import { callEthereum, damaged, faultOf } from "../../fixtures/precompiles.ts";

const POINT_EVALUATION = 0x0a;
const PROVEN = {
  gas: 50_000n,
  output: toHex(concatBytes(word(4096n), word(BLS_ORDER))),
  failed: false,
};

/** [τ] of the ceremony, in both groups. */
const TAU_1 = Bls1.fromHex(
  "ad3eb50121139aa34db1d545093ac9374ab7bca2c0f3bf28e27c8dcd8fc7cb42d25926fc0c97b336e9f0fb35e5a04c81",
);
const TAU_2 = Bls2.fromHex(
  "b5bfd7dd8cdeb128843bc287230af38926187075cbfbefa81009a2ce615ac53d2914e5870cb452d2afaaab24f3499f72" +
    "185cbfee53492714734429b7b38608e23926c911cceceac9a36851477ba4c60b087041de621000edc98edada20c1def2",
);

function encode(
  commitment: Uint8Array,
  z: Uint8Array,
  y: Uint8Array,
  proof: Uint8Array,
): Uint8Array {
  const versionedHash = sha256(commitment);
  versionedHash[0] = 1;
  return concatBytes(versionedHash, z, y, commitment, proof);
}

/** f(x) = c + x·d: committed to as c·G + d·[τ]G, and proven by its slope, d·G, everywhere. */
function line(c: bigint, d: bigint, z: bigint, error = 0n): Uint8Array {
  const slope = d === 0n ? Bls1.ZERO : TAU_1.multiply(d);
  const commitment = (c === 0n ? Bls1.ZERO : at1(c)).add(slope).toBytes();
  const proof = (d === 0n ? Bls1.ZERO : at1(d)).toBytes();
  return encode(commitment, word(z), word((c + d * z + error) % BLS_ORDER), proof);
}

/** The definition, with the reference's pairing. */
function isProven(input: Uint8Array): boolean {
  if (input.length !== 192) return false;
  const commitment = input.subarray(96, 144);
  const versionedHash = sha256(commitment);
  versionedHash[0] = 1;
  if (toHex(versionedHash) !== toHex(input.subarray(0, 32))) return false;
  const [z, y] = [bytesToBigint(input.subarray(32, 64)), bytesToBigint(input.subarray(64, 96))];
  if (z >= BLS_ORDER || y >= BLS_ORDER) return false;
  try {
    const left = Bls1.fromBytes(commitment).subtract(Bls1.BASE.multiplyUnsafe(y));
    const proof = Bls1.fromBytes(input.subarray(144));
    const right = TAU_2.subtract(Bls2.BASE.multiplyUnsafe(z));
    const pairs = [
      { g1: left.negate(), g2: Bls2.BASE },
      { g1: proof, g2: right },
    ].filter(({ g1, g2 }) => !g1.is0() && !g2.is0());
    const { Fp12 } = bls12_381.fields;
    return pairs.length === 0 || Fp12.eql(bls12_381.pairingBatch(pairs), Fp12.ONE);
  } catch {
    return false;
  }
}

t.test("proofs of the KZG library hold", async (t) => {
  const context = DasContextJs.create({ usePrecomp: false });
  const blob = new Uint8Array(131_072);
  for (let i = 0; i < 40; i++) blob.set(word(BigInt(i * i + 3)), 32 * i);
  const constant = new Uint8Array(131_072);
  for (let i = 0; i < 4096; i++) constant[32 * i + 31] = 9;
  for (const content of [blob, constant, new Uint8Array(131_072)]) {
    const commitment = context.blobToKzgCommitment(content);
    const z = word(123_456_789n);
    const [proof, y] = context.computeKzgProof(content, z);
    if (proof === undefined || y === undefined) throw new Error("no proof");
    const input = encode(commitment, z, y, proof);
    t.same(callEthereum(POINT_EVALUATION, input), PROVEN);
    const wrong = Uint8Array.from(input);
    wrong[95] = (wrong[95] ?? 0) ^ 1;
    t.equal(faultOf(POINT_EVALUATION, wrong), "kzg proof invalid");
  }
});

/** A point of the curve outside of the subgroup, which the reference does not encode. */
function outside(seed: bigint): Uint8Array {
  const bytes = bigintToBytes(blsOutside1(seed).toAffine().x, 48);
  bytes[0] = (bytes[0] ?? 0) | 0x80;
  return bytes;
}

t.test("what does not hold costs all the gas", async (t) => {
  const good = line(3n, 5n, 7n);
  const replaced = (offset: number, part: Uint8Array): Uint8Array => {
    const input = Uint8Array.from(good);
    input.set(part, offset);
    return input;
  };
  const inputs: readonly (readonly [Uint8Array, string])[] = [
    [new Uint8Array(0), "invalid input length"],
    [good.subarray(1), "invalid input length"],
    [concatBytes(good, Uint8Array.of(0)), "invalid input length"],
    [replaced(0, Uint8Array.of(2)), "kzg commitment does not match versioned hash"],
    [replaced(5, Uint8Array.of(~(good[5] ?? 0))), "kzg commitment does not match versioned hash"],
    [replaced(32, word(BLS_ORDER)), "kzg inputs invalid"],
    [replaced(32, word(BLS_ORDER + 7n)), "kzg inputs invalid"],
    [replaced(64, word(2n ** 256n - 1n)), "kzg inputs invalid"],
    [line(3n, 5n, 7n, 1n), "kzg proof invalid"],
    [replaced(144, at1(6n).toBytes()), "kzg proof invalid"],
    [replaced(144, outside(3n)), "kzg inputs invalid"],
  ];
  for (const [input, fault] of inputs) {
    t.equal(faultOf(POINT_EVALUATION, input), fault);
    const expected = { gas: 60_000n, output: "0x", failed: true };
    t.same(callEthereum(POINT_EVALUATION, input, 60_000n), expected);
  }
  t.same(callEthereum(POINT_EVALUATION, good, 50_000n), PROVEN);
  t.equal(faultOf(POINT_EVALUATION, good, 49_999n), "out of gas");
  const noMember = encode(outside(3n), word(1n), word(0n), at1(1n).toBytes());
  t.equal(faultOf(POINT_EVALUATION, noMember), "kzg inputs invalid");
});

t.test("compressed points have one form each", async (t) => {
  const forms: Uint8Array[] = [];
  const numbers = [0n, 1n, BLS_MODULUS, BLS_MODULUS - 1n, 2n ** 381n - 1n, 1n << 200n];
  for (const x of [...numbers, at1(5n).toAffine().x])
    for (let flags = 0; flags < 8; flags++) {
      const form = fromHex(`0x${x.toString(16).padStart(96, "0")}`);
      form[0] = ((form[0] ?? 0) & 0x1f) | (flags << 5);
      forms.push(form);
    }
  let good = 0;
  for (const form of forms) {
    // A line without slope is proven by infinity, and one through zero is committed to by it.
    const proof = encode(at1(3n).toBytes(), word(1n), word(3n), form);
    const commitment = encode(form, word(0n), word(0n), form);
    for (const input of [proof, commitment]) {
      const expected = isProven(input);
      if (expected) good++;
      t.equal(callEthereum(POINT_EVALUATION, input).failed, !expected, toHex(form));
    }
  }
  t.equal(good, 2, "infinity, once as each");
});

t.test("agrees with the definition", async (t) => {
  const number = fc.oneof(fc.bigInt(0n, 3n), fc.bigInt(0n, BLS_ORDER - 1n));
  const input = fc
    .tuple(number, number, number, fc.bigInt(0n, 1n))
    .map((numbers) => line(...numbers));
  const over = [word(BLS_ORDER), word(0n), Bls1.ZERO.toBytes(), at1(1n).toBytes()];
  let proven = 0;
  fc.assert(
    fc.property(damaged(input, over), (data) => {
      const expected = isProven(data);
      if (expected) proven++;
      return callEthereum(POINT_EVALUATION, data).failed === !expected;
    }),
    { numRuns: 60 },
  );
  t.ok(proven > 5, `${proven} proofs hold`);
});
