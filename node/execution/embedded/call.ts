/**
 * Simulated calls on committed state: `eth_call` and `eth_estimateGas`, for any reader thread.
 *
 * Owns a throwaway overlay for each request; nothing is ever committed. The block that code sees is
 * the one whose state it reads, as in geth. Source: geth core/state_transition.go and
 * eth/gasestimator.
 */
import { toHex } from "../../../lanes/bytes.ts";
import { accept, refuse, type Verdict } from "../../../lanes/verdict.ts";
import type { Header } from "../../primitives/header.ts";
import type { RollupConfig } from "../../rollup-config.ts";
import type { StateReader } from "../../storage/state.ts";
import type { CallRequest, CallResult } from "../engine.ts";
import { createCachedReader } from "./cached-reader.ts";
import { createMachine, type Machine } from "./evm.ts";
import { gasCost, INITCODE_BYTES_MAX } from "./gas.ts";
import { type Outcome, runMessage } from "./message.ts";
import { ROLLUP_BLOB_BASE_FEE } from "./rules.ts";
import { createWorkingState, EMPTY_CODE_HASH } from "./state.ts";

export interface CallOptions {
  readonly rollup: RollupConfig;
  /** State after the block of `header`. */
  readonly state: StateReader;
  readonly header: Header;
}

type EstimateRefusal = "EXECUTION_REVERTED" | "EXECUTION_FAILED" | "INSUFFICIENT_FUNDS";

const TRANSFER_GAS = 21_000n;
const CALL_STIPEND = 2300n;
/** The search stops when its interval is this part of the upper bound (geth: 1.5 %). */
const ERROR_PER_MILLE = 15n;
const RUNS_MAX = 64;

type Run = CallResult & { readonly gasSpent: bigint };

/** Executes a call on a throwaway overlay. The gas limit is capped by the block's. */
export async function simulateCall(
  options: CallOptions,
  request: CallRequest,
): Promise<CallResult> {
  const machine = await openMachine(options, request);
  const { success, output, gasUsed, error } = await run(machine, request, request.gasLimit);
  return { success, output, gasUsed, error };
}

/**
 * Least gas limit, to within 1.5 %, with which the call succeeds.
 *
 * Errors: verdict `EXECUTION_REVERTED` with `output` (revert data in hex), `EXECUTION_FAILED` with
 * `reason`, `INSUFFICIENT_FUNDS`.
 */
export async function estimateGas(
  options: CallOptions,
  request: CallRequest,
): Promise<Verdict<bigint, EstimateRefusal>> {
  const machine = await openMachine(options, request);
  const { state } = machine;
  const balance = state.account(request.from)?.balance ?? 0n;
  if (balance < request.value) return refuse("INSUFFICIENT_FUNDS");
  let high = minimum(request.gasLimit, options.header.gasLimit);
  if (request.gasPrice > 0n) high = minimum(high, (balance - request.value) / request.gasPrice);

  const codeHash = request.to === null ? null : state.account(request.to)?.codeHash;
  const plain = request.to !== null && (codeHash ?? EMPTY_CODE_HASH) === EMPTY_CODE_HASH;
  if (plain && request.data.length === 0 && high >= TRANSFER_GAS) {
    const transfer = await run(machine, request, TRANSFER_GAS);
    if (transfer.success) return accept(TRANSFER_GAS);
  }
  const first = await run(machine, request, high);
  if (!first.success) return refuseRun(first, high);
  return accept(await search(machine, request, first, high));
}

/** Binary search between gas that is surely too little and gas that is known to be enough. */
async function search(
  machine: Machine,
  request: CallRequest,
  first: Run,
  enough: bigint,
): Promise<bigint> {
  let high = enough;
  // A gas limit below what the first run used in the end cannot do.
  let low = first.gasUsed - 1n;
  // Most calls need what they spent, and 1/64 more where they call others (EIP-150).
  let middle = ((first.gasSpent + CALL_STIPEND) * 64n) / 63n;
  for (let i = 0; i < RUNS_MAX && low + 1n < high; i++) {
    if (middle < high) {
      const tried = await run(machine, request, middle);
      if (tried.success) high = middle;
      else low = middle;
    }
    if ((high - low) * 1000n < high * ERROR_PER_MILLE) break;
    middle = (high + low) / 2n;
    // Most calls need little more than the lower bound: do not jump far.
    if (middle > low * 2n) middle = low * 2n;
  }
  return high;
}

function refuseRun(failed: Run, gasLimit: bigint): Verdict<bigint, EstimateRefusal> {
  if (failed.error === "revert")
    return refuse("EXECUTION_REVERTED", { output: toHex(failed.output) });
  if (failed.error === "out of gas" || failed.error === INTRINSIC_GAS)
    return refuse("EXECUTION_FAILED", {
      reason: `gas required exceeds allowance (${gasLimit.toString()})`,
    });
  return refuse("EXECUTION_FAILED", { reason: failed.error ?? "unknown" });
}

async function openMachine(options: CallOptions, request: CallRequest): Promise<Machine> {
  const { rollup, header } = options;
  return createMachine(rollup.chainId, createWorkingState(createCachedReader(options.state)), {
    number: header.number,
    timestamp: header.timestamp,
    gasLimit: header.gasLimit,
    // Who offers no price sees none, as in geth.
    baseFee: request.gasPrice === 0n ? 0n : header.baseFeePerGas,
    blobBaseFee: ROLLUP_BLOB_BASE_FEE,
    beneficiary: header.beneficiary,
    prevRandao: header.prevRandao,
    parentHash: header.parentHash,
  });
}

const INTRINSIC_GAS = "intrinsic gas too low";

async function run(machine: Machine, request: CallRequest, limit: bigint): Promise<Run> {
  const { state, evm, context } = machine;
  const gasLimit = minimum(limit, context.gasLimit);
  const cost = gasCost({ ...request, accessList: [], authorizationList: [] });
  if (gasLimit < cost.intrinsic || gasLimit < cost.floor) return failed(INTRINSIC_GAS);
  if (request.to === null && request.data.length > INITCODE_BYTES_MAX)
    return failed("max initcode size exceeded");
  const fee = gasLimit * request.gasPrice;
  const balance = state.account(request.from)?.balance ?? 0n;
  if (balance < fee + request.value) return failed("insufficient funds for gas * price + value");
  state.beginTransaction();
  state.subtractBalance(request.from, fee);
  const message = {
    ...request,
    sender: request.from,
    gasLimit,
    accessList: [],
    authorizationList: [],
  };
  const outcome: Outcome = await runMessage(machine, message, cost);
  evm.journal.cleanJournal();
  state.clear();
  const { success, output, gasUsed, gasSpent, error } = outcome;
  return { success, output, gasUsed, gasSpent, error };
}

function failed(error: string): Run {
  return { success: false, output: new Uint8Array(0), gasUsed: 0n, gasSpent: 0n, error };
}

function minimum(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
