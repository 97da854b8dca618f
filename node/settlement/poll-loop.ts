/**
 * A step repeated at an interval, one at a time, until stopped. Keeps the newest fault as `trouble`
 * until a step succeeds; a fatal one ends the loop.
 */
import type { Clock } from "../clock.ts";
import { type ErrorCode, type ErrorData, ERRORS, NodeError } from "../errors.ts";
import type { Logger } from "../log.ts";

export interface Trouble {
  readonly code: ErrorCode;
  readonly data: ErrorData;
}

export interface PollLoopOptions {
  /** For the log. */
  readonly name: string;
  readonly intervalMs: number;
  /** Answers whether there is more to do at once. */
  step(): Promise<boolean>;
}

export interface PollLoop {
  start(): void;
  /** Resolves when the step that runs has ended; no other begins. */
  stop(): Promise<void>;
  /** Runs `step` between the loop's own steps; throws what it throws. */
  between<T>(step: () => Promise<T>): Promise<T>;
  trouble(): Trouble | null;
}

export function createPollLoop(
  options: PollLoopOptions,
  deps: { readonly clock: Clock; readonly log: Logger },
): PollLoop {
  let running = false;
  let cancelTimer: (() => void) | null = null;
  let trouble: Trouble | null = null;
  /** Tail of the chain of steps: the mutex. */
  let tail: Promise<unknown> = Promise.resolve();

  const between = <T>(step: () => Promise<T>): Promise<T> => {
    const result = tail.then(step);
    tail = result.catch(() => undefined);
    return result;
  };

  const note = (error: unknown): void => {
    const known = error instanceof NodeError ? error : new NodeError("INTERNAL", {}, error);
    const { code, data } = known;
    // A fault that lasts is logged once.
    if (JSON.stringify(trouble) !== JSON.stringify({ code, data }))
      deps.log.error(`${options.name} does not go on`, { code, data, cause: String(known.cause) });
    trouble = { code, data };
    if (ERRORS[code].severity === "fatal") running = false;
  };

  const turn = async (): Promise<void> => {
    let again = false;
    try {
      again = await between(() => options.step());
      trouble = null;
    } catch (error) {
      note(error);
    }
    if (running) cancelTimer = deps.clock.after(again ? 0 : options.intervalMs, () => void turn());
  };

  return {
    between,
    trouble: () => trouble,
    start() {
      if (running) return;
      running = true;
      void turn();
    },
    async stop() {
      running = false;
      cancelTimer?.();
      cancelTimer = null;
      await tail;
    },
  };
}
