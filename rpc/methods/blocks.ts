/** `eth_*` methods about blocks and fees: what every node of the chain answers alike. */
import type { Hex } from "../../lanes/bytes.ts";
import { accept } from "../../lanes/verdict.ts";
import { type JsonObject, quantity } from "../codec.ts";
import { findBody, requireBlock, resolveBlock, type RpcContext } from "../context.ts";
import { nextBaseFee } from "../../node/primitives/base-fee.ts";
import type { BlockId } from "../../node/reader.ts";
import { createTipOracle, tipsAtPercentiles } from "../fees.ts";
import { FEE_HISTORY_BLOCKS_MAX, FEE_HISTORY_PERCENTILES_MAX } from "../limits.ts";
import { method, type Methods, optional, type Param } from "../method.ts";
import { bodyToJson } from "../pending-block.ts";
import {
  bad,
  booleanParam,
  countParam,
  hashParam,
  heightParam,
  parseList,
  requiredBlockParam,
} from "../params.ts";

function getBlock(context: RpcContext, id: BlockId, whole: boolean): JsonObject | null {
  const body = findBody(context, id);
  return body === null ? null : bodyToJson(body, whole);
}

function transactionCount(context: RpcContext, id: BlockId): Hex | null {
  const body = findBody(context, id);
  return body === null ? null : quantity(body.block.transactions.length);
}

/** Blocks have no uncles since the merge. */
function uncleCount({ reader }: RpcContext, number: number | null): Hex | null {
  return number === null || reader.chain.headerByNumber(number) === null ? null : "0x0";
}

const percentilesParam: Param<readonly number[]> = {
  name: "rewardPercentiles",
  parse(value) {
    const parsed = parseList(
      value,
      FEE_HISTORY_PERCENTILES_MAX,
      "rewardPercentiles",
      (entry, at) =>
        typeof entry === "number" && entry >= 0 && entry <= 100
          ? accept(entry)
          : bad(at, "a number from 0 to 100"),
    );
    if (!parsed.ok) return parsed;
    const list = parsed.value;
    return list.every((entry, i) => i === 0 || entry >= (list[i - 1] ?? 0))
      ? parsed
      : bad("rewardPercentiles", "ascending numbers");
  },
};

function feeHistory(
  context: RpcContext,
  count: number,
  newest: BlockId,
  percentiles: readonly number[],
): JsonObject {
  const { chain } = context.reader;
  const last = requireBlock(context, newest);
  const first = Math.max(0, last + 1 - Math.min(count, FEE_HISTORY_BLOCKS_MAX));
  const baseFees: Hex[] = [];
  const gasUsedRatio: number[] = [];
  const reward: Hex[][] = [];
  let next = 0n;
  for (let number = first; number <= last; number++) {
    const header = chain.headerByNumber(number)?.header;
    const receipts = percentiles.length === 0 ? [] : chain.receipts(number);
    if (header === undefined || receipts === null) break;
    baseFees.push(quantity(header.baseFeePerGas));
    gasUsedRatio.push(Number(header.gasUsed) / Number(header.gasLimit));
    reward.push(tipsAtPercentiles(receipts, header, percentiles).map(quantity));
    next = nextBaseFee(header, context.rollup.eip1559);
  }
  const blocks = baseFees.length;
  return {
    oldestBlock: quantity(first),
    baseFeePerGas: blocks === 0 ? [] : [...baseFees, quantity(next)],
    gasUsedRatio,
    // No blob transactions here: the blob base fee stays at its minimum of 1 wei.
    baseFeePerBlobGas: blocks === 0 ? [] : Array.from({ length: blocks + 1 }, () => "0x1"),
    blobGasUsedRatio: Array.from({ length: blocks }, () => 0),
    ...(percentiles.length === 0 ? {} : { reward }),
  };
}

export function createBlockMethods(context: RpcContext): Methods {
  const { chain } = context.reader;
  const hash = hashParam("blockHash");
  const oracle = createTipOracle(context);
  const byHash = (of: Hex): BlockId => ({ kind: "hash", hash: of });
  const whole = optional(booleanParam("fullTransactions"), false);
  return {
    eth_chainId: method([], () => quantity(context.rollup.chainId)),
    eth_blockNumber: method([], () => quantity(chain.heads().unsafe.number)),
    eth_getBlockByHash: method([hash, whole], ([of, full]) => getBlock(context, byHash(of), full)),
    eth_getBlockByNumber: method([heightParam, whole], ([block, full]) =>
      getBlock(context, block, full),
    ),
    eth_getBlockTransactionCountByHash: method([hash], ([of]) =>
      transactionCount(context, byHash(of)),
    ),
    eth_getBlockTransactionCountByNumber: method([requiredBlockParam], ([block]) =>
      transactionCount(context, block),
    ),
    eth_getUncleCountByBlockHash: method([hash], ([of]) =>
      uncleCount(context, chain.numberByHash(of)),
    ),
    eth_getUncleCountByBlockNumber: method([requiredBlockParam], ([block]) =>
      uncleCount(context, resolveBlock(context, block)),
    ),
    eth_maxPriorityFeePerGas: method([], () => quantity(oracle.suggest())),
    eth_gasPrice: method([], () => {
      const head = chain.headerByNumber(chain.heads().unsafe.number);
      const baseFee = head === null ? 0n : nextBaseFee(head.header, context.rollup.eip1559);
      return quantity(baseFee + oracle.suggest());
    }),
    eth_feeHistory: method(
      [countParam("blockCount"), requiredBlockParam, optional(percentilesParam, [])],
      ([count, newest, percentiles]) => feeHistory(context, count, newest, percentiles),
    ),
  };
}
