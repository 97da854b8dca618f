/**
 * Long work on a thread that others wait for: done in steps, with turns of the event loop between.
 *
 * Owns how much is done before a turn, counted and not timed, so that the same work takes the same
 * turns everywhere. Does not own what a step costs: whoever writes the steps says it.
 */
import { setImmediate } from "node:timers/promises";

/**
 * Work as a generator. What it yields is the cost of the step that is over: 1 for each microsecond
 * or so that it takes on a slow machine. No step may grow with the size of the whole.
 */
export type Steps<T> = Generator<number, T>;

/** About a millisecond: what the fast lane may wait for work that is not its own. */
export const COST_A_TURN = 1000;

/**
 * What this thread has spent since a turn, whatever for: pieces of work that follow each other
 * without a turn are one piece to whoever waits.
 */
let spent = 0;

/** Does the work, and gives the event loop a turn whenever enough was done. */
export async function inTurns<T>(steps: Steps<T>): Promise<T> {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    spent += step.value;
    if (spent < COST_A_TURN) continue;
    await setImmediate();
    spent = 0;
  }
}

/** Does the work in one piece: where nobody waits, or it is little. */
export function atOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}
