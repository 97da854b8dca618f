/**
 * The prices of a block from its LaneData alone: what each flashblock's epoch is, and the
 * transaction that applies it; and where these stand among the others. Owns the walk over the
 * block. Does not own the rules of an epoch (`block-prices.ts`). LaneData is untrusted. PROTOCOL 4, 5.
 */
import { BlockPrices, type PricedFlashblock } from "./block-prices.ts";
import type { LaneData, LaneReport } from "./lane-data.ts";
import type { LaneState } from "./lane-state.ts";
import type { Policy } from "./policy.ts";
import type { PriceState } from "./price-state.ts";
import { type Recover, verifyReport } from "./report-rules.ts";
import { accept, type Verdict } from "./verdict.ts";
import type { ViolationCode } from "./violation.ts";

/** What the prices of a block depend on beside its LaneData. */
export interface PricedBlock {
  readonly number: number;
  /** Unix seconds. */
  readonly timestamp: number;
  /** System transactions at its head, but for an epoch: attributes and deposits. */
  readonly headCount: number;
}

export interface PricedFlashblocks {
  readonly flashblocks: readonly PricedFlashblock[];
  /** After the block. */
  readonly prices: PriceState;
}

/** By flashblock, the epoch and the prices after it; or the first violation. */
export function deriveEpochs(
  { headCount, ...block }: PricedBlock,
  laneData: LaneData,
  policy: Policy,
  laneState: LaneState,
  recover: Recover,
): Verdict<PricedFlashblocks, ViolationCode> {
  const verify = ({ source, bytes }: LaneReport) => verifyReport(source, bytes, policy, recover);
  const prices = new BlockPrices({ ...block, policy, verify }, laneState);
  const flashblocks: PricedFlashblock[] = [];
  let user = 0;
  for (const [index, flashblock] of laneData.flashblocks.entries()) {
    const priced = prices.next(flashblock);
    if (!priced.ok) return priced;
    flashblocks.push(priced.value);
    const system = (flashblock.epoch === null ? 0 : 1) + (index === 0 ? headCount : 0);
    const users = Math.max(0, flashblock.txCount - system);
    for (const { accepted } of laneData.numbers.slice(user, user + users)) prices.placed(accepted);
    user += users;
  }
  return accept({ flashblocks, prices: prices.state });
}

/**
 * The transactions of a block: those at its head, the epochs at the heads of their flashblocks, and
 * the users', as LaneData counts them. `null` where the counts are not theirs.
 */
export function interleave<T>(
  laneData: LaneData,
  head: readonly T[],
  epochs: readonly (T | null)[],
  users: readonly T[],
): T[] | null {
  const out: T[] = [...head];
  let end = 0;
  let user = 0;
  for (const [index, { txCount }] of laneData.flashblocks.entries()) {
    const epoch = epochs[index] ?? null;
    if (epoch !== null) out.push(epoch);
    end += txCount;
    if (out.length > end) return null;
    const own = users.slice(user, user + end - out.length);
    user += own.length;
    out.push(...own);
    if (out.length !== end) return null;
  }
  return user === users.length ? out : null;
}
