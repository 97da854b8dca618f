/**
 * The rollup file as a node takes it at its start: checked, with a policy that can be loaded and
 * fits, and the hash that all nodes of the chain agree on. Does not own its form
 * (`rollup-config.ts`).
 */
import { checkFits } from "../lanes/budget.ts";
import type { Hex } from "../lanes/bytes.ts";
import { canonicalJson } from "../lanes/canonical-json.ts";
import { parsePolicy, type Policy } from "../lanes/policy.ts";
import { NodeError } from "./errors.ts";
import { invalidSetting, readJson } from "./json-file.ts";
import { keccakHex } from "./primitives/hash.ts";
import { type RollupConfig, rollupConfigSchema } from "./rollup-config.ts";

export interface LoadedRollup {
  readonly rollup: RollupConfig;
  /** keccak256 of the validated file as canonical JSON: spelling and key order do not matter. */
  readonly rollupHash: Hex;
  /** The rollup's, loaded. */
  readonly policy: Policy;
}

/** Errors: `CONFIG_INVALID`, `POLICY_INVALID`. */
export async function loadRollupFile(file: string): Promise<LoadedRollup> {
  const parsed = rollupConfigSchema.safeParse(await readJson(file, "rollupFile"));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw invalidSetting(["rollup", ...(issue?.path ?? [])].join("."), file, issue?.message ?? "");
  }
  const rollup = parsed.data;
  const policy = parsePolicy(rollup.policy);
  if (!policy.ok) throw new NodeError("POLICY_INVALID", { from: file, ...policy.data });
  const fits = checkFits(policy.value.document, rollup.genesis.gasLimit);
  if (!fits.ok) throw new NodeError("POLICY_INVALID", { from: file, ...fits.data });
  if (policy.value.document.chainId !== rollup.chainId)
    throw new NodeError("POLICY_INVALID", {
      from: file,
      path: "chainId",
      reason: `the rollup config says ${rollup.chainId}`,
    });
  const rollupHash = keccakHex(canonicalRollup(rollup, file));
  return { rollup, rollupHash, policy: policy.value };
}

/**
 * The file's values as validated: defaults filled in, hex in lower case, wei as decimal strings.
 */
function canonicalRollup(rollup: RollupConfig, file: string): Uint8Array {
  const plain: unknown = JSON.parse(
    JSON.stringify(rollup, (_key, value: unknown) =>
      typeof value === "bigint" ? value.toString() : value,
    ),
  );
  const bytes = canonicalJson(plain);
  if (bytes === null)
    throw invalidSetting(
      "rollup",
      file,
      "whole numbers, valid Unicode and at most 16 levels of nesting",
    );
  return bytes;
}
