/** `eth_getLogs`. */
import { NodeError } from "../../node/errors.ts";
import type { BlockHeight, LogFilter } from "../../node/reader.ts";
import { type JsonObject, logToJson } from "../codec.ts";
import { requireBlock, type RpcContext } from "../context.ts";
import { type LogQuery, logQueryParam } from "../logs.ts";
import { method, type Methods } from "../method.ts";

/** Height of a range's end; a height above the head stands for itself. */
function bound(context: RpcContext, height: BlockHeight): number {
  return height.kind === "number" ? height.number : requireBlock(context, height);
}

/**
 * The reader's filter; `null` for a range that a tag makes empty. Throws `PARAMS_INVALID` where
 * the caller's own numbers do. Source: geth `eth/filters`.
 */
function toFilter(context: RpcContext, query: LogQuery): LogFilter | null {
  const { addresses, topics } = query;
  if (query.blockHash !== undefined) return { blockHash: query.blockHash, addresses, topics };
  const { from, to } = query;
  const fromBlock = bound(context, from);
  const toBlock = bound(context, to);
  if (fromBlock <= toBlock) return { fromBlock, toBlock, addresses, topics };
  if (from.kind === "tag" || to.kind === "tag") return null;
  throw new NodeError("PARAMS_INVALID", { parameter: "filter", expected: "fromBlock <= toBlock" });
}

function getLogs(context: RpcContext, query: LogQuery): JsonObject[] {
  const filter = toFilter(context, query);
  if (filter === null) return [];
  const found = context.reader.logs(filter);
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
