/**
 * The sequencing thread's end of the settlement worker: starts the thread, answers its calls, stops
 * it. Does not own the pool port's other end.
 */
import { type MessagePort, Worker } from "node:worker_threads";
import { NodeError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { connect, type Remote, serve } from "../port.ts";
import type { ThreadLoad } from "../thread-load.ts";
import {
  SETTLEMENT_CHANNEL,
  SETTLEMENT_HANDLERS_CHANNEL,
  type SettlementHandlers,
  type SettlementOptions,
  type SettlementService,
} from "./settlement.ts";
import type { SettlementWorkerData } from "./worker.ts";

/** After it, a worker that waits for a dead L1 is ended without its consent. */
const STOP_TIMEOUT_MS = 5_000;

export interface Settlement {
  readonly service: Remote<Pick<SettlementService, "originAt" | "flush" | "status">>;
  /** Begins polling; the handlers are called from then on. Throws `L1_WRONG_CHAIN`. */
  start(): Promise<void>;
  /** Idempotent; no handler is called after it has resolved. */
  stop(): Promise<void>;
  /** Resolves with the reason if the thread ends by itself; never rejects. */
  readonly failed: Promise<NodeError>;
}

/**
 * Starts the settlement thread and resolves when it answers. `poolPort` carries the channels
 * `compress` and `kzg` and is transferred. The store must be open in this process.
 */
export async function createSettlement(
  options: SettlementOptions,
  handlers: SettlementHandlers,
  poolPort: MessagePort,
  log: Logger,
  load: ThreadLoad,
): Promise<Settlement> {
  const workerData: SettlementWorkerData = { options, poolPort };
  const worker = new Worker(new URL("./worker.js", import.meta.url), {
    workerData,
    transferList: [poolPort],
  });
  load.watch("settlement", worker);
  const { failed, expectExit } = watch(worker, log);
  const service = connect<SettlementService>(worker, SETTLEMENT_CHANNEL);
  const stopServing = serve(worker, SETTLEMENT_HANDLERS_CHANNEL, {
    onL1Blocks: (...args) => handlers.onL1Blocks(...args),
    onBatch: (...args) => handlers.onBatch(...args),
    onHeldBatch: (...args) => handlers.onHeldBatch(...args),
    onVoidBatch: (...args) => handlers.onVoidBatch(...args),
    onL1Applied: (...args) => handlers.onL1Applied(...args),
    signBatch: (...args) => handlers.signBatch(...args),
  } satisfies SettlementHandlers);
  await up(worker, failed);
  void failed.then(() => {
    service.close();
  });

  let stopped: Promise<void> | null = null;
  const stop = async (): Promise<void> => {
    expectExit();
    const timeout = AbortSignal.timeout(STOP_TIMEOUT_MS);
    const late = new Promise<void>((resolve) => {
      timeout.addEventListener("abort", () => {
        resolve();
      });
    });
    await Promise.race([service.remote.stop().catch(() => undefined), late]);
    stopServing();
    service.close();
    await worker.terminate();
  };
  return {
    service: service.remote,
    failed,
    start: () => service.remote.start(),
    stop: () => (stopped ??= stop()),
  };
}

function watch(
  worker: Worker,
  log: Logger,
): { failed: Promise<NodeError>; expectExit: () => void } {
  let expected = false;
  const failed = new Promise<NodeError>((resolve) => {
    let cause: unknown;
    worker.on("error", (error) => {
      cause = error;
    });
    worker.on("exit", (code) => {
      if (expected) return;
      log.error("settlement thread stopped", { code, cause: String(cause) });
      resolve(new NodeError("WORKER_FAILED", { worker: SETTLEMENT_CHANNEL }, cause));
    });
  });
  return {
    failed,
    expectExit: () => {
      expected = true;
    },
  };
}

/** The worker's first message says that it answers. */
async function up(worker: Worker, failed: Promise<NodeError>): Promise<void> {
  const ready = new Promise<null>((resolve) => {
    const onMessage = (message: { readonly kind?: string }): void => {
      if (message.kind !== "up") return;
      worker.off("message", onMessage);
      resolve(null);
    };
    worker.on("message", onMessage);
  });
  const error = await Promise.race([ready, failed]);
  if (error !== null) throw error;
}
