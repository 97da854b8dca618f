/**
 * The sequencing thread's end of the thread that sends fast transactions.
 *
 * Owns the thread and the clock that both ends read. Does not own what is sent: an arrival is a
 * number.
 */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { PreemptionSignal } from "../../node/preemption-signal.ts";
import type { Arrival, ArrivalsWanted, ArrivalThreadData } from "./arrival-thread.ts";

export interface ArrivalSource {
  /** Arrivals after these delays; ends before the last one has come. */
  want(delaysMs: readonly number[]): void;
  stop(): Promise<void>;
}

/** Monotonic milliseconds, the same on all threads. */
export function processMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export async function startArrivals(
  signal: PreemptionSignal,
  onArrival: (arrival: Arrival) => void,
): Promise<ArrivalSource> {
  const data: ArrivalThreadData = { signal: signal.memory };
  const worker = new Worker(new URL("./arrival-thread.js", import.meta.url), { workerData: data });
  worker.on("message", onArrival);
  await once(worker, "online");
  return {
    want(delaysMs) {
      worker.postMessage({ delaysMs } satisfies ArrivalsWanted);
    },
    async stop() {
      await worker.terminate();
    },
  };
}
