/**
 * The precompiles of BLS12-381 (0x0b to 0x11): sums, sums of products, pairings, and maps to the
 * curve.
 *
 * A number has 64 bytes, the first 16 of them zero; infinity is all zeros. Sums take any points of
 * the curve, products and pairings only those of the subgroup. A list must not be empty.
 * Source: EIP-2537.
 */
import { G1_DISCOUNTS, G2_DISCOUNTS } from "./bls12-381-discounts.ts";
import { BLS12_381, createGroup, type Group, type Place } from "./mcl.ts";
import { createPairingProduct } from "./pairing.ts";
import { FALSE, type Fault, isZero, type Precompile, TRUE } from "./precompile.ts";

const PADDING_BYTES = 16;
const NUMBER_BYTES = 64;
const SCALAR_BYTES = 32;

const PAIRING_GAS = 37_700n;
const PAIR_GAS = 32_600n;

/** A group, its prices, and places to work in. */
interface Side {
  readonly group: Group;
  /** Numbers in a coordinate: 1 or 2. */
  readonly degree: number;
  /** Of a point in the input. */
  readonly bytes: number;
  readonly addGas: bigint;
  readonly multiplyGas: bigint;
  /** For one product and more, in thousandths; the last is for all longer sums too. */
  readonly discounts: readonly number[];
  readonly mapGas: bigint;
  /** mcl's function from a coordinate to the subgroup. */
  readonly map: (out: Place, coordinate: Place) => void;
  readonly point: Place;
  readonly sum: Place;
}

const scalar = BLS12_381.allocateScalars(1);
const product = createPairingProduct(BLS12_381);

function places(group: Group): Pick<Side, "group" | "point" | "sum"> {
  return { group, point: group.allocate(1), sum: group.allocate(1) };
}

const SIDE_1: Side = {
  ...places(createGroup(BLS12_381, "G1")),
  degree: 1,
  bytes: 2 * NUMBER_BYTES,
  addGas: 375n,
  multiplyGas: 12_000n,
  discounts: G1_DISCOUNTS,
  mapGas: 5500n,
  map: BLS12_381.function("mclBnFp_mapToG1"),
};

const SIDE_2: Side = {
  ...places(createGroup(BLS12_381, "G2")),
  degree: 2,
  bytes: 4 * NUMBER_BYTES,
  addGas: 600n,
  multiplyGas: 22_500n,
  discounts: G2_DISCOUNTS,
  mapGas: 23_800n,
  map: BLS12_381.function("mclBnFp2_mapToG2"),
};

/** The numbers without their padding; `null` where it is not zero. */
function readNumbers(input: Uint8Array, offset: number, count: number): Uint8Array[] | null {
  const numbers: Uint8Array[] = [];
  for (let at = offset; numbers.length < count; at += NUMBER_BYTES) {
    if (!isZero(input, at, PADDING_BYTES)) return null;
    numbers.push(input.subarray(at + PADDING_BYTES, at + NUMBER_BYTES));
  }
  return numbers;
}

/** False where no point of the curve is there. */
function readPoint(side: Side, point: Place, input: Uint8Array, offset: number): boolean {
  if (isZero(input, offset, side.bytes)) {
    side.group.setInfinity(point);
    return true;
  }
  const numbers = readNumbers(input, offset, 2 * side.degree);
  return numbers !== null && side.group.set(point, numbers);
}

function writePoint({ group, bytes }: Side, point: Place): Uint8Array {
  const output = new Uint8Array(bytes);
  if (group.isInfinity(point)) return output;
  for (const [i, number] of group.get(point).entries())
    output.set(number, i * NUMBER_BYTES + PADDING_BYTES);
  return output;
}

function adding(side: Side): Precompile {
  const { group, point, sum } = side;
  return {
    gas: () => side.addGas,
    run(input) {
      if (input.length !== 2 * side.bytes) return "invalid input length";
      if (!readPoint(side, sum, input, 0)) return "point not on curve";
      if (!readPoint(side, point, input, side.bytes)) return "point not on curve";
      group.add(sum, sum, point);
      return writePoint(side, sum);
    },
  };
}

function summingProducts(side: Side): Precompile {
  const { group, point, sum, discounts, multiplyGas } = side;
  const termBytes = side.bytes + SCALAR_BYTES;
  return {
    gas({ length }) {
      const terms = Math.floor(length / termBytes);
      const discount = discounts[Math.min(terms, discounts.length) - 1] ?? 0;
      return (BigInt(terms) * multiplyGas * BigInt(discount)) / 1000n;
    },
    run(input, poll) {
      if (input.length === 0) return "input is empty";
      if (input.length % termBytes !== 0) return "invalid input length";
      group.setInfinity(sum);
      for (let offset = 0; offset < input.length; offset += termBytes) {
        if (!readPoint(side, point, input, offset)) return "point not on curve";
        if (!group.isInSubgroup(point)) return "point not on curve";
        poll();
        BLS12_381.reduceScalar(scalar, input.subarray(offset + side.bytes, offset + termBytes));
        group.multiply(point, point, scalar);
        group.add(sum, sum, point);
        poll();
      }
      return writePoint(side, sum);
    },
  };
}

/** Nothing that a map gives is infinity or outside of the subgroup by more than chance. */
function mapping(side: Side): Precompile {
  const coordinate = side.point;
  return {
    gas: () => side.mapGas,
    run(input) {
      if (input.length !== side.degree * NUMBER_BYTES) return "invalid input length";
      const numbers = readNumbers(input, 0, side.degree);
      if (numbers === null || !BLS12_381.setFields(coordinate, numbers))
        return "fp point not in field";
      side.map(side.sum, coordinate);
      return writePoint(side, side.sum);
    },
  };
}

export const bls12G1Add = adding(SIDE_1);
export const bls12G1SumOfProducts = summingProducts(SIDE_1);
export const bls12G2Add = adding(SIDE_2);
export const bls12G2SumOfProducts = summingProducts(SIDE_2);
export const bls12MapToG1 = mapping(SIDE_1);
export const bls12MapToG2 = mapping(SIDE_2);

/** Reads a point that a pairing takes. */
function readMember(side: Side, input: Uint8Array, offset: number): Fault | null {
  const valid = readPoint(side, side.point, input, offset) && side.group.isInSubgroup(side.point);
  return valid ? null : "point not on curve";
}

export const bls12Pairing: Precompile = {
  gas: ({ length }) =>
    PAIRING_GAS + PAIR_GAS * BigInt(Math.floor(length / (SIDE_1.bytes + SIDE_2.bytes))),
  run(input, poll) {
    if (input.length === 0) return "input is empty";
    if (input.length % (SIDE_1.bytes + SIDE_2.bytes) !== 0) return "invalid input length";
    product.begin();
    for (let offset = 0; offset < input.length; offset += SIDE_1.bytes + SIDE_2.bytes) {
      const fault =
        readMember(SIDE_1, input, offset) ?? readMember(SIDE_2, input, offset + SIDE_1.bytes);
      if (fault !== null) return fault;
      poll();
      product.multiply(SIDE_1.point, SIDE_2.point);
      poll();
    }
    return product.isOne() ? TRUE : FALSE;
  },
};
