/** Whom a holder of receipts believes: what the rollup file says, and no node. */
import { parsePolicy } from "../../lanes/policy.ts";
import type { ReceiptTrust } from "../../lanes/receipt-trust.ts";
import { NodeError } from "../../node/errors.ts";
import { recoverSigner } from "../../node/primitives/signature.ts";
import { GENESIS_TERM, type RollupConfig, signingDomain } from "../../node/rollup-config.ts";

/**
 * What receipts of a rollup are checked against: they are signed by the sequencer of the rollup
 * file, in the one term that it has. Errors: `POLICY_INVALID`.
 */
export function trustOf(rollup: RollupConfig): ReceiptTrust {
  const policy = parsePolicy(rollup.policy);
  if (!policy.ok) throw new NodeError(policy.code, policy.data);
  return {
    domain: signingDomain(rollup),
    term: GENESIS_TERM,
    sequencer: rollup.sequencer,
    policy: policy.value,
    recover: recoverSigner,
  };
}
