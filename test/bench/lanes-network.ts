/**
 * What the benchmark of the lanes runs on: anvil as L1, the settlement contract, one sequencer
 * through the command an operator uses, in a folder of its own; and anvil as a peer. The sequencer
 * has its defaults but for a larger txpool: verifier on, every flashblock re-executed, a batch
 * every six seconds.
 */
import { mkdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deriveAccounts } from "../../devnet/accounts.ts";
import { type Client, httpUrl, L1_CHAIN_ID, l1Client } from "../../devnet/chains.ts";
import { type Folder, folderAt } from "../../devnet/folder.ts";
import { resolveAnvil, startL1 } from "../../devnet/l1.ts";
import { startSequencer } from "../../devnet/nodes.ts";
import { findFreeBase, planPorts } from "../../devnet/ports.ts";
import { createProcesses, type Processes } from "../../devnet/processes.ts";
import { ensureSettlement, type Topology, writeByRename } from "../../devnet/topology.ts";
import { waitFor } from "../../devnet/wait.ts";
import type { Hex } from "../../lanes/bytes.ts";
import { parsePolicy } from "../../lanes/policy.ts";
import { predeployAlloc } from "../../node/chain/genesis.ts";
import { loadArtifact } from "../../node/contracts/artifact.ts";
import { rollupConfigSchema } from "../../node/rollup-config.ts";
import { getContractAddress } from "viem";
import type { LoadJob } from "./lanes-load.ts";
import { genesisAlloc, lanesEntries } from "./lanes-population.ts";
import { spawnAnvil } from "./peer-anvil.ts";
import { CHAIN_ID } from "./accounts.ts";
import { BLOCK_GAS_LIMIT, policyDocument } from "./rollup.ts";

const START_TIMEOUT_MS = 30_000;
/** Room for a flood that lasts as long as a measurement: what has none leaves gaps in nonces. */
const POOL_MAX = 32_768;

export interface Network extends Pick<LoadJob, "target" | "trust"> {
  stop(): Promise<void>;
}

/** Starts L1 and a sequencer on a new chain with this policy. */
export async function startNetwork(document = policyDocument()): Promise<Network> {
  const root = await mkdtemp(join(tmpdir(), "pricelane-bench-lanes-"));
  const processes = createProcesses();
  const stop = async (): Promise<void> => {
    await processes.stopAll();
    await rm(root, { recursive: true, force: true });
  };
  try {
    return { ...(await start(folderAt(root), processes, document)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start(
  folder: Folder,
  processes: Processes,
  document: Record<string, unknown>,
): Promise<Omit<Network, "stop">> {
  const accounts = deriveAccounts();
  const ports = planPorts(await findFreeBase(0), 0);
  const { signal } = new AbortController();
  mkdirSync(folder.logDir, { recursive: true });
  const binary = resolveAnvil();
  await startL1({ folder, port: ports.l1, binary, signal }, processes);
  const l1Url = httpUrl(ports.l1);
  const l1 = l1Client(l1Url);
  const topology = await makeTopology(l1, folder, accounts, document);
  await ensureSettlement(l1, topology, { folder, accounts, signal });
  const context = { folder, accounts, l1Url, processes };
  const node = await startSequencer(context, ports.sequencer, { txpool: { globalMax: POOL_MAX } });
  const { settlement, sequencer, policy } = topology.rollup;
  return {
    target: { kind: "pricelane", httpUrl: node.rpcUrl, wsUrl: node.wsUrl },
    trust: {
      domain: { chainId: CHAIN_ID, settlement, l1ChainId: L1_CHAIN_ID },
      sequencer,
      policy,
    },
  };
}

/** The rollup of the other benchmarks, on this L1 and with this state; writes its file. */
async function makeTopology(
  l1: Client,
  folder: Folder,
  accounts: ReturnType<typeof deriveAccounts>,
  document: Record<string, unknown>,
): Promise<Topology> {
  const policy = parsePolicy(document);
  if (!policy.ok) throw new Error(JSON.stringify(policy));
  const mined = async () => {
    const block = await l1.getBlock({ blockTag: "latest" });
    return block.number > 0n ? block : null;
  };
  const { signal } = new AbortController();
  const origin = await waitFor("L1's first block", mined, { timeoutMs: START_TIMEOUT_MS, signal });
  const from = accounts.deployer.address;
  const nonce = BigInt(await l1.getTransactionCount({ address: from }));
  const lower = (address: Hex): Hex => address.toLowerCase() as Hex;
  const file = {
    version: 1,
    chainId: CHAIN_ID,
    l1ChainId: L1_CHAIN_ID,
    settlement: lower(getContractAddress({ from, nonce })),
    genesis: {
      timestamp: Math.max(Number(origin.timestamp), Math.floor(Date.now() / 1000)),
      l1Origin: { number: Number(origin.number), hash: origin.hash },
      gasLimit: String(BLOCK_GAS_LIMIT),
      baseFee: "1000000000",
      alloc: {
        ...predeployAlloc((name) => loadArtifact(name).deployedBytecode),
        ...genesisAlloc(lanesEntries()),
      },
    },
    eip1559: { denominator: 250, elasticity: 6 },
    system: {
      batcher: lower(accounts.batcher.address),
      baseFeeScalar: 0,
      blobBaseFeeScalar: 0,
      operatorFeeScalar: 0,
      operatorFeeConstant: "0",
    },
    sequencer: lower(accounts.sequencer.address),
    policy: document,
    originConfirmations: 0,
    sequencingWindow: 60,
    challengeWindow: 60,
    l1BlobSchedule: [{ timestamp: 0, baseFeeUpdateFraction: 5_007_716 }],
  };
  writeByRename(folder.rollupFile, `${JSON.stringify(file)}\n`);
  return { rollup: rollupConfigSchema.parse(file), policy: policy.value };
}

export type AnvilMode = "automine" | "block-time 1";

/** An anvil with the same state. */
export async function startPeer(mode: AnvilMode): Promise<Network> {
  const mining = mode === "automine" ? [] : ["--block-time", "1"];
  const { url, stop } = await spawnAnvil(lanesEntries(), mining);
  const wsUrl = url.replace("http:", "ws:");
  return { target: { kind: "anvil", httpUrl: url, wsUrl }, trust: null, stop };
}
