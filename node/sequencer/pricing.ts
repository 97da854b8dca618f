/**
 * The prices of the block that is built: which epoch its next flashblock begins with, and the
 * transaction that applies it.
 *
 * Owns the way from reports that wait to an epoch in LaneData, and when it is looked whether one is
 * due. Does not own the rules (`lanes/`), execution, nor how reports come in.
 */
import { BlockPrices } from "../../lanes/block-prices.ts";
import { isFresh } from "../../lanes/epoch.ts";
import { type SelectedEpoch, selectEpoch } from "../../lanes/epoch-selection.ts";
import {
  type LaneEpoch,
  type LanePrices,
  type LaneReport,
  NO_LANE_PRICES,
} from "../../lanes/lane-data.ts";
import type { Policy } from "../../lanes/policy.ts";
import {
  laneReportOf,
  type ReportRefusal,
  type VerifiedReport,
  verifyReport,
} from "../../lanes/report-rules.ts";
import { accept, type Verdict } from "../../lanes/verdict.ts";
import type { ChainTip } from "../chain/chain.ts";
import type { Clock } from "../clock.ts";
import { epochDeposit } from "../chain/epochs.ts";
import { NodeError } from "../errors.ts";
import { recoverSigner } from "../primitives/signature.ts";
import type { DepositTransaction } from "../primitives/transaction.ts";
import type { ReportBook } from "./report-book.ts";

/**
 * How often it is looked whether an epoch is due while reports keep coming, and while only time
 * passes: milliseconds. Less often where a look takes long: it has a part of the time.
 */
const LOOK_MS = 1;
const IDLE_LOOK_MS = 10;
const LOOK_PART = 5;

export interface PricingDeps {
  readonly policy: Policy;
  readonly clock: Pick<Clock, "monotonicMs">;
  /** What waits for an epoch. */
  readonly reports: Pick<ReportBook, "version" | "reports" | "conflicts" | "prune">;
  /** The next admission number: an epoch is complete up to it. */
  nextNumber(): bigint;
}

/** What a flashblock begins with, and what LaneData says of it. */
export interface Priced {
  readonly prices: LanePrices;
  /** `null` where it has no epoch. */
  readonly transaction: DepositTransaction | null;
}

/** Whether the block has room for an epoch of these reports that writes so many feeds. */
export type HasRoom = (prices: LanePrices, feeds: number) => boolean;

export class Pricing {
  readonly #deps: PricingDeps;
  readonly #block: BlockPrices;
  /** What the last look was at, when, what it found, and whether time alone may change that. */
  #looked = { version: -1, atMs: -Infinity, isDue: false, isHeard: false };
  /** How long the last look took. */
  #lookMs = 0;
  /** What was verified when it was taken in, by its bytes: of the epoch that begins. */
  #known: ReadonlyMap<Uint8Array, VerifiedReport> = new Map();
  /** An epoch that was due did not fit: the next block will have it. */
  #isFull = false;

  /** Of the block on `tip` with this timestamp. */
  constructor(timestamp: number, tip: ChainTip, deps: PricingDeps) {
    this.#deps = deps;
    const { policy } = deps;
    const verify = (report: LaneReport) => this.#verify(report);
    const frame = { number: tip.number + 1, timestamp, policy, verify };
    this.#block = new BlockPrices(frame, { ...tip, blockNumber: tip.number });
  }

