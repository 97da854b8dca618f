import { blake2b } from "@noble/hashes/blake2.js";
import fc from "fast-check";
import t from "tap";
import { bigintToBytes, concatBytes, fromHex, type Hex, toHex } from "../../../../lanes/bytes.ts";
import { agrees, callEthereum, faultOf } from "../../fixtures/precompiles.ts";

const BLAKE2F = 0x09;

/** The state of EIP-152's examples: that of an unkeyed BLAKE2b with 64 bytes of output. */
const STATE: Hex =
  "0x48c9bdf267e6096a3ba7ca8485ae67bb2bf894fe72f36e3cf1361d5f3af54fa5d182e6ad7f520e511f6c3e2b8c68059b6bbd41fbabd9831f79217e1319cde05b";

function zeroPadded(bytes: Uint8Array, length: number): Uint8Array {
  return concatBytes(bytes, new Uint8Array(length - bytes.length));
}

/** The examples' input: the message "abc", three bytes of it. */
function abc(rounds: number, isFinal: number): Uint8Array {
  return concatBytes(
    bigintToBytes(BigInt(rounds), 4),
    fromHex(STATE),
    zeroPadded(new TextEncoder().encode("abc"), 128),
    zeroPadded(Uint8Array.of(3), 16),
    Uint8Array.of(isFinal),
  );
}

t.test("known answers of EIP-152", async (t) => {
  const answers: readonly (readonly [rounds: number, isFinal: number, output: Hex])[] = [
    [
      0,
      1,
      "0x08c9bcf367e6096a3ba7ca8485ae67bb2bf894fe72f36e3cf1361d5f3af54fa5d282e6ad7f520e511f6c3e2b8c68059b9442be0454267ce079217e1319cde05b",
    ],
    [
      12,
      1,
      "0xba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d17d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
    ],
    [
      12,
      0,
      "0x75ab69d3190a562c51aef8d88f1c2775876944407270c42c9844252c26d2875298743e7f6d5ea2f2d3e8d226039cd31b4e426ac4f2d3d666a610c2116fde4735",
    ],
    [
      1,
      1,
      "0xb63a380cb2897d521994a85234ee2c181b5f844d2c624c002677e9703449d2fba551b3a8333bcdf5f2f7e08993d53923de3d64fcc68c034e717b9293fed7a421",
    ],
  ];
  for (const [rounds, isFinal, output] of answers)
    t.same(callEthereum(BLAKE2F, abc(rounds, isFinal)), {
      gas: BigInt(rounds),
      output,
      failed: false,
    });
  t.equal(answers[1]?.[2], toHex(blake2b(new TextEncoder().encode("abc"))), "which is BLAKE2b");
});

t.test("wrong lengths and flags cost all the gas", async (t) => {
  const good = abc(12, 1);
  for (const input of [
    new Uint8Array(0),
    good.subarray(1),
    concatBytes(good, good.subarray(0, 1)),
  ]) {
    t.same(callEthereum(BLAKE2F, input, 77n), { gas: 77n, output: "0x", failed: true });
    t.equal(faultOf(BLAKE2F, input), "invalid input length");
  }
  for (const flag of [2, 128, 255]) {
    t.same(callEthereum(BLAKE2F, abc(12, flag), 77n), { gas: 77n, output: "0x", failed: true });
    t.equal(faultOf(BLAKE2F, abc(12, flag)), "value out of range");
  }
  t.equal(faultOf(BLAKE2F, abc(0xffffffff, 1), 0xfffffffen), "out of gas");
});

t.test("agrees with the reference, also beyond one slice", async (t) => {
  const rounds = fc.oneof(fc.nat({ max: 30 }), fc.integer({ min: 4090, max: 8200 }));
  await fc.assert(
    fc.asyncProperty(
      rounds,
      fc.uint8Array({ minLength: 208, maxLength: 208 }),
      fc.nat({ max: 2 }),
      (count, body, flag) =>
        agrees(BLAKE2F, concatBytes(bigintToBytes(BigInt(count), 4), body, Uint8Array.of(flag))),
    ),
    { numRuns: 60 },
  );
  t.pass();
});
