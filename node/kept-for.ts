/**
 * An answer that is asked for once in a while, whoever asks: for questions that cost the sequencing
 * thread something and that anybody may ask. One question is under way at a time; a failure is not
 * kept.
 */
import type { Clock } from "./clock.ts";

export function keptFor<T>(
  ms: number,
  clock: Pick<Clock, "monotonicMs">,
  ask: () => Promise<T>,
): () => Promise<T> {
  let answer: Promise<T> | null = null;
  let isUnderWay = false;
  let untilMs = -Infinity;
  return () => {
    const nowMs = clock.monotonicMs();
    if (answer !== null && (isUnderWay || nowMs < untilMs)) return answer;
    const asked = ask();
    answer = asked;
    isUnderWay = true;
    untilMs = nowMs + ms;
    asked.then(
      () => {
        isUnderWay = false;
      },
      () => {
        isUnderWay = false;
        answer = null;
      },
    );
    return asked;
  };
}
