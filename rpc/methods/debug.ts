/** `debug_trace*`: the calls that a transaction, a block's transactions, or a call makes. */
import type { Hex } from "../../lanes/bytes.ts";
import { NodeError } from "../../node/errors.ts";
import type { TransactionTrace } from "../../node/execution/trace.ts";
import type { BlockId } from "../../node/reader.ts";
import { callParam, requestFor, valueOf } from "../call.ts";
import type { JsonObject } from "../codec.ts";
import type { RpcContext } from "../context.ts";
import { TRACE_TIMEOUT_MS } from "../limits.ts";
import { method, type Methods } from "../method.ts";
import { blockParam, hashParam, heightParam } from "../params.ts";
import { frameToJson, type TraceConfig, traceConfigParam } from "../trace.ts";

async function tracesOf(
  { reader }: RpcContext,
  id: BlockId,
  index: number | null,
  { options }: TraceConfig,
): Promise<readonly TransactionTrace[]> {
  const traces = await reader.trace(id, index, { ...options, timeoutMs: TRACE_TIMEOUT_MS });
  if (traces === null) throw new NodeError("GENESIS_NOT_TRACEABLE");
  return traces;
}

async function traceBlock(
  context: RpcContext,
  id: BlockId,
  config: TraceConfig,
): Promise<JsonObject[]> {
  const traces = await tracesOf(context, id, null, config);
  return traces.map(({ hash, frame }) => ({ txHash: hash, result: frameToJson(frame) }));
}

async function traceTransaction(
  context: RpcContext,
  hash: Hex,
  config: TraceConfig,
): Promise<JsonObject> {
  const { chain } = context.reader;
  const location = chain.transactionLocation(hash);
  const block = location === null ? null : chain.headerByNumber(location.blockNumber);
  if (location === null || block === null) throw new NodeError("TRANSACTION_NOT_FOUND");
  // By its hash: a reorg meanwhile must not give the trace of another block's transaction.
  const id: BlockId = { kind: "hash", hash: block.hash };
  const [trace] = await tracesOf(context, id, location.index, config);
  if (trace?.hash !== hash) throw new NodeError("TRANSACTION_NOT_FOUND");
  return frameToJson(trace.frame);
}

export function createDebugMethods(context: RpcContext): Methods {
  const { reader, rollup } = context;
  return {
    debug_traceTransaction: method(
      [hashParam("transactionHash"), traceConfigParam],
      ([hash, config]) => traceTransaction(context, hash, config),
    ),
    debug_traceBlockByNumber: method([heightParam, traceConfigParam], ([id, config]) =>
      traceBlock(context, id, config),
    ),
    debug_traceBlockByHash: method([hashParam("blockHash"), traceConfigParam], ([hash, config]) =>
      traceBlock(context, { kind: "hash", hash }, config),
    ),
    debug_traceCall: method(
      [callParam, blockParam, traceConfigParam],
      async ([args, id, { options, overrides }]) => {
        const request = requestFor(args, rollup.chainId);
        const limits = { overrides, timeoutMs: TRACE_TIMEOUT_MS, trace: options };
        return frameToJson(valueOf(await reader.traceCall(id, request, limits)));
      },
    ),
  };
}
