/**
 * The devnet's L1: anvil from its npm package, with its state kept in the folder.
 *
 * Owns: finding the platform's binary, the flags, readiness. The binary itself is spawned, never
 * the npm shim: killing the shim would leave anvil behind.
 */
import { accessSync, constants, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { ACCOUNT_COUNT, MNEMONIC } from "./accounts.ts";
import { httpUrl, L1_CHAIN_ID, l1Client } from "./chains.ts";
import { DevnetError, firstLine } from "./devnet-error.ts";
import type { Folder } from "./folder.ts";
import { LOOPBACK } from "./ports.ts";
import type { Child, Processes } from "./processes.ts";
import { waitFor } from "./wait.ts";

export const L1_BLOCK_TIME_S = 2;
const STATE_INTERVAL_S = 10;
const READY_TIMEOUT_MS = 20_000;

/** Full path of the anvil binary; throws `DevnetError` where it is missing. */
export type AnvilResolver = () => string;

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

/** Finds the binary in the platform package that npm installs with `@foundry-rs/anvil`. */
export function resolveAnvil(
  platform: string = process.platform,
  arch: string = process.arch,
): string {
  const platformPackage = `@foundry-rs/anvil-${platform}-${ARCHITECTURES[arch] ?? arch}`;
  const file = platform === "win32" ? "anvil.exe" : "anvil";
  try {
    const require = createRequire(import.meta.url);
    const path = require.resolve(`${platformPackage}/bin/${file}`);
    accessSync(path, constants.X_OK);
    return path;
  } catch (error) {
    throw new DevnetError(
      `the L1 binary is missing (${platformPackage}): run npm ci, with optional dependencies`,
      error,
    );
  }
}

export interface L1Options {
  readonly folder: Folder;
  readonly port: number;
  readonly binary: string;
  readonly signal: AbortSignal;
}

/** Starts L1, or resumes it from its state file; returns when its RPC answers. */
export async function startL1(options: L1Options, processes: Processes): Promise<Child> {
  const { folder, port } = options;
  mkdirSync(folder.l1Dir, { recursive: true });
  const child = await processes.start({
    name: "L1",
    module: new URL("./guard.js", import.meta.url),
    args: [options.binary, ...anvilArgs(folder.l1Dir, port)],
    logFile: folder.logFile("l1"),
  });
  const client = l1Client(httpUrl(port));
  const gone = child.exited.then(() => {
    throw new DevnetError(`L1 stopped while starting: see ${folder.logFile("l1")}`);
  });
  const answering = waitFor("L1's RPC", () => client.getChainId(), {
    timeoutMs: READY_TIMEOUT_MS,
    signal: options.signal,
  });
  answering.catch(() => undefined);
  gone.catch(() => undefined);
  let chainId: number;
  try {
    chainId = await Promise.race([answering, gone]);
  } catch (error) {
    options.signal.throwIfAborted();
    throw new DevnetError(`L1 does not answer: ${firstLine(error)}`, error);
  }
  if (chainId !== L1_CHAIN_ID)
    throw new DevnetError(`another L1 (chain ${chainId}) answers on port ${port}`);
  return child;
}

function anvilArgs(stateDir: string, port: number): string[] {
  return [
    ...["--hardfork", "osaka", "--chain-id", String(L1_CHAIN_ID)],
    ...["--block-time", String(L1_BLOCK_TIME_S), "--slots-in-an-epoch", "1"],
    ...["--accounts", String(ACCOUNT_COUNT), "--mnemonic", MNEMONIC],
    ...["--host", LOOPBACK, "--port", String(port)],
    ...["--state", stateDir, "--state-interval", String(STATE_INTERVAL_S)],
    // No state of older L1 blocks is kept: nobody reads it, and it makes the file grow without end.
    "--quiet",
  ];
}
