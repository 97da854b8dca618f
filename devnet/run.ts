/**
 * One devnet: starts every process in order, writes `devnet.json`, and stops everything.
 * Owns the order; does not own signals, printing, or when the process exits.
 */
import { mkdirSync } from "node:fs";
import { deriveAccounts, type DevnetAccounts } from "./accounts.ts";
import { httpUrl, l1Client } from "./chains.ts";
import { startPublishers, startTraffic } from "./clients.ts";
import type { DevnetError } from "./devnet-error.ts";
import {
  describeDevnet,
  type DevnetFile,
  removeDevnetFile,
  writeDevnetFile,
} from "./devnet-file.ts";
import { type Folder, folderAt, lockFolder } from "./folder.ts";
import { type AnvilResolver, startL1 } from "./l1.ts";
import {
  type DevnetNode,
  followerName,
  type NodeContext,
  type SequencerSettings,
  startFollower,
  startSequencer,
} from "./nodes.ts";
import { checkPortsFree, type PortPlan } from "./ports.ts";
import { createProcesses, type Processes } from "./processes.ts";
import { BLOCK_TIME_DEFAULT_MS, type ChainDesign, standardDesign } from "./chain-design.ts";
import {
  checkBlockTime,
  createTopology,
  ensureSettlement,
  loadTopology,
  type Topology,
  writeByRename,
} from "./topology.ts";

export interface DevnetOptions {
  readonly dir: string;
  readonly ports: PortPlan;
  readonly publishers: number;
  readonly traffic: boolean;
  /** `null`: the folder's, or the default for a new one. */
  readonly blockTimeMs: number | null;
  readonly resolveAnvil: AnvilResolver;
  /** Of a new chain, where it is not the devnet's own. */
  readonly design?: (accounts: DevnetAccounts) => ChainDesign;
  /** Of the sequencer, beside the devnet's own. */
  readonly sequencer?: SequencerSettings;
}

/** A running devnet; all processes stand, nothing has been waited for beyond that. */
export interface Devnet {
  readonly folder: Folder;
  readonly accounts: DevnetAccounts;
  readonly topology: Topology;
  readonly file: DevnetFile;
  readonly nodes: NodeContext;
  readonly sequencer: DevnetNode;
  readonly followers: readonly DevnetNode[];
}

export interface DevnetRun {
  /** Starts everything. Errors: `DevnetError`; the signal's reason once `stop` was called. */
  start(): Promise<Devnet>;
  /** Stops every process in reverse order and gives the folder back. Idempotent. */
  stop(): Promise<void>;
  /** Resolves when a process has stopped that nobody stopped. */
  readonly failure: Promise<DevnetError>;
  /** Aborted by `stop`. */
  readonly signal: AbortSignal;
}

/** Nothing is started or written before `start`. */
export function createDevnetRun(options: DevnetOptions): DevnetRun {
  const processes = createProcesses();
  const folder = folderAt(options.dir);
  const controller = new AbortController();
  let lock: { release(): void } | null = null;
  let stopped: Promise<void> | null = null;
  return {
    failure: processes.failure,
    signal: controller.signal,
    async start() {
      lock = lockFolder(folder);
      try {
        return await startAll(options, folder, processes, controller.signal);
      } catch (error) {
        // What fails because everything is being stopped is not the reason.
        controller.signal.throwIfAborted();
        throw error;
      }
    },
    stop() {
      stopped ??= (async () => {
        controller.abort();
        await processes.stopAll();
        lock?.release();
      })();
      return stopped;
    },
  };
}

function designOf({ design, blockTimeMs }: DevnetOptions, accounts: DevnetAccounts): ChainDesign {
  return design?.(accounts) ?? standardDesign(accounts, blockTimeMs ?? BLOCK_TIME_DEFAULT_MS);
}

async function startAll(
  options: DevnetOptions,
  folder: Folder,
  processes: Processes,
  signal: AbortSignal,
): Promise<Devnet> {
  const { ports } = options;
  const accounts = deriveAccounts();
  removeDevnetFile(folder);
  const binary = options.resolveAnvil();
  const known = loadTopology(folder, accounts);
  if (known !== null) checkBlockTime(known, options.blockTimeMs);
  await checkPortsFree(ports);
  mkdirSync(folder.logDir, { recursive: true });

  await startL1({ folder, port: ports.l1, binary, signal }, processes);
  const l1Url = httpUrl(ports.l1);
  const l1 = l1Client(l1Url);
  const deps = { folder, accounts, signal };
  const topology = known ?? (await createTopology(l1, designOf(options, accounts), deps));
  await ensureSettlement(l1, topology, deps);
  writeByRename(folder.policyFile, topology.policy.bytes);

  const nodes: NodeContext = { folder, accounts, l1Url, processes };
  const sequencer = await startSequencer(nodes, ports.sequencer, options.sequencer);
  const followers = await Promise.all(
    ports.followers.map((followerPorts, index) =>
      startFollower(nodes, followerName(index + 1), followerPorts, [sequencer.p2pAddress]),
    ),
  );
  const clients = { folder, accounts, processes, rpcUrl: sequencer.rpcUrl };
  await startPublishers(clients, options.publishers);
  if (options.traffic) await startTraffic(clients);
  signal.throwIfAborted();

  const file = describeDevnet({ folder, accounts, topology, l1Url, sequencer, followers });
  writeDevnetFile(folder, file);
  return { folder, accounts, topology, file, nodes, sequencer, followers };
}
