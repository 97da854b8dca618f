/**
 * What a benchmark says: rows of figures, each a median over several runs.
 *
 * Owns the shape that every benchmark returns and how samples become a figure. Does not own
 * measuring nor printing. A target is data: a row that misses it is printed as missed, and nothing
 * fails.
 */

export type Unit =
  | "tx/s"
  | "Mgas/s"
  | "ms/Mgas"
  | "ms"
  | "s"
  | "tx"
  | "×"
  | "gas"
  | "leaves"
  | "MB"
  | "MB/block"
  | "%"
  | "reports"
  | "reports/s"
  | "epochs"
  | "bytes";

/** Middle and spread of the samples. */
export interface Figure {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly samples: number;
}

export type Target = { readonly atLeast: number } | { readonly atMost: number };

/** The same work done by somebody else in the same run. */
export interface PeerFigure {
  readonly peer: string;
  readonly figure: Figure;
  /** Our median over the peer's. */
  readonly ratio: number;
}

export interface Row {
  /** What ran: `transfers`, `loop: jump`. */
  readonly name: string;
  /** What was measured of it: `execution`, `whole block`. */
  readonly measure: string;
  readonly unit: Unit;
  readonly figure: Figure;
  readonly target?: Target;
  readonly peers?: readonly PeerFigure[];
  /** What a reader must know to read the figure right. */
  readonly note?: string;
}

/** The figure of one or more samples. */
export function figureOf(samples: readonly number[]): Figure {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  const lower = sorted[sorted.length % 2 === 0 ? middle - 1 : middle];
  if (upper === undefined || lower === undefined) throw new Error("a figure needs a sample");
  return {
    median: (lower + upper) / 2,
    min: sorted[0] ?? upper,
    max: sorted[sorted.length - 1] ?? upper,
    samples: sorted.length,
  };
}

/** The smallest sample that is no smaller than `share` (0 to 1) of all. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const index = Math.max(0, Math.ceil(share * sorted.length) - 1);
  const value = sorted[index];
  if (value === undefined) throw new Error("a percentile needs a sample");
  return value;
}

/** Whether the median keeps the row's target; `null` where there is none. */
export function isMet({ figure, target }: Row): boolean | null {
  if (target === undefined) return null;
  return "atLeast" in target ? figure.median >= target.atLeast : figure.median <= target.atMost;
}

/** A peer's figure beside ours. */
export function comparedTo(ours: Figure, peer: string, samples: readonly number[]): PeerFigure {
  const figure = figureOf(samples);
  return { peer, figure, ratio: ours.median / figure.median };
}
