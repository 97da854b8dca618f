/**
 * `eth_*` methods about transactions: sending, finding, receipts.
 *
 * `eth_getTransactionReceipt` answers when the block is stored: what waits for it goes on to ask for
 * the block by its hash. Who wants the result at once sends with `eth_sendRawTransactionSync`, or
 * asks for the receipts of `pending`.
 */
import type { Hex } from "../../lanes/bytes.ts";
import { accept } from "../../lanes/verdict.ts";
import { type JsonObject, receiptToJson, transactionToJson } from "../codec.ts";
import { conditionsParam } from "../conditions.ts";
import { findBlock, findBody, type RpcContext } from "../context.ts";
import { SYNC_TIMEOUT_MAX_MS, SYNC_TIMEOUT_MS } from "../limits.ts";
import { method, type Methods, optional, type Param } from "../method.ts";
import { bad, hashParam, indexParam, parseIndex, requiredBlockParam } from "../params.ts";
import { pendingBody } from "../pending-block.ts";
import { rawTransactionParam, sendTransaction } from "../send.ts";

/** Milliseconds to wait: EIP-7966. */
const timeoutParam: Param<number> = {
  name: "timeout",
  parse(value) {
    const ms = typeof value === "number" ? accept(value) : parseIndex(value, "timeout");
    if (!ms.ok) return ms;
    return Number.isInteger(ms.value) && ms.value > 0 && ms.value <= SYNC_TIMEOUT_MAX_MS
      ? ms
      : bad("timeout", `milliseconds from 1 to ${SYNC_TIMEOUT_MAX_MS}`);
  },
};

/** Sends it and waits until it is executed and promised. Source: EIP-7966. */
async function sendSync(context: RpcContext, raw: Hex, timeoutMs: number): Promise<JsonObject> {
  return context.preconfirmations.sync(() => sendTransaction(context, raw), timeoutMs);
}

/** One that is executed and not stored yet; its block has no hash. */
function inOpenBlock({ reader }: RpcContext, hash: Hex): JsonObject | null {
  for (const open of reader.pendingBodies()) {
    const index = open.transactions.findIndex((transaction) => transaction.hash === hash);
    const transaction = open.transactions[index];
    if (transaction === undefined) continue;
    const { block, receipts } = pendingBody(open);
    const { header } = block;
    return transactionToJson(transaction, {
      hash: block.hash,
      header,
      index,
      receipt: receipts[index],
    });
  }
  return null;
}

function transactionAt(
  context: RpcContext,
  number: number | null,
  index: number,
): JsonObject | null {
  const found = findBlock(context, number);
  const transaction = found?.stored.block.transactions[index];
  if (found === null || transaction === undefined) return null;
  const { hash, header } = found.stored.block;
  return transactionToJson(transaction, { hash, header, index, receipt: found.receipts[index] });
}

async function transactionByHash(context: RpcContext, hash: Hex): Promise<JsonObject | null> {
  const { reader, node } = context;
  const inChain = (): JsonObject | null => {
    const location = reader.chain.transactionLocation(hash);
    return location === null ? null : transactionAt(context, location.blockNumber, location.index);
  };
  const found = inChain() ?? inOpenBlock(context, hash);
  if (found !== null) return found;
  const pooled = await node.pooled(hash);
  // Between the two looks it may have gone from the pool into a block.
  return pooled === null
    ? (inChain() ?? inOpenBlock(context, hash))
    : transactionToJson(pooled.transaction, null);
}

function receiptByHash(context: RpcContext, hash: Hex): JsonObject | null {
  const location = context.reader.chain.transactionLocation(hash);
  const found = findBlock(context, location?.blockNumber ?? null);
  return found === null || location === null
    ? null
    : receiptToJson(found.stored.block, found.receipts, location.index);
}

export function createTransactionMethods(context: RpcContext): Methods {
  const hash = hashParam("transactionHash");
  const index = indexParam("transactionIndex");
  return {
    eth_sendRawTransaction: method(
      [rawTransactionParam],
      async ([raw]) => (await sendTransaction(context, raw)).hash,
    ),
    eth_sendRawTransactionConditional: method(
      [rawTransactionParam, conditionsParam],
      async ([raw, conditions]) => (await sendTransaction(context, raw, false, conditions)).hash,
    ),
    eth_sendRawTransactionSync: method(
      [rawTransactionParam, optional(timeoutParam, SYNC_TIMEOUT_MS)],
      ([raw, timeoutMs]) => sendSync(context, raw, timeoutMs),
    ),
    eth_getTransactionByHash: method([hash], ([of]) => transactionByHash(context, of)),
    eth_getTransactionByBlockHashAndIndex: method(
      [hashParam("blockHash"), index],
      ([blockHash, at]) => transactionAt(context, context.reader.chain.numberByHash(blockHash), at),
    ),
    eth_getTransactionByBlockNumberAndIndex: method([requiredBlockParam, index], ([id, at]) => {
      const body = findBody(context, id);
      const transaction = body?.block.transactions[at];
      if (body === null || transaction === undefined) return null;
      const { hash: blockHash, header } = body.block;
      const receipt = body.receipts[at];
      return transactionToJson(transaction, { hash: blockHash, header, index: at, receipt });
    }),
    eth_getTransactionReceipt: method([hash], ([of]) => receiptByHash(context, of)),
    eth_getBlockReceipts: method([requiredBlockParam], ([id]) => {
      const body = findBody(context, id);
      return body?.receipts.map((_, at) => receiptToJson(body.block, body.receipts, at)) ?? null;
    }),
  };
}
