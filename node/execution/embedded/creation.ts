/**
 * A correction to contract creation in EthereumJS' EVM.
 *
 * The library applies EIP-3541 to whatever initcode leaves behind: a creation that reverts with
 * data beginning 0xEF loses its data and all its gas, as if that were code to be deployed. Here
 * what a revert returns is kept from the check and put back after it. Found against op-geth.
 */
import { type EVM, EVMError, type EVMResult, type ExecResult, type Message } from "@ethereumjs/evm";

/** The two protected methods of a creation; the first runs within the second. */
interface Internals {
  runInterpreter(message: Message, options?: unknown): Promise<ExecResult>;
  _executeCreate(message: Message): Promise<EVMResult>;
}

const NO_BYTES = new Uint8Array(0);

/** Makes creations of this EVM check code only, not the data of a revert. */
export function correctCreation(evm: EVM): void {
  const internals = evm as unknown as Internals;
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
