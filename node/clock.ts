/** Time as a dependency: the core never reads a clock of its own. */
export interface Clock {
  /** Unix milliseconds; never goes back. */
  nowMs(): number;
  /** Monotonic milliseconds, for durations. */
  monotonicMs(): number;
  /** Calls back once after `delayMs`; returns a function that cancels. */
  after(delayMs: number, callback: () => void): () => void;
}

/** How much slower the clock runs while the wall clock is behind it: 500 ppm, as NTP slews. */
const SLEW = 0.0005;

/**
 * A wall clock that never goes back: where the machine's is set back, this one goes on almost at
 * its own pace until the machine's has caught up, so that block times stay close to real durations.
 */
export function createSteadyClock(wallMs: () => number, monotonicMs: () => number): Clock {
  let now = wallMs();
  let read = monotonicMs();
  return {
    nowMs() {
      const monotonic = monotonicMs();
      const steady = now + (monotonic - read) * (1 - SLEW);
      read = monotonic;
      now = Math.max(steady, wallMs());
      return Math.floor(now);
    },
    monotonicMs,
    after(delayMs, callback) {
      const timer = setTimeout(callback, delayMs);
      return () => {
        clearTimeout(timer);
      };
    },
  };
}

/** The process's clock. */
export const systemClock: Clock = createSteadyClock(
  () => Date.now(),
  () => performance.now(),
);
