/**
 * I4: how much of a block each fast class may take, in gas limits. The builder fills by it, and
 * `verifyLanes` checks by it. PROTOCOL 4.
 */
import { BPS, type PolicyDocument } from "./policy-document.ts";
import { accept, refuse, type Verdict } from "./verdict.ts";

/** The block's gas, all of it as limits. */
export interface BlockGas {
  readonly gasLimit: bigint;
  /** Sum over the attributes and deposits. */
  readonly systemGas: bigint;
  /** The policy's `systemReserveGas`. */
  readonly systemReserveGas: number;
}

/** Gas limit of the L1 attributes transaction: in every block. PROTOCOL 6. */
export const ATTRIBUTES_GAS = 1_000_000n;

/**
 * Whether a block of this gas limit can hold what the policy lets through: a rule whose `maxGas`
 * is over its class's cap would close the class for good, and a normal transaction over the block's
 * gas, or aborted too often and over its heavy gas, would wait for ever. Errors: verdict
 * `POLICY_INVALID` with the path.
 */
export function checkFits(
  policy: PolicyDocument,
  gasLimit: bigint,
): Verdict<null, "POLICY_INVALID"> {
  const { systemReserveGas } = policy;
  const gas: BlockGas = { gasLimit, systemGas: ATTRIBUTES_GAS, systemReserveGas };
  for (const [c, { gasShareBps, rules }] of policy.fast.classes.entries()) {
    const cap = capOf(gasShareBps, gas);
    const r = rules.findIndex(({ maxGas }) => BigInt(maxGas) > cap);
    if (r !== -1)
      return refuse("POLICY_INVALID", {
        path: `fast.classes[${c}].rules[${r}].maxGas`,
        expected: `at most the class's share of a block, ${cap}`,
      });
  }
  const { maxTxGas, heavyGas } = policy.normal;
  if (heavyGas < maxTxGas)
    return refuse("POLICY_INVALID", {
      path: "normal.heavyGas",
      expected: `at least normal.maxTxGas, ${maxTxGas}`,
    });
  const free = gasLimit - ATTRIBUTES_GAS - BigInt(systemReserveGas);
  if (BigInt(maxTxGas) > free)
    return refuse("POLICY_INVALID", {
      path: "normal.maxTxGas",
      expected: `at most what a block has for transactions, ${free}`,
    });
  return accept(null);
}

/** `⌊share × (gasLimit − attributes and deposits − systemReserveGas)⌋`, never below 0. */
export function capOf(gasShareBps: number, gas: BlockGas): bigint {
  const free = gas.gasLimit - gas.systemGas - BigInt(gas.systemReserveGas);
  return free <= 0n ? 0n : (free * BigInt(gasShareBps)) / BigInt(BPS);
}

/** What is left of a block's gas limits, and of its time. */
export interface GasRelease {
  /** Gas limits that fit the block. */
  readonly free: bigint;
  /** What the fast classes may still take. */
  readonly reserved: bigint;
  /** Milliseconds left of the block, and all of them; at least one. */
  readonly leftMs: number;
  readonly totalMs: number;
}

/** What the normal lane may take now: gas kept for the fast classes is released linearly. */
export function normalGasLeft({ free, reserved, leftMs, totalMs }: GasRelease): bigint {
  return free - (reserved * BigInt(Math.floor(leftMs))) / BigInt(Math.ceil(totalMs));
}
