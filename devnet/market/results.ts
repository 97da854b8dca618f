/** The scenario's figures as text: medians over the seeds, with the smallest and the largest. */
import type { CrashOutcome } from "./crash-run.ts";
import { percentile } from "./meter.ts";
import type { Mode } from "./scenario.ts";

const LABEL_WIDTH = 42;
const CELL_WIDTH = 32;

interface Measure {
  readonly label: string;
  readonly of: (outcome: CrashOutcome) => number;
  readonly format: (value: number) => string;
}

const count = (value: number): string => value.toFixed(0);
/** Infinite where there is no such figure. */
const orWord =
  (word: string, format: (value: number) => string) =>
  (value: number): string =>
    value === Infinity ? word : format(value);
const ms = orWord("never", count);
const tookMs = orWord("none", count);
const dollars = (value: number): string =>
  Math.round(value).toLocaleString("en-US", { useGrouping: true });
const percent = (value: number): string => `${(100 * value).toFixed(0)} %`;

const MEASURES: readonly Measure[] = [
  { label: "price lag p50, ms", of: ({ lagsMs }) => percentile(lagsMs, 0.5), format: ms },
  { label: "price lag p99, ms", of: ({ lagsMs }) => percentile(lagsMs, 0.99), format: ms },
  {
    label: "age of the price at seal p50, ms",
    of: ({ sealedAgesMs }) => percentile(sealedAgesMs, 0.5),
    format: ms,
  },
  {
    label: "age of the price at seal p99, ms",
    of: ({ sealedAgesMs }) => percentile(sealedAgesMs, 0.99),
    format: ms,
  },
  { label: "liquidations", of: ({ liquidations }) => liquidations, format: count },
  {
    label: "liquidations executed after p50, ms",
    of: ({ liquidationMs }) => percentile(liquidationMs, 0.5),
    format: tookMs,
  },
  {
    label: "rescues executed after p50, ms",
    of: ({ rescueMs }) => percentile(rescueMs, 0.5),
    format: tookMs,
  },
  {
    label: "rescues in time, of those tried",
    of: ({ rescuesInTime, rescuesTried }) =>
      rescuesTried === 0 ? Infinity : rescuesInTime / rescuesTried,
    format: orWord("none", percent),
  },
  { label: "bad debt, dollars", of: ({ badDebt }) => badDebt, format: dollars },
  {
    label: "arbitrage loss of the pool, dollars",
    of: ({ arbitrageLoss }) => arbitrageLoss,
    format: dollars,
  },
  { label: "arbitrageur's trades", of: ({ trades }) => trades, format: count },
  { label: "refused, dropped or reverted", of: ({ failed }) => failed, format: count },
  { label: "gas of blocks used", of: ({ fullness }) => fullness, format: percent },
  {
    label: "transactions a block",
    of: ({ transactionsABlock }) => transactionsABlock,
    format: count,
  },
];

/** A line for one run. */
export function describeOutcome(outcome: CrashOutcome): string {
  const { lagsMs, liquidations, rescuesInTime, rescuesTried, badDebt, arbitrageLoss } = outcome;
  return (
    `price lag ${ms(percentile(lagsMs, 0.5))}, ${ms(percentile(lagsMs, 0.99))} ms ` +
    `(p50, p99 of ${lagsMs.length}); ${liquidations} liquidated, ` +
    `${rescuesInTime} of ${rescuesTried} rescued; bad debt ${dollars(badDebt)}, ` +
    `arbitrage loss ${dollars(arbitrageLoss)} dollars`
  );
}

/** A table: a line for each measure, a column for each mode. */
export function formatResults(
  results: readonly (readonly [Mode, readonly CrashOutcome[]])[],
): string[] {
  const seeds = Math.max(...results.map(([, outcomes]) => outcomes.length));
  const title = `median of ${seeds} seeds (smallest to largest)`;
  const head = title.padEnd(LABEL_WIDTH) + results.map(([{ name }]) => cell(name)).join("");
  return [
    head.trimEnd(),
    ...MEASURES.map(({ label, of, format }) => {
      const cells = results.map(([, outcomes]) => {
        const values = outcomes.map(of);
        const [low, mid, high] = [0, 0.5, 1].map((part) => format(percentile(values, part)));
        return cell(`${mid ?? ""} (${low ?? ""} to ${high ?? ""})`);
      });
      return (label.padEnd(LABEL_WIDTH) + cells.join("")).trimEnd();
    }),
  ];
}

function cell(text: string): string {
  return text.padEnd(CELL_WIDTH);
}
