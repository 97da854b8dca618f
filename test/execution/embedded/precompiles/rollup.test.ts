import { createCustomCommon, Hardfork, Mainnet } from "@ethereumjs/common";
import { getActivePrecompiles } from "@ethereumjs/evm";
import t from "tap";
import { concatBytes, toHex, ZERO_HASH } from "../../../../lanes/bytes.ts";
import { addressOf, createMachine } from "../../../../node/execution/embedded/evm.ts";
import { createWorkingState } from "../../../../node/execution/embedded/state.ts";
import { bls1, Bls1, word } from "../../fixtures/curves.ts";
import { callEthereum, callPrecompile, faultOf } from "../../fixtures/precompiles.ts";
import { createMemoryState } from "../../fixtures/state.ts";

const machine = await createMachine(901, createWorkingState(createMemoryState().state), {
  number: 1,
  timestamp: 1,
  gasLimit: 30_000_000n,
  baseFee: 0n,
  blobBaseFee: 1n,
  beneficiary: `0x${"11".repeat(20)}`,
  prevRandao: ZERO_HASH,
  parentHash: ZERO_HASH,
});

const hex = (index: number): string => index.toString(16).padStart(40, "0");

t.test("the EVM has every precompile of Isthmus, and none of the library's", async (t) => {
  const { precompiles } = machine.evm;
  const expected = [...Array.from({ length: 0x11 }, (_, i) => i + 1), 0x100];
  t.same([...precompiles.keys()].sort(), expected.map(hex).sort());
  const common = createCustomCommon({}, Mainnet, { hardfork: Hardfork.Osaka });
  const library = new Set(getActivePrecompiles(common).values());
  t.same(
    [...precompiles].filter(([, each]) => library.has(each)),
    [],
  );
});

t.test("the EVM calls them, and takes their gas", async (t) => {
  const call = async (index: number, data: Uint8Array, gasLimit: bigint) => {
    const to = addressOf(`0x${hex(index)}`);
    const { execResult } = await machine.evm.runCall({ to, data, gasLimit, block: machine.block });
    return {
      error: execResult.exceptionError?.error ?? null,
      gas: execResult.executionGasUsed,
      output: toHex(execResult.returnValue),
    };
  };
  const data = concatBytes(bls1(Bls1.BASE), bls1(Bls1.BASE));
  const output = toHex(bls1(Bls1.BASE.double()));
  t.same(await call(0x0b, data, 1000n), { error: null, gas: 375n, output });
  t.same(await call(0x0b, data, 374n), { error: "out of gas", gas: 374n, output: "0x" });
  const cut = data.subarray(1);
  t.same(await call(0x0b, cut, 1000n), {
    error: "invalid input length",
    gas: 1000n,
    output: "0x",
  });
});

/** The longest inputs that are not too long, in whole elements, and the limit itself. */
const LIMITS = [
  [0x08, 192, 112_687],
  [0x0c, 160, 513_760],
  [0x0e, 288, 488_448],
  [0x0f, 384, 235_008],
] as const;

t.test("inputs beyond the limits of Granite and Isthmus fail at once", async (t) => {
  for (const [index, element, bytesMax] of LIMITS) {
    const longest = new Uint8Array(Math.floor(bytesMax / element) * element);
    t.equal(faultOf(index, longest), null, "infinity, many times");
    const longer = new Uint8Array(longest.length + element);
    const expected = { gas: 1000n, output: "0x", failed: true };
    t.same(callPrecompile(index, longer, 1000n), expected);
    t.equal(faultOf(index, longer, 1000n), "invalid input length", "gas or not");
    t.equal(callEthereum(index, longer).failed, false, "Ethereum has no such limit");
  }
});

t.test("all others take inputs of any length", async (t) => {
  const long = new Uint8Array(600_000);
  for (const index of [0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x100])
    t.equal(callPrecompile(index, long).failed, false);
  t.equal(callPrecompile(0x01, word(0n), 2999n).failed, true);
});
