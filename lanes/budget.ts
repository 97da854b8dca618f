/**
 * I4: how much of a block each fast class may take, in gas limits. The builder fills by it, and
 * `verifyLanes` checks by it. PROTOCOL 4.
 */
import { BPS } from "./policy-document.ts";

/** The block's gas, all of it as limits. */
export interface BlockGas {
  readonly gasLimit: bigint;
  /** Sum over the attributes and deposits. */
  readonly systemGas: bigint;
  /** The policy's `systemReserveGas`. */
  readonly systemReserveGas: number;
}

/** `⌊share × (gasLimit − attributes and deposits − systemReserveGas)⌋`, never below 0. */
export function capOf(gasShareBps: number, gas: BlockGas): bigint {
  const free = gas.gasLimit - gas.systemGas - BigInt(gas.systemReserveGas);
  return free <= 0n ? 0n : (free * BigInt(gasShareBps)) / BigInt(BPS);
}
