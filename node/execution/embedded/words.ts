/**
 * Words of 32 bytes between stack and memory: MLOAD, MSTORE and CALLDATALOAD.
 *
 * The library goes through text and spreads arrays for every word, which was a third of what an
 * epoch of prices took. Here a word is four numbers of 64 bits in place. Prices of opcodes stay the
 * library's. Owns these three handlers. Invariant: each does what the library's own does.
 */
import assert from "node:assert/strict";
import type { OpcodeEntry, RunState } from "./interpreter.ts";

const WORD_BYTES = 32;
const CALLDATALOAD = 0x35;
const MLOAD = 0x51;
const MSTORE = 0x52;
const U64_MAX = 2n ** 64n - 1n;

/** Memory that can be looked at as numbers. */
export interface WordMemory {
  /** Of all that `extend` has made room for. */
  readonly view: DataView;
  extend(offset: number, size: number): void;
}

/** The word at a place, all 32 bytes of it. */
export function readWord(view: DataView, at: number): bigint {
  const high = view.getBigUint64(at);
  const upper = view.getBigUint64(at + 8);
  const lower = view.getBigUint64(at + 16);
  const low = view.getBigUint64(at + 24);
  if (high === 0n && upper === 0n && lower === 0n) return low;
  return (high << 192n) | (upper << 128n) | (lower << 64n) | low;
}

/** `word` is below 2^256. */
export function writeWord(view: DataView, at: number, word: bigint): void {
  if (word <= U64_MAX) {
    view.setBigUint64(at, 0n);
    view.setBigUint64(at + 8, 0n);
    view.setBigUint64(at + 16, 0n);
    view.setBigUint64(at + 24, word);
    return;
  }
  // Each takes the lowest 64 bits of what it is given.
  view.setBigUint64(at, word >> 192n);
  view.setBigUint64(at + 8, word >> 128n);
  view.setBigUint64(at + 16, word >> 64n);
  view.setBigUint64(at + 24, word);
}

/** What the library hides of a frame: the input of the call. */
interface Input {
  readonly callData: Uint8Array;
}

function loadInput({ stack, env }: RunState): void {
  const { callData } = env as Input;
  const at = stack.pop();
  if (at >= BigInt(callData.length)) {
    stack.push(0n);
    return;
  }
  const from = Number(at);
  if (from + WORD_BYTES <= callData.length) {
    stack.push(readWord(viewOf(callData), from));
    return;
  }
  // What is behind the end reads as zeros.
  const padded = new Uint8Array(WORD_BYTES);
  padded.set(callData.subarray(from));
  stack.push(readWord(viewOf(padded), 0));
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function load({ stack, memory }: RunState): void {
  const words = memory as WordMemory;
  const at = Number(stack.pop());
  words.extend(at, WORD_BYTES);
  stack.push(readWord(words.view, at));
}

function store({ stack, memory }: RunState): void {
  const words = memory as WordMemory;
  const at = Number(stack.pop());
  const word = stack.pop();
  words.extend(at, WORD_BYTES);
  writeWord(words.view, at, word);
}

const HANDLERS: ReadonlyMap<number, (state: RunState) => void> = new Map([
  [CALLDATALOAD, loadInput],
  [MLOAD, load],
  [MSTORE, store],
]);

/**
 * Puts the three handlers into an EVM's opcodes, where a tracer may wrap them as it wraps others.
 * A frame of the library's own, whose memory is no `WordMemory`, gets the library's.
 */
export function installWords(entries: OpcodeEntry[]): void {
  for (const [code, handle] of HANDLERS) {
    const entry = entries[code];
    assert(entry !== undefined, "every fork has these opcodes");
    const library = entry.opHandler;
    const opHandler: OpcodeEntry["opHandler"] = (state, common) => {
      if ("view" in state.memory) handle(state);
      else library(state, common);
    };
    entries[code] = { ...entry, opHandler };
  }
}
