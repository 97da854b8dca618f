/**
 * A thread that hands fast transactions to the sequencing thread, as the rpc thread does: message
 * first, then the signal. It sleeps between two of them and hears nobody meanwhile, so that a busy
 * sequencing thread cannot put off an arrival.
 *
 * Times are of the process's monotonic clock, which all threads share.
 */
import { setImmediate } from "node:timers/promises";
import { parentPort, type MessagePort, workerData } from "node:worker_threads";
import { PreemptionSignal } from "../../node/preemption-signal.ts";

export interface ArrivalThreadData {
  readonly signal: SharedArrayBuffer;
}

/** Asks for one arrival after each delay, one after another. */
export interface ArrivalsWanted {
  readonly delaysMs: readonly number[];
}

/** The arrival with this number, counted from the thread's start. */
export interface Arrival {
  readonly index: number;
  readonly sentMs: number;
}

/** Monotonic milliseconds, the same on all threads. */
function processMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

function run(port: MessagePort, signal: PreemptionSignal): void {
  const sleeper = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  let index = 0;
  const arrive = async ({ delaysMs }: ArrivalsWanted): Promise<void> => {
    for (const delayMs of delaysMs) {
      Atomics.wait(sleeper, 0, 0, delayMs);
      port.postMessage({ index: index++, sentMs: processMs() } satisfies Arrival);
      signal.raise();
      await setImmediate();
    }
  };
  port.on("message", (wanted: ArrivalsWanted) => {
    void arrive(wanted);
  });
}

if (parentPort === null) throw new Error("arrival-thread runs as a worker thread only");
run(parentPort, new PreemptionSignal((workerData as ArrivalThreadData).signal));
