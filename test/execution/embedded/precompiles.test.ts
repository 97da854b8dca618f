import { p256 } from "@noble/curves/nist.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { DasContextJs } from "@crate-crypto/node-eth-kzg";
import t from "tap";
import { bigintToBytes, concatBytes, fromHex, type Hex, toHex } from "../../../lanes/bytes.ts";
import { createMachine } from "../../../node/execution/embedded/evm.ts";
import { addressOf } from "../../../node/execution/embedded/evm.ts";
import { createWorkingState } from "../../../node/execution/embedded/state.ts";
import { SEQUENCER_FEE_VAULT } from "../../../node/execution/predeploys.ts";
import { signDigest } from "../../../node/primitives/signature.ts";
import { words } from "../fixtures/chain.ts";
import { createMemoryState } from "../fixtures/state.ts";

const ORDER = 0x73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001n;

async function call(index: number, data: Uint8Array, gasLimit = 30_000_000n) {
  const machine = await createMachine(901, createWorkingState(createMemoryState().state), {
    number: 1,
    timestamp: 1,
    gasLimit,
    baseFee: 0n,
    blobBaseFee: 1n,
    beneficiary: SEQUENCER_FEE_VAULT,
    prevRandao: words(0n),
    parentHash: words(0n),
  });
  const to = addressOf(`0x${index.toString(16).padStart(40, "0")}`);
  const { execResult } = await machine.evm.runCall({ to, data, gasLimit, block: machine.block });
  return {
    error: execResult.exceptionError?.error ?? null,
    gas: execResult.executionGasUsed,
    output: toHex(execResult.returnValue),
  };
}

t.test("point evaluation agrees with the KZG library", async (t) => {
  const context = DasContextJs.create({ usePrecomp: false });
  const blob = new Uint8Array(131_072);
  for (let i = 0; i < 40; i++) blob.set(bigintToBytes(BigInt(i * i + 3), 32), 32 * i);
  const constant = new Uint8Array(131_072);
  for (let i = 0; i < 4096; i++) constant[32 * i + 31] = 9;
  const expected = words(4096n, ORDER);
  for (const content of [blob, constant, new Uint8Array(131_072)]) {
    const commitment = context.blobToKzgCommitment(content);
    const z = bigintToBytes(123_456_789n, 32);
    const [proof, y] = context.computeKzgProof(content, z);
    if (proof === undefined || y === undefined) throw new Error("no proof");
    const versionedHash = sha256(commitment);
    versionedHash[0] = 1;
    const input = concatBytes(versionedHash, z, y, commitment, proof);
    t.same(await call(0x0a, input), { error: null, gas: 50_000n, output: expected });

    const wrong = Uint8Array.from(input);
    wrong[95] = (wrong[95] ?? 0) ^ 1;
    t.equal((await call(0x0a, wrong)).error, "kzg proof invalid");
    const otherHash = Uint8Array.from(input);
    otherHash[5] = (otherHash[5] ?? 0) ^ 1;
    t.equal((await call(0x0a, otherHash)).error, "kzg commitment does not match versioned hash");
    const tooLarge = Uint8Array.from(input);
    tooLarge.set(bigintToBytes(ORDER, 32), 32);
    t.equal((await call(0x0a, tooLarge)).error, "kzg proof invalid");
    const noPoint = Uint8Array.from(input);
    noPoint.fill(0x11, 144);
    t.equal((await call(0x0a, noPoint)).error, "kzg proof invalid");
    t.equal((await call(0x0a, input.subarray(1))).error, "invalid input length");
    t.equal((await call(0x0a, input, 49_999n)).error, "out of gas");
  }
});

t.test("P256VERIFY costs 3450 gas, as since Fjord", async (t) => {
  const secret = new Uint8Array(32).fill(5);
  const digest = sha256(Uint8Array.of(1, 2, 3));
  const signature = p256.sign(digest, secret, { prehash: false, format: "compact" });
  const key = p256.getPublicKey(secret, false).subarray(1);
  const input = concatBytes(digest, signature, key);
  t.same(await call(0x100, input), { error: null, gas: 3450n, output: words(1n) });
  const wrong = Uint8Array.from(input);
  wrong[0] = (wrong[0] ?? 0) ^ 1;
  t.same(await call(0x100, wrong), { error: null, gas: 3450n, output: "0x" });
  t.equal((await call(0x100, input, 3449n)).error, "out of gas");
});

t.test("long inputs of pairings and multi-scalar products fail at once", async (t) => {
  const limits = [
    [0x08, 112_687],
    [0x0c, 513_760],
    [0x0e, 488_448],
    [0x0f, 235_008],
  ] as const;
  for (const [index, limit] of limits) {
    const result = await call(index, new Uint8Array(limit + 1), 1_000n);
    t.same(result, { error: "invalid input length", gas: 1_000n, output: "0x" });
    t.not((await call(index, new Uint8Array(0), 200_000n)).error, "invalid input length");
  }
});

t.test("ecrecover takes high-s, refuses nonsense, and never throws", async (t) => {
  const key = new Uint8Array(32).fill(0x11);
  const digest = new Uint8Array(32).fill(0x44);
  const signature = signDigest(digest, key);
  const v = words(BigInt(signature[64] ?? 0));
  const input = concatBytes(digest, fromHex(v), signature.subarray(0, 64));
  const address = "0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a";
  const expected: Hex = `0x${"00".repeat(12)}${address.slice(2)}`;
  t.same(await call(1, input), { error: null, gas: 3000n, output: expected });
  const n = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
  const s = n - BigInt(toHex(signature.subarray(32, 64)));
  const flipped = BigInt(v) === 27n ? 28n : 27n;
  const high = concatBytes(
    digest,
    fromHex(words(flipped)),
    signature.subarray(0, 32),
    bigintToBytes(s, 32),
  );
  t.equal((await call(1, high)).output, expected);
  for (const bad of [new Uint8Array(0), new Uint8Array(128).fill(0xff), input.subarray(0, 64)])
    t.same(await call(1, bad), { error: null, gas: 3000n, output: "0x" });
});
