/** Time that stands still unless told, with timers. */
import type { Clock } from "../../node/clock.ts";

export interface ManualClock extends Clock {
  /** Goes on, and calls whoever waits for a time until then. */
  advance(ms: number): void;
  /** Timers that are set. */
  waiting(): number;
}

export function createManualClock(startMs: number): ManualClock {
  let nowMs = startMs;
  const timers = new Set<{ readonly atMs: number; readonly callback: () => void }>();
  return {
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    after(delayMs, callback) {
      const timer = { atMs: nowMs + delayMs, callback };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    advance(ms) {
      nowMs += ms;
      for (const timer of [...timers].filter(({ atMs }) => atMs <= nowMs)) {
        timers.delete(timer);
        timer.callback();
      }
    },
    waiting: () => timers.size,
  };
}
