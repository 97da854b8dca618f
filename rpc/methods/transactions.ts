/**
 * `eth_*` methods about transactions: sending, finding, receipts.
 *
 * A transaction's form, chain and signature are checked here, in the RPC thread; the sequencing
 * thread gets it decoded with its sender. What it answers is the acknowledgement (DESIGN I7).
 */
import type { Hex } from "../../lanes/bytes.ts";
import { accept } from "../../lanes/verdict.ts";
import { type ErrorCode, type ErrorData, NodeError } from "../../node/errors.ts";
import { announceFast } from "../../node/preemption-signal.ts";
import { recoverSender } from "../../node/primitives/signature.ts";
import {
  decodeTransaction,
  TX_BYTES_MAX,
  type UserTransaction,
} from "../../node/primitives/transaction.ts";
import { fromHex } from "../../lanes/bytes.ts";
import { type JsonObject, receiptToJson, transactionToJson } from "../codec.ts";
import { findBlock, resolveBlock, type RpcContext, txGasMax } from "../context.ts";
import { method, type Methods, type Param } from "../method.ts";
import { bad, hashParam, indexParam, requiredBlockParam } from "../params.ts";

/** Hex of any length: a transaction that is too long has an error of its own. */
const rawTransactionParam: Param<Hex> = {
  name: "transaction",
  parse: (value) =>
    typeof value === "string" && /^0x[0-9a-fA-F]*$/.test(value) && value.length % 2 === 0
      ? accept(value as Hex)
      : bad("transaction", "0x and whole bytes of hex"),
};

const refused = (code: ErrorCode, data: ErrorData = {}): NodeError => new NodeError(code, data);

/** Decodes and checks what needs no state. Throws the code of the first rule that is broken. */
function toUserTransaction(context: RpcContext, hex: Hex): UserTransaction {
  const { chainId } = context.rollup;
  const bytes = (hex.length - 2) / 2;
  if (bytes > TX_BYTES_MAX) throw refused("TX_TOO_LARGE", { bytes, bytesMax: TX_BYTES_MAX });
  const decoded = decodeTransaction(fromHex(hex));
  if (!decoded.ok) throw refused(decoded.code, decoded.data);
  const transaction = decoded.value;
  if (transaction.chainId !== BigInt(chainId))
    throw refused("CHAIN_ID_MISMATCH", {
      expected: chainId,
      found: transaction.chainId === null ? "none" : transaction.chainId.toString(),
    });
  const gasLimitMax = txGasMax(context);
  if (transaction.gasLimit > gasLimitMax)
    throw refused("GAS_LIMIT_TOO_HIGH", { gasLimitMax: Number(gasLimitMax) });
  if (transaction.maxPriorityFeePerGas > transaction.maxFeePerGas)
    throw refused("TIP_ABOVE_FEE_CAP");
  const sender = recoverSender(transaction);
  if (sender === null) throw refused("TX_SIGNATURE_INVALID");
  return { ...transaction, sender };
}

async function sendRawTransaction(context: RpcContext, hex: Hex): Promise<Hex> {
  const transaction = toUserTransaction(context, hex);
  const answering = context.node.submit(transaction);
  announceFast(context.signal, transaction, context.policy);
  const answer = await answering;
  if (!answer.ok) throw refused(answer.code, answer.data);
  return answer.hash;
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
  const found = inChain();
  if (found !== null) return found;
  const pooled = await node.pooled(hash);
  // Between the two looks it may have gone from the pool into a block.
  return pooled === null ? inChain() : transactionToJson(pooled.transaction, null);
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
    eth_sendRawTransaction: method([rawTransactionParam], ([raw]) =>
      sendRawTransaction(context, raw),
    ),
    eth_getTransactionByHash: method([hash], ([of]) => transactionByHash(context, of)),
    eth_getTransactionByBlockHashAndIndex: method(
      [hashParam("blockHash"), index],
      ([blockHash, at]) => transactionAt(context, context.reader.chain.numberByHash(blockHash), at),
    ),
    eth_getTransactionByBlockNumberAndIndex: method([requiredBlockParam, index], ([block, at]) =>
      transactionAt(context, resolveBlock(context, block), at),
    ),
    eth_getTransactionReceipt: method([hash], ([of]) => receiptByHash(context, of)),
    eth_getBlockReceipts: method([requiredBlockParam], ([block]) => {
      const found = findBlock(context, resolveBlock(context, block));
      return (
        found?.receipts.map((_, at) => receiptToJson(found.stored.block, found.receipts, at)) ??
        null
      );
    }),
  };
}
