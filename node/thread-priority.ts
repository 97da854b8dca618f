/**
 * Which thread goes first, where there are fewer processors than threads that work. Decision 31.
 */
import { constants, setPriority } from "node:os";

const { PRIORITY_BELOW_NORMAL, PRIORITY_LOW } = constants.priority;

/**
 * Lets threads that somebody waits for go before the calling one: `always`, or for the most part.
 * Only Linux has priorities of threads: elsewhere this would lower the whole process.
 */
export function givePrecedence(always: boolean): void {
  if (process.platform === "linux") setPriority(0, always ? PRIORITY_LOW : PRIORITY_BELOW_NORMAL);
}
