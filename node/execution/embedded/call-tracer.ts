/**
 * The calls of a transaction as a tree, seen from outside while an EVM runs it.
 *
 * Owns frames, and what they cost an answer. Listens to the EVM's messages; what sends none (logs,
 * self-destruction, calls that fail before they begin) is seen at its opcode. Nothing is watched
 * opcode by opcode. Source: geth eth/tracers/native/call.go, whose words and places it keeps.
 */
import assert from "node:assert/strict";
import type { EVMResult, Log as LibraryLog, Message } from "@ethereumjs/evm";
import type { Address } from "@ethereumjs/util";
import { bigintToBytes, type Hex, toHex } from "../../../lanes/bytes.ts";
import { NodeError } from "../../errors.ts";
import type { CallFrame, CallType, TracedLog, TraceOptions } from "../trace.ts";
import type { Machine } from "./evm.ts";
import type { OpcodeEntry, RunState } from "./interpreter.ts";
import { hexOf } from "./state-manager.ts";

/** A frame while it grows. */
interface OpenFrame extends CallFrame {
  to: Hex | null;
  gasUsed: bigint;
  output: Uint8Array;
  error: string | null;
  readonly calls: OpenFrame[];
  logs: TracedLog[];
}

/** What opcodes see, as far as the tracer looks. */
interface TracedState extends RunState {
  readonly messageGasLimit?: bigint;
  readonly memory: { read(offset: number, length: number): Uint8Array };
  readonly env: { readonly address: Address; readonly depth: number };
  readonly interpreter: { readonly _result: { readonly logs: readonly LibraryLog[] } };
}

const NO_BYTES = new Uint8Array(0);
const CALL_STIPEND = 2300n;
const CALL_DEPTH_MAX = 1024;
/** What a frame or log counts beside its bytes: its members' names and numbers. */
const FRAME_BYTES = 200;
const LOG_BYTES = 200;

const CALLS: readonly (readonly [opcode: number, type: CallType])[] = [
  [0xf0, "CREATE"],
  [0xf1, "CALL"],
  [0xf2, "CALLCODE"],
  [0xf4, "DELEGATECALL"],
  [0xf5, "CREATE2"],
  [0xfa, "STATICCALL"],
];
const LOG_OPCODES = [0xa0, 0xa1, 0xa2, 0xa3, 0xa4];
const SELFDESTRUCT = 0xff;

/** geth's words for the library's. */
const WORDS: Readonly<Record<string, string>> = {
  revert: "execution reverted",
  "code store out of gas": "contract creation code storage out of gas",
  "code size to deposit exceeds maximum code size": "max code size exceeded",
  "stack overflow": "stack limit reached 1024 (1023)",
  "invalid JUMP": "invalid jump destination",
  "static state change": "write protection",
  "create collision": "contract address collision",
  "invalid bytecode deployed": "invalid code: must not begin with 0xef",
  "initcode exceeds max initcode size": "max initcode size exceeded",
};

const TOO_DEEP = "max call depth exceeded";
const TOO_POOR = "insufficient balance for transfer";

/** The word at `depth` from the top of the stack. */
function peek({ stack }: RunState, depth: number): bigint {
  return stack._store[stack._len - 1 - depth] ?? 0n;
}

function wordToAddress(word: bigint): Hex {
  return toHex(bigintToBytes(BigInt.asUintN(160, word), 20));
}

function addressOrNull(address: Address | undefined): Hex | null {
  return address === undefined ? null : hexOf(address.bytes);
}

/** Follows one machine; each transaction begins and ends with a call. */
export class CallTracer {
  readonly #options: TraceOptions;
  readonly #machine: Machine;
  /** Frames that are open, the top one first. */
  #open: OpenFrame[] = [];
  #finished: OpenFrame | null = null;
  /** What the next message is, as the opcode that sends it says. */
  #nextType: CallType | null = null;
  /** How many logs the block had when each message began: one that fails gives them back. */
  #logsBefore: number[] = [];
  #logs = 0;
  #bytes = 0;

