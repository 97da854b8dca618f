/**
 * Receipts as their holder checks them: with the rollup file, and without trusting the node that
 * handed them over.
 */
import { checkAdmissionReceipt } from "../../lanes/admission.ts";
import { checkInclusionReceipt } from "../../lanes/inclusion.ts";
import { parsePolicy } from "../../lanes/policy.ts";
import { parseReceipt, type Receipt } from "../../lanes/receipt-json.ts";
import type { ReceiptTrust, ReceiptVerdict } from "../../lanes/receipt-trust.ts";
import { NodeError } from "../../node/errors.ts";
import { recoverSigner } from "../../node/primitives/signature.ts";
import { GENESIS_TERM, type RollupConfig } from "../../node/rollup-config.ts";

/**
 * What receipts of a rollup are checked against: they are signed by the sequencer of the rollup
 * file, in the one term that it has. Errors: `POLICY_INVALID`.
 */
export function trustOf(rollup: RollupConfig): ReceiptTrust {
  const policy = parsePolicy(rollup.policy);
  if (!policy.ok) throw new NodeError(policy.code, policy.data);
  const { chainId, l1ChainId, settlement, sequencer } = rollup;
  return {
    domain: { chainId, l1ChainId, settlement },
    term: GENESIS_TERM,
    sequencer,
    policy: policy.value,
    recover: recoverSigner,
  };
}

/** A receipt of either kind, as a node answers it: in its form, and signed as it says. */
export function checkReceipt(json: unknown, trust: ReceiptTrust): ReceiptVerdict<Receipt> {
  const parsed = parseReceipt(json);
  if (!parsed.ok) return parsed;
  const verdict =
    parsed.value.type === "admission"
      ? checkAdmissionReceipt(parsed.value.receipt, trust)
      : checkInclusionReceipt(parsed.value.receipt, trust);
  return verdict.ok ? parsed : verdict;
}
