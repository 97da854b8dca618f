import "core-js/actual/promise/with-resolvers.js";
/**
 * Entry of the p2p thread: serves `NetworkService` to the sequencing thread and calls its handlers.
 * A rejection that libp2p forgot to handle is logged instead of ending the thread, because it can
 * be provoked from outside: no peer may stop the node (ACCEPTANCE 40).
 */
import { parentPort, workerData } from "node:worker_threads";
import type { Hex } from "../../lanes/bytes.ts";
import { parsePolicy, type Policy } from "../../lanes/policy.ts";
import type { VerifiedReport } from "../../lanes/report-rules.ts";
import { systemClock } from "../clock.ts";
import { NodeError } from "../errors.ts";
import { listRoot } from "../execution/embedded/list-root.ts";
import { LOG_LEVELS, type Logger } from "../log.ts";
import { connect, serve } from "../port.ts";
import { FastSignal, PreemptionSignal } from "../preemption-signal.ts";
import { decodeWithSender } from "../primitives/signature.ts";
import { ReportSignal } from "../report-signal.ts";
import { openChainReader, type SharedChainReader } from "../storage/chain-reader.ts";
import { createHost, type Host } from "./host.ts";
import { KnownReports } from "./known-reports.ts";
import type { HostHandlers, NetworkHandlers, NetworkOptions } from "./network.ts";
import {
  HANDLERS_CHANNEL,
  LOG_CHANNEL,
  type LogLine,
  type NetworkLog,
  SERVICE_CHANNEL,
} from "./worker-channels.ts";

if (parentPort === null) throw new Error("not a worker thread");
const port = parentPort;
const options = workerData as NetworkOptions;
let host: Host | undefined;
let closeReader: (() => Promise<void>) | undefined;

const running = (): Host => {
  if (host === undefined) throw new NodeError("NOT_ACCEPTING", { worker: "p2p" });
  return host;
};

// Before the first other listener on the port, and without a wait: calls that are already queued
// would be lost.
serve(port, SERVICE_CHANNEL, {
  start,
  publishBlock: (bytes: Uint8Array) => running().publishBlock(bytes),
  blocksByRange: (from: number, count: number) => running().blocksByRange(from, count),
  bestPeerHead: () => running().bestPeerHead(),
  submitTransaction: (raw: Uint8Array) => running().submitTransaction(raw),
  submitReport: (source: number, bytes: Uint8Array) => running().submitReport(source, bytes),
  keyUse: (key: Hex) => running().keyUse(key),
  info: () => running().info(),
  async stop() {
    await host?.stop();
    await closeReader?.();
    host = undefined;
    closeReader = undefined;
  },
});

const log = remoteLogger(
  connect<NetworkLog>(port, LOG_CHANNEL).remote.write,
  LOG_LEVELS.indexOf(options.logLevel),
);
const handlers = connect<NetworkHandlers>(port, HANDLERS_CHANNEL).remote;

process.on("unhandledRejection", (reason) => {
  log.error("unhandled rejection", { reason: String(reason) });
});

async function start(): Promise<void> {
  if (host !== undefined) return;
  const reader = await openChainReader(options.dataDir);
  closeReader = () => reader.close();
  const policy = parsePolicy(options.policy);
  if (!policy.ok) throw new NodeError(policy.code, policy.data);
  const signal = new PreemptionSignal(options.preemption);
  const reportSignal = new ReportSignal(signal, policy.value, systemClock);
  const known = new KnownReports(policy.value, systemClock);
  host = await createHost(options, {
    handlers: {
      onBlock: (bytes, peerId) => handlers.onBlock(bytes, peerId),
      onSubmit: createSubmit(policy.value, signal, reader),
      onReport: (report: VerifiedReport) =>
        known.once(report, () => {
          const answer = handlers.onReport(report);
          reportSignal.announce(report);
          return answer;
        }),
      onKeyUse: (key) => handlers.onKeyUse(key),
      onStatus: () => handlers.onStatus(),
    },
    policy: policy.value,
    rawBlock: (number) => reader.rawBlock(number),
    transactionsRoot: listRoot,
    clock: systemClock,
    random: Math.random,
    log,
  });
  await host.start();
}

/** Hands a peer's transaction on, decoded; the sequencing thread gives way to a fast one. */
function createSubmit(
  policy: Policy,
  signal: PreemptionSignal,
  reader: SharedChainReader,
): HostHandlers["onSubmit"] {
  const fastSignal = new FastSignal(signal, policy, (address: Hex) => {
    const snapshot = reader.snapshot();
    const account = snapshot.state.account(address);
    void snapshot.release();
    return account;
  });
  return (raw) => {
    const decoded = decodeWithSender(raw);
    if (!decoded.ok) return Promise.resolve(decoded);
    const answer = handlers.onSubmit(decoded.value);
    fastSignal.announce(decoded.value);
    return answer;
  };
}

/**
 * Sends lines to the logger of the main thread; a line that cannot be sent is lost. What is less
 * severe than `least`, a place in `LOG_LEVELS`, never leaves this thread.
 */
function remoteLogger(write: (line: LogLine) => Promise<void>, least: number): Logger {
  const at = (level: LogLine["level"]): Logger[LogLine["level"]] => {
    if (LOG_LEVELS.indexOf(level) < least) return () => undefined;
    return (message, data = {}) => {
      write({ level, message, data }).catch(() => undefined);
    };
  };
  const logger: Logger = {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    child: () => logger,
  };
  return logger;
}
