/**
 * Preemption: how long work in the EVM gives way to the fast lane.
 *
 * Owns the rule that a transaction gets a fair start before it must give way. Whoever works for
 * long calls `poll` every fraction of a millisecond, and lets what it throws pass: it is no failure
 * of the EVM, and the transaction leaves no trace. DESIGN 4.
 * Does not own who raises the signal, nor what becomes of the transaction.
 */
import type { PreemptionSignal } from "../../preemption-signal.ts";
import type { Poll } from "../poll.ts";

/** Age at which a transaction gives way. */
const FAIR_START_MS = 2;

/** Thrown through the EVM when a transaction gives way. */
export class Preempted extends Error {
  override readonly name = "Preempted";
}

/** Watches a signal while transactions run, one after another. */
export interface Preemption {
  readonly poll: Poll;
  /** A transaction begins; with `false` nothing interrupts it. */
  begin(preemptible: boolean): void;
}

/** `nowMs` is monotonic, in milliseconds. */
export function createPreemption(signal: PreemptionSignal, nowMs: () => number): Preemption {
  let deadlineMs = Infinity;
  return {
    poll() {
      if (deadlineMs === Infinity || !signal.isRaised()) return;
      if (nowMs() >= deadlineMs) throw new Preempted();
    },
    begin(preemptible) {
      deadlineMs = preemptible ? nowMs() + FAIR_START_MS : Infinity;
    },
  };
}
