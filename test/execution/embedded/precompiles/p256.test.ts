import { p256, p384 } from "@noble/curves/nist.js";
import { sha256 } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import t from "tap";
import { bytesToBigint, concatBytes, toHex } from "../../../../lanes/bytes.ts";
import { word } from "../../fixtures/curves.ts";
import { callPrecompile, damaged } from "../../fixtures/precompiles.ts";

const P256_VERIFY = 0x100;
const Point = p256.Point;
const { Fn } = Point;
const ORDER = Fn.ORDER;
const MODULUS = Point.Fp.ORDER;

const YES = { gas: 3450n, output: toHex(word(1n)), failed: false };
const NO = { gas: 3450n, output: "0x", failed: false };

interface Signature {
  readonly digest: bigint;
  readonly r: bigint;
  readonly s: bigint;
  readonly key: InstanceType<typeof Point>;
}

function encode({ digest, r, s, key }: Signature): Uint8Array {
  const { x, y } = key.toAffine();
  return concatBytes(...[digest, r, s, x, y].map(word));
}

function signed(digest: Uint8Array, secret: bigint, lowS = true): Uint8Array {
  const key = word(secret);
  const signature = p256.sign(digest, key, { prehash: false, format: "compact", lowS });
  return concatBytes(digest, signature, p256.getPublicKey(key, false).subarray(1));
}

/** The definition, with the reference's points. */
function isSigned(input: Uint8Array): boolean {
  if (input.length !== 160) return false;
  const [digest = 0n, r = 0n, s = 0n, x = 0n, y = 0n] = [0, 32, 64, 96, 128].map((offset) =>
    bytesToBigint(input.subarray(offset, offset + 32)),
  );
  if (r === 0n || r >= ORDER || s === 0n || s >= ORDER || x >= MODULUS || y >= MODULUS)
    return false;
  const key = Point.fromAffine({ x, y });
  try {
    key.assertValidity();
  } catch {
    return false;
  }
  const w = Fn.inv(s);
  const sum = Point.BASE.multiplyUnsafe(Fn.create(digest * w)).add(
    key.multiplyUnsafe(Fn.mul(r, w)),
  );
  return !sum.is0() && sum.toAffine().x % ORDER === r;
}

/** A key for which the point that r comes from is `sum`. */
function keyFor(digest: bigint, r: bigint, s: bigint, sum: Signature["key"]): Signature["key"] {
  const w = Fn.inv(s);
  const rest = sum.subtract(Point.BASE.multiplyUnsafe(Fn.create(digest * w)));
  return rest.multiplyUnsafe(Fn.inv(Fn.mul(r, w)));
}

t.test("takes signatures, with high s too, and nothing else", async (t) => {
  const digest = sha256(Uint8Array.of(1, 2, 3));
  const good = signed(digest, 5n);
  t.same(callPrecompile(P256_VERIFY, good), YES);
  const high = Uint8Array.from(good);
  high.set(word(ORDER - bytesToBigint(good.subarray(64, 96))), 64);
  t.same(callPrecompile(P256_VERIFY, high), YES);
  for (const input of [new Uint8Array(0), good.subarray(1), concatBytes(good, Uint8Array.of(0))])
    t.same(callPrecompile(P256_VERIFY, input), NO, `${input.length} bytes`);
  for (let part = 0; part < 5; part++)
    for (const value of [0n, 1n, ORDER, MODULUS, 2n ** 256n - 1n]) {
      const wrong = Uint8Array.from(good);
      wrong.set(word(value), 32 * part);
      t.same(callPrecompile(P256_VERIFY, wrong), NO, `part ${part}: ${value}`);
    }
  const { x, y } = p384.Point.BASE.toAffine();
  const foreign = concatBytes(good.subarray(0, 96), word(x >> 128n), word(y >> 128n));
  t.same(callPrecompile(P256_VERIFY, foreign), NO, "a key of no curve");
  t.same(callPrecompile(P256_VERIFY, good, 3450n), YES);
  const poor = { gas: 3449n, output: "0x", failed: true };
  t.same(callPrecompile(P256_VERIFY, good, 3449n), poor);
});

