/** Lets the builder sleep until a transaction arrives or a time has come. */
import type { Clock } from "../clock.ts";

export interface Arrivals {
  /** Something became executable. */
  notify(): void;
  /** Resolves at the next `notify`, or after `delayMs` where it is given. One waiter at a time. */
  wait(delayMs?: number): Promise<void>;
}

export function createArrivals(clock: Clock): Arrivals {
  let wake: (() => void) | null = null;
  return {
    notify() {
      wake?.();
    },
    wait(delayMs) {
      return new Promise((resolve) => {
        const finish = (): void => {
          cancel();
          wake = null;
          resolve();
        };
        const cancel =
          delayMs === undefined ? () => undefined : clock.after(Math.max(0, delayMs), finish);
        wake = finish;
      });
    },
  };
}
