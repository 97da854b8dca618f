/**
 * Peer: anvil, a Rust node for development (revm, everything in memory), on loopback. It gets the
 * same signed transactions, and is timed while it mines a block of them: execution and its root of
 * a small state; it has recovered the senders before.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { bigintToBytes, type Hex, toHex } from "../../lanes/bytes.ts";
import type { UserTransaction } from "../../node/primitives/transaction.ts";
import { CHAIN_ID } from "./accounts.ts";
import type { PeerBlock } from "./peer-state.ts";
import { BLOCK_GAS_LIMIT } from "./rollup.ts";
import type { AllocEntry } from "./state.ts";

export const ANVIL = "anvil";

const START_TIMEOUT_MS = 30_000;

export interface Anvil {
  /** Hands the transactions in, then mines one block of them. */
  mine(transactions: readonly UserTransaction[]): Promise<PeerBlock>;
  stop(): Promise<void>;
}

/** An anvil whose genesis holds the entries. */
export async function startAnvil(entries: readonly AllocEntry[]): Promise<Anvil> {
  const { url, stop } = await spawnAnvil(entries, ["--no-mining", "--order", "fifo"]);
  return { mine: (transactions) => mine(url, transactions), stop };
}

export interface AnvilProcess {
  /** HTTP; the WebSocket is on the same port. */
  readonly url: string;
  stop(): Promise<void>;
}

/** The process, with arguments that say how it mines. */
export async function spawnAnvil(
  entries: readonly AllocEntry[],
  mining: readonly string[],
): Promise<AnvilProcess> {
  const folder = await mkdtemp(join(tmpdir(), "pricelane-bench-anvil-"));
  const genesis = join(folder, "genesis.json");
  await writeFile(genesis, JSON.stringify(genesisFile(entries)));
  const child = spawn(anvilBinary(), [...anvilArguments(genesis), ...mining], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  // Also where the process ends on the way.
  const kill = (): void => {
    child.kill("SIGKILL");
  };
  process.once("exit", kill);
  const stop = async (): Promise<void> => {
    process.off("exit", kill);
    await stopped(child);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    return { url: await listening(child), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function anvilBinary(): string {
  const arch = process.arch === "x64" ? "amd64" : process.arch;
  const require = createRequire(import.meta.url);
  return require.resolve(`@foundry-rs/anvil-${process.platform}-${arch}/bin/anvil`);
}

function anvilArguments(genesis: string): string[] {
  return [
    ...["--init", genesis, "--hardfork", "prague", "--chain-id", String(CHAIN_ID)],
    ...["--port", "0", "--accounts", "1", "--no-request-size-limit"],
    ...["--gas-limit", String(BLOCK_GAS_LIMIT)],
  ];
}

function genesisFile(entries: readonly AllocEntry[]): object {
  const alloc = entries.map(({ address, nonce = 0n, balance = 0n, code, storage = [] }) => [
    address,
    {
      nonce: `0x${nonce.toString(16)}`,
      balance: `0x${balance.toString(16)}`,
      ...(code === undefined ? {} : { code: toHex(code) }),
      storage: Object.fromEntries(
        [...storage].map(([slot, value]) => [slot, toHex(bigintToBytes(value, 32))]),
      ) as Record<Hex, Hex>,
    },
  ]);
  return {
    config: { chainId: CHAIN_ID },
    difficulty: "0x0",
    gasLimit: `0x${BLOCK_GAS_LIMIT.toString(16)}`,
    alloc: Object.fromEntries(alloc) as Record<string, unknown>,
  };
}

function listening(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    if (child.stdout === null) throw new Error("anvil's output is not piped");
    const timer = setTimeout(() => {
      reject(new Error("anvil does not listen"));
    }, START_TIMEOUT_MS);
    createInterface({ input: child.stdout }).on("line", (line) => {
      const address = /^Listening on (\S+)$/.exec(line)?.[1];
      if (address === undefined) return;
      clearTimeout(timer);
      resolve(`http://${address}`);
    });
    child.once("exit", () => {
      clearTimeout(timer);
      reject(new Error("anvil ended"));
    });
  });
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await exit;
}

async function mine(url: string, transactions: readonly UserTransaction[]): Promise<PeerBlock> {
  // One after another: calls of one batch would be taken in any order, and order is in the gas.
  for (const { raw } of transactions) await request(url, "eth_sendRawTransaction", [toHex(raw)]);
  const startedMs = performance.now();
  await request(url, "evm_mine", []);
  const ms = performance.now() - startedMs;
  const block = await request(url, "eth_getBlockByNumber", ["latest", false]);
  const { gasUsed, transactions: mined } = block as {
    readonly gasUsed: Hex;
    readonly transactions: readonly Hex[];
  };
  if (mined.length !== transactions.length)
    throw new Error(`anvil mined ${mined.length} of ${transactions.length} transactions`);
  return { gasUsed: BigInt(gasUsed), ms, cpuMs: null };
}

interface Answer {
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}

async function request(url: string, method: string, params: readonly unknown[]): Promise<unknown> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  const { result, error } = (await response.json()) as Answer;
  if (error !== undefined) throw new Error(`anvil: ${error.message}`);
  return result;
}
