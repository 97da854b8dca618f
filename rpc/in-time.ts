/** Waiting for a thread that may not answer: whoever asks goes on without it. */
import type { Clock } from "../node/clock.ts";

/**
 * The answer, or `otherwise` where it does not come within so long. Errors: the answer's own, where
 * they come in time.
 */
export function inTime<T>(
  answer: Promise<T>,
  otherwise: T,
  limitMs: number,
  clock: Pick<Clock, "after">,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(limitMs, () => {
      resolve(otherwise);
    });
    answer.then(resolve, reject).finally(cancel);
  });
}
