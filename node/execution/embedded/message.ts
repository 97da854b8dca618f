/**
 * Execution of one message in the EVM: what user transactions, deposits, system calls and simulated
 * calls have in common.
 *
 * Owns warm addresses, EIP-7702 authorizations, gas refunds, self-destruction and the clean-up of
 * touched empty accounts. Does not own fees, validity or receipts: `transition.ts`.
 * Source: yellow paper 6; EIP-161, 2929, 2930, 3529, 3651, 6780, 7623, 7702.
 */
import type { Log as LibraryLog } from "@ethereumjs/evm";
import { concatBytes, fromHex, type Hex, ZERO_ADDRESS } from "../../../lanes/bytes.ts";
import { recoverAuthority } from "../../primitives/signature.ts";
import type { Log } from "../../primitives/receipt.ts";
import type { AccessListEntry, Authorization } from "../../primitives/transaction.ts";
import { EMPTY_CODE_HASH } from "../../storage/state.ts";
import type { Outcome } from "../speculation.ts";
import { addressOf, type Machine } from "./evm.ts";
import { AUTHORIZATION_REFUND, type GasCost, settleGas } from "./gas.ts";
import { EMPTY_ACCOUNT } from "./state.ts";
import { hexOf } from "./state-manager.ts";

export interface Message {
  readonly sender: Hex;
  readonly to: Hex | null;
  readonly value: bigint;
  readonly data: Uint8Array;
  readonly gasLimit: bigint;
  /** wei per gas, as GASPRICE shows it. */
  readonly gasPrice: bigint;
  readonly accessList: readonly AccessListEntry[];
  readonly authorizationList: readonly Authorization[];
}

const UINT64_MAX = 2n ** 64n - 1n;
const DELEGATION_PREFIX = Uint8Array.of(0xef, 0x01, 0x00);
const DELEGATION_BYTES = 23;
const NO_CODE = new Uint8Array(0);

/** Whether code is an EIP-7702 delegation. */
export function isDelegation(code: Uint8Array): boolean {
  return (
    code.length === DELEGATION_BYTES &&
    code[0] === DELEGATION_PREFIX[0] &&
    code[1] === DELEGATION_PREFIX[1] &&
    code[2] === DELEGATION_PREFIX[2]
  );
}

/**
 * Runs a message: raises the sender's nonce, applies authorizations, executes, settles gas.
 *
 * The caller has checked that the sender can pay `value`, that the gas limit covers `cost` and that
 * initcode is not too long. Fees are the caller's; then `finishMessage`.
 */
export async function runMessage(
  machine: Machine,
  message: Message,
  cost: GasCost,
): Promise<Outcome> {
  const { evm, state } = machine;
  const { sender, to } = message;
  const account = state.account(sender) ?? EMPTY_ACCOUNT;
  state.setAccount(sender, { ...account, nonce: account.nonce + 1n });
  warmUp(machine, message);
  const authorizationRefund = applyAuthorizations(machine, message.authorizationList);
  const gasLimit = message.gasLimit - cost.intrinsic;
  const { execResult } = await evm.runCall({
    block: machine.block,
    caller: addressOf(sender),
    origin: addressOf(sender),
    gasPrice: message.gasPrice,
    gasLimit,
    value: message.value,
    data: message.data,
    skipNonceIncrement: true,
    ...(to === null ? {} : { to: addressOf(to) }),
  });
  const error = execResult.exceptionError?.error ?? null;
  const refund = authorizationRefund + (execResult.gasRefund ?? 0n);
  const created = execResult.createdAddresses;
  const gasSpent = cost.intrinsic + execResult.executionGasUsed;
  return {
    success: error === null,
    gasUsed: settleGas(gasSpent, refund, cost.floor),
    gasSpent,
    output: execResult.returnValue,
    error,
    logs: (execResult.logs ?? []).map(toLog),
    // EIP-6780: only what this very transaction created goes.
    destructed: [...(execResult.selfdestruct?.keys() ?? [])]
      .filter((address) => created?.has(address) === true)
      .map((address) => address.toLowerCase() as Hex),
  };
}

/** Deletes self-destructed and touched empty accounts; resets the EVM's per-transaction state. */
export async function finishMessage(machine: Machine, outcome: Outcome): Promise<void> {
  const { evm } = machine;
  for (const address of outcome.destructed) await evm.journal.deleteAccount(addressOf(address));
  await evm.journal.cleanup();
}

/** EIP-2929, 2930, 3651: what is warm before execution. */
function warmUp({ evm, context }: Machine, { sender, to, accessList }: Message): void {
  for (const address of evm.precompiles.keys()) evm.journal.addAlwaysWarmAddress(address);
  evm.journal.addAlwaysWarmAddress(sender);
  evm.journal.addAlwaysWarmAddress(context.beneficiary);
  if (to !== null) evm.journal.addAlwaysWarmAddress(to);
  for (const entry of accessList) {
    evm.journal.addAlwaysWarmAddress(entry.address);
    for (const slot of entry.storageKeys) evm.journal.addAlwaysWarmSlot(entry.address, slot);
  }
}

/** Sets delegations; an authorization that does not hold is passed over. Returns the gas refund. */
function applyAuthorizations(machine: Machine, list: readonly Authorization[]): bigint {
  const { evm, state } = machine;
  const chainId = evm.common.chainId();
  let refund = 0n;
  for (const authorization of list) {
    if (authorization.chainId !== 0n && authorization.chainId !== chainId) continue;
    if (authorization.nonce >= UINT64_MAX) continue;
    const authority = recoverAuthority(authorization);
    if (authority === null) continue;
    evm.journal.addAlwaysWarmAddress(authority);
    const code = state.code(authority);
    if (code.length > 0 && !isDelegation(code)) continue;
    const account = state.account(authority);
    if ((account?.nonce ?? 0n) !== authorization.nonce) continue;
    if (account !== null) refund += AUTHORIZATION_REFUND;
    state.setCode(
      authority,
      authorization.address === ZERO_ADDRESS
        ? NO_CODE
        : concatBytes(DELEGATION_PREFIX, fromHex(authorization.address)),
    );
    const delegated = state.account(authority) ?? EMPTY_ACCOUNT;
    state.setAccount(authority, { ...delegated, nonce: delegated.nonce + 1n });
  }
  return refund;
}

function toLog([address, topics, data]: LibraryLog): Log {
  return { address: hexOf(address), topics: topics.map(hexOf), data };
}

export interface SystemCall {
  readonly from: Hex;
  readonly to: Hex;
  readonly data: Uint8Array;
  readonly gasLimit: bigint;
}

/** A call by the protocol itself: no nonce, fee or receipt; nothing happens where no code is. */
export async function runSystemCall(machine: Machine, call: SystemCall): Promise<void> {
  const { evm, state } = machine;
  if ((state.account(call.to)?.codeHash ?? EMPTY_CODE_HASH) === EMPTY_CODE_HASH) return;
  state.beginTransaction();
  await evm.runCall({
    block: machine.block,
    caller: addressOf(call.from),
    origin: addressOf(call.from),
    to: addressOf(call.to),
    data: call.data,
    gasLimit: call.gasLimit,
    skipNonceIncrement: true,
  });
  await evm.journal.cleanup();
}
