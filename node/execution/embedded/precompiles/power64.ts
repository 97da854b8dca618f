/**
 * Powers modulo numbers of up to 64 bits. Three bits of the exponent cost one gas then, for which
 * big integers take too long: this is WebAssembly, `power64.wat`.
 *
 * A modulus is an odd number times a power of two. The odd part wants Montgomery's form, the other
 * nothing at all, and both results together give the one modulo the whole.
 */
import type { Poll } from "../../poll.ts";
import { type Kernel, loadKernel } from "./kernel.ts";

const WORD_BITS = 64;
const R = 1n << 64n;

/** Bytes of the exponent done between two polls: some 0.2 ms. */
const SLICE_BYTES = 512;

/** Newton's method doubles three bits, which an odd number has by itself, to more than 64. */
const INVERSION_STEPS = 5;

interface Power64 extends Kernel {
  readonly multiply: (a: bigint, b: bigint, m: bigint, inverse: bigint) => bigint;
  readonly power: (
    power: bigint,
    base: bigint,
    m: bigint,
    inverse: bigint,
    bytes: number,
  ) => bigint;
  readonly powerOfTwo: (power: bigint, base: bigint, bytes: number) => bigint;
}

const kernel = loadKernel("power64") as Power64;
const memory = new Uint8Array(kernel.memory.buffer);

/** base ** exponent % modulus, for 0 < modulus < 2 ** 64; the exponent is big-endian. */
export function power64(base: bigint, exponent: Uint8Array, modulus: bigint, poll: Poll): bigint {
  const twos = modulus & -modulus;
  const odd = modulus / twos;
  const inverse = invert(odd);
  const oddBase = (base * R) % odd;
  let oddPower = R % odd;
  let power = 1n;
  for (let offset = 0; offset < exponent.length; offset += SLICE_BYTES) {
    const slice = exponent.subarray(offset, offset + SLICE_BYTES);
    memory.set(slice);
    oddPower = kernel.power(oddPower, oddBase, odd, inverse, slice.length);
    power = kernel.powerOfTwo(power, base, slice.length);
    poll();
  }
  const rest = BigInt.asUintN(WORD_BITS, kernel.multiply(oddPower, 1n, odd, inverse));
  return rest + odd * (((power - rest) * inverse) & (twos - 1n));
}

/** The inverse of an odd number modulo 2 ** 64. */
function invert(odd: bigint): bigint {
  let inverse = odd;
  for (let step = 0; step < INVERSION_STEPS; step++)
    inverse = BigInt.asUintN(WORD_BITS, inverse * (2n - odd * inverse));
  return inverse;
}
