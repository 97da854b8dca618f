/** `eth_*` methods that read or simulate on the head's state, and the node's own view of itself. */
import { type Hex, toHex } from "../../lanes/bytes.ts";
import { NodeError } from "../../node/errors.ts";
import type { CallRequest } from "../../node/execution/engine.ts";
import type { StateReader } from "../../node/storage/state.ts";
import { type CallArgs, callOutput, callParam, overridesParam, toCallRequest } from "../call.ts";
import { quantity, word } from "../codec.ts";
import { type RpcContext, txGasMax, withState } from "../context.ts";
import { method, type Methods } from "../method.ts";
import { addressParam, type BlockId, blockParam, slotParam } from "../params.ts";

/** Reads the state of a named block, as one consistent view. */
function readState<T>(
  context: RpcContext,
  block: BlockId,
  read: (state: StateReader) => T,
): Promise<T> {
  return withState(context, block, (number) => context.reader.stateAt(number, read));
}

async function transactionCount(context: RpcContext, address: Hex, block: BlockId): Promise<Hex> {
  if (block.kind === "tag" && block.tag === "pending") {
    const next = await context.node.poolNonce(address);
    if (next !== null) return quantity(next);
  }
  return readState(context, block, (state) => quantity(state.account(address)?.nonce ?? 0n));
}

function code(state: StateReader, address: Hex): Hex {
  const account = state.account(address);
  return account === null ? "0x" : toHex(state.code(account.codeHash));
}

/** The request on a block that exists. Throws what makes it impossible there. */
function requestAt(context: RpcContext, args: CallArgs, number: number): CallRequest {
  const found = context.reader.chain.headerByNumber(number);
  if (found === null) throw new NodeError("BLOCK_NOT_FOUND");
  return toCallRequest(args, found.header, context.rollup.chainId);
}

async function call(context: RpcContext, args: CallArgs, number: number): Promise<Hex> {
  return callOutput(await context.reader.call(requestAt(context, args, number), number));
}

async function estimateGas(context: RpcContext, args: CallArgs, number: number): Promise<Hex> {
  const { gasLimit, ...request } = requestAt(context, args, number);
  // More than the pool takes is no use to anybody, and the search runs the call many times.
  const gasMax = txGasMax(context);
  const capped = { ...request, gasLimit: gasLimit < gasMax ? gasLimit : gasMax };
  const estimate = await context.reader.estimateGas(capped, number);
  if (!estimate.ok) throw new NodeError(estimate.code, estimate.data);
  // The list's intrinsic cost, without what its warm accesses save: enough, and never too little.
  return quantity(estimate.value + args.accessListGas);
}

export function createStateMethods(context: RpcContext): Methods {
  const address = addressParam("address");
  return {
    eth_getBalance: method([address, blockParam], ([of, block]) =>
      readState(context, block, (state) => quantity(state.account(of)?.balance ?? 0n)),
    ),
    eth_getCode: method([address, blockParam], ([of, block]) =>
      readState(context, block, (state) => code(state, of)),
    ),
    eth_getStorageAt: method([address, slotParam("slot"), blockParam], ([of, slot, block]) =>
      readState(context, block, (state) => word(state.slot(of, slot))),
    ),
    eth_getTransactionCount: method([address, blockParam], ([of, block]) =>
      transactionCount(context, of, block),
    ),
    eth_call: method([callParam, blockParam, overridesParam, overridesParam], ([args, block]) =>
      withState(context, block, (number) => call(context, args, number)),
    ),
    eth_estimateGas: method([callParam, blockParam, overridesParam], ([args, block]) =>
      withState(context, block, (number) => estimateGas(context, args, number)),
    ),
    eth_accounts: method([], () => []),
    // Nothing here knows a height to catch up to: a follower serves what it has verified.
    eth_syncing: method([], () => false),
  };
}
