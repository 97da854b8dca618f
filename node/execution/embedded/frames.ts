/**
 * Calls in the EVM: the value they move, the code they run, and the frame it runs in.
 *
 * The library copies messages and results, rewrites both accounts and clears 8 KiB of memory for
 * every call, so that a loop of calls costs seconds a million gas. Under the rules of this chain a
 * call is this much only. What a frame is, its opcodes and creations stay the library's.
 * Owns calls and frames. Does not own the loop (`interpreter.ts`), the accesses (`journal.ts`).
 * Invariant: every call ends as the library's own would end it. Source: yellow paper 8, EIP-161.
 */
import assert from "node:assert/strict";
import { createCustomCommon, Mainnet } from "@ethereumjs/common";
import {
  createEVM,
  type EVM,
  EVMError,
  type EVMResult,
  type ExecResult,
  type Message,
  type PrecompileFunc,
} from "@ethereumjs/evm";
import { type Account, type Address, createAccount } from "@ethereumjs/util";
import type { Hex } from "../../../lanes/bytes.ts";
import type { Poll } from "../poll.ts";
import { COUNTED_GAS_MAX, type OpcodeEntry, runCode, type RunState } from "./interpreter.ts";
import type { StateJournal } from "./journal.ts";
import type { WorkingState } from "./state.ts";
import { hexOf } from "./state-manager.ts";
import { installWords, type WordMemory } from "./words.ts";

/** The methods and fields of the library's EVM that a call needs; all are there, some protected. */
interface Internals {
  _executeCall(message: Message): Promise<EVMResult>;
  runInterpreter(message: Message, options?: unknown): Promise<ExecResult>;
  _loadCode(message: Message): Promise<void>;
  runPrecompile(
    code: PrecompileFunc,
    data: Uint8Array,
    gasLimit: bigint,
  ): ReturnType<PrecompileFunc>;
  postMessageCleanup(): void;
  readonly _tx: { readonly gasPrice: bigint; readonly origin: Address };
  readonly _block: unknown;
  readonly _opcodeMap: OpcodeEntry[];
  readonly _optsCached: { readonly profiler?: unknown };
  readonly performanceLogger: unknown;
}

const NO_BYTES = new Uint8Array(0);
const NO_VIEW = new DataView(new ArrayBuffer(0));
/** An opcode that no fork has. */
const PROBE = 0x0c;
const WORD_BYTES = 32;
/** First size of a frame's memory; it doubles from there. */
const MEMORY_BYTES_MIN = 512;

/** What the library does not export, seen through an opcode's eyes. */
interface FrameParts {
  /** Prototype of a frame: everything opcodes ask of it. */
  readonly frame: object;
  readonly memory: object;
  readonly createStack: () => RunState["stack"];
}

async function findFrameParts(): Promise<FrameParts> {
  const found: { readonly _runState: { readonly memory: object; readonly stack: object } }[] = [];
  const evm = await createEVM({
    common: createCustomCommon({}, Mainnet),
    customOpcodes: [
      {
        opcode: PROBE,
        opcodeName: "PROBE",
        baseFee: 0,
        logicFunction: ({ interpreter }) => {
          found.push(interpreter as unknown as (typeof found)[number]);
        },
      },
    ],
  });
  await evm.runCode({ code: Uint8Array.of(PROBE), gasLimit: 1n });
  const [frame] = found;
  assert(frame !== undefined, "the probe ran");
  const { memory, stack } = frame._runState;
  const Stack = stack.constructor as new () => RunState["stack"];
  return {
    frame: Object.getPrototypeOf(frame) as object,
    memory: Object.getPrototypeOf(memory) as object,
    createStack: () => new Stack(),
  };
}

const parts = await findFrameParts();

/** The library's memory, but empty at first and doubling as it grows. */
class FrameMemory implements WordMemory {
  _store = NO_BYTES;
  view = NO_VIEW;

  extend(offset: number, size: number): void {
    if (size === 0) return;
    const needed = Math.ceil((offset + size) / WORD_BYTES) * WORD_BYTES;
    if (needed <= this._store.length) return;
    const grown = new Uint8Array(Math.max(needed, 2 * this._store.length, MEMORY_BYTES_MIN));
    grown.set(this._store);
    this._store = grown;
    this.view = new DataView(grown.buffer);
  }
}
Object.setPrototypeOf(FrameMemory.prototype, parts.memory);

/** What a frame has brought about so far. */
interface FrameResult {
  logs: NonNullable<ExecResult["logs"]>;
  returnValue: Uint8Array | undefined;
  selfdestruct: NonNullable<ExecResult["selfdestruct"]>;
  createdAddresses: NonNullable<ExecResult["createdAddresses"]>;
}

/** A frame as the library's constructor makes it, from a message. */
class CallFrame {
  readonly common: EVM["common"];
  readonly journal: EVM["journal"];
  readonly opDebuggers = {};
  readonly performanceLogger: unknown;
  readonly profilerOpts: unknown;
  readonly _evm: EVM;
  readonly _stateManager: EVM["stateManager"];
  readonly _runState: RunState;
  readonly _env: object;
  readonly _result: FrameResult;

