/**
 * Whether a receipt that arrived is what it should be: strictly parsed, of the transaction that was
 * sent, and signed by the sequencer. With the checks a user has.
 */
import type { Hex } from "../../lanes/bytes.ts";
import { checkReceiptJson, receiptHash } from "../../lanes/check-receipt.ts";
import type { ReceiptTrust } from "../../lanes/receipt-trust.ts";

export type ReceiptCheck = (json: unknown, hash: Hex, type: "admission" | "inclusion") => boolean;

/** Whether a receipt is of this transaction and type, and the sequencer's. */
export function receiptCheck(trust: ReceiptTrust): ReceiptCheck {
  return (json, hash, type) => {
    const checked = checkReceiptJson(json, trust);
    return checked.ok && checked.value.type === type && receiptHash(checked.value) === hash;
  };
}
