/** What became of one test of somebody else's, and how the counts are kept. */

export type Outcome =
  | { readonly kind: "passed" }
  | { readonly kind: "failed"; readonly reason: string }
  | { readonly kind: "skipped"; readonly reason: string };

/** One test, or one of its cases, before it is run. */
export interface Case {
  /** File within the folder, name of the test, and which of its cases. */
  readonly name: string;
  run(): Outcome | Promise<Outcome>;
}

export interface CaseResult {
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

/** The case's outcome; a test that throws has failed. */
export async function runCase({ name, run }: Case): Promise<CaseResult> {
  try {
    return { name, outcome: await run() };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { name, outcome: failed(`threw: ${reason}`) };
  }
}

/** Passed when both are equal, else failed with both in the reason. */
export function compare(what: string, got: string, expected: string): Outcome {
  return got === expected ? PASSED : failed(`${what}: got ${got}, expected ${expected}`);
}

/** The first outcome that is not a pass. */
export function every(...outcomes: readonly Outcome[]): Outcome {
  return outcomes.find(({ kind }) => kind !== "passed") ?? PASSED;
}

/** Counts only: the suite has tens of thousands of cases. `run` is what was executed. */
export interface Tally {
  run: number;
  passed: number;
  failed: number;
  /** Cases skipped, by reason; the reasons are few. */
  readonly skips: Map<string, number>;
}

export function createTally(): Tally {
  return { run: 0, passed: 0, failed: 0, skips: new Map() };
}

/** Counts one more case. */
export function count(tally: Tally, { outcome }: CaseResult): void {
  if (outcome.kind === "skipped") {
    tally.skips.set(outcome.reason, (tally.skips.get(outcome.reason) ?? 0) + 1);
    return;
  }
  tally.run += 1;
  if (outcome.kind === "passed") tally.passed += 1;
  else tally.failed += 1;
}

/** `N run, N passed, N failed, N skipped`. */
export function describe(tally: Tally): string {
  const skips = [...tally.skips.values()].reduce((sum, cases) => sum + cases, 0);
  return `${tally.run} run, ${tally.passed} passed, ${tally.failed} failed, ${skips} skipped`;
}
