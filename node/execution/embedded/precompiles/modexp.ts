/**
 * MODEXP (0x05): base ** exponent % modulus on integers of any length, by V8's big integers.
 *
 * Lengths are declared; zeros extend an input that is shorter. Of what is declared nothing is
 * allocated before its gas is charged, and the exponent, whose zeros are cheap, never is.
 * Source: EIP-198; gas of EIP-2565.
 */
import { createModulus, type Modulus, readNumber, writeNumber } from "./modulus.ts";
import { NOTHING, type Poll, type Precompile, readPadded } from "./precompile.ts";

const GAS_MIN = 200n;
const GAS_DIVISOR = 3n;
const LENGTH_BYTES = 32;
const HEADER_BYTES = 3 * LENGTH_BYTES;
/** Leading bytes of the exponent whose bits count; of those behind, eight a byte do. */
const HEAD_BYTES = 32;

/**
 * Bits of the exponent taken at once: with the powers below sixteen in a table, a product a digit.
 */
const DIGIT_BITS = 4;
/** Units of work that looking at a byte of the exponent is. */
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
  const offset = BigInt(HEADER_BYTES) + base;
  // What lies behind the input is zero, however far; only within it is the offset a small number.
  const head =
    offset < input.length ? readNumber(readPadded(input, Number(offset), headBytes)) : 0n;
  const tailBits = exponent > HEAD_BYTES ? 8n * (exponent - BigInt(HEAD_BYTES)) : 0n;
  const headBits = head === 0n ? 0n : BigInt(head.toString(2).length - 1);
  const bits = tailBits + headBits;
  return bits > 0n ? bits : 1n;
}

function power(input: Uint8Array, lengths: Lengths<number>, poll: Poll): Uint8Array {
  const exponentOffset = HEADER_BYTES + lengths.base;
  const modulusOffset = exponentOffset + lengths.exponent;
  const value = readNumber(readPadded(input, modulusOffset, lengths.modulus));
  if (value === 0n) return new Uint8Array(lengths.modulus);
  const modulus = createModulus(value, lengths.modulus, poll);
  const powers = createPowers(
    modulus.reduce(readPadded(input, HEADER_BYTES, lengths.base)),
    modulus,
  );
  let result: bigint | null = null;
  for (let i = 0; i < lengths.exponent; i++) {
    const byte = input[exponentOffset + i] ?? 0;
    modulus.spend(LOOK_UNITS);
    for (const digit of [byte >> DIGIT_BITS, byte & (2 ** DIGIT_BITS - 1)]) {
      if (result === null) {
        if (digit > 0) result = powers(digit);
        continue;
      }
      for (let bit = 0; bit < DIGIT_BITS; bit++) result = modulus.multiply(result, result);
      if (digit > 0) result = modulus.multiply(result, powers(digit));
    }
  }
  return writeNumber(result ?? 1n % value, lengths.modulus);
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
