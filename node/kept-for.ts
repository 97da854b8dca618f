/**
 * An answer that is asked for once in a while, whoever asks: for questions that cost the sequencing
 * thread something and that anybody may ask. A failure is not kept.
 */
import type { Clock } from "./clock.ts";

export function keptFor<T>(
  ms: number,
  clock: Pick<Clock, "monotonicMs">,
  ask: () => Promise<T>,
): () => Promise<T> {
  let answer: Promise<T> | null = null;
  let untilMs = -Infinity;
  return () => {
    const nowMs = clock.monotonicMs();
    if (answer !== null && nowMs < untilMs) return answer;
    const asked = ask();
    answer = asked;
    untilMs = nowMs + ms;
    asked.catch(() => {
      if (answer === asked) answer = null;
    });
    return asked;
  };
}
