/** `lane_*`: the policy in force, the node's view of itself, and the lane order of a block. */
import { classify } from "../../lanes/classify.ts";
import { DEPOSIT_TYPE } from "../../lanes/transaction.ts";
import { laneTransaction } from "../../node/primitives/transaction.ts";
import type { StoredBlock } from "../../node/storage/store.ts";
import { toHex } from "../../lanes/bytes.ts";
import { laneDataHash } from "../../lanes/lane-data.ts";
import { type JsonObject, quantity } from "../codec.ts";
import { resolveBlock, type RpcContext } from "../context.ts";
import { method, type Methods } from "../method.ts";
import { blockParam } from "../params.ts";

function laneBlock(context: RpcContext, stored: StoredBlock): JsonObject {
  const { block, laneData, orderHashes, signature } = stored;
  let userIndex = 0;
  const transactions = block.transactions.map((transaction) => {
    const { rank, rule, className } = classify(laneTransaction(transaction), context.policy);
    const numbers = transaction.type === DEPOSIT_TYPE ? undefined : laneData.numbers[userIndex++];
    return {
      hash: transaction.hash,
      rank,
      rule,
      class: className,
      accepted: quantity(numbers?.accepted ?? 0n),
      ready: quantity(numbers?.ready ?? 0n),
    };
  });
  return {
    blockNumber: quantity(block.header.number),
    blockHash: block.hash,
    policyHash: laneData.policyHash,
    laneDataHash: laneDataHash(laneData),
    signature: signature === null ? null : toHex(signature),
    flashblocks: laneData.flashblocks.map((flashblock, index) => ({
      txCount: flashblock.txCount,
      timestampMs: flashblock.timestampMs,
      leaderEpoch: flashblock.leaderEpoch,
      orderHash: orderHashes[index] ?? null,
    })),
    transactions,
  };
}

export function createLaneMethods(context: RpcContext): Methods {
  const { policy, rollup, node, reader } = context;
  return {
    lane_policy: method([], () => ({ hash: policy.hash, document: rollup.policy })),
    lane_status: method([], () => node.status()),
    lane_block: method([blockParam], ([block]) => {
      const number = resolveBlock(context, block);
      const stored = number === null ? null : reader.chain.blockByNumber(number);
      return stored === null ? null : laneBlock(context, stored);
    }),
  };
}
