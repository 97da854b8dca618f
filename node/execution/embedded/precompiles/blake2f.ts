/**
 * BLAKE2F (0x09): the compression function of BLAKE2b with any number of rounds, one gas each. The
 * rounds run in WebAssembly, `blake2f.wat`.
 * Source: EIP-152; RFC 7693, 3.2.
 */
import { type Kernel, loadKernel } from "./kernel.ts";
import type { Precompile } from "./precompile.ts";

const INPUT_BYTES = 213;
/** Rounds between two polls: some 0.3 ms. */
const SLICE_ROUNDS = 4096;

const STATE_WORDS = 8;
const INITIALIZATION = [
  0x6a09e667f3bcc908n,
  0xbb67ae8584caa73bn,
  0x3c6ef372fe94f82bn,
  0xa54ff53a5f1d36f1n,
  0x510e527fade682d1n,
  0x9b05688c2b3e6c1fn,
  0x1f83d9abfb41bd6bn,
  0x5be0cd19137e2179n,
] as const;

interface Blake2f extends Kernel {
  readonly rounds: (from: number, end: number) => void;
}

const { memory, rounds } = loadKernel("blake2f") as Blake2f;
/** The words v, and after them the message. */
const words = new DataView(memory.buffer);
const bytes = new Uint8Array(memory.buffer);
const MESSAGE_OFFSET = 128;

export const blake2f: Precompile = {
  gas: (input) => (input.length === INPUT_BYTES ? BigInt(roundsOf(input)) : 0n),
  run(input, poll) {
    if (input.length !== INPUT_BYTES) return "invalid input length";
    const isFinal = input[212];
    if (isFinal !== 0 && isFinal !== 1) return "value out of range";
    const end = roundsOf(input);
    begin(input, isFinal === 1);
    for (let round = 0; round < end; round += SLICE_ROUNDS) {
      rounds(round, Math.min(round + SLICE_ROUNDS, end));
      poll();
    }
    return finish(input);
  },
};

function viewOf(input: Uint8Array): DataView {
  return new DataView(input.buffer, input.byteOffset, input.length);
}

function roundsOf(input: Uint8Array): number {
  return viewOf(input).getUint32(0);
}

/** Sets v and the message. Everything is written, whatever an interrupted call has left there. */
function begin(input: Uint8Array, isFinal: boolean): void {
  const source = viewOf(input);
  bytes.set(input.subarray(4, 68), 0);
  for (const [i, value] of INITIALIZATION.entries()) setWord(STATE_WORDS + i, value);
  setWord(12, INITIALIZATION[4] ^ source.getBigUint64(196, true));
  setWord(13, INITIALIZATION[5] ^ source.getBigUint64(204, true));
  if (isFinal) setWord(14, ~INITIALIZATION[6]);
  bytes.set(input.subarray(68, 196), MESSAGE_OFFSET);
}

function setWord(index: number, value: bigint): void {
  words.setBigUint64(8 * index, value, true);
}

/** The new state: the old one, and both halves of v. */
function finish(input: Uint8Array): Uint8Array {
  const output = Uint8Array.from(input.subarray(4, 68));
  for (let i = 0; i < output.length; i++)
    output[i] = (output[i] ?? 0) ^ (bytes[i] ?? 0) ^ (bytes[i + output.length] ?? 0);
  return output;
}
