import { secp256k1 } from "@noble/curves/secp256k1.js";
import fc from "fast-check";
import t from "tap";
import { bytesToBigint, concatBytes } from "../../../../lanes/bytes.ts";
import { word } from "../../fixtures/curves.ts";
import { agrees, callEthereum, damaged } from "../../fixtures/precompiles.ts";

const ORDER = secp256k1.Point.Fn.ORDER;
const ECRECOVER = 0x01;
const KEY = new Uint8Array(32).fill(0x11);
const DIGEST = new Uint8Array(32).fill(0x44);
/** The address of the key, from ethers. */
const ADDRESS = `0x${"00".repeat(12)}19e7e376e7c213b7e7e7e46cc70a5dd086daff2a`;

/** A signature with its own `s`, or with the other one that holds. */
function signed(digest: Uint8Array, key: Uint8Array, high: boolean): Uint8Array {
  const signature = secp256k1.sign(digest, key, { prehash: false, format: "recovered" });
  const parity = signature[0] ?? 0;
  const s = bytesToBigint(signature.subarray(33));
  const v = word(27n + BigInt(high ? 1 - parity : parity));
  return concatBytes(digest, v, signature.subarray(1, 33), word(high ? ORDER - s : s));
}

t.test("finds the signer, by a high s too", async (t) => {
  const expected = { gas: 3000n, output: ADDRESS, failed: false };
  t.same(callEthereum(ECRECOVER, signed(DIGEST, KEY, false)), expected);
  t.same(callEthereum(ECRECOVER, signed(DIGEST, KEY, true)), expected);
  const trailing = concatBytes(signed(DIGEST, KEY, false), DIGEST);
  t.same(callEthereum(ECRECOVER, trailing), expected, "what follows is not looked at");
});

t.test("answers nothing where nobody signed, for the same gas", async (t) => {
  const nothing = { gas: 3000n, output: "0x", failed: false };
  const good = signed(DIGEST, KEY, false);
  const [v, r, s] = [good.subarray(32, 64), good.subarray(64, 96), good.subarray(96)];
  const inputs: readonly (readonly [string, Uint8Array])[] = [
    ["empty", new Uint8Array(0)],
    ["cut off", good.subarray(0, 96)],
    ["r = 0", concatBytes(DIGEST, v, word(0n), s)],
    ["s = 0", concatBytes(DIGEST, v, r, word(0n))],
    ["r = n", concatBytes(DIGEST, v, word(ORDER), s)],
    ["s = n", concatBytes(DIGEST, v, r, word(ORDER))],
    ["r on no point", concatBytes(DIGEST, v, word(5n), s)],
    ...[0n, 1n, 26n, 29n, 2n ** 255n + 27n, 2n ** 8n + 28n].map(
      (value) => [`v = ${value}`, concatBytes(DIGEST, word(value), r, s)] as const,
    ),
  ];
  for (const [name, input] of inputs) t.same(callEthereum(ECRECOVER, input), nothing, name);
});

t.test("agrees with the reference", async (t) => {
  const input = fc
    .tuple(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.bigInt({ min: 1n, max: ORDER - 1n }),
      fc.boolean(),
    )
    .map(([digest, key, high]) => signed(digest, word(key), high));
  const over = [word(0n), word(27n), word(28n), word(ORDER), word(ORDER - 1n)];
  await fc.assert(
    fc.asyncProperty(damaged(input, over), (data) => agrees(ECRECOVER, data)),
    { numRuns: 60 },
  );
  t.pass();
});
