/**
 * Whether a receipt that arrived is what it should be: strictly parsed, of the transaction that was
 * sent, and signed by the sequencer. With the checks a user has.
 */
import { checkAdmissionReceipt } from "../../lanes/admission.ts";
import type { Hex } from "../../lanes/bytes.ts";
import { checkInclusionReceipt } from "../../lanes/inclusion.ts";
import { parseReceipt } from "../../lanes/receipt-json.ts";
import type { ReceiptTrust } from "../../lanes/receipt-trust.ts";

export type ReceiptCheck = (json: unknown, hash: Hex, type: "admission" | "inclusion") => boolean;

/** Whether a receipt is of this transaction and type, and the sequencer's. */
export function receiptCheck(trust: ReceiptTrust): ReceiptCheck {
  return (json, hash, type) => {
    const parsed = parseReceipt(json);
    if (!parsed.ok || parsed.value.type !== type) return false;
    const found = parsed.value;
    return found.type === "admission"
      ? found.receipt.leaf.hash === hash && checkAdmissionReceipt(found.receipt, trust).ok
      : found.receipt.lane.txHash === hash && checkInclusionReceipt(found.receipt, trust).ok;
  };
}
