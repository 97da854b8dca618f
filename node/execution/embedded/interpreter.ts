/**
 * The loop that runs bytecode on EthereumJS' opcode handlers.
 *
 * The library awaits an asynchronous step for every opcode, analyses a contract's jumps anew at
 * every call, and cannot be interrupted. This loop awaits only what is asynchronous, keeps the
 * analysis with the code, counts gas in a number, and polls. Opcodes, their prices and everything
 * else stay the library's.
 *
 * Owns the loop. Does not own opcodes, nor when to give way: `preemption.ts`.
 * Invariants: every execution ends as the library's own loop would end it; what `poll` throws
 * passes through untouched.
 */
import type { Common } from "@ethereumjs/common";
import { EVMError } from "@ethereumjs/evm";
import type { Poll } from "../poll.ts";

/** What opcodes work on: the library's own shape; the loop touches the first of it. */
export interface RunState {
  programCounter: number;
  opCode: number;
  gasLeft: bigint;
  code: Uint8Array;
  validJumps: Uint8Array;
  shouldDoJumpAnalysis: boolean;
  memoryWordCount: bigint;
  readonly stack: {
    readonly _store: readonly bigint[];
    readonly _len: number;
    push(value: bigint): void;
    /** Throws the library's underflow. */
    pop(): bigint;
  };
  readonly memory: object;
  readonly highestMemCost: bigint;
  readonly cachedPushes: object;
  readonly stateManager: object;
  readonly blockchain: object;
  readonly env: object;
  readonly interpreter: object;
  readonly gasRefund: bigint;
  readonly stateGasSpilled: bigint;
  readonly returnBytes: Uint8Array;
}

export interface OpcodeEntry {
  readonly opcodeInfo: {
    readonly code: number;
    readonly fee: number;
    readonly feeBigInt: bigint;
    readonly isAsync: boolean;
    readonly dynamicGas: boolean;
    readonly isInvalid: boolean;
  };
  readonly opHandler: (state: RunState, common: Common) => unknown;
  readonly gasHandler: (state: RunState, gas: bigint, common: Common) => bigint | Promise<bigint>;
}

/** What code runs with. */
export interface Machinery {
  readonly opcodes: readonly OpcodeEntry[];
  readonly common: Common;
  readonly poll: Poll;
}

/** Gas is counted in a number up to here; no block has so much. */
export const COUNTED_GAS_MAX = BigInt(Number.MAX_SAFE_INTEGER);

/** Plain opcodes between two polls: some 50 ns each. */
const OPCODES_PER_POLL = 256;

const JUMPDEST = 0x5b;
const GAS = 0x5a;
const MLOAD = 0x51;
const MSTORE = 0x52;
const PUSH1 = 0x60;
const PUSH32 = 0x7f;

/** The jumps of a contract's code, and the constants it pushes, as far as they were met. */
interface Analysis {
  readonly validJumps: Uint8Array;
  readonly pushes: Map<number, bigint>;
}

/** Lives as long as the code's bytes do, which the cache of codes bounds. */
const analyses = new WeakMap<Uint8Array, Analysis>();

function analysisOf(code: Uint8Array): Analysis {
  const known = analyses.get(code);
  if (known !== undefined) return known;
  const validJumps = new Uint8Array(code.length);
  for (let at = 0; at < code.length; at++) {
    const opcode = code[at] ?? 0;
    if (opcode === JUMPDEST) validJumps[at] = 1;
    else if (opcode >= PUSH1 && opcode <= PUSH32) at += opcode - PUSH1 + 1;
  }
  const analysis = { validJumps, pushes: new Map<number, bigint>() };
  analyses.set(code, analysis);
  return analysis;
}

/** The constant whose bytes begin at `start`; code that ends early reads as zeros. */
function pushed(code: Uint8Array, start: number, length: number): bigint {
  const bytes = code.subarray(start, start + length);
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
  return BigInt(`0x${hex.padEnd(2 * length, "0")}`);
}

const SMALL: readonly bigint[] = Array.from({ length: 256 }, (_, value) => BigInt(value));

/** Whether a word at the offset on top of the stack lies in memory that is paid for already. */
function inMemory({ stack, memoryWordCount }: RunState): boolean {
  const offset = stack._store[stack._len - 1];
  return offset !== undefined && offset + 32n <= memoryWordCount * 32n;
}

/**
 * Whether an opcode has only its fixed price. The library must see the exact gas at the others,
 * which charge by state, call, or show it.
 */
function isPlain(
  { code, dynamicGas, isAsync }: OpcodeEntry["opcodeInfo"],
  state: RunState,
): boolean {
  if (code === MLOAD || code === MSTORE) return inMemory(state);
  return !dynamicGas && !isAsync && code !== GAS;
}

function push(state: RunState, { pushes }: Analysis): void {
  const { code, programCounter: start, opCode } = state;
  const length = opCode - PUSH1 + 1;
  state.programCounter = start + length;
  let value = opCode === PUSH1 ? SMALL[code[start] ?? 0] : pushes.get(start);
  if (value === undefined) {
    value = pushed(code, start, length);
    pushes.set(start, value);
  }
  state.stack.push(value);
}

/** Ends the frame as the library's handlers do. */
function trap(error: EVMError["error"]): never {
  // eslint-disable-next-line @typescript-eslint/only-throw-error -- what the library catches
  throw new EVMError(error);
}

/**
 * Runs `state.code` until it ends or something is thrown: a trap of the EVM, stopping among them,
 * or what `poll` throws.
 */
export async function runCode(
  state: RunState,
  { opcodes, common, poll }: Machinery,
): Promise<void> {
  const { code } = state;
  const analysis = analysisOf(code);
  state.validJumps = analysis.validJumps;
  state.shouldDoJumpAnalysis = false;
  let gas = Number(state.gasLeft);
  /** Plain opcodes count in `gas` only; the library's handlers see and change `gasLeft`. */
  let isAhead = false;
  let untilPoll = OPCODES_PER_POLL;
  try {
    while (state.programCounter < code.length) {
      const opcode = code[state.programCounter] as number;
      const { opcodeInfo: info, opHandler, gasHandler } = opcodes[opcode] as OpcodeEntry;
      state.opCode = opcode;
      const plain = isPlain(info, state);
      // What reads the state, copies or calls may take long by itself.
      if (!plain || --untilPoll === 0) {
        untilPoll = OPCODES_PER_POLL;
        poll();
      }
      if (info.isInvalid) trap(EVMError.errorMessages.INVALID_OPCODE);
      if (plain) {
        isAhead = true;
        gas -= info.fee;
        if (gas < 0) trap(EVMError.errorMessages.OUT_OF_GAS);
        state.programCounter++;
        if (opcode >= PUSH1 && opcode <= PUSH32) push(state, analysis);
        else opHandler(state, common);
        continue;
      }
      state.gasLeft = BigInt(gas);
      isAhead = false;
      let price = info.feeBigInt;
      if (info.dynamicGas) price = await gasHandler(state, price, common);
      state.gasLeft -= price;
      if (state.gasLeft < 0n) trap(EVMError.errorMessages.OUT_OF_GAS);
      state.programCounter++;
      const done = opHandler(state, common);
      if (info.isAsync) await done;
      gas = Number(state.gasLeft);
    }
  } finally {
    if (isAhead) state.gasLeft = BigInt(gas);
    if (state.gasLeft < 0n) state.gasLeft = 0n;
  }
}
