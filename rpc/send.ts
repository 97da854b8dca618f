/**
 * Taking a transaction in: its form, chain and signature are checked here, in the RPC thread; the
 * sequencing thread gets it decoded with its sender. What it answers is the acknowledgement (I7).
 */
import { fromHex, type Hex } from "../lanes/bytes.ts";
import { accept } from "../lanes/verdict.ts";
import type { SubmitAnswer } from "../node/api.ts";
import { systemClock } from "../node/clock.ts";
import { NodeError } from "../node/errors.ts";
import { judgeConditions, type TransactionConditions } from "../node/primitives/conditions.ts";
import { recoverSender } from "../node/primitives/signature.ts";
import {
  decodeTransaction,
  TX_BYTES_MAX,
  type UserTransaction,
} from "../node/primitives/transaction.ts";
import { type RpcContext, txGasMax } from "./context.ts";
import type { Param } from "./method.ts";
import { bad } from "./params.ts";

const PENDING = { kind: "tag", tag: "pending" } as const;

/** Hex of any length: a transaction that is too long has an error of its own. */
export const rawTransactionParam: Param<Hex> = {
  name: "transaction",
  parse: (value) =>
    typeof value === "string" && /^0x[0-9a-fA-F]*$/.test(value) && value.length % 2 === 0
      ? accept(value as Hex)
      : bad("transaction", "0x and whole bytes of hex"),
};

/** Decodes and checks what needs no state. Throws the code of the first rule that is broken. */
function toUserTransaction(context: RpcContext, hex: Hex): UserTransaction {
  const { chainId } = context.rollup;
  const bytes = (hex.length - 2) / 2;
  if (bytes > TX_BYTES_MAX) throw new NodeError("TX_TOO_LARGE", { bytes, bytesMax: TX_BYTES_MAX });
  const decoded = decodeTransaction(fromHex(hex));
  if (!decoded.ok) throw new NodeError(decoded.code, decoded.data);
  const transaction = decoded.value;
  if (transaction.chainId !== BigInt(chainId))
    throw new NodeError("CHAIN_ID_MISMATCH", {
      expected: chainId,
      found: transaction.chainId === null ? "none" : transaction.chainId.toString(),
    });
  const gasLimitMax = txGasMax(context);
  if (transaction.gasLimit > gasLimitMax)
    throw new NodeError("GAS_LIMIT_TOO_HIGH", { gasLimitMax: Number(gasLimitMax) });
  if (transaction.maxPriorityFeePerGas > transaction.maxFeePerGas)
    throw new NodeError("TIP_ABOVE_FEE_CAP");
  const sender = recoverSender(transaction);
  if (sender === null) throw new NodeError("TX_SIGNATURE_INVALID");
  return { ...transaction, sender };
}

/**
 * Throws `CONDITION_FAILED` for what fails already. What is early waits: whether it is, only the
 * sequencing thread sees.
 */
function refuseFailed(context: RpcContext, conditions: TransactionConditions): void {
  const { reader, policy } = context;
  const open = reader.pendingBodies().at(-1)?.environment;
  const next = {
    number: reader.chain.heads().unsafe.number + 1,
    timestamp: Math.floor(systemClock.nowMs() / 1000) + policy.document.blockTimeMs / 1000,
  };
  const { number: blockNumber, timestamp } = open ?? next;
  const judged = reader.stateAt(PENDING, (state) =>
    judgeConditions(conditions, {
      ...{ blockNumber, timestamp, epoch: Infinity },
      slot: (address, slot) => state.slot(address, slot),
    }),
  );
  if (judged === "failed") throw new NodeError("CONDITION_FAILED");
}

export type Acknowledgement = Extract<SubmitAnswer, { ok: true }>;

/** The acknowledgement, with its proof where it is wanted. Throws the code of the refusal. */
export async function sendTransaction(
  context: RpcContext,
  hex: Hex,
  wantsReceipt = false,
  conditions: TransactionConditions | null = null,
): Promise<Acknowledgement> {
  const transaction = toUserTransaction(context, hex);
  if (conditions !== null) refuseFailed(context, conditions);
  const answering = context.node.submit(transaction, wantsReceipt, conditions);
  context.fastSignal.announce(transaction);
  const answer = await answering;
  if (!answer.ok) throw new NodeError(answer.code, answer.data);
  return answer;
}
