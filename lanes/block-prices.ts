/**
 * The prices of a block flashblock by flashblock: what each begins with, under which rules, and the
 * transaction that applies it. The builder goes through it as it builds, everybody else as they
 * verify. PROTOCOL 5.
 *
 * Owns the rules of an epoch in its place: whose reports it lists, that all of them count, its cut,
 * when there must be one, and whose keys are not heard any more. Does not own its values
 * (`epoch.ts`), nor which reports are chosen (`epoch-selection.ts`).
 */
import type { Hex } from "./bytes.ts";
import { computeEpoch, mergeReports } from "./epoch.ts";
import { type EpochTransaction, epochTransaction } from "./epoch-transaction.ts";
import type { LaneEpoch, LanePrices, LaneReport } from "./lane-data.ts";
import type { LaneState } from "./lane-state.ts";
import type { Policy } from "./policy.ts";
import type { PriceState } from "./price-state.ts";
import { areConflicting, type ReportRefusal, type VerifiedReport } from "./report-rules.ts";
import { accept, type Verdict } from "./verdict.ts";
import { violation, type ViolationCode } from "./violation.ts";

/** A gap between two blocks that is an outage, seconds. */
const OUTAGE_S = 30;

export interface PricedFlashblock {
  /** At its head, behind attributes and deposits; `null` where it has no epoch. */
  readonly transaction: EpochTransaction | null;
  /** In force for what stands in it. */
  readonly prices: PriceState;
}

/** The block that is priced. */
export interface PriceFrame {
  readonly number: number;
  /** Unix seconds. */
  readonly timestamp: number;
  readonly policy: Policy;
  /** Whose report that is, if it is one of this policy's (`report-rules.ts`). */
  readonly verify: (report: LaneReport) => Verdict<VerifiedReport, ReportRefusal>;
}

/** What the block stands on. */
export type PriceParent = Pick<
  LaneState,
  "blockNumber" | "timestamp" | "lastForced" | "accepted" | "prices"
>;

export class BlockPrices {
  readonly #frame: PriceFrame;
  /** Since when there was an outage before the block, Unix milliseconds; `null` for none. */
  readonly #downSinceMs: number | null;
  #state: PriceState;
  /** Before the flashblock begun last. */
  #before: PriceState;
  #accepted: bigint;
  #next = 0;

  constructor(frame: PriceFrame, parent: PriceParent) {
    this.#frame = frame;
    this.#downSinceMs = outageBefore(parent, frame.timestamp);
    this.#state = parent.prices;
    this.#before = parent.prices;
    this.#accepted = parent.accepted;
  }

  /** After everything so far. */
  get state(): PriceState {
    return this.#state;
  }

  /** The highest accepted number so far, in this block and those before. */
  get accepted(): bigint {
    return this.#accepted;
  }

  /** Whether the next flashblock must begin with an epoch. */
  get isOwed(): boolean {
    return this.#next === 0 && this.#downSinceMs !== null;
  }

