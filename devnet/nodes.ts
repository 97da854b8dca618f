/**
 * The devnet's nodes: a config file for each role in the folder, keys by environment, one process
 * each through the same `start` command an operator uses.
 */
import { z } from "zod";
import type { DevnetAccounts } from "./accounts.ts";
import { httpUrl, wsUrl } from "./chains.ts";
import { DevnetError } from "./devnet-error.ts";
import type { Folder } from "./folder.ts";
import { LOOPBACK, type NodePorts } from "./ports.ts";
import type { Child, Processes } from "./processes.ts";
import { writeByRename } from "./topology.ts";

/** The process entry of a node; prints the ready line when it serves. */
const NODE_MODULE = new URL("../rpc/main.js", import.meta.url);
const READY_PREFIX = "pricelane ready ";
/** A start takes seconds; on a machine with other work on it, many times that. */
const READY_TIMEOUT_MS = 150_000;
const L1_POLL_INTERVAL_MS = 500;
const BATCH_INTERVAL_MS = 6_000;
const FLASHBLOCK_MS = 200;

const readySchema = z.looseObject({ peerId: z.string().min(1) });

export interface NodeContext {
  readonly folder: Folder;
  readonly accounts: DevnetAccounts;
  readonly l1Url: string;
  readonly processes: Processes;
}

export interface DevnetNode {
  readonly name: string;
  readonly rpcUrl: string;
  readonly wsUrl: string;
  readonly child: Child;
  /** Multiaddr with peer id. */
  readonly p2pAddress: string;
}

/** What of the sequencer's settings is not always the same. */
export interface SequencerSettings {
  readonly txpool?: { readonly globalMax: number };
  readonly sequencer?: { readonly flashblockMs: number };
}

/** Starts the sequencer on its data folder, new or old. */
export function startSequencer(
  context: NodeContext,
  ports: NodePorts,
  more: SequencerSettings = {},
): Promise<DevnetNode> {
  const settings = {
    ...commonSettings(context, "sequencer", ports.rpc),
    role: "sequencer",
    p2p: { listen: [listenAddress(ports.p2p)], peers: [] },
    sequencer: { flashblockMs: FLASHBLOCK_MS },
    batcher: { intervalMs: BATCH_INTERVAL_MS },
    ...more,
  };
  const env = {
    PRICELANE_SEQUENCER_KEY: context.accounts.sequencer.privateKey,
    PRICELANE_BATCHER_KEY: context.accounts.batcher.privateKey,
  };
  return startNode(context, "sequencer", ports, settings, env);
}

/** Name of the follower with this number, from 1: of its data folder, config file and log. */
export function followerName(number: number): string {
  return `follower-${number}`;
}

/** Starts a follower. Without peers it does not listen either: it has only L1. */
export function startFollower(
  context: NodeContext,
  name: string,
  ports: NodePorts,
  peers: readonly string[],
): Promise<DevnetNode> {
  const settings = {
    ...commonSettings(context, name, ports.rpc),
    role: "follower",
    p2p: { listen: peers.length === 0 ? [] : [listenAddress(ports.p2p)], peers },
  };
  return startNode(context, name, ports, settings, {});
}

function commonSettings({ folder, l1Url }: NodeContext, name: string, rpcPort: number): object {
  return {
    rollupFile: folder.rollupFile,
    dataDir: folder.dataDir(name),
    rpc: { host: LOOPBACK, port: rpcPort },
    l1: { rpcUrl: l1Url, pollIntervalMs: L1_POLL_INTERVAL_MS },
    exitWithParent: true,
  };
}

async function startNode(
  { folder, processes }: NodeContext,
  name: string,
  ports: NodePorts,
  settings: object,
  env: Readonly<Record<string, string>>,
): Promise<DevnetNode> {
  const configFile = folder.configFile(name);
  writeByRename(configFile, `${JSON.stringify(settings, null, 2)}\n`);
  const child = await processes.start({
    name,
    module: NODE_MODULE,
    args: ["start", "--config", configFile],
    env,
    logFile: folder.logFile(name),
    readyPrefix: READY_PREFIX,
    readyTimeoutMs: READY_TIMEOUT_MS,
  });
  return {
    name,
    rpcUrl: httpUrl(ports.rpc),
    wsUrl: wsUrl(ports.rpc),
    child,
    p2pAddress: `${listenAddress(ports.p2p)}/p2p/${peerIdOf(child)}`,
  };
}

function peerIdOf(child: Child): string {
  try {
    return readySchema.parse(JSON.parse(child.readyText)).peerId;
  } catch (error) {
    throw new DevnetError(`${child.name} printed a ready line without its peer id`, error);
  }
}

function listenAddress(port: number): string {
  return `/ip4/${LOOPBACK}/tcp/${port}`;
}
