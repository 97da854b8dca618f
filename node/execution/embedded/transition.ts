/**
 * The transaction transition: validity, fees, execution, receipt.
 *
 * Owns what a transaction of a block does to the state: types 0, 1, 2, 4 and deposits (0x7E), as
 * far as the machine's rules allow them.
 * Invariants: a rejected transaction leaves no trace; no wei is created but by `mint`; a deposit is
 * never rejected but for the block's gas or its form.
 * Source: yellow paper 6; EIP-1559, 2681, 3607, 3860, 7623, 7702; OP Stack specs: deposits.md,
 * fjord and isthmus exec-engine.md (fees and vaults).
 */
import assert from "node:assert/strict";
import { RLP } from "@ethereumjs/rlp";
import { bigintToMinimalBytes, fromHex, type Hex, toHex } from "../../../lanes/bytes.ts";
import { DEPOSIT_TYPE } from "../../../lanes/transaction.ts";
import { keccak256 } from "../../primitives/hash.ts";
import { logsBloom, type Receipt } from "../../primitives/receipt.ts";
import type {
  DepositTransaction,
  Transaction,
  UserTransaction,
} from "../../primitives/transaction.ts";
import type { ApplyOptions, ApplyResult, RejectionCode } from "../engine.ts";
import { L1_FEE_VAULT, OPERATOR_FEE_VAULT } from "../../primitives/predeploys.ts";
import type { Machine } from "./evm.ts";
import { type GasCost, gasCost, INITCODE_BYTES_MAX } from "./gas.ts";
import type { RollupFees } from "./l1-fee.ts";
import type { Outcome, Speculated } from "../speculation.ts";
import { finishMessage, isDelegation, type Message, runMessage } from "./message.ts";
import type { Rules } from "./rules.ts";
import { adopt, isCurrent, isCurrentByValue } from "./speculation.ts";
import { EMPTY_ACCOUNT, isEmpty } from "./state.ts";

/** The open block as its transactions see and change it. */
export interface BlockProgress {
  machine: Machine;
  gasUsed: bigint;
  /** Set at the first transaction that is not a deposit. */
  fees: RollupFees | null;
}

const UINT64_MAX = 2n ** 64n - 1n;
const UINT256_MAX = 2n ** 256n - 1n;
const DELEGATING_TYPE = 4;
/** OP Stack: marks receipts of deposits that carry `depositNonce`. */
const DEPOSIT_RECEIPT_VERSION = 1n;

/**
 * Executes one transaction at the end of the block: kept with its receipt, or no trace of it. With
 * `onlySuccess` there is no trace of one that fails, either; deposits are kept in any case. What was
 * executed aside counts as far as it would come out the same now: `speculated` or nothing, `witness`
 * or an execution here.
 */
export async function applyTransaction(
  progress: BlockProgress,
  transaction: Transaction,
  { onlySuccess = false, speculated = null, witness = null }: Options = {},
): Promise<ApplyResult> {
  const { evm, state } = progress.machine;
  state.beginTransaction();
  state.checkpoint();
  const depth = state.depth();
  try {
    const result =
      transaction.type === DEPOSIT_TYPE
        ? await applyDeposit(progress, transaction)
        : await applyUserTransaction(progress, transaction, { onlySuccess, speculated, witness });
    if (result.ok) state.commit();
    else state.revert();
    return result;
  } catch (cause) {
    // Only a fault of the EVM itself gets here: leave nothing of it, in state or in the EVM.
    state.unwind(depth - 1);
    evm.journal.cleanJournal();
    throw cause;
  }
}

interface Options extends Pick<ApplyOptions, "onlySuccess" | "speculated"> {
  /** An execution aside on another base than the state here has. */
  readonly witness?: Speculated | null;
}

interface Charge {
  readonly gasPrice: bigint;
  readonly cost: GasCost;
  readonly l1Fee: bigint;
  /** wei taken from the sender before execution. */
  readonly charge: bigint;
}

/**
 * What an execution aside needs to know, or what is wrong with the transaction. What gas is left to
 * the block does not matter: when the result comes, it is another block.
 */
export function priceOf(
  { machine, fees }: BlockProgress,
  transaction: UserTransaction,
): { readonly gasPrice: bigint; readonly charge: bigint } | RejectionCode {
  return checkTransaction(machine, transaction, fees ?? machine.rules.rollupFees(machine.state));
}

