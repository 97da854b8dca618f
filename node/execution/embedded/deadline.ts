/** A poll that ends work in the EVM when it has taken too long: for readers, not for blocks. */
import { NodeError } from "../../errors.ts";
import type { Poll } from "../poll.ts";

/** Polls between two looks at the clock: polls are more frequent than a deadline needs. */
const POLLS_A_LOOK = 32;

/** `nowMs` is monotonic. What the poll throws is `TIMEOUT`. */
export function createDeadline(timeoutMs: number, nowMs: () => number): Poll {
  const endMs = nowMs() + timeoutMs;
  let polls = 0;
  return () => {
    if (polls++ % POLLS_A_LOOK !== 0) return;
    if (nowMs() >= endMs) throw new NodeError("TIMEOUT", { timeoutMs });
  };
}
