/**
 * MODEXP (0x05): base ** exponent % modulus on integers of any length, by V8's big integers.
 *
 * Lengths are declared; zeros extend an input that is shorter. Of what is declared nothing is
 * allocated before its gas is charged, and the exponent, which may be free, never is.
 * Source: EIP-198; gas of EIP-2565.
 */
import type { Poll } from "../../poll.ts";
import { createModulus, type Modulus, readNumber, writeNumber } from "./modulus.ts";
import { power64 } from "./power64.ts";
import { NOTHING, type Precompile, readPadded } from "./precompile.ts";

const GAS_MIN = 200n;
const GAS_DIVISOR = 3n;
const LENGTH_BYTES = 32;
const HEADER_BYTES = 3 * LENGTH_BYTES;
/** Leading bytes of the exponent whose bits count; of those behind, eight a byte do. */
const HEAD_BYTES = 32;
const WORD_END = 1n << 64n;

/**
 * Bits of the exponent taken at once: with the powers below sixteen in a table, a product a digit.
 */
const DIGIT_BITS = 4;
const DIGIT_MASK = 0b1111;
/** Units of work that a digit is by itself. */
const LOOK_UNITS = 64;

/** In bytes. */
interface Lengths<T> {
  readonly base: T;
  readonly exponent: T;
  readonly modulus: T;
}

function lengthsOf(input: Uint8Array): Lengths<bigint> {
  const length = (index: number): bigint =>
    readNumber(readPadded(input, index * LENGTH_BYTES, LENGTH_BYTES));
  return { base: length(0), exponent: length(1), modulus: length(2) };
}

export const modexp: Precompile = {
  gas(input) {
    const lengths = lengthsOf(input);
    const longest = lengths.base > lengths.modulus ? lengths.base : lengths.modulus;
    const words = (longest + 7n) / 8n;
    const gas = (words * words * countIterations(input, lengths)) / GAS_DIVISOR;
    return gas > GAS_MIN ? gas : GAS_MIN;
  },
  run(input, poll) {
    const { base, exponent, modulus } = lengthsOf(input);
    if (modulus === 0n) return NOTHING;
    // Paid for: with a modulus, gas bounds all three.
    const lengths = {
      base: Number(base),
      exponent: Number(exponent),
      modulus: Number(modulus),
    };
    return power(input, lengths, poll);
  },
};

/** What EIP-2565 counts: the bits below the exponent's first, but never none. */
function countIterations(input: Uint8Array, { base, exponent }: Lengths<bigint>): bigint {
  const headBytes = exponent < HEAD_BYTES ? Number(exponent) : HEAD_BYTES;
  // Rounded only where it is far behind the input.
  const offset = HEADER_BYTES + Number(base);
  const head = readNumber(readPadded(input, offset, headBytes));
  const tailBits = exponent > HEAD_BYTES ? 8n * (exponent - BigInt(HEAD_BYTES)) : 0n;
  const headBits = head === 0n ? 0n : BigInt(head.toString(2).length - 1);
  const bits = tailBits + headBits;
  return bits > 0n ? bits : 1n;
}

function power(input: Uint8Array, lengths: Lengths<number>, poll: Poll): Uint8Array {
  const exponentOffset = HEADER_BYTES + lengths.base;
  const modulusOffset = exponentOffset + lengths.exponent;
  const modulus = readNumber(readPadded(input, modulusOffset, lengths.modulus));
  if (modulus === 0n) return new Uint8Array(lengths.modulus);
  // The modulus lies behind it and is not zero, so the exponent is all there.
  const exponent = input.subarray(exponentOffset, modulusOffset);
  const arithmetic = createModulus(modulus, lengths.modulus, poll);
  const base = arithmetic.reduce(readPadded(input, HEADER_BYTES, lengths.base));
  const result =
    modulus < WORD_END
      ? power64(base, exponent, modulus, poll)
      : powerByDigits(base, exponent, arithmetic);
  return writeNumber(result, lengths.modulus);
}

function powerByDigits(base: bigint, exponent: Uint8Array, modulus: Modulus): bigint {
  const powers = createPowers(base, modulus);
  // The modulus is more than one. While this is one, nothing needs to be squared.
  let result = 1n;
  for (let i = 0; i < 2 * exponent.length; i++) {
    const byte = exponent[i >> 1] ?? 0;
    const digit = i % 2 === 0 ? byte >> DIGIT_BITS : byte & DIGIT_MASK;
    modulus.spend(LOOK_UNITS);
    if (result !== 1n)
      for (let bit = 0; bit < DIGIT_BITS; bit++) result = modulus.multiply(result, result);
    if (digit > 0) result = result === 1n ? powers(digit) : modulus.multiply(result, powers(digit));
  }
  return result;
}

/** Powers of a base with small exponents above zero, made when they are first asked for. */
function createPowers(base: bigint, { multiply }: Modulus): (exponent: number) => bigint {
  const table: (bigint | undefined)[] = [undefined, base];
  const powerOf = (exponent: number): bigint => {
    const half = exponent >> 1;
    return (table[exponent] ??=
      exponent % 2 === 0
        ? multiply(powerOf(half), powerOf(half))
        : multiply(powerOf(exponent - 1), base));
  };
  return powerOf;
}
