/**
 * The sequencing thread's side of the p2p worker: starts it, passes calls both ways, and tells when
 * it is gone. Does not import libp2p, whose loading alone would hold the sequencing thread up.
 */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { Hex } from "../../lanes/bytes.ts";
import type { VerifiedReport } from "../../lanes/report-rules.ts";
import { NodeError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { connect, serve } from "../port.ts";
import type { UserTransaction } from "../primitives/transaction.ts";
import type { ThreadLoad } from "../thread-load.ts";
import type { NetworkHandlers, NetworkOptions, NetworkService } from "./network.ts";
import { HANDLERS_CHANNEL, LOG_CHANNEL, type LogLine, SERVICE_CHANNEL } from "./worker-channels.ts";

/** libp2p closes its connections in this time, or the thread is ended without waiting. */
const STOP_DEADLINE_MS = 5_000;

export interface Network extends NetworkService {
  /** Listens and dials. Errors: `KEY_INVALID`, `CONFIG_INVALID`, `PORT_BUSY`. */
  start(): Promise<void>;
}

/**
 * Starts the worker thread and resolves when it runs; it loads libp2p meanwhile, and `start()` then
 * opens the network.
 *
 * `onFailed` is called at most once, when the thread ends without `stop()`; calls in flight and
 * later ones fail with `WORKER_FAILED`.
 */
export async function createNetwork(
  options: NetworkOptions,
  handlers: NetworkHandlers,
  log: Logger,
  load: ThreadLoad,
  onFailed: (error: NodeError) => void,
): Promise<Network> {
  const worker = new Worker(new URL("./worker.js", import.meta.url), {
    name: "p2p",
    workerData: options,
  });
  load.watch("p2p", worker);
  const client = connect<Network>(worker, SERVICE_CHANNEL);
  serve(worker, HANDLERS_CHANNEL, {
    onBlock: (bytes: Uint8Array, peerId: string) => handlers.onBlock(bytes, peerId),
    onSubmit: (transaction: UserTransaction) => handlers.onSubmit(transaction),
    onReport: (report: VerifiedReport) => handlers.onReport(report),
    onKeyUse: (key: Hex) => handlers.onKeyUse(key),
    onStatus: () => handlers.onStatus(),
  });
  serve(worker, LOG_CHANNEL, {
    write: ({ level, message, data }: LogLine) => {
      log[level](message, data);
    },
  });

  let stopping: Promise<void> | undefined;
  let cause: unknown;
  const ended = new Promise<void>((resolve) => {
    worker.once("error", (error) => {
      cause = error;
    });
    worker.once("exit", () => {
      client.close();
      resolve();
    });
  });
  void ended.then(() => {
    if (stopping === undefined) onFailed(new NodeError("WORKER_FAILED", { worker: "p2p" }, cause));
  });

  const stop = async (): Promise<void> => {
    const deadline = new AbortController();
    const timer = setTimeout(() => {
      deadline.abort();
    }, STOP_DEADLINE_MS);
    const expired = new Promise<void>((resolve) => {
      deadline.signal.addEventListener("abort", () => {
        resolve();
      });
    });
    const stopped = client.remote.stop().catch((error: unknown) => {
      log.warn("p2p did not stop cleanly", { reason: String(error) });
    });
    await Promise.race([stopped, expired, ended]);
    clearTimeout(timer);
    client.close();
    await worker.terminate();
  };

  await once(worker, "online");
  const { remote } = client;
  return {
    publishBlock: (bytes) => remote.publishBlock(bytes),
    blocksByRange: (from, count) => remote.blocksByRange(from, count),
    bestPeerHead: () => remote.bestPeerHead(),
    submitTransaction: (raw) => remote.submitTransaction(raw),
    submitReport: (source, bytes) => remote.submitReport(source, bytes),
    keyUse: (key) => remote.keyUse(key),
    info: () => remote.info(),
    start: () => remote.start(),
    stop: () => (stopping ??= stop()),
  };
}