  /** From now on the machine's calls are followed; its other users must not mind. */
  constructor(machine: Machine, options: TraceOptions) {
    this.#options = options;
    this.#machine = machine;
    const { evm } = machine;
    evm.events.on("beforeMessage", (message: Message) => {
      this.#enter(message);
    });
    evm.events.on("afterMessage", (result: EVMResult) => {
      this.#exit(result);
    });
    const opcodes = (evm as unknown as { readonly _opcodeMap: OpcodeEntry[] })._opcodeMap;
    for (const [opcode, type] of CALLS)
      wrap(opcodes, opcode, (state, run) => this.#call(type, state, run));
    for (const opcode of LOG_OPCODES)
      wrap(opcodes, opcode, (state, run) => {
        run();
        this.#log(state);
      });
    wrap(opcodes, SELFDESTRUCT, (state, run) => this.#selfDestruct(state, run));
  }

  /** A transaction begins; `logIndex` is the place of its first log in the block. */
  begin(logIndex: number): void {
    this.#open = [];
    this.#finished = null;
    this.#nextType = null;
    this.#logsBefore = [];
    this.#logs = logIndex;
  }

  /** The transaction is over; `null` where it never got to a call. */
  end({ gas, gasUsed }: { readonly gas: bigint; readonly gasUsed: bigint }): CallFrame | null {
    assert(this.#open.length === 0, "every frame is closed");
    return this.#finished === null ? null : { ...this.#finished, gas, gasUsed };
  }

  /** What has become a message has taken the type along. */
  #isUnsent(): boolean {
    return this.#nextType !== null;
  }

  #isFollowed(): boolean {
    return this.#logsBefore.length <= 1 || !this.#options.onlyTopCall;
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    const { bytesMax } = this.#options;
    if (this.#bytes > bytesMax)
      throw new NodeError("LIMIT_EXCEEDED", { limit: "trace bytes", max: bytesMax });
  }

  #enter(message: Message): void {
    this.#logsBefore.push(this.#logs);
    const type = this.#nextType ?? (message.to === undefined ? "CREATE" : "CALL");
    this.#nextType = null;
    if (!this.#isFollowed()) return;
    const { caller, to, data, gasLimit, value } = message;
    const runsOther = type === "DELEGATECALL" || type === "CALLCODE";
    this.#push(type, {
      // A delegate call is made by the account whose storage it changes, not by that one's caller.
      from: type === "DELEGATECALL" && to !== undefined ? hexOf(to.bytes) : hexOf(caller.bytes),
      to: addressOrNull(runsOther ? message.codeAddress : to),
      gas: gasLimit,
      input: data,
      value: type === "STATICCALL" ? null : value,
    });
  }

