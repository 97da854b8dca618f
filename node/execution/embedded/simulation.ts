/**
 * One simulated call, run as often as asked on a machine of its own; nothing is ever committed.
 *
 * Owns what a call may do that a transaction may not: pay nothing, pretend another state or block,
 * come from a contract, and leave nonce and rollup fees aside. Does not own which state it runs on.
 * Source: geth core/state_transition.go, internal/ethapi (DoCall, ToMessage, override).
 */
import { accept, refuse, type Verdict } from "../../../lanes/verdict.ts";
import type { RollupConfig } from "../../rollup-config.ts";
import type { StateReader } from "../../storage/state.ts";
import type {
  AccountOverride,
  BlockOverrides,
  CallOverrides,
  CallRequest,
  CallResult,
} from "../call.ts";
import type { Poll } from "../poll.ts";
import { createCachedReader } from "./cached-reader.ts";
import { createMachine, type Machine } from "./evm.ts";
import { gasCost, INITCODE_BYTES_MAX } from "./gas.ts";
import { runMessage } from "./message.ts";
import { type BlockContext, ISTHMUS } from "./rules.ts";
import { createWorkingState, EMPTY_ACCOUNT, type WorkingState } from "./state.ts";

/** Where a call runs. */
export interface SimulationOptions {
  readonly rollup: RollupConfig;
  readonly state: StateReader;
  readonly context: BlockContext;
  readonly overrides: CallOverrides;
  /** Ends the simulation by what it throws. */
  readonly poll: Poll;
}

export type PriceRefusal = "FEE_CAP_TOO_LOW" | "TIP_ABOVE_FEE_CAP";

/** What a run cost beside its result. */
export interface Run extends CallResult {
  /** Most gas that was spent at any time, before refunds: what the limit must cover. */
  readonly gasPeak: bigint;
  /** Whether the call never started, since its gas limit is below what its form costs. */
  readonly belowIntrinsic: boolean;
}

export interface Simulation {
  readonly machine: Machine;
  /** Balance of the caller before it pays. */
  readonly balance: () => bigint;
  /** Whether the callee is an account without code; `false` for creations. */
  readonly isTransfer: () => boolean;
  run(gasLimit: bigint): Promise<Run>;
}

export const INSUFFICIENT_FUNDS = "insufficient funds for gas * price + value";

/** Prepares a call. The verdict refuses a price that could not stand in this block. */
export async function openSimulation(
  options: SimulationOptions,
  request: CallRequest,
): Promise<Verdict<Simulation, PriceRefusal>> {
  const { rollup, overrides, poll } = options;
  const context = overrideBlock(options.context, overrides.block);
  const price = priceOf(request, context.baseFee);
  if (!price.ok) return price;
  const gasPrice = price.value;
  const state = createWorkingState(createCachedReader(options.state));
  // Who offers no price sees none, as in geth.
  const seen: BlockContext = gasPrice === 0n ? { ...context, baseFee: 0n } : context;
  const machine = await createMachine(rollup.chainId, state, seen, ISTHMUS, poll);
  const pretend = (): void => {
    for (const account of overrides.accounts) overrideAccount(state, account);
  };
  pretend();
  return accept({
    machine,
    balance: () => state.account(request.from)?.balance ?? 0n,
    isTransfer: () => request.to !== null && state.code(request.to).length === 0,
    async run(gasLimit) {
      const result = await run(machine, { ...request, gasLimit }, gasPrice);
      machine.evm.journal.cleanJournal();
      state.clear();
      pretend();
      return result;
    },
  });
}

/** wei per gas that the call pays in a block with this base fee. */
function priceOf({ feeCap, tip }: CallRequest, baseFee: bigint): Verdict<bigint, PriceRefusal> {
  if (feeCap === 0n && (tip ?? 0n) === 0n) return accept(0n);
  if (tip !== null && tip > feeCap) return refuse("TIP_ABOVE_FEE_CAP");
  if (feeCap < baseFee) return refuse("FEE_CAP_TOO_LOW", { baseFee: baseFee.toString() });
  if (tip === null) return accept(feeCap);
  return accept(baseFee + tip < feeCap ? baseFee + tip : feeCap);
}

function overrideBlock(context: BlockContext, overrides: BlockOverrides | null): BlockContext {
  if (overrides === null) return context;
  return {
    number: overrides.number ?? context.number,
    timestamp: overrides.timestamp ?? context.timestamp,
    gasLimit: overrides.gasLimit ?? context.gasLimit,
    beneficiary: overrides.beneficiary ?? context.beneficiary,
    prevRandao: overrides.prevRandao ?? context.prevRandao,
    baseFee: overrides.baseFee ?? context.baseFee,
    blobBaseFee: overrides.blobBaseFee ?? context.blobBaseFee,
    parentHash: context.parentHash,
  };
}

function overrideAccount(state: WorkingState, override: AccountOverride): void {
  const { address, balance, nonce, code, storageReplaced, slots } = override;
  const account = state.account(address) ?? EMPTY_ACCOUNT;
  state.setAccount(address, {
    ...account,
    nonce: nonce ?? account.nonce,
    balance: balance ?? account.balance,
  });
  if (code !== null) state.setCode(address, code);
  if (storageReplaced) state.clearStorage(address);
  for (const { slot, value } of slots) state.setSlot(address, slot, value);
}

async function run(machine: Machine, request: CallRequest, gasPrice: bigint): Promise<Run> {
  const { state } = machine;
  const { from, to, data, value, gasLimit } = request;
  const cost = gasCost(request);
  if (gasLimit < cost.intrinsic || gasLimit < cost.floor)
    return { ...failed("intrinsic gas too low"), belowIntrinsic: true };
  if (to === null && data.length > INITCODE_BYTES_MAX) return failed("max initcode size exceeded");
  const balance = state.account(from)?.balance ?? 0n;
  if (balance < gasLimit * request.feeCap + value) return failed(INSUFFICIENT_FUNDS);
  state.beginTransaction();
  state.subtractBalance(from, gasLimit * gasPrice);
  const outcome = await runMessage(machine, { ...request, sender: from, gasPrice }, cost);
  const { success, output, gasUsed, gasSpent, error } = outcome;
  const gasPeak = gasSpent > cost.floor ? gasSpent : cost.floor;
  return { success, output, gasUsed, gasPeak, error, belowIntrinsic: false };
}

function failed(error: string): Run {
  const output = new Uint8Array(0);
  return { success: false, output, gasUsed: 0n, gasPeak: 0n, error, belowIntrinsic: false };
}
