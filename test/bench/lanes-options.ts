/** The command line of the benchmark of the lanes. Owns the flags, their defaults and the sizes. */
import { parseArgs } from "node:util";
import { wholeNumber, withIdle, withUsage } from "./options.ts";

export type Condition = "idle" | "transfers" | "heavy";

export interface LanesOptions {
  readonly repeats: number;
  /** Of one measurement. */
  readonly seconds: number;
  /** Fast transactions a second; each is a measurement. */
  readonly rates: readonly number[];
  readonly conditions: readonly Condition[];
  readonly normalRatePerSecond: number;
  /** Transactions that the pool is topped up to. */
  readonly queued: { readonly transfers: number; readonly heavy: number };
  /** Until what has no receipt is lost. */
  readonly waitMs: number;
  readonly peers: boolean;
  readonly json: string | null;
}

const USAGE = `usage: npm run bench -- lanes [options]
  --repeats N     runs, each on a new chain          (2)
  --seconds N     length of one measurement          (6)
  --quick         one short run at one rate
  --only FLOOD    idle and this flood alone: transfers or heavy; or idle alone
  --json FILE     write rows and raw times there too
  --no-peers      leave anvil out`;

const FULL: LanesOptions = {
  repeats: 2,
  seconds: 6,
  rates: [25, 100],
  conditions: ["idle", "transfers", "heavy"],
  normalRatePerSecond: 10,
  // Of heavy transactions a block holds three: these are twenty blocks.
  queued: { transfers: 5_000, heavy: 60 },
  waitMs: 6_000,
  peers: true,
  json: null,
};
const QUICK: LanesOptions = {
  ...FULL,
  ...{ repeats: 1, seconds: 3, rates: [25], waitMs: 3_000 },
  // Signing the flood of a full run takes longer than a quick one may.
  queued: { transfers: 500, heavy: 12 },
};

/** Options from what follows `lanes` on the command line. Throws `UsageError`. */
export function parseLanesOptions(args: readonly string[]): LanesOptions {
  const values = withUsage(USAGE, () => parse(args));
  const base = values.quick === true ? QUICK : FULL;
  return {
    ...base,
    repeats: wholeNumber(values.repeats ?? String(base.repeats), 1, USAGE),
    seconds: wholeNumber(values.seconds ?? String(base.seconds), 1, USAGE),
    conditions:
      values.only === undefined ? base.conditions : withIdle(values.only, FULL.conditions, USAGE),
    peers: values["no-peers"] !== true,
    json: values.json ?? null,
  };
}

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    options: {
      repeats: { type: "string" },
      seconds: { type: "string" },
      quick: { type: "boolean" },
      only: { type: "string" },
      json: { type: "string" },
      "no-peers": { type: "boolean" },
    },
  }).values;
}
