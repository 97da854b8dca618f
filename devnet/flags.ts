/**
 * The devnet's flags: parsing, limits, defaults. A refused flag is one line that names the flag and
 * the accepted values. Does not own what the flags mean.
 */
import { Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { PUBLISHERS_MAX } from "./accounts.ts";
import { DevnetError } from "./devnet-error.ts";
import { FOLLOWERS_MAX, PORT_BASE_DEFAULT, PORT_BASE_MAX } from "./ports.ts";

const BLOCK_TIME_MAX_MS = 60_000;
const SCENARIOS = ["crash"] as const;
const SEEDS_DEFAULT = 10;
/** More would take hours, and fees that nobody has (`devnet/market/wallet.ts`). */
const SEEDS_MAX = 40;
/** Below it are the privileged ports. */
const PORT_BASE_MIN = 1024;

export interface Flags {
  readonly dir: string;
  readonly portBase: number;
  readonly followers: number;
  readonly publishers: number;
  readonly traffic: boolean;
  /** `null` where not given: the folder's own, or the default for a new one. */
  readonly blockTimeMs: number | null;
  readonly smoke: boolean;
  /** `null`: no scenario. */
  readonly scenario: ScenarioFlags | null;
}

export interface ScenarioFlags {
  readonly name: (typeof SCENARIOS)[number];
  /** Runs on each chain. */
  readonly seeds: number;
  /** A file with the price path of every run. */
  readonly pathFile: string | null;
}

export type ParsedFlags =
  | { readonly kind: "run"; readonly flags: Flags }
  | { readonly kind: "help"; readonly text: string };

function integer(from: number, to: number, accepted: string) {
  return (text: string): number => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
    if (!(value >= from && value <= to)) throw new InvalidArgumentError(`Expected ${accepted}.`);
    return value;
  };
}

function blockTime(text: string): number {
  const accepted = `a multiple of 1000 from 1000 to ${BLOCK_TIME_MAX_MS}`;
  const value = integer(1000, BLOCK_TIME_MAX_MS, accepted)(text);
  if (value % 1000 !== 0) throw new InvalidArgumentError(`Expected ${accepted}.`);
  return value;
}

function createCommand(): Command {
  const command = new Command("npm run devnet --");
  return command
    .description("Starts the whole path on this machine: L1, sequencer, followers, publishers.")
    .option("--dir <folder>", "folder that holds the chain; the same folder resumes it", ".devnet")
    .option(
      "--port-base <port>",
      "L1 listens here, the sequencer 1000 above, followers after it, p2p 2000 above",
      integer(PORT_BASE_MIN, PORT_BASE_MAX, `a port from ${PORT_BASE_MIN} to ${PORT_BASE_MAX}`),
      PORT_BASE_DEFAULT,
    )
    .option(
      "--followers <n>",
      "how many followers",
      integer(0, FOLLOWERS_MAX, `0 to ${FOLLOWERS_MAX}`),
      2,
    )
    .option(
      "--publishers <n>",
      "how many oracle publishers",
      integer(0, PUBLISHERS_MAX, `0 to ${PUBLISHERS_MAX}`),
      3,
    )
    .option("--no-traffic", "no background transfers")
    .option(
      "--block-time <ms>",
      "block time of a new chain, a multiple of 1000 (default: 1000)",
      blockTime,
    )
    .option(
      "--smoke",
      "run once in a temporary folder on free ports, check everything, exit",
      false,
    )
    .addOption(
      new Option(
        "--scenario <name>",
        "play a market crash with the fast lane and without, print what became of it, exit",
      ).choices(SCENARIOS),
    )
    .option(
      "--seeds <n>",
      "how many crashes the scenario plays on each chain",
      integer(1, SEEDS_MAX, `1 to ${SEEDS_MAX}`),
      SEEDS_DEFAULT,
    )
    .option(
      "--path <file>",
      "price path of every crash, lines of milliseconds,dollars, instead of the seeds' own",
    )
    .helpOption("--help", "show this text")
    .allowExcessArguments(false)
    .exitOverride();
}

/** Parses the arguments after the program's name. Throws `DevnetError` with one line. */
export function parseFlags(args: readonly string[]): ParsedFlags {
  const command = createCommand();
  let printed = "";
  const collect = (text: string): void => {
    printed += text;
  };
  command.configureOutput({ writeOut: collect, writeErr: () => undefined });
  try {
    command.parse(args, { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return { kind: "help", text: printed };
    throw new DevnetError(error.message.replace(/^error: /, "").replaceAll("\n", " "), error);
  }
  const given = (name: string): boolean => command.getOptionValueSource(name) === "cli";
  const options = command.opts<Options>();
  checkTogether(options, given);
  if (options.dir === "") throw new DevnetError("--dir must name a folder");
  const { blockTime: blockTimeMs = null, scenario, seeds, path = null, ...rest } = options;
  return {
    kind: "run",
    flags: {
      ...rest,
      blockTimeMs,
      scenario: scenario === undefined ? null : { name: scenario, seeds, pathFile: path },
    },
  };
}

interface Options {
  readonly dir: string;
  readonly portBase: number;
  readonly followers: number;
  readonly publishers: number;
  readonly traffic: boolean;
  readonly blockTime?: number;
  readonly smoke: boolean;
  readonly scenario?: ScenarioFlags["name"];
  readonly seeds: number;
  readonly path?: string;
}

/** What the smoke run and a scenario decide themselves, and what only a scenario has. */
function checkTogether(options: Options, given: (name: string) => boolean): void {
  if (options.smoke && (given("dir") || given("portBase")))
    throw new DevnetError(
      "--smoke uses a temporary folder and free ports: leave out --dir and --port-base",
    );
  const own = ["dir", "portBase", "followers", "publishers", "traffic", "blockTime", "smoke"];
  if (options.scenario !== undefined && own.some(given))
    throw new DevnetError("--scenario goes with --seeds and --path only: leave out the others");
  if (options.scenario === undefined && (given("seeds") || given("path")))
    throw new DevnetError("--seeds and --path are for a scenario: add --scenario crash");
}
