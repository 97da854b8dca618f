/**
 * The base fee: blocks must have it, and RPC foretells it. Source: EIP-1559 with the chain's own
 * denominator and elasticity (OP Stack specs, holocene/exec-engine.md).
 */
import type { Header } from "./header.ts";

export interface FeeParameters {
  readonly denominator: number;
  readonly elasticity: number;
}

/** Base fee of the block after `parent`, in wei per gas. */
export function nextBaseFee(
  parent: Pick<Header, "gasUsed" | "gasLimit" | "baseFeePerGas">,
  parameters: FeeParameters,
): bigint {
  const { gasUsed, gasLimit, baseFeePerGas } = parent;
  const target = gasLimit / BigInt(parameters.elasticity);
  if (gasUsed === target || target === 0n) return baseFeePerGas;
  const distance = gasUsed > target ? gasUsed - target : target - gasUsed;
  const delta = (baseFeePerGas * distance) / target / BigInt(parameters.denominator);
  if (gasUsed > target) return baseFeePerGas + (delta > 1n ? delta : 1n);
  return baseFeePerGas > delta ? baseFeePerGas - delta : 0n;
}
