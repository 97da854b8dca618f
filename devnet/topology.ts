/**
 * What the chain of a folder is: the rollup config, written once at the first start, and the
 * settlement contract it names, deployed on L1.
 *
 * The contract's address follows from the deployer's nonce, so the config is complete, and on disk,
 * before the deployment; a start that was interrupted between the two deploys later. A folder whose
 * L1 does not hold the config's origin is refused.
 */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { createWalletClient, getContractAddress } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { type Hex, isHexOf } from "../lanes/bytes.ts";
import type { Policy } from "../lanes/policy.ts";
import { buildGenesis } from "../node/chain/genesis.ts";
import { loadArtifact } from "../node/contracts/artifact.ts";
import {
  type RollupConfig,
  type RollupConfigFile,
  rollupConfigSchema,
} from "../node/rollup-config.ts";
import type { DevnetAccounts } from "./accounts.ts";
import type { ChainDesign } from "./chain-design.ts";
import { type Client, httpTransport, L1_CHAIN_ID, l1Chain, L2_CHAIN_ID } from "./chains.ts";
import { DevnetError, firstLine } from "./devnet-error.ts";
import type { Folder } from "./folder.ts";
import { readPolicy } from "./policy.ts";
import { waitFor } from "./wait.ts";

const BASE_FEE_WEI = 1_000_000_000n;
/** EIP-1559 as op-geth's chains have it since Canyon. */
const EIP1559 = { denominator: 250, elasticity: 6 };
/** OP mainnet's scalars at Ecotone. */
const FEE_SCALARS = { baseFeeScalar: 1368, blobBaseFeeScalar: 810_949 };
const SEQUENCING_WINDOW = 60;
const CHALLENGE_WINDOW_S = 60;
/** EIP-7691's; anvil keeps it for Osaka. */
const BLOB_UPDATE_FRACTION = 5_007_716;
const DEPLOY_TIMEOUT_MS = 20_000;
const ORIGIN_TIMEOUT_MS = 10_000;

export interface Topology {
  readonly rollup: RollupConfig;
  readonly policy: Policy;
}

export interface TopologyDeps {
  readonly folder: Folder;
  readonly accounts: DevnetAccounts;
  readonly signal: AbortSignal;
}

/**
 * Reads the folder's rollup config; `null` before the first start. Errors: `DevnetError` for a
 * damaged or foreign one.
 */
export function loadTopology(folder: Folder, accounts: DevnetAccounts): Topology | null {
  let text: string;
  try {
    text = readFileSync(folder.rollupFile, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw new DevnetError(`cannot read ${folder.rollupFile}: ${firstLine(error)}`, error);
  }
  const rollup = parseRollup(text, folder);
  if (
    rollup.chainId !== L2_CHAIN_ID ||
    rollup.l1ChainId !== L1_CHAIN_ID ||
    rollup.sequencer !== accounts.sequencer.address.toLowerCase()
  )
    throw new DevnetError(
      `${folder.rollupFile} belongs to another chain than the devnet's: choose another folder with --dir`,
    );
  return { rollup, policy: readPolicy(rollup.policy, folder.rollupFile) };
}

function parseRollup(text: string, folder: Folder): RollupConfig {
  const damaged = (why: string, cause?: unknown): DevnetError =>
    new DevnetError(
      `damaged folder: ${folder.rollupFile} ${why}; delete ${folder.root} to start anew`,
      cause,
    );
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw damaged("is not JSON", error);
  }
  const parsed = rollupConfigSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw damaged(`is invalid at "${issue?.path.join(".") ?? ""}"`, parsed.error);
}

/** Refuses another block time than the folder's chain has. */
export function checkBlockTime(topology: Topology, blockTimeMs: number | null): void {
  const actual = topology.policy.document.blockTimeMs;
  if (blockTimeMs === null || blockTimeMs === actual) return;
  throw new DevnetError(
    `the chain in this folder has --block-time ${actual}: leave the flag out, or choose another folder with --dir`,
  );
}

/** Not block 0: anvil makes another one at every start and keeps them all. */
async function firstMined(l1: Client) {
  const block = await l1.getBlock({ blockTag: "latest" });
  return block.number > 0n ? block : null;
}

