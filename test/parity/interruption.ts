/**
 * Interruptions of the parity chain: at a poll that is counted, where a node's come by the clock,
 * so that a seed is a chain.
 */
import { Preempted, type Preemption } from "../../node/execution/embedded/preemption.ts";

export interface Interruption extends Preemption {
  /** The next preemptible transaction ends at this poll of its own, if it gets that far. */
  arm(polls: number): void;
}

export function createInterruption(): Interruption {
  let left = Infinity;
  return {
    poll() {
      left -= 1;
      if (left === 0) throw new Preempted(false);
    },
    begin(preemptible) {
      if (!preemptible) left = Infinity;
    },
    arm(polls) {
      left = polls;
    },
  };
}