  /** A transaction with this accepted number stands in the flashblock begun last. */
  placed(accepted: bigint): void {
    if (accepted > this.#accepted) this.#accepted = accepted;
  }

  /** The flashblock begun last is none after all: nothing went into it, so it had no epoch. */
  takeBack(): void {
    this.#next--;
    this.#state = this.#before;
  }

  /** Begins the next flashblock. After a violation nothing more may be asked. */
  next(
    flashblock: LanePrices & { readonly timestampMs: number },
  ): Verdict<PricedFlashblock, ViolationCode> {
    const downSinceMs = this.isOwed ? this.#downSinceMs : null;
    const index = this.#next++;
    const { epoch, timestampMs: timeMs } = flashblock;
    if (epoch === null && downSinceMs !== null)
      return violation("EPOCH_MISSING", { flashblock: index });
    const place = { index, timeMs, accepted: this.#accepted, downSinceMs };
    const priced: Verdict<PricedFlashblock, ViolationCode> =
      epoch === null
        ? accept({ transaction: null, prices: this.#state })
        : applyEpoch(this.#frame, place, epoch, this.#state);
    if (!priced.ok) return priced;
    const suspended = suspend(this.#frame, index, flashblock, priced.value.prices);
    if (!suspended.ok) return suspended;
    this.#before = this.#state;
    this.#state = suspended.value;
    return priced;
  }
}

/** Since when an outage lasted that ends with a block at this time, Unix milliseconds. */
function outageBefore(
  { timestamp, blockNumber, lastForced }: PriceParent,
  next: number,
): number | null {
  const isForced = lastForced > 0 && lastForced === blockNumber;
  return isForced || next - timestamp > OUTAGE_S ? 1000 * timestamp : null;
}

/** Where an epoch stands, and since when there was an outage before it. */
interface EpochPlace {
  readonly index: number;
  /** Of the flashblock, Unix milliseconds. */
  readonly timeMs: number;
  /** The highest accepted number in flashblocks before it. */
  readonly accepted: bigint;
  readonly downSinceMs: number | null;
}

function applyEpoch(
  { number, policy, verify }: PriceFrame,
  { index, timeMs, accepted, downSinceMs }: EpochPlace,
  { cut, reports: listed }: LaneEpoch,
  prices: PriceState,
): Verdict<PricedFlashblock, ViolationCode> {
  if (cut < prices.cut || cut < accepted)
    return violation("EPOCH_CUT_TOO_LOW", { flashblock: index, cut: cut.toString() });
  const reports: VerifiedReport[] = [];
  for (const [report, each] of listed.entries()) {
    const verified = verify(each);
    const where = { flashblock: index, report };
    if (!verified.ok) return violation("EPOCH_REPORT_INVALID", { ...where, reason: verified.code });
    if (prices.suspended.includes(verified.value.key))
      return violation("EPOCH_REPORT_INVALID", { ...where, reason: "REPORT_KEY_SUSPENDED" });
    const before = reports.at(-1);
    if (before !== undefined && before.hash >= verified.value.hash)
      return violation("EPOCH_REPORTS_UNORDERED", where);
    reports.push(verified.value);
  }
  const merged = mergeReports(policy, prices.feeds, reports, timeMs);
  const useless = reports.findIndex(({ hash, report }) =>
    report.observations.every(
      ({ feedId }) => !merged.get(feedId)?.entries.some(({ reportHash }) => reportHash === hash),
    ),
  );
  if (useless !== -1)
    return violation("EPOCH_REPORT_USELESS", { flashblock: index, report: useless });
  const { suspended } = prices;
  const { updates, feeds } = computeEpoch(policy, { feeds: merged, suspended }, timeMs);
  if (updates.length === 0 && downSinceMs === null)
    return violation("EPOCH_EMPTY", { flashblock: index });
  const graceEndMs = downSinceMs === null ? prices.graceEndMs : timeMs + policy.document.graceMs;
  const after = { ...prices, epoch: prices.epoch + 1, cut, graceEndMs, feeds };
  const transaction = epochTransaction({
    ...{ blockNumber: number, flashblock: index, epoch: after.epoch, timeMs, cut },
    ...{ reportHashes: reports.map(({ hash }) => hash), downSinceMs: downSinceMs ?? 0, updates },
  });
  return accept({ transaction, prices: after });
}

/** Keys that a flashblock proves to have signed twice are not heard from the next one on. */
function suspend(
  { verify }: PriceFrame,
  flashblock: number,
  { conflicts }: LanePrices,
  prices: PriceState,
): Verdict<PriceState, ViolationCode> {
  const suspended = new Set<Hex>(prices.suspended);
  for (const [conflict, pair] of conflicts.entries()) {
    const key = conflictingKey(pair, verify);
    if (key === null || suspended.has(key))
      return violation("CONFLICT_INVALID", { flashblock, conflict });
    suspended.add(key);
  }
  if (suspended.size === prices.suspended.length) return accept(prices);
  return accept({ ...prices, suspended: [...suspended].sort() });
}

function conflictingKey(
  [one, other]: readonly [LaneReport, LaneReport],
  verify: PriceFrame["verify"],
): Hex | null {
  const a = verify(one);
  const b = verify(other);
  return a.ok && b.ok && areConflicting(a.value, b.value) ? a.value.key : null;
}