  #push(type: CallType, fields: Pick<OpenFrame, "from" | "to" | "gas" | "input" | "value">): void {
    this.#count(FRAME_BYTES + fields.input.length);
    this.#open.push({
      type,
      ...fields,
      // What a frame is given may be a view of its caller's memory.
      input: fields.input.slice(),
      gasUsed: 0n,
      output: NO_BYTES,
      error: null,
      calls: [],
      logs: [],
    });
  }

  #exit({ execResult, createdAddress }: EVMResult): void {
    const { exceptionError, executionGasUsed, returnValue } = execResult;
    const error = exceptionError?.error ?? null;
    if (this.#isFollowed()) {
      const frame = this.#open.at(-1);
      assert(frame !== undefined, "what ends has begun");
      frame.gasUsed = executionGasUsed;
      if (frame.type === "CREATE" || frame.type === "CREATE2")
        frame.to = addressOrNull(createdAddress);
      this.#close(error === null ? null : (WORDS[error] ?? error), returnValue);
    }
    const logsBefore = this.#logsBefore.pop();
    if (error !== null) this.#logs = logsBefore ?? this.#logs;
  }

  #close(error: string | null, output: Uint8Array): void {
    const frame = this.#open.pop();
    assert(frame !== undefined, "what ends has begun");
    frame.error = error;
    if (error === null || error === WORDS["revert"]) {
      this.#count(output.length);
      frame.output = output.slice();
    }
    if (error !== null) {
      if (frame.type === "CREATE" || frame.type === "CREATE2") frame.to = null;
      forgetLogs(frame);
    }
    const parent = this.#open.at(-1);
    if (parent === undefined) this.#finished = frame;
    else parent.calls.push(frame);
  }

  /** Runs a call or creation; one that fails before it becomes a message is told here. */
  async #call(type: CallType, state: TracedState, run: () => unknown): Promise<void> {
    const attempt = this.#attemptOf(type, state);
    this.#nextType = type;
    try {
      await run();
      if (!this.#isUnsent() || this.#options.onlyTopCall) return;
      this.#push(type, attempt());
      const tooDeep = state.env.depth >= CALL_DEPTH_MAX;
      this.#close(tooDeep ? TOO_DEEP : TOO_POOR, NO_BYTES);
    } finally {
      this.#nextType = null;
    }
  }

  /** What a call or creation asks for; its input is read only when it is wanted. */
  #attemptOf(type: CallType, state: TracedState) {
    const creates = type === "CREATE" || type === "CREATE2";
    const hasValue = type === "CALL" || type === "CALLCODE";
    const value = creates ? peek(state, 0) : hasValue ? peek(state, 2) : null;
    const [offset, length] = creates
      ? [peek(state, 1), peek(state, 2)]
      : hasValue
        ? [peek(state, 3), peek(state, 4)]
        : [peek(state, 2), peek(state, 3)];
    const to = creates ? null : wordToAddress(peek(state, 1));
    const stipend = hasValue && value !== 0n ? CALL_STIPEND : 0n;
    const gas = (state.messageGasLimit ?? 0n) + stipend;
    return () => ({
      from: hexOf(state.env.address.bytes),
      to,
      gas,
      input: length === 0n ? NO_BYTES : state.memory.read(Number(offset), Number(length)),
      value,
    });
  }

  #log({ interpreter }: TracedState): void {
    const index = this.#logs;
    this.#logs += 1;
    if (!this.#options.withLog || !this.#isFollowed()) return;
    const log = interpreter._result.logs.at(-1);
    const frame = this.#open.at(-1);
    assert(log !== undefined && frame !== undefined, "a log belongs to a frame");
    const [address, topics, data] = log;
    this.#count(LOG_BYTES + data.length);
    const position = frame.calls.length;
    frame.logs.push({ address: hexOf(address), topics: topics.map(hexOf), data, index, position });
  }

  async #selfDestruct(state: TracedState, run: () => unknown): Promise<void> {
    const from = hexOf(state.env.address.bytes);
    const to = wordToAddress(peek(state, 0));
    const value = this.#machine.state.account(from)?.balance ?? 0n;
    try {
      await run();
    } finally {
      // It always throws: that is how a frame ends.
      if (!this.#options.onlyTopCall) {
        this.#push("SELFDESTRUCT", { from, to, gas: 0n, input: NO_BYTES, value });
        this.#close(null, NO_BYTES);
      }
    }
  }
}

/** Logs of a frame that failed, and of all that it called, are no logs. */
function forgetLogs(frame: OpenFrame): void {
  frame.logs = [];
  frame.calls.forEach(forgetLogs);
}

/** Puts `around` in the place of an opcode's handler; `run` runs the handler itself. */
function wrap(
  opcodes: OpcodeEntry[],
  opcode: number,
  around: (state: TracedState, run: () => unknown) => unknown,
): void {
  const entry = opcodes[opcode];
  assert(entry !== undefined, "the map is full");
  opcodes[opcode] = {
    ...entry,
    opHandler: (state, common) =>
      around(state as TracedState, () => entry.opHandler(state, common)),
  };
}