async function applyUserTransaction(
  progress: BlockProgress,
  transaction: UserTransaction,
  { onlySuccess, speculated, witness }: Required<Options>,
): Promise<ApplyResult> {
  const { machine } = progress;
  const { state, rules } = machine;
  const { baseFee, beneficiary } = machine.context;
  const fees = progress.fees ?? rules.rollupFees(state);
  const checked = checkTransaction(machine, transaction, fees);
  if (typeof checked === "string") return { ok: false, code: checked };

  const { gasPrice, cost, l1Fee, charge } = checked;
  const { sender, gasLimit } = transaction;
  if (gasLimit > machine.context.gasLimit - progress.gasUsed)
    return { ok: false, code: "BLOCK_GAS_EXCEEDED" };
  const now = { context: machine.context, gasPrice, charge, state };
  if (speculated !== null && !isCurrent(speculated, now)) return { ok: false, code: "STALE" };
  const aside = speculated ?? (witness !== null && isCurrentByValue(witness, now) ? witness : null);
  assert(aside === null || aside.transaction.hash === transaction.hash, "its own result");
  state.subtractBalance(sender, charge);
  if (aside !== null) adopt(aside, state);
  const outcome = aside?.outcome ?? (await runMessage(machine, { ...transaction, gasPrice }, cost));
  if (onlySuccess && !outcome.success) {
    await machine.evm.journal.cleanup();
    return { ok: false, code: "TX_REVERTED" };
  }
  const { gasUsed } = outcome;
  const operatorFee = fees.operatorFee(gasUsed);
  const operatorRefund = fees.operatorFee(gasLimit) - operatorFee;
  state.addBalance(sender, (gasLimit - gasUsed) * gasPrice + operatorRefund);
  payTip(machine, beneficiary, gasUsed * (gasPrice - baseFee));
  if (rules.baseFeeRecipient !== null) state.addBalance(rules.baseFeeRecipient, gasUsed * baseFee);
  state.addBalance(L1_FEE_VAULT, l1Fee);
  state.addBalance(OPERATOR_FEE_VAULT, operatorFee);
  if (aside === null) await finishMessage(machine, outcome);
  progress.fees = fees;
  progress.gasUsed += gasUsed;
  const receipt = makeReceipt(progress, transaction, transaction.nonce, outcome);
  return { ok: true, receipt: { ...receipt, effectiveGasPrice: gasPrice, l1Fee } };
}

/** EIP-161: to be paid touches the beneficiary, even where the tip is nothing. */
function payTip({ state }: Machine, beneficiary: Hex, tip: bigint): void {
  state.addBalance(beneficiary, tip);
  const account = state.account(beneficiary);
  if (account !== null && isEmpty(account)) state.setAccount(beneficiary, null);
}

/** Cost of a transaction by its form; or what is wrong with the form, whatever the state. */
export function checkForm(
  transaction: UserTransaction,
  chainId: bigint,
  rules: Rules,
): GasCost | RejectionCode {
  const { type, to, data, gasLimit, maxFeePerGas, maxPriorityFeePerGas } = transaction;
  if (!rules.transactionTypes.has(type)) return "TX_TYPE_NOT_SUPPORTED";
  if (transaction.chainId !== null && transaction.chainId !== chainId) return "TX_INVALID";
  if (maxPriorityFeePerGas > maxFeePerGas || gasLimit > UINT64_MAX) return "TX_INVALID";
  if (type === DELEGATING_TYPE && transaction.authorizationList.length === 0) return "TX_INVALID";
  if (type === DELEGATING_TYPE && to === null) return "TX_INVALID";
  if (to === null && data.length > INITCODE_BYTES_MAX) return "TX_INVALID";
  const cost = costUnder(rules, transaction);
  if (gasLimit < cost.intrinsic || gasLimit < cost.floor) return "INTRINSIC_GAS_TOO_LOW";
  // There is not that much ether: no state can pay this.
  if (gasLimit * maxFeePerGas > UINT256_MAX) return "INSUFFICIENT_FUNDS";
  return cost;
}

function costUnder(rules: Rules, form: Parameters<typeof gasCost>[0]): GasCost {
  const cost = gasCost(form);
  return rules.calldataFloor ? cost : { ...cost, floor: 0n };
}

