/**
 * Preemption: how long work in the EVM gives way to the fast lane.
 *
 * Owns the rules that a transaction gets a fair start before it must give way, and that none takes
 * the block's time for itself, whether somebody waits or not: what it takes now, the check of its
 * block takes again, when somebody may. Whoever works for long calls `poll` every fraction of a
 * millisecond, and lets what it throws pass: it is no failure of the EVM, and the transaction
 * leaves no trace. DESIGN 4.
 * Does not own who raises the signal, nor what becomes of the transaction.
 */
import type { PreemptionSignal } from "../../preemption-signal.ts";
import type { Poll } from "../poll.ts";

/** Age at which a transaction gives way. */
const FAIR_START_MS = 2;

/** Age at which it is too long for this thread. */
const LONG_MS = 300;

/** Thrown through the EVM when a transaction gives way. */
export class Preempted extends Error {
  override readonly name = "Preempted";
  /** It would go on for long, with nobody waiting too. */
  readonly isLong: boolean;

  constructor(isLong: boolean) {
    super();
    this.isLong = isLong;
  }
}

/** Watches a signal while transactions run, one after another. */
export interface Preemption {
  readonly poll: Poll;
  /** A transaction begins; with `false` nothing interrupts it. */
  begin(preemptible: boolean): void;
}

/** `nowMs` is monotonic, in milliseconds. */
export function createPreemption(signal: PreemptionSignal, nowMs: () => number): Preemption {
  let startedMs: number | null = null;
  return {
    poll() {
      if (startedMs === null) return;
      const ageMs = nowMs() - startedMs;
      if (ageMs >= LONG_MS) throw new Preempted(true);
      if (ageMs >= FAIR_START_MS && signal.isRaised()) throw new Preempted(false);
    },
    begin(preemptible) {
      startedMs = preemptible ? nowMs() : null;
    },
  };
}
