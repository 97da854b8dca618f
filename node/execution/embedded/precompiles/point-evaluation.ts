/**
 * Point evaluation (0x0a): whether the polynomial that a blob's commitment stands for has the value
 * y at z. A pairing check against the one point of the ceremony it needs, without the set-up that
 * KZG libraries load for seconds.
 * Source: EIP-4844; consensus-specs, deneb/polynomial-commitments.md (verify_kzg_proof_impl).
 */
import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { bigintToBytes, bytesEqual, concatBytes, fromHex } from "../../../../lanes/bytes.ts";
import type { Poll } from "../../poll.ts";
import { BLS12_381, createGroup, type Place } from "./mcl.ts";
import { createPairingProduct } from "./pairing.ts";
import type { Precompile } from "./precompile.ts";

const GAS = 50_000n;
const INPUT_BYTES = 192;
const POINT_BYTES = 48;
const KZG_VERSION = 0x01;

const FIELD_ELEMENTS_PER_BLOB = 4096n;
const ORDER = 0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001n;
/** The two constants that callers want to see confirmed. */
const OUTPUT = concatBytes(bigintToBytes(FIELD_ELEMENTS_PER_BLOB, 32), bigintToBytes(ORDER, 32));

/** The generators of G1 and G2, and [τ]G2 of the Ethereum KZG ceremony, compressed. */
const GENERATOR_1 = fromHex(
  "0x97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb",
);
const GENERATOR_2 = fromHex(
  "0x93e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f5049334cf11213945d57e5ac7d055d042b7e024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3d1770bac0326a805bbefd48056c8c121bdb8",
);
const TAU_2 = fromHex(
  "0xb5bfd7dd8cdeb128843bc287230af38926187075cbfbefa81009a2ce615ac53d2914e5870cb452d2afaaab24f3499f72185cbfee53492714734429b7b38608e23926c911cceceac9a36851477ba4c60b087041de621000edc98edada20c1def2",
);

const g1 = createGroup(BLS12_381, "G1");
const g2 = createGroup(BLS12_381, "G2");
const product = createPairingProduct(BLS12_381);

/** Set once, when this module loads, and only read after that. */
const generator1 = g1.allocate(1);
const negativeGenerator2 = g2.allocate(1);
const tau2 = g2.allocate(1);
loadConstants();

const commitment = g1.allocate(1);
const proof = g1.allocate(1);
const multiple = g1.allocate(1);
const z = BLS12_381.allocateScalars(1);
const y = BLS12_381.allocateScalars(1);

function loadConstants(): void {
  const loaded =
    g1.setCompressed(generator1, GENERATOR_1) &&
    g2.setCompressed(negativeGenerator2, GENERATOR_2) &&
    g2.setCompressed(tau2, TAU_2);
  assert.ok(loaded && g2.isInSubgroup(tau2), "the constants are points");
  g2.negate(negativeGenerator2, negativeGenerator2);
}

export const pointEvaluation: Precompile = {
  gas: () => GAS,
  run(input, poll) {
    if (input.length !== INPUT_BYTES) return "invalid input length";
    const versionedHash = hash("sha256", input.subarray(96, 144), "buffer");
    versionedHash[0] = KZG_VERSION;
    if (!bytesEqual(versionedHash, input.subarray(0, 32)))
      return "kzg commitment does not match versioned hash";
    if (!read(input, poll)) return "kzg inputs invalid";
    return isProven(poll) ? OUTPUT : "kzg proof invalid";
  },
};

function read(input: Uint8Array, poll: Poll): boolean {
  if (!BLS12_381.setScalar(z, input.subarray(32, 64))) return false;
  if (!BLS12_381.setScalar(y, input.subarray(64, 96))) return false;
  if (!readMember(commitment, input.subarray(96, 96 + POINT_BYTES))) return false;
  poll();
  if (!readMember(proof, input.subarray(144, 144 + POINT_BYTES))) return false;
  poll();
  return true;
}

function readMember(point: Place, bytes: Uint8Array): boolean {
  return g1.setCompressed(point, bytes) && g1.isInSubgroup(point);
}

/**
 * e(C − y·G1, G2) = e(proof, (τ − z)·G2), with all that depends on the input moved into G1:
 *   e(C − y·G1 + z·proof, −G2) · e(proof, τ·G2) = 1
 */
function isProven(poll: Poll): boolean {
  g1.multiply(multiple, generator1, y);
  g1.negate(multiple, multiple);
  g1.add(commitment, commitment, multiple);
  poll();
  g1.multiply(multiple, proof, z);
  g1.add(commitment, commitment, multiple);
  poll();
  product.begin();
  product.multiply(commitment, negativeGenerator2);
  poll();
  product.multiply(proof, tau2);
  poll();
  return product.isOne();
}
