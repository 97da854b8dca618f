/** Bounded, named waiting: the only way the devnet waits for something to become true. */
import { setTimeout as delay } from "node:timers/promises";
import { DevnetError, firstLine } from "./devnet-error.ts";

const POLL_INTERVAL_MS = 100;

export interface WaitOptions {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  readonly intervalMs?: number;
}

/**
 * Asks `probe` until it gives something other than `null`.
 *
 * Errors: `DevnetError` that says what was waited for once the time is over, with what the last
 * probe threw; a probe that throws is asked again. Rethrows the signal's reason on abort.
 */
export async function waitFor<T>(
  what: string,
  probe: () => Promise<T | null>,
  options: WaitOptions,
): Promise<T> {
  const deadline = performance.now() + options.timeoutMs;
  let lastError: unknown;
  do {
    options.signal.throwIfAborted();
    try {
      const value = await probe();
      if (value !== null) return value;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    options.signal.throwIfAborted();
    await delay(options.intervalMs ?? POLL_INTERVAL_MS);
  } while (performance.now() < deadline);
  const seconds = Math.round(options.timeoutMs / 1000);
  const why = lastError === undefined ? "" : ` (${firstLine(lastError)})`;
  throw new DevnetError(`waited ${seconds} s for ${what}${why}`, lastError);
}