  /** What the block after this one stands on. */
  get tip(): Pick<ChainTip, "prices" | "accepted"> {
    return { prices: this.#block.state, accepted: this.#block.accepted };
  }

  /** A transaction with this number stands in the flashblock begun last. */
  placed(accepted: bigint): void {
    this.#block.placed(accepted);
  }

  /** The flashblock begun last is none: nothing went into it. */
  takeBack(): void {
    this.#block.takeBack();
  }

  /** Whether a flashblock that begins now, with this time, has an epoch to begin with. */
  isDue(timestampMs: number): boolean {
    const { clock } = this.#deps;
    if (this.untilLookMs() > 0) return this.#looked.isDue;
    const startedMs = clock.monotonicMs();
    const isDue = this.#look(this.#selected(timestampMs) !== null, timestampMs);
    this.#lookMs = clock.monotonicMs() - startedMs;
    return isDue;
  }

  /** Milliseconds until `isDue` may answer something else; infinite where only a report can do it. */
  untilLookMs(): number {
    const { reports, clock } = this.#deps;
    const { version, atMs } = this.#looked;
    const sinceMs = clock.monotonicMs() - atMs;
    if (this.#isFull) return Infinity;
    const restMs = this.#lookMs * (LOOK_PART - 1);
    if (version !== reports.version) return Math.max(0, Math.max(LOOK_MS, restMs) - sinceMs);
    const idleMs = Math.max(IDLE_LOOK_MS, restMs);
    if (sinceMs < idleMs) return idleMs - sinceMs;
    return this.#looked.isHeard ? 0 : Infinity;
  }

  /** The next flashblock begins, at this time. */
  begin(timestampMs: number, hasRoom: HasRoom): Priced {
    const priced = this.#choose(timestampMs, hasRoom);
    this.#look(false, timestampMs);
    return priced;
  }

  #choose(timestampMs: number, hasRoom: HasRoom): Priced {
    const { reports } = this.#deps;
    const { isOwed, state } = this.#block;
    // One at a time: two reports may be long, and the next flashblock is not far.
    const pair = reports.conflicts(state.suspended).slice(0, 1);
    const conflicts = hasRoom({ ...NO_LANE_PRICES, conflicts: pair }, 0) ? pair : [];
    const selected = this.#isFull ? null : this.#selected(timestampMs);
    const prices: LanePrices = { ...NO_LANE_PRICES, conflicts };
    if (selected !== null) {
      const chosen = { conflicts, epoch: this.#epochOf(selected.reports) };
      this.#known = new Map(selected.reports.map((report) => [report.bytes, report]));
      if (hasRoom(chosen, selected.updates.length)) return this.again(chosen, timestampMs);
      this.#isFull = true;
    }
    return this.again(isOwed ? { conflicts, epoch: this.#epochOf([]) } : prices, timestampMs);
  }

  /** A flashblock that was promised begins again, with the prices that it had. */
  again(prices: LanePrices, timestampMs: number): Priced {
    const priced = this.#block.next({ ...prices, timestampMs });
    if (!priced.ok)
      throw new NodeError("VERIFICATION_FAILED", { part: "prices", reason: priced.code });
    const { transaction } = priced.value;
    this.#deps.reports.prune(this.#block.state, timestampMs);
    return { prices, transaction: transaction === null ? null : epochDeposit(transaction) };
  }

  #selected(timestampMs: number): SelectedEpoch | null {
    const { policy, reports } = this.#deps;
    return selectEpoch(policy, this.#block.state, reports.reports(), timestampMs);
  }

  #epochOf(reports: readonly VerifiedReport[]): LaneEpoch {
    return { cut: this.#deps.nextNumber(), reports: reports.map(laneReportOf) };
  }

  #verify({ source, bytes }: LaneReport): Verdict<VerifiedReport, ReportRefusal> {
    const known = this.#known.get(bytes);
    if (known?.source === source) return accept(known);
    return verifyReport(source, bytes, this.#deps.policy, recoverSigner);
  }

  #look(isDue: boolean, timestampMs: number): boolean {
    const { version } = this.#deps.reports;
    const atMs = this.#deps.clock.monotonicMs();
    this.#looked = { version, atMs, isDue, isHeard: this.#isAnyHeard(timestampMs) };
    return isDue;
  }

  /** Whether time alone may make a feed due: somebody was heard lately. */
  #isAnyHeard(timestampMs: number): boolean {
    const { feeds } = this.#block.state;
    return this.#deps.policy.document.feeds.some((feed) =>
      feeds
        .get(feed.feedId)
        ?.entries.some(({ publishTimeMs }) => isFresh(feed, publishTimeMs, timestampMs)),
    );
  }
}
