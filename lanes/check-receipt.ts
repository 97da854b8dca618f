/**
 * Receipts of either kind as their holder checks them: whoever handed them over is not trusted.
 */
import { checkAdmissionReceipt } from "./admission.ts";
import type { Hex } from "./bytes.ts";
import { checkInclusionReceipt } from "./inclusion.ts";
import { parseReceipt, type Receipt } from "./receipt-json.ts";
import type { ReceiptTrust, ReceiptVerdict } from "./receipt-trust.ts";

/** Whether it is signed as it says. */
export function checkReceipt(receipt: Receipt, trust: ReceiptTrust): ReceiptVerdict {
  return receipt.type === "admission"
    ? checkAdmissionReceipt(receipt.receipt, trust)
    : checkInclusionReceipt(receipt.receipt, trust);
}

/** A receipt as a node answers it: in its form, and signed as it says. */
export function checkReceiptJson(json: unknown, trust: ReceiptTrust): ReceiptVerdict<Receipt> {
  const parsed = parseReceipt(json);
  if (!parsed.ok) return parsed;
  const verdict = checkReceipt(parsed.value, trust);
  return verdict.ok ? parsed : verdict;
}

/** Hash of the transaction or report that it is about. */
export function receiptHash(receipt: Receipt): Hex {
  return receipt.type === "admission" ? receipt.receipt.leaf.hash : receipt.receipt.lane.txHash;
}
