/**
 * What a precompiled contract is, and how the EVM calls it.
 *
 * Owns the gas: it is charged before anything is read or allocated, and invalid input costs all the
 * gas of the call, as in op-geth. Does not own what a precompile computes.
 * Invariants: a precompile is synchronous, and keeps nothing between two calls.
 */
import { EVMError, type ExecResult, type PrecompileFunc } from "@ethereumjs/evm";
import type { Poll } from "../../poll.ts";

/** Why input is invalid, in the EVM's words. */
export type Fault = EVMError["error"];

export interface Precompile {
  /** What a call costs, whatever comes of it. */
  readonly gas: (input: Uint8Array) => bigint;
  /** The output, or why the input is invalid. */
  readonly run: (input: Uint8Array, poll: Poll) => Uint8Array | Fault;
}

export const NOTHING = new Uint8Array(0);

const WORD_BYTES = 32;

/** A word with the value one: how verifications say yes. */
export const TRUE: Uint8Array = word(1);
export const FALSE: Uint8Array = word(0);

function word(value: number): Uint8Array {
  const bytes = new Uint8Array(WORD_BYTES);
  bytes[WORD_BYTES - 1] = value;
  return bytes;
}

/** `base`, and `perWord` for each word begun. */
export function gasByWords(base: number, perWord: number): Precompile["gas"] {
  return ({ length }) => BigInt(base + perWord * Math.ceil(length / WORD_BYTES));
}

/** `length` bytes from `offset` on; beyond the input lie zeros. */
export function readPadded(input: Uint8Array, offset: number, length: number): Uint8Array {
  if (offset + length <= input.length) return input.subarray(offset, offset + length);
  const bytes = new Uint8Array(length);
  if (offset < input.length) bytes.set(input.subarray(offset));
  return bytes;
}

/** Whether `length` bytes from `offset` on are all zero. */
export function isZero(input: Uint8Array, offset: number, length: number): boolean {
  for (let i = offset; i < offset + length; i++) if (input[i] !== 0) return false;
  return true;
}

/** A precompile at its address, as the EVM takes it. */
export interface Installed {
  readonly address: `0x${string}`;
  readonly function: PrecompileFunc;
}

export function install(address: number, precompile: Precompile, poll: Poll): Installed {
  return {
    address: addressOf(address),
    function({ data, gasLimit }) {
      const gas = precompile.gas(data);
      if (gasLimit < gas) return fail(gasLimit, "out of gas");
      const result = precompile.run(data, poll);
      if (typeof result === "string") return fail(gasLimit, result);
      return { executionGasUsed: gas, returnValue: result };
    },
  };
}

export function addressOf(index: number): Installed["address"] {
  return `0x${index.toString(16).padStart(40, "0")}`;
}

/** What a call comes to that fails: all its gas is gone. */
export function fail(gasLimit: bigint, fault: Fault): ExecResult {
  return {
    returnValue: NOTHING,
    executionGasUsed: gasLimit,
    exceptionError: new EVMError(fault),
  };
}
