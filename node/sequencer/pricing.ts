/**
 * The prices of the block that is built: which epoch its next flashblock begins with, and the
 * transaction that applies it.
 *
 * Owns the way from reports that wait to an epoch in LaneData. Does not own the rules (`lanes/`),
 * execution, nor how reports come in.
 */
import { BlockPrices } from "../../lanes/block-prices.ts";
import { selectEpoch } from "../../lanes/epoch-selection.ts";
import { type LanePrices, NO_LANE_PRICES } from "../../lanes/lane-data.ts";
import type { Policy } from "../../lanes/policy.ts";
import type { VerifiedReport } from "../../lanes/report-rules.ts";
import type { ChainTip } from "../chain/chain.ts";
import { epochDeposit } from "../chain/epochs.ts";
import { NodeError } from "../errors.ts";
import { recoverSigner } from "../primitives/signature.ts";
import type { DepositTransaction } from "../primitives/transaction.ts";

export interface PricingDeps {
  readonly policy: Policy;
  /** The next admission number: an epoch is complete up to it. */
  nextNumber(): bigint;
}

/** What a flashblock begins with, and what LaneData says of it. */
export interface Priced {
  readonly prices: LanePrices;
  /** `null` where it has no epoch. */
  readonly transaction: DepositTransaction | null;
}

export class Pricing {
  readonly #deps: PricingDeps;
  readonly #block: BlockPrices;

  /** Of the block on `tip` with this timestamp. */
  constructor(timestamp: number, tip: ChainTip, deps: PricingDeps) {
    this.#deps = deps;
    const { policy } = deps;
    const frame = { number: tip.number + 1, timestamp, policy, recover: recoverSigner };
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

  /** The next flashblock begins, at this time. */
  begin(timestampMs: number): Priced {
    const { isOwed, state } = this.#block;
    const selected = selectEpoch(this.#deps.policy, state, NO_REPORTS, timestampMs);
    if (selected === null && !isOwed) return this.again(NO_LANE_PRICES, timestampMs);
    const reports = (selected?.reports ?? []).map(({ source, bytes }) => ({ source, bytes }));
    const epoch = { cut: this.#deps.nextNumber(), reports };
    return this.again({ conflicts: [], epoch }, timestampMs);
  }

  /** A flashblock that was promised begins again, with the prices that it had. */
  again(prices: LanePrices, timestampMs: number): Priced {
    const priced = this.#block.next({ ...prices, timestampMs });
    if (!priced.ok)
      throw new NodeError("VERIFICATION_FAILED", { part: "prices", reason: priced.code });
    const { transaction } = priced.value;
    return { prices, transaction: transaction === null ? null : epochDeposit(transaction) };
  }
}

/** This version takes no reports in: what it applies are outages. */
const NO_REPORTS: readonly VerifiedReport[] = [];
