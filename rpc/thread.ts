/**
 * The RPC thread as the thread that starts it sees it: options, calls, start and end.
 * `rpc/worker.ts` is the other side.
 */
import { Worker } from "node:worker_threads";
import type { DivergenceSettings } from "../node/alarm-thresholds.ts";
import { NodeError } from "../node/errors.ts";
import type { LogLevel } from "../node/log.ts";
import { connect } from "../node/port.ts";
import type { RollupConfig } from "../node/rollup-config.ts";

/** Channel of `port.ts` for the calls below. */
export const RPC_CHANNEL = "rpc";

/** Structured-cloneable; no keys. */
export interface RpcThreadOptions {
  readonly dataDir: string;
  readonly rollup: RollupConfig;
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  /** Where Prometheus is answered; a `null` port: nowhere. */
  readonly metrics: { readonly host: string; readonly port: number | null };
  /** When a feed is an alarm. */
  readonly divergence: DivergenceSettings;
  readonly logLevel: LogLevel;
  readonly clientVersion: string;
  /** Memory of the signal that fast transactions raise. */
  readonly preemption: SharedArrayBuffer;
}

/** Where the thread listens. */
export interface RpcPorts {
  readonly port: number;
  /** `null` where no metrics are served. */
  readonly metricsPort: number | null;
}

/** Calls the thread answers. */
export interface RpcThreadApi {
  /** Opens the reader and listens. Throws `PORT_BUSY`. */
  start(): Promise<RpcPorts>;
  stop(): Promise<void>;
}

export interface RpcThread {
  readonly worker: Worker;
  /** Rejects with `WORKER_FAILED` where the thread ends by itself; never resolves. */
  readonly failed: Promise<never>;
  start(): Promise<RpcPorts>;
  stop(): Promise<void>;
}

/** Spawns the RPC thread. The node's API must be connected to `worker` before `start`. */
export function createRpcThread(options: RpcThreadOptions): RpcThread {
  const worker = new Worker(new URL("./worker.js", import.meta.url), {
    workerData: options,
    name: "rpc",
  });
  const client = connect<RpcThreadApi>(worker, RPC_CHANNEL);
  let stopping = false;
  const failed = new Promise<never>((_resolve, reject) => {
    const onEnd = (cause?: unknown): void => {
      client.close();
      if (!stopping) reject(new NodeError("WORKER_FAILED", { thread: "rpc" }, cause));
    };
    worker.once("error", onEnd);
    worker.once("exit", () => {
      onEnd();
    });
  });
  // The failure is for whoever races it; until somebody does, it must not end the process.
  failed.catch(() => undefined);
  return {
    worker,
    failed,
    start: () => client.remote.start(),
    async stop() {
      if (stopping) return;
      stopping = true;
      // A thread that has failed cannot stop in order any more: it is only ended.
      await client.remote.stop().catch(() => undefined);
      await worker.terminate();
    },
  };
}
