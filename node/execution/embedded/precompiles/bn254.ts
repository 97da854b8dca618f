/**
 * ECADD (0x06), ECMUL (0x07) and ECPAIRING (0x08) on alt_bn128, also called BN254.
 *
 * A coordinate has 32 bytes; infinity is all zeros. G1 is the whole curve; points of G2 must be in
 * the subgroup, and their coordinates come with the imaginary part first.
 * Source: EIP-196, EIP-197; gas of EIP-1108.
 */
import { concatBytes } from "../../../../lanes/bytes.ts";
import { BN254, createGroup, type Group, type Place } from "./mcl.ts";
import { createPairingProduct } from "./pairing.ts";
import { FALSE, isZero, type Precompile, readPadded, TRUE } from "./precompile.ts";

const ADD_GAS = 150n;
const MULTIPLY_GAS = 6000n;
const PAIRING_GAS = 45_000n;
const PAIR_GAS = 34_000n;

const NUMBER_BYTES = 32;
const G1_BYTES = 2 * NUMBER_BYTES;
const G2_BYTES = 4 * NUMBER_BYTES;
const PAIR_BYTES = G1_BYTES + G2_BYTES;

const g1 = createGroup(BN254, "G1");
const g2 = createGroup(BN254, "G2");
const product = createPairingProduct(BN254);
const [left, right] = [g1.allocate(1), g1.allocate(1)];
const twisted = g2.allocate(1);
const scalar = BN254.allocateScalars(1);

/** Where the numbers that the group takes lie in the input, in numbers. */
const G1_ORDER = [0, 1];
const G2_ORDER = [1, 0, 3, 2];

function readPoint(
  group: Group,
  order: readonly number[],
  point: Place,
  input: Uint8Array,
): boolean {
  if (isZero(input, 0, input.length)) {
    group.setInfinity(point);
    return true;
  }
  const number = (at: number): Uint8Array =>
    input.subarray(at * NUMBER_BYTES, (at + 1) * NUMBER_BYTES);
  return group.set(point, order.map(number));
}

function readG1(point: Place, input: Uint8Array, offset: number): boolean {
  return readPoint(g1, G1_ORDER, point, readPadded(input, offset, G1_BYTES));
}

function readG2(point: Place, input: Uint8Array, offset: number): boolean {
  return readPoint(g2, G2_ORDER, point, readPadded(input, offset, G2_BYTES));
}

function writeG1(point: Place): Uint8Array {
  return g1.isInfinity(point) ? new Uint8Array(G1_BYTES) : concatBytes(...g1.get(point));
}

export const bn254Add: Precompile = {
  gas: () => ADD_GAS,
  run(input) {
    if (!readG1(left, input, 0) || !readG1(right, input, G1_BYTES)) return "point not on curve";
    g1.add(left, left, right);
    return writeG1(left);
  },
};

export const bn254Multiply: Precompile = {
  gas: () => MULTIPLY_GAS,
  run(input) {
    if (!readG1(left, input, 0)) return "point not on curve";
    BN254.reduceScalar(scalar, readPadded(input, G1_BYTES, NUMBER_BYTES));
    g1.multiply(left, left, scalar);
    return writeG1(left);
  },
};

export const bn254Pairing: Precompile = {
  gas: ({ length }) => PAIRING_GAS + PAIR_GAS * BigInt(Math.floor(length / PAIR_BYTES)),
  run(input, poll) {
    if (input.length % PAIR_BYTES !== 0) return "invalid input length";
    product.begin();
    for (let offset = 0; offset < input.length; offset += PAIR_BYTES) {
      if (!readG1(left, input, offset)) return "point not on curve";
      if (!readG2(twisted, input, offset + G1_BYTES)) return "point not on curve";
      if (!g2.isInSubgroup(twisted)) return "point not on curve";
      poll();
      product.multiply(left, twisted);
      poll();
    }
    return product.isOne() ? TRUE : FALSE;
  },
};