  constructor(evm: EVM, message: Message, contract: Account) {
    const { _tx: tx, _block: block, _optsCached, performanceLogger } = evm as unknown as Internals;
    const { stateManager, blockchain } = evm;
    this.common = evm.common;
    this.journal = evm.journal;
    this.performanceLogger = performanceLogger;
    this.profilerOpts = _optsCached.profiler;
    this._evm = evm;
    this._stateManager = stateManager;
    const env = {
      address: message.to,
      caller: message.caller,
      callData: message.data,
      callValue: message.value,
      code: message.code,
      isStatic: message.isStatic,
      isCreate: message.isCreate ?? false,
      depth: message.depth,
      gasPrice: tx.gasPrice,
      origin: tx.origin,
      block,
      contract,
      codeAddress: message.codeAddress,
      gasRefund: message.gasRefund,
      chargeCodeAccesses: message.chargeCodeAccesses,
      blobVersionedHashes: message.blobVersionedHashes ?? [],
      createdAddresses: message.createdAddresses,
    };
    this._env = env;
    this._runState = {
      programCounter: 0,
      opCode: 0xfe,
      memory: new FrameMemory(),
      memoryWordCount: 0n,
      highestMemCost: 0n,
      stack: parts.createStack(),
      code: NO_BYTES,
      validJumps: NO_BYTES,
      cachedPushes: {},
      stateManager,
      blockchain,
      env,
      shouldDoJumpAnalysis: true,
      interpreter: this,
      gasRefund: message.gasRefund,
      gasLeft: message.gasLimit,
      stateGasSpilled: 0n,
      returnBytes: NO_BYTES,
    };
    this._result = {
      logs: [],
      returnValue: undefined,
      selfdestruct: message.selfdestruct ?? new Map<Hex, Hex>(),
      createdAddresses: message.createdAddresses ?? new Set(),
    };
  }
}
Object.setPrototypeOf(CallFrame.prototype, parts.frame);

/** Opcodes of which somebody is told before they run, with what they are about to work on. */
export interface Watched {
  readonly opcodes: ReadonlySet<number>;
  readonly watch: (state: RunState) => void;
}

function watchedBy(entries: readonly OpcodeEntry[], { opcodes, watch }: Watched): OpcodeEntry[] {
  return entries.map((entry) => {
    if (!opcodes.has(entry.opcodeInfo.code)) return entry;
    const opHandler: OpcodeEntry["opHandler"] = (state, common) => {
      watch(state);
      return entry.opHandler(state, common);
    };
    return { ...entry, opHandler };
  });
}

/** Runs the calls of this EVM by this module; `poll` is asked all the time. */
export function runCallsWith(
  evm: EVM,
  state: WorkingState,
  journal: StateJournal,
  poll: Poll,
  watched: Watched | null,
): void {
  const internals = evm as unknown as Internals;
  const runByLibrary = internals.runInterpreter.bind(evm);
  const all = internals._opcodeMap;
  installWords(all);
  const opcodes = watched === null ? all : watchedBy(all, watched);

  internals.runInterpreter = async (message, options) => {
    if (message.gasLimit > COUNTED_GAS_MAX) return runByLibrary(message, options);
    assert(message.to !== undefined, "a creation knows its address by now");
    const contract = (await evm.stateManager.getAccount(message.to)) ?? createAccount({});
    const frame = new CallFrame(evm, message, contract);
    frame._runState.code = message.code as Uint8Array;
    const exceptionError = await trapOf(
      runCode(frame._runState, { opcodes, common: evm.common, poll }),
    );
    return resultOf(frame, message.gasLimit, exceptionError);
  };

  internals._executeCall = async (message) => {
    const { to, caller, value, gasRefund } = message;
    assert(to !== undefined, "a call has an address");
    if (!message.delegatecall) {
      const [from, into] = [hexOf(caller.bytes), hexOf(to.bytes)];
      journal.touch(from);
      journal.touch(into);
      // The caller has it: the transition checked, or the frame that calls.
      state.subtractBalance(from, value);
      state.addBalance(into, value);
    }
    await internals._loadCode(message);
    const { code } = message;
    if (code === undefined || (typeof code !== "function" && code.length === 0))
      return { execResult: { gasRefund, executionGasUsed: 0n, returnValue: NO_BYTES } };
    const execResult =
      typeof code === "function"
        ? { ...(await internals.runPrecompile(code, message.data, message.gasLimit)), gasRefund }
        : await internals.runInterpreter(message);
    if (message.depth === 0) internals.postMessageCleanup();
    return { execResult };
  };
}

/** How the code ended: `undefined` for well. What is no trap of the EVM passes through. */
async function trapOf(running: Promise<void>): Promise<EVMError | undefined> {
  try {
    await running;
    return undefined;
  } catch (error) {
    if (!(error instanceof EVMError)) throw error;
    return error.error === EVMError.errorMessages.STOP ? undefined : error;
  }
}

function resultOf(
  { _runState: { gasLeft, gasRefund }, _result: result }: CallFrame,
  gasLimit: bigint,
  exceptionError: EVMError | undefined,
): ExecResult {
  const returnValue = result.returnValue ?? NO_BYTES;
  if (exceptionError === undefined) {
    const { logs, selfdestruct, createdAddresses } = result;
    const executionGasUsed = gasLimit - gasLeft;
    return { logs, selfdestruct, createdAddresses, executionGasUsed, gasRefund, returnValue };
  }
  const isRevert = exceptionError.error === EVMError.errorMessages.REVERT;
  return {
    exceptionError,
    logs: [],
    selfdestruct: new Map(),
    createdAddresses: new Set(),
    executionGasUsed: isRevert ? gasLimit - gasLeft : gasLimit,
    gasRefund,
    returnValue,
  };
}
