/**
 * Entry of a pool thread. Which services it hosts is in `workerData`; ports of other threads are
 * attached by message and get the same services.
 */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { parsePolicy } from "../../lanes/policy.ts";
import { NodeError } from "../errors.ts";
import { type PortLike, serve, type Service } from "../port.ts";
import { openChainReader } from "../storage/chain-reader.ts";
import { givePrecedence } from "../thread-priority.ts";
import { createCompressService } from "./compress.ts";
import type { AttachMessage, PoolChannel, PoolWorkerData } from "./pool.ts";
import { createRecoverService } from "./recover.ts";
import { createRootService } from "./root.ts";
import { SharedTurn } from "./shared-turn.ts";

const { channels, dataDir, rollup, turn } = workerData as PoolWorkerData;
const shared = turn === null ? null : new SharedTurn(turn);

/** Loads only what the channel needs: an EVM alone takes 0.4 s of processor time. */
async function createService(channel: PoolChannel): Promise<Service> {
  switch (channel) {
    case "recover":
      return createRecoverService();
    case "compress":
      return createCompressService();
    case "kzg": {
      const { createKzgService } = await import("./kzg.ts");
      return createKzgService(shared);
    }
    case "root":
      return createRootService((await openChainReader(dataDir)).trie);
    case "speculate":
    case "witness": {
      const { createSpeculationService } = await import("./speculate.ts");
      return createSpeculationService(rollup, await openChainReader(dataDir), shared);
    }
    case "verify": {
      const { createVerifierService } = await import("./verify.ts");
      const policy = parsePolicy(rollup.policy);
      if (!policy.ok) throw new NodeError(policy.code, policy.data);
      return createVerifierService(rollup, policy.value, await openChainReader(dataDir));
    }
  }
}

/** Channels whose threads work for seconds at a time, and that no block waits for. */
const PATIENT: ReadonlySet<PoolChannel> = new Set(["kzg", "speculate", "witness"]);

async function main(): Promise<void> {
  if (parentPort === null) throw new Error("pool-worker runs as a worker thread only");
  if (channels.some((channel) => PATIENT.has(channel))) givePrecedence(true);
  const services = new Map<PoolChannel, Service>();
  for (const channel of channels) services.set(channel, await createService(channel));
  const serveAll = (port: PortLike): void => {
    for (const [channel, service] of services) serve(port, channel, service);
  };
  serveAll(parentPort);
  parentPort.on("message", (message: AttachMessage | { readonly kind: string }) => {
    if (message.kind === "attach") serveAll((message as { readonly port: MessagePort }).port);
    if (message.kind === "end") process.exit();
  });
  parentPort.postMessage({ kind: "up" });
}

await main();
