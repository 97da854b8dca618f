/** Words in memory and input against the library's own handlers. */
import { Mainnet, createCustomCommon } from "@ethereumjs/common";
import { createEVM } from "@ethereumjs/evm";
import fc from "fast-check";
import t from "tap";
import { toHex } from "../../../lanes/bytes.ts";
import type { OpcodeEntry, RunState } from "../../../node/execution/embedded/interpreter.ts";
import { readWord, installWords, writeWord } from "../../../node/execution/embedded/words.ts";

const word = fc.bigInt({ min: 0n, max: 2n ** 256n - 1n });
const edges = fc.constantFrom(0n, 1n, 2n ** 64n - 1n, 2n ** 64n, 2n ** 128n, 2n ** 192n - 1n);
const anyWord = fc.oneof(word, edges, fc.bigInt({ min: 0n, max: 2n ** 70n }));

t.test("a word is written and read as 32 bytes, and nothing beside it", async (t) => {
  fc.assert(
    fc.property(anyWord, fc.integer({ min: 0, max: 64 }), (value, at) => {
      const bytes = new Uint8Array(128).fill(0xee);
      const view = new DataView(bytes.buffer);
      writeWord(view, at, value);
      const text = toHex(bytes).slice(2);
      if (text.slice(2 * at, 2 * at + 64) !== value.toString(16).padStart(64, "0")) return false;
      if (!/^(ee)*$/.test(text.slice(0, 2 * at) + text.slice(2 * at + 64))) return false;
      return readWord(view, at) === value;
    }),
    { numRuns: 2_000 },
  );
  t.pass("2,000 words");
});

const evm = await createEVM({ common: createCustomCommon({}, Mainnet) });
const library = (evm as unknown as { _opcodeMap: OpcodeEntry[] })._opcodeMap;
const ours = [...library];
installWords(ours);
const CALLDATALOAD = 0x35;

/** What the handler pushes for this input and offset. */
function loadedBy(
  opcodes: readonly OpcodeEntry[],
  callData: Uint8Array,
  at: bigint,
  memory: object = { view: null },
): bigint {
  const stack = [at];
  const state = {
    stack: {
      pop: () => stack.pop() ?? 0n,
      push: (value: bigint) => stack.push(value),
    },
    memory,
    // Ours looks nowhere else.
    env: "view" in memory ? { callData } : null,
    interpreter: {
      getCallData: () => callData,
      getCallDataSize: () => BigInt(callData.length),
    },
  };
  opcodes[CALLDATALOAD]?.opHandler(state as unknown as RunState, evm.common);
  return stack[0] ?? -1n;
}

t.test("input is read as the library reads it, behind its end too", async (t) => {
  const at = fc.oneof(fc.bigInt({ min: 0n, max: 80n }), word);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 70 }), at, fc.nat(9), (data, offset, skipped) => {
      // Often a view of something larger.
      const whole = new Uint8Array(skipped + data.length);
      whole.set(data, skipped);
      const callData = whole.subarray(skipped);
      return loadedBy(ours, callData, offset) === loadedBy(library, callData, offset);
    }),
    { numRuns: 2_000 },
  );
  const librarys = loadedBy(ours, Uint8Array.of(7), 0n, {});
  t.equal(librarys, 7n << 248n, "a frame of the library's own has the library's handler");
  t.not(ours[CALLDATALOAD]?.opHandler, library[CALLDATALOAD]?.opHandler);
  t.equal(ours[0x01], library[0x01], "others are the library's");
});
