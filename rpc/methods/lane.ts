/**
 * `lane_*`: the policy in force, sending with a receipt, receipts, the node's view of itself, and the
 * lane order of a block in a form that whoever reads it can check by itself.
 */
import type { Hex } from "../../lanes/bytes.ts";
import { toHex, ZERO_HASH } from "../../lanes/bytes.ts";
import { laneOf, NORMAL } from "../../lanes/classify.ts";
import type { InclusionReceipt } from "../../lanes/inclusion.ts";
import { laneDataHash, type LaneReport } from "../../lanes/lane-data.ts";
import { leafNumbers } from "../../lanes/leaf-numbers.ts";
import { classOfRank } from "../../lanes/policy.ts";
import { admissionReceiptToJson, inclusionReceiptToJson } from "../../lanes/receipt-json.ts";
import { NodeError } from "../../node/errors.ts";
import type { Receipt } from "../../node/primitives/receipt.ts";
import type { StoredBlock } from "../../node/storage/store.ts";
import { AdmissionReceipts } from "../../node/admission-receipts.ts";
import { type JsonObject, quantity } from "../codec.ts";
import { findBlock, resolveBlock, type RpcContext } from "../context.ts";
import { describeFeeds, describePublisher } from "../feeds.ts";
import { method, type Methods } from "../method.ts";
import { addressParam, blockParam, hashParam } from "../params.ts";
import { rawTransactionParam, sendTransaction } from "../send.ts";
import { reportParam, submitReport, type SubmittedReport } from "../submit-report.ts";

function laneBlock(
  context: RpcContext,
  stored: StoredBlock,
  receipts: readonly Receipt[],
): JsonObject {
  const { block, laneData, orderHashes, signature, flashblockSignatures } = stored;
  const position = context.reader.blockPosition(stored);
  const parent = context.reader.chain.blockByNumber(block.header.number - 1);
  const numbers = leafNumbers(block.transactions, laneData);
  const classes = context.reader.storedClasses(stored);
  const transactions = block.transactions.map((transaction, index) => {
    const { rank, rule, className } = classes[index] ?? NORMAL;
    return {
      hash: transaction.hash,
      rank,
      rule,
      class: className,
      accepted: quantity(numbers[index]?.accepted ?? 0n),
      ready: quantity(numbers[index]?.ready ?? 0n),
      gasLimit: quantity(transaction.gasLimit),
      status: receipts[index]?.status ?? 0,
      gasUsed: quantity(receipts[index]?.gasUsed ?? 0n),
    };
  });
  const signatureOf = (index: number): Hex | null => {
    const own = flashblockSignatures[index];
    return own === undefined ? null : toHex(own);
  };
  return {
    term: quantity(position.term),
    lastForced: quantity(position.lastForced),
    l1OriginNumber: quantity(position.l1OriginNumber),
    l1OriginHash: position.l1OriginHash,
    blockNumber: quantity(block.header.number),
    blockHash: block.hash,
    timestamp: quantity(block.header.timestamp),
    policyHash: laneData.policyHash,
    laneDataHash: laneDataHash(laneData),
    signature: signature === null ? null : toHex(signature),
    flashblocks: laneData.flashblocks.map((flashblock, index) => ({
      txCount: flashblock.txCount,
      timestampMs: flashblock.timestampMs,
      leaderEpoch: flashblock.leaderEpoch,
      conflicts: flashblock.conflicts.map((pair) => pair.map(reportToJson)),
      epoch:
        flashblock.epoch === null
          ? null
          : {
              cut: quantity(flashblock.epoch.cut),
              reports: flashblock.epoch.reports.map(reportToJson),
            },
      parentOrderHash: orderHashes[index - 1] ?? parent?.orderHashes.at(-1) ?? ZERO_HASH,
      orderHash: orderHashes[index] ?? null,
      signature: signatureOf(index),
    })),
    transactions,
  };
}

function reportToJson({ source, bytes }: LaneReport): JsonObject {
  return { source, bytes: toHex(bytes) };
}

