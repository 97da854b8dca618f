import t from "tap";
import { bigintToBytes, concatBytes } from "../../../../lanes/bytes.ts";
import {
  BLS12_381,
  BN254,
  type Curve,
  P256,
} from "../../../../node/execution/embedded/precompiles/mcl.ts";
import { at1, at2, bls1, bls2, bn1, Bn1, bn2, Bn2, word } from "../../fixtures/curves.ts";
import { callPolled, callPrecompile } from "../../fixtures/precompiles.ts";
import { WORST_INPUTS } from "../../../bench/precompile-inputs.ts";

class Stop extends Error {}

const ones = (length: number): Uint8Array => new Uint8Array(length).fill(0xff);
const times = (count: number, make: (index: bigint) => Uint8Array): Uint8Array =>
  concatBytes(...Array.from({ length: count }, (_, index) => make(BigInt(index) + 2n)));

function modexp(size: number, exponent: number, last: number): Uint8Array {
  const lengths = [size, exponent, size].map((length) => word(BigInt(length)));
  const input = concatBytes(...lengths, ones(size + exponent + size).fill(0xfe, 0, size));
  input[input.length - 1] = last;
  return input;
}

const blake2f = (rounds: number): Uint8Array =>
  concatBytes(bigintToBytes(BigInt(rounds), 4), ones(208), Uint8Array.of(1));

const validOf = (address: number): Uint8Array => {
  const found = WORST_INPUTS.find((each) => each.address === address);
  if (found === undefined) throw new Error("no input");
  return found.input();
};

/** What passes through; nothing where nothing is thrown. */
function thrownBy(call: () => unknown): unknown {
  try {
    call();
    return undefined;
  } catch (error) {
    return error;
  }
}

/** Long calls, and how often at least each polls: half a millisecond of work is the measure. */
const LONG: readonly (readonly [string, address: number, input: Uint8Array, polls: number])[] = [
  ["SHA256", 0x02, ones(300_000), 4],
  ["RIPEMD160", 0x03, ones(300_000), 4],
  ["MODEXP of a word", 0x05, modexp(8, 4000, 0xfd), 7],
  ["MODEXP of an even word", 0x05, modexp(8, 4000, 0xfe), 7],
  ["MODEXP of short numbers", 0x05, modexp(32, 1000, 0xff), 10],
  ["MODEXP of numbers in chunks", 0x05, modexp(9000, 1, 0xff), 150],
  ["ECPAIRING", 0x08, times(5, (i) => concatBytes(bn1(Bn1.BASE.multiply(i)), bn2(Bn2.BASE))), 10],
  ["BLAKE2F", 0x09, blake2f(40_000), 9],
  ["point evaluation", 0x0a, validOf(0x0a), 6],
  ["G1MSM", 0x0c, times(6, (i) => concatBytes(bls1(at1(i)), ones(32))), 12],
  ["G2MSM", 0x0e, times(4, (i) => concatBytes(bls2(at2(i)), ones(32))), 8],
  ["PAIRING", 0x0f, times(4, (i) => concatBytes(bls1(at1(i)), bls2(at2(i)))), 8],
];

for (const [name, address, input, pollsMin] of LONG)
  t.test(`${name} may end at every poll, and leaves nothing behind`, async (t) => {
    const expected = callPrecompile(address, input);
    t.notOk(expected.failed);
    let polls = 0;
    t.same(
      callPolled(address, input, () => {
        polls++;
      }),
      expected,
    );
    t.ok(polls >= pollsMin, `${polls} polls`);
    const places = polls < 40 ? Array.from({ length: polls }, (_, i) => i + 1) : [1, 2, 77, polls];
    for (const place of places) {
      const stop = new Stop();
      let left = place;
      const interrupt = (): void => {
        left--;
        if (left === 0) throw stop;
      };
      t.equal(
        thrownBy(() => callPolled(address, input, interrupt)),
        stop,
        `at poll ${place}`,
      );
      t.equal(left, 0, "it went no further");
      t.same(callPrecompile(address, input), expected);
    }
  });

/** The next free place: it moves on when something was not freed. */
const place = (curve: Curve): number => curve.allocate(16);

t.test("thousands of calls, many cut short, take no memory", async (t) => {
  const inputs = [0x06, 0x07, 0x0b, 0x0d, 0x10, 0x100].map(
    (each) => [each, validOf(each)] as const,
  );
  const before = [BN254, BLS12_381, P256].map(place);
  const expected = inputs.map(([address, input]) => callPrecompile(address, input).output);
  for (let round = 0; round < 500; round++)
    for (const [i, [address, input]] of inputs.entries())
      if (callPrecompile(address, input).output !== expected[i])
        t.fail(`0x${address.toString(16)}`);
  const stop = new Stop();
  const interrupt = (): never => {
    throw stop;
  };
  for (let round = 0; round < 100; round++)
    for (const [name, address, input] of LONG)
      if (thrownBy(() => callPolled(address, input, interrupt)) !== stop) t.fail(name);
  const after = [BN254, BLS12_381, P256].map(place);
  for (const [i, start] of before.entries())
    t.ok((after[i] ?? 0) - start < 256, `${(after[i] ?? 0) - start} bytes`);
});
