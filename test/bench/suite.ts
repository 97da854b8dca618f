/**
 * All benchmarks of execution, one after another on one chain: the rows of the report.
 *
 * Owns the order and what `--profile` leaves out. The sequencer comes after what is measured block
 * by block, because it moves the chain on by blocks of its own; single components, which have
 * nothing to do with the chain, come after the look at the memory.
 */
import { sign } from "./accounts.ts";
import { boundaryRows } from "./boundary.ts";
import { type BenchChain, openBenchChain } from "./chain.ts";
import { precompileRows, rootRows } from "./components.ts";
import { loopRows, runWorkload, streamRows, type WorkloadRun, workloadRows } from "./execution.ts";
import { openFolder } from "./folder.ts";
import { type HeavyCase, heavyRows } from "./heavy.ts";
import { LOOPS } from "./loops.ts";
import { createMemoryWatch } from "./memory.ts";
import type { BenchOptions } from "./options.ts";
import { runPeers, withPeers } from "./peers.ts";
import { feedId, makeSenders } from "./population.ts";
import { createProfile } from "./profile.ts";
import { formatSelfTimes } from "./report.ts";
import { figureOf, type Row } from "./row.ts";
import {
  createSupply,
  loopCall,
  loopWorkloads,
  oracleReport,
  type SenderSupply,
  type Workload,
  workloads,
} from "./workloads.ts";

/** Flood that lies ready for each block that is built: more than it takes. */
const FLOOD_BLOCKS_A_BLOCK = 4;
/** Senders of fast transactions. */
const REPORTERS = 64;
/** Later than any report of the workloads. */
const FAST_REPORT_MS = 1_790_000_000_000;

/** Runs what the options ask for. `say` gets a line where something begins. */
export async function runSuite(options: BenchOptions, say: (line: string) => void): Promise<Row[]> {
  const { population } = options;
  say(`state of ${population.accounts.toLocaleString("en-US")} accounts`);
  const folder = await openFolder(population, options.state);
  try {
    const chain = await openBenchChain(folder.path);
    try {
      const rows = await new Suite(options, say, chain).run();
      return folder.buildSeconds === null ? rows : [stateRow(folder.buildSeconds), ...rows];
    } finally {
      await chain.close();
    }
  } finally {
    await folder.remove();
  }
}

function stateRow(seconds: number): Row {
  return { name: "state", measure: "building it", unit: "s", figure: figureOf([seconds]) };
}

class Suite {
  readonly #options: BenchOptions;
  readonly #say: (line: string) => void;
  readonly #chain: BenchChain;
  readonly #supply: SenderSupply;
  /** Of their own: a report must not wait for an earlier transaction of its sender. */
  readonly #reporters: SenderSupply;
  readonly #memory = createMemoryWatch();
  readonly #loopMs = new Map<string, number>();

  constructor(options: BenchOptions, say: (line: string) => void, chain: BenchChain) {
    this.#options = options;
    this.#say = say;
    this.#chain = chain;
    const senders = makeSenders(options.population);
    this.#supply = createSupply(senders.slice(REPORTERS));
    this.#reporters = createSupply(senders.slice(0, REPORTERS));
  }

  async run(): Promise<Row[]> {
    const { population, sizes, runs, loopRuns, loopGas, profile, isWanted } = this.#options;
    const ordinary = workloads(population, sizes, this.#supply);
    const rows: Row[] = [];
    for (const workload of ordinary.filter(({ name }) => isWanted(name)))
      rows.push(...(await this.#measure(workload, runs, workloadRows)));
    const loops = loopWorkloads(loopGas, this.#supply);
    for (const workload of loops.filter(({ name }) => isWanted(name)))
      rows.push(...(await this.#measure(workload, loopRuns, loopRows)));
    if (profile) return [];
    if (isWanted("heavy")) rows.push(...(await this.#heavy()));
    const flood = ordinary.find(({ name }) => name === "erc-20");
    if (isWanted("boundary") && flood !== undefined) rows.push(...(await this.#boundary(flood)));
    rows.push(...this.#memory.rows());
    if (isWanted("precompiles"))
      rows.push(...(await this.#component("precompiles", precompileRows)));
    if (isWanted("roots"))
      rows.push(...(await this.#component("roots", () => rootRows(population.accounts))));
    return rows;
  }

  async #measure(
    workload: Workload,
    runs: number,
    rowsOf: (name: string, times: WorkloadRun["times"]) => Row[],
  ): Promise<Row[]> {
    const { population, profile, peers } = this.#options;
    this.#say(workload.name);
    if (profile) {
      const recorder = await createProfile();
      await runWorkload(this.#chain, workload, runs, recorder);
      this.#say(formatSelfTimes(`self times of ${workload.name}`, recorder.selfTimes()));
      recorder.close();
      return [];
    }
    const run = await runWorkload(this.#chain, workload, runs);
    this.#memory.sample(run.blocks.length);
    this.#loopMs.set(workload.name, figureOf(run.times.map((each) => each.executeMs)).median);
    const rows = rowsOf(workload.name, run.times);
    if (run.workload.isOrdinary) rows.splice(3, 0, ...(await this.#stream(workload, runs)));
    if (!peers) return rows;
    this.#say(`${workload.name} on peers`);
    return withPeers(rows, await runPeers(run, population.slots), run);
  }

  async #stream(workload: Workload, runs: number): Promise<Row[]> {
    const blocks = Array.from({ length: runs }, () => workload.nextBlock());
    const times = await this.#chain.stream(blocks);
    this.#memory.sample(blocks.length);
    return streamRows(workload.name, times);
  }

  #component(name: string, measure: () => Promise<Row[]>): Promise<Row[]> {
    this.#say(name);
    return measure();
  }

  #heavy(): Promise<Row[]> {
    this.#say("fast transactions behind heavy ones");
    const sender = this.#supply.next();
    const loops = LOOPS.map((loop): HeavyCase => {
      const name = `loop: ${loop.name}`;
      const heavy = sign(sender, loopCall(loop, 0, this.#options.loopGas));
      return { name, heavy, durationMs: this.#loopMs.get(name) ?? Infinity };
    });
    const report = oracleReport(feedId(0), 1_000_000n, FAST_REPORT_MS);
    const fast = sign(this.#reporters.next(), report);
    return heavyRows(this.#chain, loops, fast, this.#options.probes);
  }

  #boundary(flood: Workload): Promise<Row[]> {
    this.#say("the sequencer under a flood");
    const { floodBlocks } = this.#options;
    return boundaryRows(this.#chain, this.#reporters, {
      blocks: floodBlocks,
      flood,
      floodBlocks: FLOOD_BLOCKS_A_BLOCK * floodBlocks,
    });
  }
}
