/**
 * Rules a transaction must meet to enter the txpool that need no other pooled transaction.
 * The form (encoding, signature, sender) was checked before, off the sequencing thread.
 */
import { accept, refuse, type Verdict } from "../../lanes/verdict.ts";
import { gasCost, INITCODE_BYTES_MAX } from "../execution/embedded/gas.ts";
import type { AccountView } from "../execution/engine.ts";
import type { UserTransaction } from "../primitives/transaction.ts";

/** A nonce may run ahead of the account's by this much. */
export const NONCE_GAP_MAX = 64n;

/** A replacement raises both fees by at least this. */
const REPLACEMENT_BUMP_PERCENT = 10n;

type AdmissionRefusal =
  | "CHAIN_ID_MISMATCH"
  | "GAS_LIMIT_TOO_HIGH"
  | "INTRINSIC_GAS_TOO_LOW"
  | "TX_INVALID"
  | "TIP_ABOVE_FEE_CAP"
  | "NONCE_TOO_LOW"
  | "NONCE_TOO_HIGH"
  | "INSUFFICIENT_FUNDS";

export interface AdmissionLimits {
  readonly chainId: number;
  /** PROTOCOL 6: gas of one transaction. */
  readonly maxTxGas: bigint;
}

/** wei a transaction can cost at most: gas at its fee cap, and value. */
export function maxCost(transaction: UserTransaction): bigint {
  return transaction.gasLimit * transaction.maxFeePerGas + transaction.value;
}

/** Checks chain, gas limit, fees, nonce and funds of one transaction by itself. */
export function checkAdmission(
  transaction: UserTransaction,
  account: AccountView,
  limits: AdmissionLimits,
): Verdict<null, AdmissionRefusal> {
  const { chainId, gasLimit, nonce } = transaction;
  if (chainId !== BigInt(limits.chainId))
    return refuse("CHAIN_ID_MISMATCH", { expected: limits.chainId, got: String(chainId) });
  if (gasLimit > limits.maxTxGas)
    return refuse("GAS_LIMIT_TOO_HIGH", { limit: String(limits.maxTxGas), got: String(gasLimit) });
  const { intrinsic, floor } = gasCost(transaction);
  const needed = intrinsic > floor ? intrinsic : floor;
  if (gasLimit < needed)
    return refuse("INTRINSIC_GAS_TOO_LOW", { needed: String(needed), got: String(gasLimit) });
  if (transaction.to === null && transaction.data.length > INITCODE_BYTES_MAX)
    return refuse("TX_INVALID", { initcodeBytesMax: INITCODE_BYTES_MAX });
  if (transaction.maxPriorityFeePerGas > transaction.maxFeePerGas)
    return refuse("TIP_ABOVE_FEE_CAP");
  if (nonce < account.nonce)
    return refuse("NONCE_TOO_LOW", { next: String(account.nonce), got: String(nonce) });
  if (nonce > account.nonce + NONCE_GAP_MAX)
    return refuse("NONCE_TOO_HIGH", { next: String(account.nonce), got: String(nonce) });
  const cost = maxCost(transaction);
  if (cost > account.balance)
    return refuse("INSUFFICIENT_FUNDS", { have: String(account.balance), want: String(cost) });
  return accept(null);
}

/** Whether one of the same account and nonce pays enough more. */
export function checkReplacement(
  old: UserTransaction,
  fees: UserTransaction,
): Verdict<null, "REPLACEMENT_UNDERPRICED"> {
  const bumped = (fee: bigint): bigint => fee + (fee * REPLACEMENT_BUMP_PERCENT + 99n) / 100n;
  const isEnough =
    fees.maxFeePerGas >= bumped(old.maxFeePerGas) &&
    fees.maxPriorityFeePerGas >= bumped(old.maxPriorityFeePerGas);
  return isEnough ? accept(null) : refuse("REPLACEMENT_UNDERPRICED");
}
