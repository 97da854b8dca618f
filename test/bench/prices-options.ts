/** The command line of the benchmark of prices. Owns the flags and their defaults. */
import { parseArgs } from "node:util";
import { wholeNumber, withIdle, withUsage } from "./options.ts";

/** Under which rounds are timed. */
export type PricesCondition = "idle" | "transfers" | "reports";

export interface PricesOptions {
  readonly repeats: number;
  readonly seconds: number;
  /** Rounds are timed under these; none for nothing but bytes. */
  readonly conditions: readonly PricesCondition[];
  /** Of the flooded feed: what is offered. */
  readonly reportsPerSecond: number;
  /** Counts what prices cost on L1. */
  readonly bytes: boolean;
  readonly peers: boolean;
  readonly json: string | null;
}

const USAGE = `usage: npm run bench -- prices [options]
  --repeats N     runs, each on a new chain   (3)
  --seconds N     length of one measurement   (8)
  --only NAME     idle alone; idle and one flood: transfers or reports; or bytes, which counts
                  what prices cost on L1 and times nothing
  --json FILE     write rows and raw times there too
  --no-peers      leave anvil out`;

/** In their order: what a flood of transfers leaves behind would be in the next. */
const CONDITIONS: readonly PricesCondition[] = ["idle", "reports", "transfers"];
const BYTES = "bytes";
const REPORTS_PER_SECOND = 10_000;

/** Options from what follows `prices` on the command line. Throws `UsageError`. */
export function parsePricesOptions(args: readonly string[]): PricesOptions {
  const values = withUsage(USAGE, () => parse(args));
  return {
    repeats: wholeNumber(values.repeats ?? "3", 1, USAGE),
    seconds: wholeNumber(values.seconds ?? "8", 1, USAGE),
    ...wanted(values.only),
    reportsPerSecond: REPORTS_PER_SECOND,
    json: values.json ?? null,
    peers: values["no-peers"] !== true,
  };
}

function wanted(only: string | undefined): Pick<PricesOptions, "conditions" | "bytes"> {
  if (only === undefined) return { conditions: CONDITIONS, bytes: true };
  if (only === BYTES) return { conditions: [], bytes: true };
  return { conditions: withIdle(only, CONDITIONS, USAGE), bytes: false };
}

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    options: {
      repeats: { type: "string" },
      seconds: { type: "string" },
      only: { type: "string" },
      json: { type: "string" },
      "no-peers": { type: "boolean" },
    },
  }).values;
}