t.test("sums at the edges: infinity, equal and opposite points, x beyond the order", async (t) => {
  const [r, s, digest] = [7n, 11n, 13n];
  // digest·G/s and r·Q/s cancel out.
  const none = { digest, r, s, key: keyFor(digest, r, s, Point.ZERO) };
  t.same(callPrecompile(P256_VERIFY, encode(none)), NO);
  // Both are the same point: the sum is a doubling, and r is what its x is.
  const doubled = Point.BASE.multiply(2n * 9n);
  const rOfDoubled = doubled.toAffine().x % ORDER;
  const same = { digest: 9n * s, r: rOfDoubled, s, key: keyFor(9n * s, rOfDoubled, s, doubled) };
  t.same(callPrecompile(P256_VERIFY, encode(same)), YES);
  // The digest is zero, or the order.
  for (const zero of [0n, ORDER]) {
    const sum = Point.BASE.multiply(21n);
    const rOfSum = sum.toAffine().x % ORDER;
    const signature = { digest: zero, r: rOfSum, s, key: keyFor(0n, rOfSum, s, sum) };
    t.same(callPrecompile(P256_VERIFY, encode(signature)), YES);
  }
  // x is between the order and the modulus: r is x less the order.
  let found = 0;
  for (let x = ORDER + 1n; found < 3; x++) {
    const square = Point.Fp.create(x ** 3n - 3n * x + Point.CURVE().b);
    if (Point.Fp.pow(square, (MODULUS - 1n) / 2n) !== 1n) continue;
    const sum = Point.fromAffine({ x, y: Point.Fp.sqrt(square) });
    const signature = { digest, r: x - ORDER, s, key: keyFor(digest, x - ORDER, s, sum) };
    t.same(callPrecompile(P256_VERIFY, encode(signature)), YES);
    t.same(callPrecompile(P256_VERIFY, encode({ ...signature, r: x - ORDER + 1n })), NO);
    found++;
  }
});

t.test("keys off the curve, and second names of numbers", async (t) => {
  // With a digest of zero and r = s, the sum is the key itself.
  const own = (x: bigint, y: bigint, r = x, s = r): Uint8Array =>
    concatBytes(...[0n, r, s, x, y].map(word));
  let found = 0;
  for (let x = 5n; found < 3; x++) {
    const square = Point.Fp.create(x ** 3n - 3n * x + Point.CURVE().b);
    if (Point.Fp.pow(square, (MODULUS - 1n) / 2n) !== 1n) continue;
    const y = Point.Fp.sqrt(square);
    t.same(callPrecompile(P256_VERIFY, own(x, y)), YES);
    t.same(callPrecompile(P256_VERIFY, own(x, y + 1n)), NO, "another curve's");
    t.same(callPrecompile(P256_VERIFY, own(x + MODULUS, y, x)), NO, "x + p");
    t.same(callPrecompile(P256_VERIFY, own(x, y, x + ORDER, x)), NO, "r + n");
    t.same(callPrecompile(P256_VERIFY, own(x, y, x, x + ORDER)), NO, "s + n");
    found++;
  }
});

t.test("agrees with the definition, for small multiples of the base point too", async (t) => {
  const secret = fc.oneof(
    fc.bigInt(1n, 40n),
    fc.bigInt(ORDER - 40n, ORDER - 1n),
    fc.bigInt(1n, ORDER - 1n),
  );
  const input = fc
    .tuple(fc.uint8Array({ minLength: 32, maxLength: 32 }), secret, fc.boolean())
    .map((parts) => signed(...parts));
  const over = [0n, 1n, ORDER, ORDER - 1n, MODULUS].map(word);
  let yes = 0;
  fc.assert(
    fc.property(damaged(input, over), (data) => {
      const expected = isSigned(data) ? YES : NO;
      if (expected === YES) yes++;
      return callPrecompile(P256_VERIFY, data).output === expected.output;
    }),
    { numRuns: 150 },
  );
  t.ok(yes > 20, `${yes} valid signatures`);
  // Both factors and the key small: the tables of both points overlap.
  for (let a = 1n; a <= 9n; a++)
    for (let b = 1n; b <= 9n; b++) {
      const key = Point.BASE.multiply(b);
      const sum = Point.BASE.multiply(a).add(key.multiply(a + b));
      const r = sum.toAffine().x % ORDER;
      // u₁ = a and u₂ = a + b: s = r / u₂, digest = a · s.
      const s = Fn.div(r, a + b);
      t.same(callPrecompile(P256_VERIFY, encode({ digest: Fn.mul(a, s), r, s, key })), YES);
    }
});
