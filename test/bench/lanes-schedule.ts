/**
 * When transactions are meant to be sent: one in each slot of the rate, at a seeded place in it.
 * Open loop: nothing that happens to one transaction moves the next.
 */
import { setImmediate as turn, setTimeout as delay } from "node:timers/promises";
import { createRandom } from "../parity/random.ts";

const GRAIN = 1 << 20;
/** Timers fire up to a millisecond late; what is left is waited for turn by turn. */
const TIMER_GRAIN_MS = 1.5;

/** Milliseconds from the start on, ascending. */
export function arrivals(ratePerSecond: number, seconds: number, seed: number): number[] {
  const random = createRandom(seed);
  const slotMs = 1000 / ratePerSecond;
  return Array.from(
    { length: Math.floor(ratePerSecond * seconds) },
    (_, slot) => slotMs * (slot + random.below(GRAIN) / GRAIN),
  );
}

/** Calls `send` at each time, with the time that was meant; never waits for what it does. */
export async function runSchedule(
  startMs: number,
  times: readonly number[],
  send: (index: number, intendedMs: number) => void,
): Promise<void> {
  for (const [index, offsetMs] of times.entries()) {
    const intendedMs = startMs + offsetMs;
    const leftMs = intendedMs - performance.now();
    if (leftMs > TIMER_GRAIN_MS) await delay(leftMs - TIMER_GRAIN_MS);
    while (performance.now() < intendedMs) await turn();
    send(index, intendedMs);
  }
}
