import { secp256k1 } from "@noble/curves/secp256k1.js";
import { keccak_256 } from "@noble/hashes/sha3.js";
import * as fc from "fast-check";
import t from "tap";
import { bigintToBytes, bytesToBigint, concatBytes, toHex } from "../../lanes/bytes.ts";
import {
  addressOf,
  recoverAddress,
  recoverSigner,
  signDigest,
} from "../../node/primitives/signature.ts";

const ORDER = secp256k1.Point.Fn.ORDER;

const digest32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const privateKey = fc
  .bigInt({ min: 1n, max: ORDER - 1n })
  .map((scalar) => bigintToBytes(scalar, 32));

function nobleAddress(key: Uint8Array) {
  const point = secp256k1.getPublicKey(key, false);
  return toHex(keccak_256(point.subarray(1)).subarray(12));
}

/** Replaces `s` and `v` of a 65-byte signature. */
function withS(signature: Uint8Array, s: bigint, v: number): Uint8Array {
  return concatBytes(signature.subarray(0, 32), bigintToBytes(s, 32), Uint8Array.of(v));
}

t.test("agrees with an independent implementation over random keys", async (t) => {
  const runs = { numRuns: 60 };
  fc.assert(
    fc.property(privateKey, digest32, (key, digest) => {
      const ours = signDigest(digest, key);
      const theirs = secp256k1.sign(digest, key, { prehash: false, format: "recovered" });
      // noble puts the recovery bit first.
      const same = concatBytes(theirs.subarray(1), Uint8Array.of(27 + (theirs[0] ?? 0)));
      const expected = nobleAddress(key);
      return (
        toHex(ours) === toHex(same) &&
        addressOf(key) === expected &&
        recoverSigner(digest, ours) === expected
      );
    }),
    runs,
  );
  t.pass("signing, address and recovery");
});

t.test("the high-s twin, which recovers to the same address elsewhere, is nobody's", async (t) => {
  fc.assert(
    fc.property(privateKey, digest32, (key, digest) => {
      const signature = signDigest(digest, key);
      const s = bytesToBigint(signature.subarray(32, 64));
      const v = signature[64] ?? 0;
      const twin = withS(signature, ORDER - s, v === 27 ? 28 : 27);
      return s <= ORDER / 2n && recoverSigner(digest, twin) === null;
    }),
    { numRuns: 60 },
  );
  t.pass();
});

t.test("v is 27 or 28, and nothing else", async (t) => {
  const key = new Uint8Array(32).fill(0x11);
  const digest = new Uint8Array(32).fill(0x22);
  const signature = signDigest(digest, key);
  const right = signature[64] ?? 0;
  for (let v = 0; v < 256; v++) {
    const recovered = recoverSigner(
      digest,
      withS(signature, bytesToBigint(signature.subarray(32, 64)), v),
    );
    if (v === right) t.equal(recovered, addressOf(key));
    else if (v === 27 || v === 28) t.not(recovered, addressOf(key));
    else if (recovered !== null) t.fail(`v ${v} was taken`);
  }
});

t.test("lengths and ranges", async (t) => {
  const key = new Uint8Array(32).fill(0x11);
  const digest = new Uint8Array(32).fill(0x22);
  const signature = signDigest(digest, key);
  t.equal(recoverSigner(digest, signature.subarray(0, 64)), null, "the 64-byte form");
  t.equal(recoverSigner(digest, concatBytes(signature, Uint8Array.of(0))), null);
  t.equal(recoverSigner(digest, new Uint8Array(0)), null);
  const r = bytesToBigint(signature.subarray(0, 32));
  const s = bytesToBigint(signature.subarray(32, 64));
  for (const [name, parts] of [
    ["r 0", { r: 0n, s, yParity: 0 }],
    ["s 0", { r, s: 0n, yParity: 0 }],
    ["r at the order", { r: ORDER, s, yParity: 0 }],
    ["s at the order", { r, s: ORDER, yParity: 0 }],
    ["r over 32 bytes", { r: r << 256n, s, yParity: 0 }],
    ["parity 2", { r, s, yParity: 2 }],
    ["parity of an authorization out of range", { r, s, yParity: 255 }],
    ["an r that no point has", { r: 5n, s, yParity: 0 }],
  ] as const)
    t.equal(recoverAddress(digest, parts), null, name);
});

t.test("random bytes never throw", async (t) => {
  fc.assert(
    fc.property(digest32, fc.uint8Array({ minLength: 60, maxLength: 70 }), (digest, bytes) => {
      const recovered = recoverSigner(digest, bytes);
      return recovered === null || recovered.length === 42;
    }),
    { numRuns: 2000 },
  );
  t.pass();
});
