/**
 * The two numbers that each transaction of a block has in its leaf: the users' are in LaneData, an
 * epoch is ready at its cut, and nothing else of the system has any. PROTOCOL 4.
 */
import { EPOCH_SENDER } from "./epoch-transaction.ts";
import type { LaneData, LaneNumbers } from "./lane-data.ts";
import { DEPOSIT_TYPE, type LaneTransaction } from "./transaction.ts";

const NO_NUMBERS: LaneNumbers = { accepted: 0n, ready: 0n };

/** By transaction of the block. */
export function leafNumbers(
  transactions: readonly Pick<LaneTransaction, "type" | "sender">[],
  { flashblocks, numbers }: Pick<LaneData, "flashblocks" | "numbers">,
): LaneNumbers[] {
  const out: LaneNumbers[] = [];
  let user = 0;
  let from = 0;
  for (const { txCount, epoch } of flashblocks) {
    for (const { type, sender } of transactions.slice(from, from + txCount)) {
      const own = type === DEPOSIT_TYPE ? undefined : numbers[user++];
      const isEpoch = type === DEPOSIT_TYPE && sender === EPOCH_SENDER;
      out.push(isEpoch ? { accepted: 0n, ready: epoch?.cut ?? 0n } : (own ?? NO_NUMBERS));
    }
    from += txCount;
  }
  return out;
}
