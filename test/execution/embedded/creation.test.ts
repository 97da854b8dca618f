/** EIP-3541 is about code: what initcode reverts with is not. op-geth agrees (test/parity). */
import t from "tap";
import { toHex } from "../../../lanes/bytes.ts";
import { callOn } from "../fixtures/call.ts";
import { ALICE, CONTRACTS, createChain, initCode, sign } from "../fixtures/chain.ts";

/** `MSTORE8(0, 0xef)`, then one byte of memory as revert data, or as code. */
const REVERTS_EF = "0x60ef60005360016000fd";
const RETURNS_EF = "0x60ef60005360016000f3";

t.test("a creation that reverts with 0xef keeps its gas and its data", async (t) => {
  const chain = createChain();
  const nonces = [0, 1].values();
  const create = (data: `0x${string}`) =>
    sign(ALICE, { nonce: nonces.next().value ?? 0, to: null, data, gas: 200_000n });
  const { receipts } = await chain.block([await create(REVERTS_EF), await create(RETURNS_EF)]);
  const [reverted, refused] = receipts;
  t.equal(reverted?.status, 0);
  t.ok(reverted !== undefined && reverted.gasUsed < 60_000n, "unused gas goes back");
  t.match(refused, { status: 0, gasUsed: 200_000n }, "code that begins with 0xef costs everything");

  const data = Uint8Array.from(Buffer.from(REVERTS_EF.slice(2), "hex"));
  const result = await callOn(chain, { to: null, data, gasLimit: 200_000n });
  t.match({ ...result, output: toHex(result.output) }, { error: "revert", output: "0xef" });
});

t.test("so does one inside a call, and later creations are not touched", async (t) => {
  const chain = createChain();
  // Creates with the ten bytes of REVERTS_EF, then again without a byte; returns data size and gas.
  const factory = initCode(
    "0x6960ef60005360016000fd600052600a60166000f0503d600052600060006000f0503d60205260406000f3",
  );
  const { receipts } = await chain.block([await sign(ALICE, { to: null, data: factory })]);
  const to = receipts[0]?.contractAddress ?? CONTRACTS.reverter.address;
  const result = await callOn(chain, { to, gasLimit: 1_000_000n });
  t.equal(result.success, true);
  t.equal(BigInt(toHex(result.output.subarray(0, 32))), 1n, "the revert's one byte");
  t.equal(BigInt(toHex(result.output.subarray(32, 64))), 0n, "nothing is left of it");
  t.ok(result.gasUsed < 200_000n);
});

/** 0xEF and zeros in memory, then a creation with 60 bytes; returns the result and the gas. */
const CREATES_CONTAINER = [
  ["CREATE", "0x60ef600053603c60006000f0600052" + "5a60205260406000f3"],
  ["CREATE2", "0x60ef6000536007603c60006000f5600052" + "5a60205260406000f3"],
] as const;

t.test("initcode that looks like an EOF container runs, and fails at its first byte", async (t) => {
  for (const [name, runtime] of CREATES_CONTAINER) {
    const chain = createChain();
    const data = initCode(runtime as `0x${string}`);
    const { receipts } = await chain.block([await sign(ALICE, { to: null, data })]);
    const to = receipts[0]?.contractAddress ?? CONTRACTS.reverter.address;
    const { receipts: called } = await chain.block([
      await sign(ALICE, { nonce: 1, to, gas: 900_000n }),
    ]);
    // All but a 64th of the gas went into the creation.
    t.ok((called[0]?.gasUsed ?? 0n) > 850_000n, `${name} spends its gas`);
    const result = await callOn(chain, { to, gasLimit: 900_000n });
    t.equal(BigInt(toHex(result.output.subarray(0, 32))), 0n, `${name} fails`);
    t.equal(chain.memory.state.account(to)?.nonce, 2n, `${name} raises the nonce`);
  }
});
