/**
 * Rows of the prices' report: medians over the repeats, beside idle, anvil and the targets. Owns
 * what is shown and the targets. Rounds that nobody could read count as infinitely late.
 */
import type { Blockspace } from "./price-blockspace.ts";
import type { PricesCondition } from "./prices-options.ts";
import type { ReportFloodReport } from "./report-flood.ts";
import { comparedTo, figureOf, percentile, type Row, type Target, type Unit } from "./row.ts";

export const OURS = "pricelane";
const READABLE_TARGET_MS = 8;
/** How much later than idle other feeds may be while one is flooded. */
const FLOODED_RATIO_TARGET = 2;
const SHARES = [
  ["p50", 0.5],
  ["p99", 0.99],
  ["max", 1],
] as const;

/** One measurement. */
export interface Measured {
  readonly system: string;
  readonly condition: PricesCondition;
  /** Milliseconds from the moment a round was meant to be sent; infinite where it was lost. */
  readonly readableMs: readonly number[];
  /** Of the rounds' own calls. */
  readonly refused: number;
  /** Of the blocks in it; none on anvil. */
  readonly blocks: readonly Blockspace[];
  /** `null` without a flood of reports. */
  readonly flood: ReportFloodReport | null;
}

/** Medians over the runs, ours beside the peer's. */
export function rowsOf(measured: readonly Measured[]): Row[] {
  const conditions = new Set(measured.map(({ condition }) => condition));
  return [...conditions].flatMap((condition) => {
    const of = (system: string, under = condition) =>
      measured.filter((each) => each.system === system && each.condition === under);
    const ours = of(OURS);
    if (ours.length === 0) return [];
    return [
      ...readableRows(ours, of("anvil automine")),
      ...(condition === "reports" ? [ratioRow(ours, of(OURS, "idle")), ...floodRows(ours)] : []),
      ...blockRows(ours),
    ];
  });
}

function readableRows(ours: readonly Measured[], peer: readonly Measured[]): Row[] {
  return SHARES.map(([name, part]) => {
    const of = ({ readableMs }: Measured): number => percentile(readableMs, part);
    const target = name === "p50" ? { atMost: READABLE_TARGET_MS } : undefined;
    const row = rowOf(ours, `round readable ${name}`, "ms", of, target);
    if (peer.length === 0) return row;
    return { ...row, peers: [comparedTo(row.figure, "anvil automine", peer.map(of))] };
  });
}

/** Over that of the idle chain in the same run. */
function ratioRow(ours: readonly Measured[], idle: readonly Measured[]): Row {
  const p99 = (each: Measured | undefined): number => percentile(each?.readableMs ?? [], 0.99);
  const target = { atMost: FLOODED_RATIO_TARGET };
  return rowOf(
    ours,
    "round readable p99 / idle p99",
    "×",
    (each) => p99(each) / p99(idle[ours.indexOf(each)]),
    target,
  );
}

/** What was sent of the flooded feed, and what became of it. */
function floodRows(ours: readonly Measured[]): Row[] {
  const rate = (measure: string, of: (flood: ReportFloodReport) => number): Row =>
    rowOf(ours, measure, "reports/s", ({ flood }) =>
      flood === null ? NaN : of(flood) / flood.seconds,
    );
  const codes = new Set(ours.flatMap(({ flood }) => Object.keys(flood?.refused ?? {})));
  return [
    rate("flooded feed: sent", ({ sent }) => sent),
    rate("flooded feed: accepted", ({ accepted }) => accepted),
    ...[...codes].map((code) => rate(`flooded feed: ${code}`, ({ refused }) => refused[code] ?? 0)),
    rate("flooded feed: no answer", ({ unanswered }) => unanswered),
  ];
}

function blockRows(measured: readonly Measured[]): Row[] {
  const ours = measured.filter(({ blocks }) => blocks.length > 0);
  if (ours.length === 0) return [];
  const mean = (of: (block: Blockspace) => number) => {
    return ({ blocks }: Measured): number =>
      blocks.reduce((sum, block) => sum + of(block), 0) / blocks.length;
  };
  const most = ({ blocks }: Measured): number =>
    Math.max(...blocks.map(({ epochsAFlashblock }) => epochsAFlashblock));
  return [
    rowOf(ours, "epochs a flashblock, most", "epochs", most, { atMost: 1 }),
    rowOf(
      ours,
      "epochs a block",
      "epochs",
      mean(({ epochs }) => epochs),
    ),
    rowOf(
      ours,
      "reports listed a block",
      "reports",
      mean(({ reports }) => reports),
    ),
    rowOf(
      ours,
      "LaneData a block",
      "bytes",
      mean(({ laneDataBytes }) => laneDataBytes),
    ),
    rowOf(
      ours,
      "gas of epochs a block",
      "gas",
      mean(({ epochGas }) => epochGas),
    ),
  ];
}

function rowOf(
  ours: readonly Measured[],
  measure: string,
  unit: Unit,
  of: (each: Measured) => number,
  target?: Target,
): Row {
  const name = ours[0]?.condition ?? "";
  const figure = figureOf(ours.map(of));
  return { name, measure, unit, figure, ...(target === undefined ? {} : { target }) };
}
