/**
 * The RPC thread: reads the store directly, asks the sequencing thread only for what is not there,
 * and serves HTTP and WebSocket. Everything a client costs is paid here (DESIGN I10).
 */
import { parentPort, workerData } from "node:worker_threads";
import type { Hex } from "../lanes/bytes.ts";
import { parsePolicy, type Policy } from "../lanes/policy.ts";
import {
  NODE_API_CHANNEL,
  NODE_EVENTS_CHANNEL,
  type NodeApi,
  type NodeEvents,
} from "../node/api.ts";
import { systemClock } from "../node/clock.ts";
import { NodeError } from "../node/errors.ts";
import { keptFor } from "../node/kept-for.ts";
import { createLogger, type Logger } from "../node/log.ts";
import { connect, serve } from "../node/port.ts";
import { FastSignal, PreemptionSignal } from "../node/preemption-signal.ts";
import { openReader, type Reader } from "../node/reader.ts";
import type { RpcContext } from "./context.ts";
import { createDispatcher } from "./dispatch.ts";
import { lookAtFeeds } from "./feed-look.ts";
import { createFeedWatch, type FeedWatch } from "./feed-watch.ts";
import { DEFAULT_LIMITS } from "./limits.ts";
import { inTime } from "./in-time.ts";
import { createMetrics } from "./metrics.ts";
import { createMetricsServer, type MetricsServer } from "./metrics-server.ts";
import { createMethods } from "./methods.ts";
import { Preconfirmations } from "./preconfirmations.ts";
import { ReportSignal } from "../node/report-signal.ts";
import { createRpcServer } from "./server.ts";
import { createSubscriptions } from "./subscriptions.ts";
import { RPC_CHANNEL, type RpcPorts, type RpcThreadApi, type RpcThreadOptions } from "./thread.ts";

const LATEST = { kind: "tag", tag: "latest" } as const;
/** Reports that wait are copied on the sequencing thread: not for each who asks. */
const WAITING_KEPT_MS = 250;
/** A look at the feeds goes on without them after so long. */
const WAITING_TIMEOUT_MS = 2_000;

type NodeClient = ReturnType<typeof connect<NodeApi>>["remote"];

interface Parts {
  readonly node: NodeClient;
  readonly reader: Reader;
  readonly policy: Policy;
  readonly log: Logger;
}

interface Running {
  readonly ports: RpcPorts;
  readonly events: NodeEvents;
  stop(): Promise<void>;
}

/** What the methods work with, and the watch over the feeds. */
function createContext(
  { rollup, preemption, divergence, clientVersion }: RpcThreadOptions,
  { node, reader, policy, log }: Parts,
): { readonly context: RpcContext; readonly watch: FeedWatch } {
  const signal = new PreemptionSignal(preemption);
  const waitingReports = keptFor(WAITING_KEPT_MS, systemClock, () => node.waitingReports());
  // A sequencing thread that hangs is when a stale price matters most: the store says it alone.
  const knownReports = () => inTime(waitingReports(), [], WAITING_TIMEOUT_MS, systemClock);
  const look = (nowMs: number) =>
    lookAtFeeds({ policy, reader, waitingReports: knownReports }, nowMs);
  const watch = createFeedWatch({ policy, divergence }, { look, clock: systemClock, log });
  const context = {
    reader,
    node,
    rollup,
    policy,
    preconfirmations: new Preconfirmations(reader),
    fastSignal: new FastSignal(signal, policy, (address) =>
      // To look through the slices of the open block would take longer than they keep anybody up.
      reader.stateAt(LATEST, (state) => state.account(address)),
    ),
    reportSignal: new ReportSignal(signal, policy, systemClock),
    waitingReports,
    alarmsOf: (feedId: Hex) => watch.alarmsOf(feedId),
    clientVersion,
  };
  return { context, watch };
}

/** `null` where no metrics are asked for. */
function createMetricsListener(
  { metrics: { host, port } }: RpcThreadOptions,
  { node, reader, log }: Parts,
  watch: FeedWatch,
): MetricsServer | null {
  if (port === null) return null;
  const metrics = createMetrics({ watch, chain: reader.chain, node, clock: systemClock });
  return createMetricsServer({ host, port, limits: DEFAULT_LIMITS }, { metrics, log });
}

async function open(options: RpcThreadOptions, node: NodeClient): Promise<Running> {
  const log = createLogger(options.logLevel, "rpc");
  const { rollup, dataDir, host, port } = options;
  const policy = parsePolicy(rollup.policy);
  if (!policy.ok) throw new NodeError(policy.code, policy.data);
  const reader = await openReader({ dataDir, rollup, policy: policy.value });
  const parts = { node, reader, policy: policy.value, log };
  const { context, watch } = createContext(options, parts);
  const { preconfirmations } = context;
  const limits = DEFAULT_LIMITS;
  const subscriptions = createSubscriptions({ context, limits, log });
  const methods = { ...createMethods(context), ...subscriptions.methods };
  const dispatcher = createDispatcher({ methods, limits, log });
  const { drop } = subscriptions;
  const server = createRpcServer({ host, port, limits }, { dispatcher, log, onClosed: drop });
  const metrics = createMetricsListener(options, parts, watch);
  const stop = async (): Promise<void> => {
    watch.stop();
    await metrics?.stop();
    await server.stop();
    await reader.close();
  };
  try {
    const events: NodeEvents = {
      ...subscriptions.events,
      newHead: (head, removed) => {
        subscriptions.events.newHead(head, removed);
        preconfirmations.moved(true);
      },
      pendingSlice: (slice) => {
        reader.pending.add(slice);
        preconfirmations.moved();
      },
      flashblock: (bytes) => {
        // First who watches: what waits for a result may have to look for it.
        subscriptions.events.flashblock(preconfirmations.add(bytes));
        preconfirmations.moved();
      },
      dropped: (drop) => {
        preconfirmations.addDrop(drop);
        subscriptions.events.dropped(drop);
      },
    };
    const ports = {
      port: await server.start(),
      metricsPort: (await metrics?.start()) ?? null,
    };
    watch.start();
    return { ports, events, stop };
  } catch (cause) {
    await stop();
    throw cause;
  }
}

if (parentPort !== null) {
  const client = connect<NodeApi>(parentPort, NODE_API_CHANNEL);
  let running: Running | null = null;
  const events: NodeEvents = {
    // Before the server listens nobody has subscribed to anything.
    newHead: (head, removed) => running?.events.newHead(head, removed),
    newPendingTransactions: (hashes) => running?.events.newPendingTransactions(hashes),
    // Slices missed until then are of a block that has no `pending`.
    pendingSlice: (slice) => running?.events.pendingSlice(slice),
    flashblock: (bytes) => running?.events.flashblock(bytes),
    dropped: (drop) => running?.events.dropped(drop),
  };
  const api: RpcThreadApi = {
    async start() {
      running ??= await open(workerData as RpcThreadOptions, client.remote);
      return running.ports;
    },
    async stop() {
      await running?.stop();
      running = null;
    },
  };
  serve(parentPort, NODE_EVENTS_CHANNEL, { ...events });
  serve(parentPort, RPC_CHANNEL, { ...api });
}
