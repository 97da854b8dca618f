/** Lines of the smoke run: one for each check, with its figures, and the verdict at the end. */

export interface Report {
  /** Prints and remembers one check; returns `ok`. */
  check(label: string, ok: boolean, figures: string): boolean;
  /** A line that is no check. */
  note(text: string): void;
  /** Prints the verdict; true when there were checks and all held. */
  finish(): boolean;
}

const LABEL_WIDTH = 38;

/** `nowMs` is monotonic. */
export function createReport(out: (line: string) => void, nowMs: () => number): Report {
  const startedAt = nowMs();
  let held = 0;
  let failed = 0;
  return {
    check(label, ok, figures) {
      if (ok) held++;
      else failed++;
      out(`${ok ? "ok    " : "FAILED"}  ${label.padEnd(LABEL_WIDTH)}  ${figures}`);
      return ok;
    },
    note: out,
    finish() {
      const seconds = ((nowMs() - startedAt) / 1000).toFixed(1);
      out(`smoke: ${held} held, ${failed} failed, ${seconds} s`);
      return failed === 0 && held > 0;
    },
  };
}