function className({ policy }: RpcContext, rank: number): string | null {
  return classOfRank(policy, rank)?.name ?? null;
}

async function send(
  context: RpcContext,
  receipts: AdmissionReceipts,
  raw: Hex,
): Promise<JsonObject> {
  const { hash, lane, rank, accepted, deadlineBlock, admission } = await sendTransaction(
    context,
    raw,
    true,
  );
  return {
    hash,
    lane,
    class: className(context, rank),
    accepted: quantity(accepted),
    deadlineBlock: quantity(deadlineBlock),
    // A follower has none: the sequencer's answer to it carries no proof.
    receipt: admission === undefined ? null : admissionReceiptToJson(receipts.of(admission)),
  };
}

async function report(
  context: RpcContext,
  receipts: AdmissionReceipts,
  submitted: SubmittedReport,
): Promise<JsonObject> {
  const { hash, accepted, deadlineBlock, admission } = await submitReport(context, submitted);
  return {
    hash,
    accepted: quantity(accepted),
    deadlineBlock: quantity(deadlineBlock),
    receipt: admissionReceiptToJson(receipts.of(admission)),
  };
}

/**
 * What has become of a transaction; `null` for one that this node does not know. Until its
 * flashblock is signed it is `queued`, executed or not: nothing is promised of its place.
 */
async function receipt(context: RpcContext, hash: Hex): Promise<JsonObject | null> {
  const { preconfirmations, reader, node } = context;
  const state = (status: string, more: JsonObject = {}): JsonObject => ({
    hash,
    status,
    receipt: null,
    drop: null,
    ...more,
  });
  const location = reader.chain.transactionLocation(hash);
  const inclusion = preconfirmations.inclusion(hash);
  const proven: JsonObject = inclusion === null ? {} : provenBy(context, inclusion);
  if (location !== null)
    return state("sealed", { blockNumber: quantity(location.blockNumber), ...proven });
  if (inclusion !== null)
    return state("preconfirmed", {
      blockNumber: quantity(inclusion.header.blockNumber),
      ...proven,
    });
  const pooled = await node.pooled(hash);
  if (pooled !== null) return state("queued", { lane: pooled.lane });
  const drop = preconfirmations.drop(hash);
  if (drop === null) return null;
  const { message } = new NodeError(drop.code);
  const blockNumber = quantity(drop.blockNumber);
  const accepted = quantity(drop.accepted);
  return state("dropped", { accepted, drop: { code: drop.code, message, blockNumber } });
}

function provenBy(context: RpcContext, inclusion: InclusionReceipt): JsonObject {
  const { rank, accepted } = inclusion.lane;
  return {
    lane: laneOf(rank),
    class: className(context, rank),
    accepted: quantity(accepted),
    receipt: inclusionReceiptToJson(inclusion),
  };
}

export function createLaneMethods(context: RpcContext): Methods {
  const { policy, rollup, node, preconfirmations } = context;
  const hash = hashParam("transactionHash");
  const receipts = new AdmissionReceipts();
  return {
    lane_policy: method([], () => ({ hash: policy.hash, document: rollup.policy })),
    lane_status: method([], () => node.status()),
    lane_sendRawTransaction: method([rawTransactionParam], ([raw]) => send(context, receipts, raw)),
    lane_submitReport: method([reportParam], ([submitted]) => report(context, receipts, submitted)),
    lane_feeds: method([], () => describeFeeds(context, Date.now())),
    lane_publisher: method([addressParam("key")], ([key]) => describePublisher(context, key)),
    lane_receipt: method([hash], ([of]) => receipt(context, of)),
    lane_proof: method([hash], ([of]) => {
      const inclusion = preconfirmations.inclusion(of);
      return inclusion === null ? null : inclusionReceiptToJson(inclusion);
    }),
    lane_block: method([blockParam], ([block]) => {
      const found = findBlock(context, resolveBlock(context, block));
      return found === null ? null : laneBlock(context, found.stored, found.receipts);
    }),
  };
}
