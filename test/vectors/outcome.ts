/** What became of one test of somebody else's, and how the counts are kept. */

export type Outcome =
  | { readonly kind: "passed" }
  | { readonly kind: "failed"; readonly reason: string }
  | { readonly kind: "skipped"; readonly reason: string };

export interface CaseResult {
  /** File within the folder, name of the test, and which of its cases. */
  readonly name: string;
  readonly outcome: Outcome;
}

export const PASSED: Outcome = { kind: "passed" };

export function failed(reason: string): Outcome {
  return { kind: "failed", reason };
}

export function skipped(reason: string): Outcome {
  return { kind: "skipped", reason };
}

/** Passed when both are equal, else failed with both in the reason. */
export function compare(what: string, got: string, expected: string): Outcome {
  return got === expected ? PASSED : failed(`${what}: got ${got}, expected ${expected}`);
}

/** The first outcome that is not a pass. */
export function every(...outcomes: readonly Outcome[]): Outcome {
  return outcomes.find(({ kind }) => kind !== "passed") ?? PASSED;
}

export interface Tally {
  run: number;
  passed: number;
  readonly failures: { readonly name: string; readonly reason: string }[];
  /** Cases skipped, by reason. */
  readonly skips: Map<string, number>;
}

export function createTally(): Tally {
  return { run: 0, passed: 0, failures: [], skips: new Map() };
}

/** Counts one more case; `run` counts what was executed, skips not. */
export function count(tally: Tally, { name, outcome }: CaseResult): void {
  if (outcome.kind === "skipped") {
    tally.skips.set(outcome.reason, (tally.skips.get(outcome.reason) ?? 0) + 1);
    return;
  }
  tally.run += 1;
  if (outcome.kind === "passed") tally.passed += 1;
  else tally.failures.push({ name, reason: outcome.reason });
}

export function skipCount({ skips }: Tally): number {
  return [...skips.values()].reduce((sum, cases) => sum + cases, 0);
}
