/** Our blocks in the Engine API's words, and receipts of both clients side by side. */
import { toHex } from "../../lanes/bytes.ts";
import { DEPOSIT_TYPE } from "../../lanes/transaction.ts";
import type { ExecutedBlock } from "../../node/execution/engine.ts";
import { DEPOSITOR, L1_BLOCK } from "../../node/primitives/predeploys.ts";
import type { Block } from "../../node/primitives/block.ts";
import { type JsonObject, quantity, receiptToJson } from "../../rpc/codec.ts";
import type { OpGeth } from "./op-geth.ts";

/** `ExecutionPayloadV4` of the OP Stack: V3 with the withdrawals root (Isthmus). */
function payloadOf({ block }: ExecutedBlock): JsonObject {
  const { hash, header, transactions } = block;
  return {
    parentHash: header.parentHash,
    feeRecipient: header.beneficiary,
    stateRoot: header.stateRoot,
    receiptsRoot: header.receiptsRoot,
    logsBloom: toHex(header.logsBloom),
    prevRandao: header.prevRandao,
    blockNumber: quantity(header.number),
    gasLimit: quantity(header.gasLimit),
    gasUsed: quantity(header.gasUsed),
    timestamp: quantity(header.timestamp),
    extraData: toHex(header.extraData),
    baseFeePerGas: quantity(header.baseFeePerGas),
    blockHash: hash,
    transactions: transactions.map(({ raw }) => toHex(raw)),
    withdrawals: [],
    withdrawalsRoot: header.withdrawalsRoot,
    blobGasUsed: quantity(header.blobGasUsed),
    excessBlobGas: quantity(header.excessBlobGas),
  };
}

/** What op-geth says of a block that we made; `null` when it takes it and makes it its head. */
export async function importBlock(opGeth: OpGeth, executed: ExecutedBlock): Promise<string | null> {
  const { hash, header } = executed.block;
  const answer = (await opGeth.engine("engine_newPayloadV4", [
    payloadOf(executed),
    [],
    header.parentBeaconBlockRoot,
    [],
  ])) as { status: string; validationError: string | null };
  if (answer.status !== "VALID") return `${answer.status}: ${answer.validationError ?? ""}`;
  const heads = { headBlockHash: hash, safeBlockHash: hash, finalizedBlockHash: hash };
  const updated = (await opGeth.engine("engine_forkchoiceUpdatedV3", [heads, null])) as {
    payloadStatus: { status: string; validationError: string | null };
  };
  const { status, validationError } = updated.payloadStatus;
  return status === "VALID" ? null : `fork choice ${status}: ${validationError ?? ""}`;
}

/** Members that op-geth has from the attributes; all are left out where it takes none. */
const FROM_ATTRIBUTES = [
  "l1Fee",
  "l1GasPrice",
  "l1GasUsed",
  "l1BlobBaseFee",
  "l1BaseFeeScalar",
  "l1BlobBaseFeeScalar",
  "operatorFeeScalar",
  "operatorFeeConstant",
] as const;

/** Every difference between our receipts of a block and op-geth's, one line each. */
export async function compareReceipts(
  opGeth: OpGeth,
  { block, receipts }: ExecutedBlock,
): Promise<string[]> {
  const theirs = (await opGeth.call("eth_getBlockReceipts", [block.hash])) as JsonObject[];
  if (theirs.length !== receipts.length)
    return [`${receipts.length} receipts here, ${theirs.length} there`];
  const skipped: ReadonlySet<string> = new Set(saysL1Fees(block) ? [] : FROM_ATTRIBUTES);
  return receipts.flatMap((_, index) =>
    differences(receiptToJson(block, receipts, index) ?? {}, theirs[index] ?? {}, skipped).map(
      (line) => `receipt ${index}: ${line}`,
    ),
  );
}

/**
 * Whether op-geth's receipts show the fees that it charged. It takes a block that ends with a
 * deposit for one of deposits alone, and knows no attributes but the first transaction's. The state
 * root has the fees all the same.
 */
function saysL1Fees({ transactions }: Block): boolean {
  if (transactions.at(-1)?.type === DEPOSIT_TYPE) return false;
  return !transactions
    .slice(1)
    .some(
      ({ type, sender, to }) => type === DEPOSIT_TYPE && sender === DEPOSITOR && to === L1_BLOCK,
    );
}

/** Where execution parts, from the report that op-geth logs of a block it refuses. */
export function refusedReceipts(opGeth: OpGeth, { receipts }: ExecutedBlock): string[] {
  const pattern = /^\s*(\d+): cumulative: \d+ gas: (\d+) .* status: (\d)/gm;
  return [...opGeth.log().matchAll(pattern)].flatMap(([, index, gas, status]) => {
    const ours = receipts[Number(index)];
    const here = `gas ${ours?.gasUsed ?? "none"}, status ${ours?.status ?? "none"}`;
    const there = `gas ${gas}, status ${status}`;
    return here === there ? [] : [`receipt ${index}: ${here} here, ${there} there`];
  });
}

function differences(ours: JsonObject, theirs: JsonObject, skipped: ReadonlySet<string>): string[] {
  const keys = new Set([...Object.keys(ours), ...Object.keys(theirs)]);
  const found: string[] = [];
  for (const key of keys) {
    if (skipped.has(key)) continue;
    const [here, there] = [canonical(ours[key]), canonical(theirs[key])];
    if (here !== there) found.push(`${key} is ${here} here, ${there} there`);
  }
  return found;
}

/** JSON with members in order. */
function canonical(value: unknown): string {
  if (value === undefined) return "absent";
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