/** What can be wrong with a transaction before it executes, but for the block's gas; reads only. */
function checkTransaction(
  { evm, state, context, rules }: Machine,
  transaction: UserTransaction,
  fees: RollupFees,
): Charge | RejectionCode {
  const { sender, nonce, gasLimit, maxFeePerGas, maxPriorityFeePerGas } = transaction;
  const cost = checkForm(transaction, evm.common.chainId(), rules);
  if (typeof cost === "string") return cost;

  const account = state.account(sender) ?? EMPTY_ACCOUNT;
  if (nonce < account.nonce) return "NONCE_TOO_LOW";
  if (nonce > account.nonce) return "NONCE_TOO_HIGH";
  if (nonce >= UINT64_MAX) return "TX_INVALID";
  const code = state.code(sender);
  const delegated = rules.transactionTypes.has(DELEGATING_TYPE) && isDelegation(code);
  if (code.length > 0 && !delegated) return "SENDER_NOT_EOA";
  if (maxFeePerGas < context.baseFee) return "FEE_CAP_TOO_LOW";
  const l1Fee = fees.l1Fee(transaction.raw);
  const upFront = gasLimit * maxFeePerGas + transaction.value + l1Fee + fees.operatorFee(gasLimit);
  if (account.balance < upFront) return "INSUFFICIENT_FUNDS";
  const tipMax = maxFeePerGas - context.baseFee;
  const tip = maxPriorityFeePerGas < tipMax ? maxPriorityFeePerGas : tipMax;
  const gasPrice = context.baseFee + tip;
  const charge = gasLimit * gasPrice + l1Fee + fees.operatorFee(gasLimit);
  return { gasPrice, cost, l1Fee, charge };
}

async function applyDeposit(
  progress: BlockProgress,
  deposit: DepositTransaction,
): Promise<ApplyResult> {
  const { machine } = progress;
  const { state, context, rules } = machine;
  if (!rules.transactionTypes.has(DEPOSIT_TYPE))
    return { ok: false, code: "TX_TYPE_NOT_SUPPORTED" };
  // Regolith: there are no system transactions any more.
  if (deposit.isSystemTx) return { ok: false, code: "TX_INVALID" };
  if (deposit.gasLimit > context.gasLimit - progress.gasUsed)
    return { ok: false, code: "BLOCK_GAS_EXCEEDED" };
  state.addBalance(deposit.sender, deposit.mint);
  const depositNonce = state.account(deposit.sender)?.nonce ?? 0n;
  const message: Message = {
    ...deposit,
    gasPrice: 0n,
    accessList: [],
    authorizationList: [],
  };
  const cost = costUnder(rules, message);
  let outcome: Outcome;
  if (canRun(machine, message, cost)) {
    outcome = await runMessage(machine, message, cost);
    await finishMessage(machine, outcome);
  } else {
    outcome = failDeposit(machine, deposit);
  }
  progress.gasUsed += outcome.gasUsed;
  const receipt = makeReceipt(progress, deposit, depositNonce, outcome);
  const depositReceiptVersion = DEPOSIT_RECEIPT_VERSION;
  return { ok: true, receipt: { ...receipt, depositNonce, depositReceiptVersion } };
}

function canRun({ state }: Machine, message: Message, cost: GasCost): boolean {
  const { to, data, gasLimit, value, sender } = message;
  if (gasLimit < cost.intrinsic || gasLimit < cost.floor) return false;
  if (to === null && data.length > INITCODE_BYTES_MAX) return false;
  return (state.account(sender)?.balance ?? 0n) >= value;
}

/** A deposit that cannot even start keeps its mint, raises the nonce and uses all its gas. */
function failDeposit({ state }: Machine, { sender, gasLimit }: DepositTransaction): Outcome {
  const account = state.account(sender) ?? EMPTY_ACCOUNT;
  state.setAccount(sender, { ...account, nonce: account.nonce + 1n });
  return {
    success: false,
    gasUsed: gasLimit,
    gasSpent: gasLimit,
    output: new Uint8Array(0),
    error: "failed deposit",
    logs: [],
    destructed: [],
  };
}

function makeReceipt(
  progress: BlockProgress,
  { type, sender, to }: Transaction,
  nonce: bigint,
  outcome: Outcome,
): Receipt {
  const { success, gasUsed, logs } = outcome;
  return {
    type,
    status: success ? 1 : 0,
    cumulativeGasUsed: progress.gasUsed,
    gasUsed,
    effectiveGasPrice: 0n,
    // As in geth, a creation that failed shows the address too.
    contractAddress: to === null ? createdAddress(sender, nonce) : null,
    logs,
    logsBloom: logsBloom(logs),
    l1Fee: 0n,
  };
}

/** Address of the contract that an account creates with this nonce. Source: yellow paper 7. */
function createdAddress(sender: Hex, nonce: bigint): Hex {
  const digest = keccak256(RLP.encode([fromHex(sender), bigintToMinimalBytes(nonce)]));
  return toHex(digest.subarray(12));
}
