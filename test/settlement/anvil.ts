/** A real L1 for tests: anvil with Osaka rules, and the Settlement contract on it. */
import { type ChildProcess, spawn } from "node:child_process";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import {
  createTestClient,
  createWalletClient,
  defineChain,
  http,
  publicActions,
  type TestClient,
} from "viem";
import { mnemonicToAccount } from "viem/accounts";
import type { Hex } from "../../lanes/bytes.ts";
import { loadArtifact } from "../../node/contracts/artifact.ts";
import { addressOf } from "../../node/primitives/signature.ts";

const MNEMONIC = "test test test test test test test test test test test junk";
const START_TIMEOUT_MS = 30_000;
export const L1_CHAIN_ID = 900;
export const L2_CHAIN_ID = 901;

/** Key of term 1, and of whoever pays on L1. */
export const SEQUENCER_KEY: Uint8Array = new Uint8Array(32).fill(7);
export const PAYER = mnemonicToAccount(MNEMONIC, { addressIndex: 3 });
export const ADMIN = mnemonicToAccount(MNEMONIC, { addressIndex: 0 });
export const GUARDIAN = mnemonicToAccount(MNEMONIC, { addressIndex: 1 });

export function privateKeyOf(account: typeof PAYER): Hex {
  return `0x${Buffer.from(account.getHdKey().privateKey!).toString("hex")}`;
}

/** Spawns the platform binary: killing the npm shim would leave anvil behind. */
export async function startAnvil(teardown: (stop: () => Promise<void>) => void): Promise<string> {
  const require = createRequire(import.meta.url);
  const arch = process.arch === "x64" ? "amd64" : process.arch;
  const platform = `@foundry-rs/anvil-${process.platform}-${arch}`;
  const binary = require.resolve(`${platform}/bin/anvil`);
  const args = ["--hardfork", "osaka", "--chain-id", String(L1_CHAIN_ID), "--port", "0"];
  const child = spawn(binary, [...args, "--slots-in-an-epoch", "1"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  teardown(() => stopped(child));
  // Also where the test run ends without its teardown.
  process.once("exit", () => child.kill("SIGKILL"));
  const listening = new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      const address = /^Listening on (\S+)$/.exec(line)?.[1];
      if (address !== undefined) resolve(`http://${address}`);
    });
    child.once("exit", () => {
      reject(new Error("anvil ended"));
    });
    AbortSignal.timeout(START_TIMEOUT_MS).addEventListener("abort", () => {
      reject(new Error("anvil does not listen"));
    });
  });
  return listening;
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await exit;
}

/** Mining, snapshots and reads on one client. */
export function l1Client(rpcUrl: string) {
  const chain = defineChain({
    id: L1_CHAIN_ID,
    name: "L1",
    nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
    rpcUrls: { default: { http: [rpcUrl] } },
  });
  const client: TestClient = createTestClient({ mode: "anvil", chain, transport: http(rpcUrl) });
  const wallet = createWalletClient({ chain, transport: http(rpcUrl), account: PAYER });
  return { client: client.extend(publicActions), wallet, chain };
}

export const settlementConfig = {
  chainId: BigInt(L2_CHAIN_ID),
  genesisHash: `0x${"aa".repeat(32)}`,
  policyHash: `0x${"bb".repeat(32)}`,
  sequencer: addressOf(SEQUENCER_KEY),
  operator: PAYER.address,
  admin: ADMIN.address,
  guardian: GUARDIAN.address,
  sequencingWindow: 60n,
  challengeWindow: 60n,
};

/** Deploys the contract and returns its address. */
export async function deploySettlement(
  l1: ReturnType<typeof l1Client>,
  config: typeof settlementConfig = settlementConfig,
): Promise<Hex> {
  const { abi, bytecode } = loadArtifact("Settlement");
  const hash = await l1.wallet.deployContract({ abi, bytecode, args: [config] });
  const receipt = await l1.client.waitForTransactionReceipt({ hash, pollingInterval: 50 });
  return receipt.contractAddress!.toLowerCase() as Hex;
}