/** Makes the rollup config of a design for this L1 and writes it by rename. */
export async function createTopology(
  l1: Client,
  design: ChainDesign,
  deps: TopologyDeps,
): Promise<Topology> {
  const { folder, accounts } = deps;
  const origin = await waitFor("L1's first block", () => firstMined(l1), {
    timeoutMs: ORIGIN_TIMEOUT_MS,
    signal: deps.signal,
  });
  const nonce = await l1.getTransactionCount({ address: accounts.deployer.address });
  const file: RollupConfigFile = {
    version: 1,
    chainId: L2_CHAIN_ID,
    l1ChainId: L1_CHAIN_ID,
    settlement: lower(
      getContractAddress({ from: accounts.deployer.address, nonce: BigInt(nonce) }),
    ),
    genesis: {
      timestamp: Math.max(Number(origin.timestamp), Math.floor(Date.now() / 1000)),
      l1Origin: { number: Number(origin.number), hash: origin.hash },
      gasLimit: design.gasLimit.toString(),
      baseFee: BASE_FEE_WEI.toString(),
      alloc: design.alloc,
    },
    eip1559: EIP1559,
    system: {
      batcher: lower(accounts.batcher.address),
      ...FEE_SCALARS,
      operatorFeeScalar: 0,
      operatorFeeConstant: "0",
    },
    sequencer: lower(accounts.sequencer.address),
    policy: design.policy,
    originConfirmations: 0,
    sequencingWindow: SEQUENCING_WINDOW,
    challengeWindow: CHALLENGE_WINDOW_S,
    l1BlobSchedule: [{ timestamp: 0, baseFeeUpdateFraction: BLOB_UPDATE_FRACTION }],
  };
  const text = `${JSON.stringify(file, null, 2)}\n`;
  const topology = {
    rollup: parseRollup(text, folder),
    policy: readPolicy(design.policy, folder.rollupFile),
  };
  writeByRename(folder.rollupFile, text);
  return topology;
}

/** Deploys the settlement contract where L1 does not have it yet. */
export async function ensureSettlement(
  l1: Client,
  topology: Topology,
  deps: TopologyDeps,
): Promise<void> {
  const { rollup } = topology;
  await checkOrigin(l1, rollup, deps.folder);
  if (isDeployed(await l1.getCode({ address: rollup.settlement }))) return;
  const { abi, bytecode } = loadArtifact("Settlement");
  const deployer = privateKeyToAccount(deps.accounts.deployer.privateKey);
  const wallet = createWalletClient({
    account: deployer,
    chain: l1Chain(l1.chain.rpcUrls.default.http[0] ?? ""),
    transport: httpTransport(l1.chain.rpcUrls.default.http[0] ?? ""),
  });
  const hash = await wallet.deployContract({
    abi,
    bytecode,
    args: [
      {
        chainId: BigInt(rollup.chainId),
        genesisHash: buildGenesis(rollup).block.hash,
        policyHash: topology.policy.hash,
        sequencer: rollup.sequencer,
        operator: deployer.address,
        admin: deployer.address,
        guardian: deployer.address,
        sequencingWindow: BigInt(rollup.sequencingWindow),
        challengeWindow: BigInt(rollup.challengeWindow),
      },
    ],
  });
  const receipt = await waitFor(
    "the settlement contract's deployment",
    () => l1.getTransactionReceipt({ hash }),
    { timeoutMs: DEPLOY_TIMEOUT_MS, signal: deps.signal },
  );
  if (receipt.status !== "success" || receipt.contractAddress?.toLowerCase() !== rollup.settlement)
    throw new DevnetError(
      `the settlement contract was not deployed at ${rollup.settlement}: delete ${deps.folder.root} to start anew`,
    );
}

function isDeployed(code: Hex | undefined): boolean {
  return code !== undefined && code !== "0x";
}

/**
 * L1 loses what it mined since its last dump when it is killed: then the L2 chain has no ground.
 */
async function checkOrigin(l1: Client, rollup: RollupConfig, folder: Folder): Promise<void> {
  const { number, hash } = rollup.genesis.l1Origin;
  let found: unknown = null;
  try {
    found = (await l1.getBlock({ blockNumber: BigInt(number) })).hash;
  } catch (error) {
    if (!(error instanceof Error && error.name === "BlockNotFoundError")) throw error;
  }
  if (isHexOf(found, 32) && found === hash) return;
  throw new DevnetError(
    `damaged folder: the L1 state in ${folder.l1Dir} does not hold the chain's first origin; delete ${folder.root} to start anew`,
  );
}

function lower(address: Hex): Hex {
  return address.toLowerCase() as Hex;
}

/** Replaces a file so that a reader sees the old or the new content, never a part. */
export function writeByRename(path: string, content: string | Uint8Array): void {
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, content);
  renameSync(temporary, path);
}
