/**
 * The pool of worker threads for what must never run on the sequencing thread: signature recovery,
 * trie hashing, compression, KZG (DESIGN I10).
 *
 * Owns: the threads and which service lives where. Roots need affinity: their thread holds the
 * trie. KZG blocks its thread for half a second a blob, so blobs have one of their own; recovery
 * goes to the least loaded of the others.
 */
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { MessageChannel, type MessagePort, Worker } from "node:worker_threads";
import type { Hex } from "../../lanes/bytes.ts";
import { NodeError } from "../errors.ts";
import type { RootHasher } from "../execution/engine.ts";
import type { Logger } from "../log.ts";
import type { SpeculationService } from "../execution/speculation.ts";
import type { VerifierService } from "../execution/verification.ts";
import { connect, type PortClient, type Remote } from "../port.ts";
import type { RollupConfig } from "../rollup-config.ts";
import type { RecoverService } from "./recover.ts";
import type { ThreadLoad } from "../thread-load.ts";
import { createRootClient, type RootService } from "./root.ts";
import { SharedTurn } from "./shared-turn.ts";

export type PoolChannel =
  "recover" | "compress" | "kzg" | "root" | "verify" | "speculate" | "witness";

export interface PoolWorkerData {
  readonly channels: readonly PoolChannel[];
  readonly dataDir: string;
  readonly rollup: RollupConfig;
  /** Memory of the turn that threads take which compute for long; `null` where all may at once. */
  readonly turn: SharedArrayBuffer | null;
}

export interface AttachMessage {
  readonly kind: "attach";
  readonly port: MessagePort;
}

export interface WorkerPoolOptions {
  /** Threads for recovery, at least 1; the first of them has the roots too. */
  readonly size: number;
  /** The store's folder; it must be open in this process. */
  readonly dataDir: string;
  readonly rollup: RollupConfig;
  /** Threads of their own for the independent check; 0 where nothing is built. */
  readonly verifiers: number;
  /** Whether there are two for execution aside. */
  readonly speculates: boolean;
  readonly load: ThreadLoad;
}

export interface WorkerPool {
  readonly roots: RootHasher;
  readonly verifiers: readonly Remote<VerifierService>[];
  /** For the builder and for the check, on threads of their own; `null` where nothing is built. */
  readonly speculators: {
    readonly service: Remote<SpeculationService>;
    readonly witness: Remote<SpeculationService>;
  } | null;
  /** Senders of raw transactions, in order; `null` where a signature is invalid. */
  recoverSenders(raws: readonly Uint8Array[]): Promise<readonly (Hex | null)[]>;
  /** A port with the channels `compress` and `kzg`, to be transferred to another thread. */
  connectPort(): MessagePort;
  stop(): Promise<void>;
}

/**
 * Processors from which on executions aside and KZG run at once. With fewer they would leave none
 * to those that take a fast transaction in: they take turns.
 */
const PATIENT_AT_ONCE_PROCESSORS = 4;

/** After it, a thread that does not end by itself is terminated. */
const END_TIMEOUT_MS = 10_000;

/**
 * The roots' thread makes thousands of trie nodes a block, most of which stay: in a young
 * generation of the usual size each is copied twice on its way, at half the cost of hashing it.
 */
const ROOT_YOUNG_GENERATION_MB = 96;

/** Raw transactions a recovery call carries: smaller calls interleave better with other work. */
const RECOVER_CHUNK = 256;

interface RecoveringThread {
  readonly recover: PortClient<RecoverService>;
  /** Transactions handed to it and not yet answered. */
  load: number;
}

