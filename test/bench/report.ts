/** The report of a run: a table to read and the same as JSON. Owns the form only. */
import { cpus, loadavg } from "node:os";
import { type Figure, isMet, type Row } from "./row.ts";
import type { SelfTime } from "./profile.ts";

const SELF_TIMES_SHOWN = 25;

type Cells = readonly string[];

/** What the figures were measured on. */
export function describeMachine(): string {
  const [model = { model: "unknown processor" }] = cpus();
  const load = loadavg().map((value) => value.toFixed(1));
  return `node ${process.version}, ${cpus().length} × ${model.model}, load average ${load.join(" ")}`;
}

/** The rows as a table with aligned columns, notes below. */
export function formatRows(rows: readonly Row[]): string {
  const notes: string[] = [];
  const body = rows.map((row): Cells => {
    const mark = row.note === undefined ? "" : ` [${noteNumber(notes, row.note)}]`;
    return [
      row.name,
      `${row.measure}${mark}`,
      formatFigure(row.figure),
      row.unit,
      `${formatNumber(row.figure.min)} to ${formatNumber(row.figure.max)} (${row.figure.samples})`,
      formatTarget(row),
      (row.peers ?? []).map(({ peer, ratio }) => `${formatRatio(ratio)} × ${peer}`).join(", "),
    ];
  });
  const head = ["what", "measure", "median", "unit", "range (samples)", "target", "ours / peer"];
  const lines = align([head, ...body], [2]);
  return [...lines, ...notes.map((note, index) => `[${index + 1}] ${note}`)].join("\n");
}

/** The functions that ran longest. */
export function formatSelfTimes(title: string, times: readonly SelfTime[]): string {
  const body = times.slice(0, SELF_TIMES_SHOWN).map(({ name, place, ms, share }): Cells => {
    return [`${(100 * share).toFixed(1)} %`, ms.toFixed(0), name, place];
  });
  const lines = align([["self", "ms", "function", "place"], ...body], [0, 1]);
  return [title, ...lines].join("\n");
}

function noteNumber(notes: string[], note: string): number {
  const known = notes.indexOf(note);
  return known >= 0 ? known + 1 : notes.push(note);
}

function formatFigure({ median }: Figure): string {
  return formatNumber(median);
}

/** Three digits that count; whole where there are more. */
export function formatNumber(value: number): string {
  const size = Math.abs(value);
  if (size >= 100) return Math.round(value).toLocaleString("en-US");
  return value.toFixed(size >= 10 ? 1 : size >= 1 ? 2 : 3);
}

function formatRatio(ratio: number): string {
  return ratio >= 10 ? ratio.toFixed(0) : ratio.toFixed(2);
}

function formatTarget(row: Row): string {
  const { target } = row;
  if (target === undefined) return "";
  const text =
    "atLeast" in target
      ? `>= ${formatNumber(target.atLeast)}`
      : `<= ${formatNumber(target.atMost)}`;
  return `${text} ${isMet(row) === true ? "met" : "MISSED"}`;
}

/** Lines of cells padded to columns; those in `right` end together. */
export function align(rows: readonly Cells[], right: readonly number[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((cells) => (cells[column] ?? "").length)),
  );
  return rows.map((cells) =>
    cells
      .map((cell, column) => {
        const width = widths[column] ?? 0;
        return right.includes(column) ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd(),
  );
}
