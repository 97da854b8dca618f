/**
 * The data folder of a run: built by a process of its own, or copied from a kept one.
 *
 * Owns the temporary folder, and when a kept state is the right one: the population, the contracts
 * and the chain format are in its name.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, rmSync } from "node:fs";
import { cp, mkdir, mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { toHex } from "../../lanes/bytes.ts";
import { CHAIN_FORMAT } from "../../node/storage/database.ts";
import { loopEntries } from "./loops.ts";
import { contractEntries, type Population } from "./population.ts";

/** Raised when `state.ts` makes something else of the same population. */
const BUILDER_VERSION = 1;
/** The builder makes much garbage at once; a larger nursery saves it a third of its time. */
const BUILDER_FLAGS = ["--max-semi-space-size=64"];

export interface DataFolder {
  readonly path: string;
  /** Seconds that building took; `null` for a copy. */
  readonly buildSeconds: number | null;
  remove(): Promise<void>;
}

/** A folder with the population's state; `keptIn` names a folder where states are kept. */
export async function openFolder(
  population: Population,
  keptIn: string | null,
): Promise<DataFolder> {
  const path = await mkdtemp(join(tmpdir(), "pricelane-bench-"));
  // Also where the process ends on the way: it is hundreds of megabytes.
  const removeNow = (): void => {
    rmSync(path, { recursive: true, force: true });
  };
  process.once("exit", removeNow);
  const remove = async (): Promise<void> => {
    process.off("exit", removeNow);
    await rm(path, { recursive: true, force: true });
  };
  try {
    const kept = keptIn === null ? null : join(keptIn, stateName(population));
    if (kept !== null && existsSync(kept)) {
      await cp(kept, path, { recursive: true });
      return { path, buildSeconds: null, remove };
    }
    const startedMs = performance.now();
    await build(path, population);
    const buildSeconds = (performance.now() - startedMs) / 1000;
    if (kept !== null) await keep(path, kept);
    return { path, buildSeconds, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Copies under another name first: a state that is there is whole. */
async function keep(path: string, kept: string): Promise<void> {
  await mkdir(join(kept, ".."), { recursive: true });
  const partial = `${kept}.${process.pid}`;
  await cp(path, partial, { recursive: true });
  await rename(partial, kept);
}

function stateName(population: Population): string {
  const contracts = [...contractEntries([], []), ...loopEntries(0)].map(
    ({ address, code = new Uint8Array(0), storage = [] }) => [
      address,
      toHex(code),
      [...storage].map(([slot, value]) => [slot, String(value)]),
    ],
  );
  const text = JSON.stringify([BUILDER_VERSION, CHAIN_FORMAT, population, contracts]);
  return `state-${createHash("sha256").update(text).digest("hex").slice(0, 16)}`;
}

async function build(path: string, population: Population): Promise<void> {
  const program = fileURLToPath(new URL("./state-process.js", import.meta.url));
  const args = [...BUILDER_FLAGS, program, path, JSON.stringify(population)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "inherit", "inherit"] });
  const kill = (): void => {
    child.kill("SIGKILL");
  };
  process.once("exit", kill);
  const [code] = (await once(child, "exit")) as [number | null];
  process.off("exit", kill);
  if (code !== 0) throw new Error(`building the state ended with ${String(code)}`);
}