/** Starts the threads and resolves when all answer. `onFailed` hears of a thread that died. */
export async function createWorkerPool(
  options: WorkerPoolOptions,
  log: Logger,
  onFailed: (error: NodeError) => void,
): Promise<WorkerPool> {
  let stopping = false;
  const { size, verifiers, speculates, dataDir, rollup, load } = options;
  const inTurns = availableParallelism() < PATIENT_AT_ONCE_PROCESSORS;
  const turn = inTurns ? SharedTurn.create().memory : null;
  const start = async (channels: readonly PoolChannel[]): Promise<Worker> => {
    const worker = await startThread({ channels, dataDir, rollup, turn }, (cause) => {
      if (stopping) return;
      log.error("pool thread stopped", { channels });
      onFailed(new NodeError("WORKER_FAILED", { worker: `pool (${channels.join(", ")})` }, cause));
    });
    load.watch(channels.join("+"), worker);
    return worker;
  };
  const [first, blobs, others, verifying, speculating] = await Promise.all([
    start(["recover", "root"]),
    start(["compress", "kzg"]),
    Promise.all(Array.from({ length: size - 1 }, () => start(["recover"]))),
    Promise.all(Array.from({ length: verifiers }, () => start(["verify"]))),
    speculates ? Promise.all([start(["speculate"]), start(["witness"])]) : null,
  ]);
  const checks = verifying.map((worker) => connect<VerifierService>(worker, "verify"));
  const speculation =
    speculating === null
      ? null
      : {
          service: connect<SpeculationService>(speculating[0], "speculate"),
          witness: connect<SpeculationService>(speculating[1], "witness"),
        };
  const roots = connect<RootService>(first, "root");
  const recovering = [first, ...others].map((worker): RecoveringThread => {
    return { recover: connect<RecoverService>(worker, "recover"), load: 0 };
  });

  const leastLoaded = (): RecoveringThread =>
    recovering.reduce((least, other) => (other.load < least.load ? other : least));
  const recoverChunk = async (raws: readonly Uint8Array[]): Promise<readonly (Hex | null)[]> => {
    const thread = leastLoaded();
    thread.load += raws.length;
    try {
      return await thread.recover.remote.recover(raws);
    } finally {
      thread.load -= raws.length;
    }
  };

  return {
    verifiers: checks.map(({ remote }) => remote),
    speculators:
      speculation === null
        ? null
        : { service: speculation.service.remote, witness: speculation.witness.remote },
    roots: createRootClient(roots.remote),
    async recoverSenders(raws) {
      const chunks: Promise<readonly (Hex | null)[]>[] = [];
      for (let i = 0; i < raws.length; i += RECOVER_CHUNK)
        chunks.push(recoverChunk(raws.slice(i, i + RECOVER_CHUNK)));
      return (await Promise.all(chunks)).flat();
    },
    connectPort() {
      const { port1, port2 } = new MessageChannel();
      const message: AttachMessage = { kind: "attach", port: port1 };
      blobs.postMessage(message, [port1]);
      return port2;
    },
    async stop() {
      stopping = true;
      roots.close();
      for (const check of checks) check.close();
      speculation?.service.close();
      speculation?.witness.close();
      for (const { recover } of recovering) recover.close();
      const aside = speculating ?? [];
      await Promise.all([first, blobs, ...others, ...verifying, ...aside].map(endThread));
    },
  };
}

/** Ends a thread between two calls: terminated in native code, it can take the process along. */
async function endThread(worker: Worker): Promise<void> {
  const exited = once(worker, "exit");
  worker.postMessage({ kind: "end" });
  const timer = setTimeout(() => void worker.terminate(), END_TIMEOUT_MS);
  await exited;
  clearTimeout(timer);
}

function startThread(
  workerData: PoolWorkerData,
  onExit: (cause: unknown) => void,
): Promise<Worker> {
  const worker = new Worker(new URL("./pool-worker.js", import.meta.url), {
    workerData,
    resourceLimits: workerData.channels.includes("root")
      ? { maxYoungGenerationSizeMb: ROOT_YOUNG_GENERATION_MB }
      : {},
  });
  return new Promise((resolve, reject) => {
    let failure: unknown;
    let up = false;
    worker.on("error", (error) => {
      failure = error;
    });
    worker.once("exit", (code) => {
      const cause = failure ?? new Error(`exit code ${code}`);
      if (up) onExit(cause);
      else reject(new NodeError("WORKER_FAILED", { worker: "pool" }, cause));
    });
    const onMessage = (message: { readonly kind?: string }): void => {
      if (message.kind !== "up") return;
      up = true;
      worker.off("message", onMessage);
      resolve(worker);
    };
    worker.on("message", onMessage);
  });
}
