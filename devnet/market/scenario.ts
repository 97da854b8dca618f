/**
 * `--scenario crash`: the same crashes, market, people and crowd on a chain with the fast lane
 * and on one without, and a table of what became of them. Owns the order of the runs. Each chain
 * is new, in a temporary folder on free ports; a folder is kept where something failed.
 */
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { l2Client } from "../chains.ts";
import { DevnetError, firstLine } from "../devnet-error.ts";
import type { AnvilResolver } from "../l1.ts";
import { findFreeBase, planPorts } from "../ports.ts";
import { createDevnetRun, type Devnet, type DevnetRun } from "../run.ts";
import { waitFor } from "../wait.ts";
import { type CrashOutcome, runCrash, type Tips } from "./crash-run.ts";
import { CROWD_JOB_VARIABLE, type CrowdJob, HIGH_TIPS_WEI, MEDIAN_TIP_WEI } from "./crowd-plan.ts";
import { openFloor } from "./floor.ts";
import { marketDesign } from "./market-design.ts";
import { crashPath, parsePath, PathError, type Tick } from "./price-path.ts";
import { describeOutcome, formatResults } from "./results.ts";

export interface Mode {
  readonly name: string;
  readonly hasLane: boolean;
  readonly tips: Tips;
}

const LIKE_THE_CROWD: Tips = {
  oracle: MEDIAN_TIP_WEI,
  keeper: MEDIAN_TIP_WEI,
  trader: MEDIAN_TIP_WEI,
};

/** The last one is the best that a chain without lanes can be made to do: by paying. */
export const MODES: readonly Mode[] = [
  { name: "fast lane", hasLane: true, tips: LIKE_THE_CROWD },
  { name: "lane off", hasLane: false, tips: LIKE_THE_CROWD },
  { name: "lane off, paying most", hasLane: false, tips: HIGH_TIPS_WEI },
];

const CROWD_SEED = 1;
/** With the lane, what fast classes might still ask for is not given away before a block ends. */
const CROWDED_PERCENT = 70n;
const PERCENT = 100n;
const CROWDED_TIMEOUT_MS = 60_000;
/** As many flashblocks as with the lane. */
const FLASHBLOCK_MS = 50;

export interface ScenarioOptions {
  /** Seeds from 1 on. */
  readonly seeds: number;
  /** A file with a path that every run plays, in place of the seeds' own. */
  readonly pathFile: string | null;
}

export interface ScenarioDeps {
  readonly out: (line: string) => void;
  readonly resolveAnvil: AnvilResolver;
  readonly signal: AbortSignal;
}

/** Runs everything and prints the table. Errors: `DevnetError`. */
export async function runScenario(options: ScenarioOptions, deps: ScenarioDeps): Promise<void> {
  const path = options.pathFile === null ? null : readPath(options.pathFile);
  const outcomes = new Map<Mode, CrashOutcome[]>(MODES.map((mode) => [mode, []]));
  for (const hasLane of [true, false]) {
    const modes = MODES.filter((mode) => mode.hasLane === hasLane);
    await onChain(hasLane, deps, async (devnet, signal) => {
      const floor = await openFloor(devnet, hasLane, signal);
      try {
        for (let seed = 1; seed <= options.seeds; seed++)
          for (const mode of modes) {
            const plan = { seed, path: path ?? crashPath(seed), tips: mode.tips };
            const outcome = await runCrash(floor, plan);
            outcomes.get(mode)?.push(outcome);
            deps.out(`${mode.name}, seed ${seed}: ${describeOutcome(outcome)}`);
          }
      } finally {
        await floor.close();
      }
    });
  }
  deps.out("");
  for (const line of formatResults([...outcomes])) deps.out(line);
}

function readPath(file: string): readonly Tick[] {
  try {
    return parsePath(readFileSync(file, "utf8"));
  } catch (error) {
    const why = error instanceof PathError ? error.message : firstLine(error);
    throw new DevnetError(`cannot play the path in ${file}: ${why}`, error);
  }
}

/** A chain for as long as the action takes, with the crowd on it. */
async function onChain(
  hasLane: boolean,
  { resolveAnvil, signal, out }: ScenarioDeps,
  action: (devnet: Devnet, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "pricelane-crash-"));
  const run = createDevnetRun({
    ...{ dir, ports: planPorts(await findFreeBase(0), 0), resolveAnvil },
    ...{ publishers: 0, traffic: false, blockTimeMs: null },
    design: (accounts) => marketDesign(accounts, hasLane),
    sequencer: { sequencer: { flashblockMs: FLASHBLOCK_MS } },
  });
  const onAbort = (): void => void run.stop();
  signal.addEventListener("abort", onAbort, { once: true });
  signal.throwIfAborted();
  let isDone = false;
  try {
    const died = run.failure.then((error) => {
      throw error;
    });
    // Whoever waits for an answer of a node that is gone would wait for long.
    const aborted = once(run.signal, "abort").then(() => {
      throw run.signal.reason as Error;
    });
    await Promise.race([died, aborted, withCrowd(run, action)]);
    isDone = true;
  } finally {
    signal.removeEventListener("abort", onAbort);
    await run.stop();
    if (isDone || signal.aborted) rmSync(dir, { recursive: true, force: true });
    else out(`logs and data are kept in ${dir}`);
  }
}

async function withCrowd(
  run: DevnetRun,
  action: (devnet: Devnet, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const devnet = await run.start();
  const { folder, nodes, sequencer } = devnet;
  const job: CrowdJob = { wsUrl: sequencer.wsUrl, seed: CROWD_SEED };
  await nodes.processes.start({
    name: "crowd",
    module: new URL("./crowd.js", import.meta.url),
    args: [],
    env: { [CROWD_JOB_VARIABLE]: JSON.stringify(job) },
    logFile: folder.logFile("crowd"),
  });
  const client = l2Client(sequencer.rpcUrl);
  await waitFor(
    "the crowd to fill blocks",
    async () => {
      const { gasUsed, gasLimit } = await client.getBlock();
      return gasUsed * PERCENT >= gasLimit * CROWDED_PERCENT ? true : null;
    },
    { timeoutMs: CROWDED_TIMEOUT_MS, signal: run.signal },
  );
  await action(devnet, run.signal);
}
