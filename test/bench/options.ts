/** The command line of the benchmarks. Owns the flags, their defaults and their limits. */
import { parseArgs } from "node:util";
import { HEAVY_GAS } from "./loops.ts";
import type { Population } from "./population.ts";
import type { BlockSizes } from "./workloads.ts";

export interface BenchOptions {
  readonly population: Population;
  readonly sizes: BlockSizes;
  /** Blocks that count, of each workload. */
  readonly runs: number;
  /** The same for loops, which take seconds each. */
  readonly loopRuns: number;
  /** Blocks that the sequencer builds under a flood, and as many with fast transactions too. */
  readonly floodBlocks: number;
  /** Fast transactions behind each kind of heavy one. */
  readonly probes: number;
  /** Gas of each call of a loop. */
  readonly loopGas: bigint;
  /** Whether what has this name runs. */
  isWanted(name: string): boolean;
  readonly json: string | null;
  /** Folder where built states are kept. */
  readonly state: string | null;
  readonly profile: boolean;
  /** Runs the same on other engines too. */
  readonly peers: boolean;
}

const USAGE = `usage: npm run bench -- execution [options], or npm run bench -- lanes [options]
  --accounts N    accounts in the state              (1,000,000)
  --runs N        blocks of each workload            (5)
  --only NAME     only what has NAME in its name; "roots", which builds a state of its own
                  and takes minutes, runs only then
  --json FILE     write the rows there too
  --state FOLDER  keep built states there, and use them
  --profile       print self times instead of rows
  --no-peers      leave the other engines out`;

/** Left out unless asked for: a run of everything else takes five minutes. */
const ON_DEMAND: ReadonlySet<string> = new Set(["roots"]);
const ACCOUNTS_DEFAULT = 1_000_000;
const ACCOUNTS_MIN = 2_000;
const RUNS_DEFAULT = 5;
const LOOP_RUNS_MAX = 3;
const FLOOD_BLOCKS = 4;
const PROBES = 60;
const SENDERS_MAX = 20_000;
const HOLDERS_MAX = 100_000;
/** What the loop of cold reads goes through in all its runs. */
const SLOTS_MAX = 32_000;
const BLOCK_SIZES: BlockSizes = { transfers: 2_500, tokens: 1_000, oracle: 1_000, swaps: 40 };

/** What the command line says is no use; the message is for the user. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** What `parse` makes of a command line; what it throws becomes a `UsageError`. */
export function withUsage<T>(usage: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw new UsageError(usage, { cause });
  }
}

/** Throws `UsageError`. */
export function wholeNumber(text: string, least: number, usage: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < least)
    throw new UsageError(`${text} is not a whole number from ${least} on\n${usage}`);
  return value;
}

/** Figures under a flood are ratios to idle, so idle is measured with it. Throws `UsageError`. */
export function withIdle<T extends string>(
  text: string,
  all: readonly T[],
  usage: string,
): readonly T[] {
  const condition = all.find((each) => each === text);
  if (condition === undefined) throw new UsageError(`no condition ${text}\n${usage}`);
  return all.filter((each) => each === "idle" || each === condition);
}

/** Options from the command line. Throws `UsageError`. */
export function parseOptions(args: readonly string[]): BenchOptions {
  const { values, positionals } = withUsage(USAGE, () => parse(args));
  if (positionals.length !== 1 || positionals[0] !== "execution") throw new UsageError(USAGE);
  const accounts = wholeNumber(values.accounts ?? String(ACCOUNTS_DEFAULT), ACCOUNTS_MIN, USAGE);
  const runs = wholeNumber(values.runs ?? String(RUNS_DEFAULT), 1, USAGE);
  return {
    population: populationOf(accounts),
    sizes: BLOCK_SIZES,
    runs,
    loopRuns: Math.min(runs, LOOP_RUNS_MAX),
    floodBlocks: FLOOD_BLOCKS,
    probes: PROBES,
    loopGas: HEAVY_GAS,
    isWanted: (name) =>
      values.only === undefined ? !ON_DEMAND.has(name) : name.includes(values.only),
    json: values.json ?? null,
    state: values.state ?? null,
    profile: values.profile ?? false,
    peers: !(values["no-peers"] ?? false),
  };
}

/** A population of that many accounts, in the proportions of the full one. */
export function populationOf(accounts: number): Population {
  return {
    accounts,
    senders: Math.min(SENDERS_MAX, accounts >> 1),
    holders: Math.min(HOLDERS_MAX, accounts >> 2),
    slots: Math.min(SLOTS_MAX, accounts),
  };
}

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      accounts: { type: "string" },
      runs: { type: "string" },
      only: { type: "string" },
      json: { type: "string" },
      state: { type: "string" },
      profile: { type: "boolean" },
      "no-peers": { type: "boolean" },
    },
  });
}
