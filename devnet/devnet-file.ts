/**
 * `devnet.json`: what scripts may rely on. Stable: members are added, never renamed or removed.
 * Written by rename, so that a reader sees a whole file; removed at the start of a run, so that a
 * file that is there after it belongs to the run.
 */
import { rmSync } from "node:fs";
import { getAddress } from "viem";
import type { Hex } from "../lanes/bytes.ts";
import type { DevnetAccounts } from "./accounts.ts";
import { L1_CHAIN_ID, L2_CHAIN_ID } from "./chains.ts";
import { DEMO_FEED, feedId, PUBLISH_GAS, publishCalldata } from "./demo-feed.ts";
import type { Folder } from "./folder.ts";
import { PERP_MARKET } from "./perp-market.ts";
import type { DevnetNode } from "./nodes.ts";
import { type Topology, writeByRename } from "./topology.ts";

interface Endpoint {
  readonly rpcUrl: string;
  readonly wsUrl: string;
  readonly pid: number;
}

export interface DevnetFile {
  readonly l1: { readonly rpcUrl: string; readonly chainId: number };
  readonly l2: { readonly chainId: number };
  readonly sequencer: Endpoint;
  readonly followers: readonly Endpoint[];
  readonly contracts: Readonly<Record<string, Hex>>;
  /** The ten for the user. */
  readonly accounts: readonly { readonly address: Hex; readonly privateKey: Hex }[];
  readonly policyHash: Hex;
  /** Absolute; the canonical bytes that the hash covers. */
  readonly policyFile: string;
  readonly examples: {
    /** A fast-lane call that may be sent any number of times with a fresh nonce. */
    readonly fastTransaction: {
      readonly privateKey: Hex;
      readonly to: Hex;
      readonly data: Hex;
      readonly gas: number;
    };
  };
}

const EXAMPLE_FEED = "EXAMPLE/USD";
const EXAMPLE_VALUE = 100_000_000n;

export interface DevnetFileSources {
  readonly folder: Folder;
  readonly accounts: DevnetAccounts;
  readonly topology: Topology;
  readonly l1Url: string;
  readonly sequencer: DevnetNode;
  readonly followers: readonly DevnetNode[];
}

/** What the file says of a running devnet. */
export function describeDevnet(sources: DevnetFileSources): DevnetFile {
  const { folder, accounts, topology, l1Url, sequencer, followers } = sources;
  return {
    l1: { rpcUrl: l1Url, chainId: L1_CHAIN_ID },
    l2: { chainId: L2_CHAIN_ID },
    sequencer: endpointOf(sequencer),
    followers: followers.map(endpointOf),
    contracts: contractAddresses(topology),
    accounts: accounts.printed.map(({ address, privateKey }) => ({ address, privateKey })),
    policyHash: topology.policy.hash,
    policyFile: folder.policyFile,
    examples: {
      fastTransaction: {
        privateKey: accounts.example.privateKey,
        to: getAddress(DEMO_FEED),
        data: publishCalldata(feedId(EXAMPLE_FEED), EXAMPLE_VALUE),
        gas: PUBLISH_GAS,
      },
    },
  };
}

/** By contract name, with EIP-55 checksum. */
export function contractAddresses(topology: Topology): Readonly<Record<string, Hex>> {
  return {
    Settlement: getAddress(topology.rollup.settlement),
    DemoFeed: getAddress(DEMO_FEED),
    PerpMarket: getAddress(PERP_MARKET),
  };
}

function endpointOf(node: DevnetNode): Endpoint {
  return { rpcUrl: node.rpcUrl, wsUrl: node.wsUrl, pid: node.child.pid };
}

export function writeDevnetFile(folder: Folder, file: DevnetFile): void {
  writeByRename(folder.devnetFile, `${JSON.stringify(file, null, 2)}\n`);
}

/** Removes the file of an earlier run. */
export function removeDevnetFile(folder: Folder): void {
  rmSync(folder.devnetFile, { force: true });
}
