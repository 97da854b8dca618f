/**
 * One node as a process, until a signal ends it.
 *
 * Owns signals, exit with the parent, and the line that says the node is up. The node and the RPC
 * thread stop in reverse order of their start; a second signal, a second later, does not wait for
 * that.
 */
import { systemClock } from "../../node/clock.ts";
import type { NodeConfig } from "../../node/config.ts";
import { createNode } from "../../node/node.ts";
import { createRpcThread, type RpcThread } from "../thread.ts";

/** npm and shells pass on a Ctrl-C that the terminal has sent already: it arrives twice. */
const SAME_SIGNAL_MS = 1000;

/** Resolves when the process is asked to stop; a second, later signal ends it at once. */
function stopRequest(config: NodeConfig): Promise<void> {
  return new Promise((resolve) => {
    let askedMs: number | null = null;
    const onSignal = (): void => {
      const nowMs = systemClock.monotonicMs();
      askedMs ??= nowMs;
      if (nowMs - askedMs > SAME_SIGNAL_MS) process.exit(1);
      resolve();
    };
    process.on("SIGINT", onSignal);
    process.on("SIGTERM", onSignal);
    if (!config.exitWithParent) return;
    process.stdin.once("end", resolve);
    process.stdin.once("error", resolve);
    process.stdin.resume();
  });
}

/** Runs a node until it is asked to stop. Throws the error that made it stop by itself. */
export async function runNode(config: NodeConfig, clientVersion: string): Promise<void> {
  const stopped = stopRequest(config);
  const node = await createNode(config);
  // A failure during the start shows again in the race below.
  node.done.catch(() => undefined);
  let thread: RpcThread | null = null;
  let disconnect: (() => void) | null = null;
  try {
    await node.start();
    const { dataDir, rollup, rpc, metrics, divergence, logLevel } = config;
    const { preemption } = node;
    const told = { logLevel, clientVersion, preemption };
    thread = createRpcThread({ dataDir, rollup, ...rpc, metrics, divergence, ...told });
    disconnect = node.connectRpc(thread.worker);
    const { port, metricsPort } = await Promise.race([thread.start(), thread.failed]);
    const { peerId, addresses } = await node.info();
    const at = `${urlHost(rpc.host)}:${port}`;
    const ready = {
      rpcUrl: `http://${at}`,
      wsUrl: `ws://${at}`,
      ...(metricsPort === null
        ? {}
        : { metricsUrl: `http://${urlHost(metrics.host)}:${metricsPort}/metrics` }),
      peerId,
      addresses,
    };
    process.stdout.write(`pricelane ready ${JSON.stringify(ready)}\n`);
    await Promise.race([stopped, node.done, thread.failed]);
  } finally {
    disconnect?.();
    await thread?.stop();
    await node.stop();
  }
}

/** A host that clients on this machine can use where the node listens on all addresses. */
function urlHost(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host === "::") return "[::1]";
  return host.includes(":") ? `[${host}]` : host;
}
