/**
 * Which thread goes first, where there are fewer processors than threads that work. Decision 31.
 */
import { constants, setPriority } from "node:os";

/**
 * Lets threads that somebody waits for go before the calling one. Only Linux has priorities of
 * threads: elsewhere this would lower the whole process.
 */
export function givePrecedence(): void {
  if (process.platform === "linux") setPriority(0, constants.priority.PRIORITY_LOW);
}
