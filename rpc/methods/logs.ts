/** `eth_getLogs`. */
import { NodeError } from "../../node/errors.ts";
import type { LogFilter } from "../../node/reader.ts";
import { type JsonObject, logToJson } from "../codec.ts";
import { resolveBlock, type RpcContext } from "../context.ts";
import { type LogQuery, logQueryParam } from "../logs.ts";
import { method, type Methods } from "../method.ts";
import type { BlockId } from "../params.ts";

/**
 * Height of a range's end; a height above the head stands for itself, an unknown hash for nothing.
 */
function bound(context: RpcContext, id: BlockId): number {
  if (id.kind === "number") return id.number;
  const number = resolveBlock(context, id);
  if (number === null) throw new NodeError("BLOCK_NOT_FOUND");
  return number;
}

function toFilter(context: RpcContext, query: LogQuery): LogFilter {
  const { from, addresses, topics } = query;
  if (query.to === from && from.kind === "hash") return { blockHash: from.hash, addresses, topics };
  const fromBlock = bound(context, from);
  const toBlock = bound(context, query.to);
  if (fromBlock > toBlock)
    throw new NodeError("PARAMS_INVALID", {
      parameter: "filter",
      expected: "fromBlock <= toBlock",
    });
  return { fromBlock, toBlock, addresses, topics };
}

function getLogs(context: RpcContext, query: LogQuery): JsonObject[] {
  const found = context.reader.logs(toFilter(context, query));
  if (!found.ok) throw new NodeError(found.code, found.data);
  const timestamps = new Map<number, number>();
  const timestampOf = (number: number): number => {
    const known = timestamps.get(number);
    if (known !== undefined) return known;
    const timestamp = context.reader.chain.headerByNumber(number)?.header.timestamp ?? 0;
    timestamps.set(number, timestamp);
    return timestamp;
  };
  return found.value.map((entry) =>
    logToJson(entry.log, { ...entry, blockTimestamp: timestampOf(entry.blockNumber) }),
  );
}

export function createLogMethods(context: RpcContext): Methods {
  return { eth_getLogs: method([logQueryParam], ([query]) => getLogs(context, query)) };
}
