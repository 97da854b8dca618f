/** What wallets are told a transaction costs, against what the node charges for it. */
import fc from "fast-check";
import t from "tap";
import { decodeFunctionResult, encodeFunctionData, parseAbi } from "viem";
import { concatBytes, fromHex, toHex } from "../../lanes/bytes.ts";
import { GAS_PRICE_ORACLE } from "../../node/primitives/predeploys.ts";
import { fastLzLength } from "../../node/primitives/l1-data.ts";
import { callOn } from "../execution/fixtures/call.ts";
import {
  ALICE,
  attributes,
  BOB,
  createChain,
  GWEI,
  lower,
  makeConfig,
  ORIGIN,
  sign,
} from "../execution/fixtures/chain.ts";

/** As wallets spell it. */
const ABI = parseAbi([
  "function getL1Fee(bytes) view returns (uint256)",
  "function getL1FeeUpperBound(uint256) view returns (uint256)",
  "function getL1GasUsed(bytes) view returns (uint256)",
  "function getOperatorFee(uint256) view returns (uint256)",
  "function baseFee() view returns (uint256)",
  "function gasPrice() view returns (uint256)",
  "function l1BaseFee() view returns (uint256)",
  "function blobBaseFee() view returns (uint256)",
  "function baseFeeScalar() view returns (uint32)",
  "function blobBaseFeeScalar() view returns (uint32)",
  "function decimals() view returns (uint256)",
  "function isFjord() view returns (bool)",
  "function isIsthmus() view returns (bool)",
  "function isJovian() view returns (bool)",
]);

const SYSTEM = {
  baseFeeScalar: 5_227,
  blobBaseFeeScalar: 1_014_213,
  operatorFeeScalar: 123_456,
  operatorFeeConstant: "789",
};
const SIGNATURE_BYTES = 68n;

async function oracle() {
  const chain = createChain(makeConfig({ system: SYSTEM, gasLimit: "1000000000" }));
  await chain.block([attributes(chain.rollup)]);
  const ask = async (functionName: string, ...args: unknown[]): Promise<unknown> => {
    const request = { abi: ABI, functionName, args } as Parameters<typeof encodeFunctionData>[0];
    const result = await callOn(chain, {
      to: GAS_PRICE_ORACLE,
      data: fromHex(encodeFunctionData(request)),
      gasLimit: 1_000_000_000n,
      feeCap: 3n * GWEI,
    });
    if (!result.success) throw new Error(`${functionName}: ${String(result.error)}`);
    const answer = { abi: ABI, functionName, data: toHex(result.output) };
    return decodeFunctionResult(answer as Parameters<typeof decodeFunctionResult>[0]);
  };
  return { chain, ask };
}

/** Fjord's formula for this many compressed bytes. */
function sizeScaled(bytes: bigint): bigint {
  const scaled = -42_585_600n + 836_500n * bytes;
  return scaled > 100_000_000n ? scaled : 100_000_000n;
}

function l1Fee(bytes: bigint): bigint {
  const perByte =
    16n * BigInt(SYSTEM.baseFeeScalar) * ORIGIN.baseFee +
    BigInt(SYSTEM.blobBaseFeeScalar) * ORIGIN.blobBaseFee;
  return (sizeScaled(bytes) * perByte) / 10n ** 12n;
}

/** Bytes with repetitions, near and far. */
const compressible = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.nat({ max: 400 }).map((length) => new Uint8Array(length)),
      fc.constant(new Uint8Array(50).fill(7)),
    ),
    { maxLength: 12 },
  )
  .map((parts) => concatBytes(...parts));

t.test("the estimate is the formula that the node charges by", async (t) => {
  const { ask } = await oracle();
  await fc.assert(
    fc.asyncProperty(compressible, async (bytes) => {
      const size = BigInt(fastLzLength(bytes)) + SIGNATURE_BYTES;
      t.equal(await ask("getL1Fee", toHex(bytes)), l1Fee(size));
      t.equal(await ask("getL1GasUsed", toHex(bytes)), (sizeScaled(size) * 16n) / 1_000_000n);
    }),
    { numRuns: 30, seed: 7 },
  );
  // A repetition too far away to be found: pseudo-random bytes in between.
  const noise = Uint8Array.from(
    { length: 8300 },
    (_, i) => (Math.imul(i, 2_654_435_761) >>> 13) & 255,
  );
  const far = concatBytes(new Uint8Array(100).fill(3), noise, new Uint8Array(100).fill(3));
  t.equal(await ask("getL1Fee", toHex(far)), l1Fee(BigInt(fastLzLength(far)) + SIGNATURE_BYTES));
  t.equal(await ask("getL1FeeUpperBound", 1000n), l1Fee(1068n + 4n + 16n));
});

t.test("what a wallet expects to pay is what it pays", async (t) => {
  const { chain, ask } = await oracle();
  const data: `0x${string}` = `0x${"0123456789abcdef".repeat(40)}`;
  const fields = { to: lower(BOB.address), gas: 100_000n, data };
  const signed = await sign(ALICE, fields);
  // The unsigned bytes are the signed ones without their 67 of signature.
  const unsigned = signed.raw.subarray(0, -67);
  const expected = (await ask("getL1Fee", toHex(unsigned))) as bigint;
  const { receipts } = await chain.block([attributes(chain.rollup, 1n), signed]);
  const paid = receipts[1]?.l1Fee ?? 0n;
  t.ok(paid > 0n);
  // A compressed signature is a byte or two longer than itself.
  t.ok(expected <= paid + paid / 50n && expected >= paid - paid / 50n, `${expected} for ${paid}`);
  const gasUsed = receipts[1]?.gasUsed ?? 0n;
  const operatorFee =
    (gasUsed * BigInt(SYSTEM.operatorFeeScalar)) / 1_000_000n + BigInt(SYSTEM.operatorFeeConstant);
  t.equal(await ask("getOperatorFee", gasUsed), operatorFee);
  const before = 1000n * 10n ** 18n;
  const price = receipts[1]?.effectiveGasPrice ?? 0n;
  const left = chain.engine.account(lower(ALICE.address)).balance;
  t.equal(before - left, gasUsed * price + paid + operatorFee);
});

t.test("getters say what L1Block and the block say", async (t) => {
  const { chain, ask } = await oracle();
  t.equal(await ask("l1BaseFee"), ORIGIN.baseFee);
  t.equal(await ask("blobBaseFee"), ORIGIN.blobBaseFee);
  t.equal(await ask("baseFeeScalar"), SYSTEM.baseFeeScalar);
  t.equal(await ask("blobBaseFeeScalar"), SYSTEM.blobBaseFeeScalar);
  t.equal(await ask("baseFee"), chain.head().header.baseFeePerGas);
  t.equal(await ask("gasPrice"), chain.head().header.baseFeePerGas);
  t.equal(await ask("decimals"), 6n);
  t.same(
    [await ask("isFjord"), await ask("isIsthmus"), await ask("isJovian")],
    [true, true, false],
  );
});
