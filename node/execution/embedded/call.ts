/**
 * `eth_call` and `eth_estimateGas` on any state, for any reader thread.
 *
 * Owns the search for the least gas limit. Does not own how a call runs: `simulation.ts`.
 * Source: geth eth/gasestimator.
 */
import { toHex } from "../../../lanes/bytes.ts";
import { accept, refuse, type Verdict } from "../../../lanes/verdict.ts";
import type { CallRequest, CallResult } from "../call.ts";
import type { CallFrame, TraceOptions } from "../trace.ts";
import { CallTracer } from "./call-tracer.ts";
import {
  INSUFFICIENT_FUNDS,
  openSimulation,
  type PriceRefusal,
  type Run,
  type Simulation,
  type SimulationOptions,
} from "./simulation.ts";

type EstimateRefusal =
  PriceRefusal | "EXECUTION_REVERTED" | "EXECUTION_FAILED" | "INSUFFICIENT_FUNDS";

const TRANSFER_GAS = 21_000n;
const CALL_STIPEND = 2300n;
/** The search stops when its interval is a smaller part of the upper bound (geth: 1.5 %). */
const ERROR_PER_MILLE = 15n;

/** Executes a call. Errors: as `openSimulation`; what the call itself meets is in the result. */
export async function simulateCall(
  options: SimulationOptions,
  request: CallRequest,
): Promise<Verdict<CallResult, PriceRefusal>> {
  const simulation = await openSimulation(options, request);
  if (!simulation.ok) return simulation;
  const { success, output, gasUsed, error } = await simulation.value.run(request.gasLimit);
  return accept({ success, output, gasUsed, error });
}

/**
 * Executes a call and tells the calls it makes. Errors: as `openSimulation`; verdict
 * `EXECUTION_FAILED` with `reason` where it cannot begin.
 */
export async function traceCall(
  options: SimulationOptions,
  request: CallRequest,
  trace: TraceOptions,
): Promise<Verdict<CallFrame, PriceRefusal | "EXECUTION_FAILED">> {
  const simulation = await openSimulation(options, request);
  if (!simulation.ok) return simulation;
  const tracer = new CallTracer(simulation.value.machine, trace);
  tracer.begin(0);
  const { gasUsed, error } = await simulation.value.run(request.gasLimit);
  const frame = tracer.end({ gas: request.gasLimit, gasUsed });
  if (frame !== null) return accept(frame);
  return refuse("EXECUTION_FAILED", { reason: error ?? "unknown" });
}

/**
 * Least gas limit, to within 1.5 %, with which the call succeeds. `gasMax` is the highest that is
 * tried; a request for less than a transfer costs is one for as much as the block has.
 *
 * Errors: as `openSimulation`; verdict `EXECUTION_REVERTED` with `output` (revert data in hex),
 * `EXECUTION_FAILED` with `reason`, `INSUFFICIENT_FUNDS`.
 */
export async function estimateGas(
  options: SimulationOptions,
  request: CallRequest,
  gasMax: bigint,
): Promise<Verdict<bigint, EstimateRefusal>> {
  const opened = await openSimulation(options, request);
  if (!opened.ok) return opened;
  const simulation = opened.value;
  const { gasLimit } = simulation.machine.context;
  let high = request.gasLimit >= TRANSFER_GAS ? request.gasLimit : gasLimit;
  if (request.feeCap > 0n) {
    const available = simulation.balance() - request.value;
    if (available <= 0n) return refuse("INSUFFICIENT_FUNDS");
    high = minimum(high, available / request.feeCap);
  }
  high = minimum(high, gasMax);

  if (request.data.length === 0 && simulation.isTransfer()) {
    const transfer = await simulation.run(TRANSFER_GAS);
    if (transfer.success) return accept(TRANSFER_GAS);
  }
  const first = await simulation.run(high);
  if (!first.success) return refuseRun(first, high);
  return accept(await search(simulation, first, high));
}

/** Binary search between gas that is surely too little and gas that is known to be enough. */
async function search(simulation: Simulation, first: Run, enough: bigint): Promise<bigint> {
  let high = enough;
  // A gas limit below what the first run used in the end cannot do.
  let low = first.gasUsed - 1n;
  const attempt = async (gasLimit: bigint): Promise<void> => {
    const { success } = await simulation.run(gasLimit);
    if (success) high = gasLimit;
    else low = gasLimit;
  };
  // Most calls need what they spent, and 1/64 more where they call others (EIP-150).
  const likely = ((first.gasPeak + CALL_STIPEND) * 64n) / 63n;
  if (likely < high) await attempt(likely);
  while (low + 1n < high && (high - low) * 1000n >= high * ERROR_PER_MILLE) {
    // Most calls need little more than the lower bound: do not jump far.
    const middle = minimum(low + (high - low) / 2n, low * 2n);
    await attempt(middle);
  }
  return high;
}

function refuseRun(failed: Run, gasLimit: bigint): Verdict<bigint, EstimateRefusal> {
  if (failed.error === "revert")
    return refuse("EXECUTION_REVERTED", { output: toHex(failed.output) });
  if (failed.error === INSUFFICIENT_FUNDS) return refuse("INSUFFICIENT_FUNDS");
  if (failed.error === "out of gas" || failed.belowIntrinsic)
    return refuse("EXECUTION_FAILED", {
      reason: `gas required exceeds allowance (${gasLimit.toString()})`,
    });
  return refuse("EXECUTION_FAILED", { reason: failed.error ?? "unknown" });
}

function minimum(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}
