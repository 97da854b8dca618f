/**
 * Corrections to contract creation in EthereumJS' EVM. Both were found against op-geth.
 *
 * EIP-3541 is applied to whatever initcode leaves behind: a creation that reverts with data
 * beginning 0xEF loses its data and all its gas, as if that were code to be deployed. Here what a
 * revert returns is kept from the check and put back after it.
 *
 * CREATE and CREATE2 refuse initcode that begins 0xEF00, a container of EOF, which no fork of ours
 * has: they return zero with the nonce unraised and the gas unspent. Here it runs, and its first
 * opcode is invalid.
 */
import { type EVM, EVMError, type EVMResult, type ExecResult, type Message } from "@ethereumjs/evm";
import { bigintToBytes } from "../../../lanes/bytes.ts";
import { INITCODE_BYTES_MAX } from "./gas.ts";

/** What an opcode's handler sees of the interpreter. */
interface RunState {
  readonly stack: {
    peek(count: number): bigint[];
    popN(count: number): bigint[];
    push(value: bigint): void;
  };
  readonly memory: { read(offset: number, length: number, avoidCopy: boolean): Uint8Array };
  readonly interpreter: {
    isStatic(): boolean;
    create(gas: bigint | undefined, value: bigint, data: Uint8Array): Promise<bigint>;
    create2(
      gas: bigint | undefined,
      value: bigint,
      data: Uint8Array,
      salt: Uint8Array,
    ): Promise<bigint>;
  };
  messageGasLimit: bigint | undefined;
}

type Handler = (state: RunState, common: unknown) => unknown;

/** Members that the library does not export. The first two: the first runs within the second. */
interface Internals {
  runInterpreter(message: Message, options?: unknown): Promise<ExecResult>;
  _executeCreate(message: Message): Promise<EVMResult>;
  readonly _opcodeMap: Record<number, { opHandler: Handler }>;
}

const NO_BYTES = new Uint8Array(0);
const CREATE = 0xf0;
const CREATE2 = 0xf5;
const CONTAINER_PREFIX = [0xef, 0x00] as const;

/** Makes creations of this EVM follow Ethereum's rules where the library's differ. */
export function correctCreation(evm: EVM): void {
  const internals = evm as unknown as Internals;
  keepRevertData(evm, internals);
  for (const opcode of [CREATE, CREATE2]) {
    const entry = internals._opcodeMap[opcode];
    if (entry !== undefined) entry.opHandler = runContainers(entry.opHandler, opcode);
  }
}

function keepRevertData(evm: EVM, internals: Internals): void {
  const run = internals.runInterpreter.bind(evm);
  const create = internals._executeCreate.bind(evm);
  // Creations nest, but an inner one is over before the outer one's initcode ends.
  let reverted: Uint8Array = NO_BYTES;

  internals.runInterpreter = async (message, options) => {
    const result = await run(message, options);
    if (message.isCreate !== true) return result;
    if (result.exceptionError?.error !== EVMError.errorMessages.REVERT) return result;
    reverted = result.returnValue;
    return { ...result, returnValue: NO_BYTES };
  };
  internals._executeCreate = async (message) => {
    const result = await create(message);
    if (reverted.length === 0) return result;
    const execResult = { ...result.execResult, returnValue: reverted };
    reverted = NO_BYTES;
    return { ...result, execResult };
  };
}

/** The library's handler but for initcode that it would not run. */
function runContainers(handler: Handler, opcode: number): Handler {
  return async (state, common) => {
    if (!startsAsContainer(state)) {
      await handler(state, common);
      return;
    }
    const { interpreter, stack, memory } = state;
    // The gas handler has checked this for CREATE only.
    if (opcode === CREATE2 && interpreter.isStatic())
      // eslint-disable-next-line @typescript-eslint/only-throw-error -- what the library catches
      throw new EVMError(EVMError.errorMessages.STATIC_STATE_CHANGE);
    const [value = 0n, offset = 0n, length = 0n] = stack.popN(3);
    const gas = state.messageGasLimit;
    state.messageGasLimit = undefined;
    const data = memory.read(Number(offset), Number(length), true);
    if (opcode === CREATE) {
      stack.push(await interpreter.create(gas, value, data));
      return;
    }
    const [salt = 0n] = stack.popN(1);
    stack.push(await interpreter.create2(gas, value, data, bigintToBytes(salt, 32)));
  };
}

/** The gas handler has paid for the memory; too long an initcode ends in the library's trap. */
function startsAsContainer({ stack, memory }: RunState): boolean {
  const [, offset = 0n, length = 0n] = stack.peek(3);
  if (length < CONTAINER_PREFIX.length || length > INITCODE_BYTES_MAX) return false;
  const start = memory.read(Number(offset), CONTAINER_PREFIX.length, true);
  return CONTAINER_PREFIX.every((byte, index) => start[index] === byte);
}
