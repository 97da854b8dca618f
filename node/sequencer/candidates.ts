/**
 * Executes candidates of the open block, and says in the txpool what becomes of those that do not
 * get in: parked for the next block, dropped with a code, or to be tried again.
 *
 * Owns: which rejection means what, and that wasted work counts against the sender. One that makes
 * the engine itself fail is dropped: a restart would meet it again for ever. Does not own order.
 */
import type { Hex } from "../../lanes/bytes.ts";
import type { Clock } from "../clock.ts";
import type { ApplyOptions, ApplyResult, Engine, RejectionCode } from "../execution/engine.ts";
import type { Logger } from "../log.ts";
import { type ConditionPlace, judgeConditions } from "../primitives/conditions.ts";
import type { Receipt } from "../primitives/receipt.ts";
import type { Pool } from "../txpool/pool-api.ts";
import type { PooledTransaction } from "../txpool/sender-queue.ts";
import { messageOf } from "../errors.ts";
import { ABORTS_MAX } from "./heavy-slot.ts";
import type { Pricing } from "./pricing.ts";

/** Faults of the engine in one block before the node stops: it is not one transaction's then. */
const FAULTS_MAX = 8;

/** How long one with conditions waits for them. */
const EARLY_MAX_MS = 60_000;

/** Codes of a transaction that may stand in a later block. */
export const WAITS_FOR_NEXT_BLOCK: ReadonlySet<RejectionCode> = new Set([
  "FEE_CAP_TOO_LOW",
  "BLOCK_GAS_EXCEEDED",
]);

/** Not in this block, or gone; or it gave way, or what was executed aside is void: try it again. */
export type Excluded = "left" | "aborted" | "stale";

export interface CandidatesDeps {
  readonly engine: Engine;
  readonly pool: Pool;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The open block. */
export interface CandidateBlock {
  readonly number: number;
  /** Unix seconds. */
  readonly timestamp: number;
}

/** Of one block. */
export class Candidates {
  readonly #deps: CandidatesDeps;
  readonly #block: CandidateBlock;
  readonly #pricing: Pick<Pricing, "tip">;
  #faults = 0;

  constructor(deps: CandidatesDeps, block: CandidateBlock, pricing: Pick<Pricing, "tip">) {
    this.#deps = deps;
    this.#block = block;
    this.#pricing = pricing;
  }

  /** The receipt of one that is in the block now. */
  async execute(item: PooledTransaction, options: ApplyOptions): Promise<Receipt | Excluded> {
    const { pool, clock } = this.#deps;
    const { conditions } = item;
    const { sender } = item.transaction;
    const startedMs = clock.monotonicMs();
    const judged = conditions === null ? "met" : judgeConditions(conditions, this.#place());
    if (judged !== "met") {
      pool.spend(sender, clock.monotonicMs() - startedMs);
      if (judged === "early" && clock.nowMs() - item.timeMs < EARLY_MAX_MS) pool.park(item);
      else {
        pool.strike(sender);
        pool.drop(item, "CONDITION_FAILED");
      }
      return "left";
    }
    item.executing = true;
    const result = await this.#apply(item, options);
    if (result?.ok === true) return result.receipt;
    item.executing = false;
    pool.spend(sender, clock.monotonicMs() - startedMs);
    return result === null ? "left" : this.#reject(item, result.code);
  }

  /** As it is now. */
  #place(): ConditionPlace {
    const { engine } = this.#deps;
    const { number: blockNumber, timestamp } = this.#block;
    const { epoch } = this.#pricing.tip.prices;
    const slot = (address: Hex, at: Hex): bigint => engine.slot(address, at);
    return { blockNumber, timestamp, epoch, slot };
  }

  #reject(item: PooledTransaction, code: RejectionCode): Excluded {
    const { pool } = this.#deps;
    if (code === "PREEMPTED" || code === "TOO_LONG") {
      // How it ends is known after one time where nobody had to interrupt it.
      item.aborts += code === "TOO_LONG" ? ABORTS_MAX : 1;
      return "aborted";
    }
    if (code === "STALE") {
      item.conflicts += 1;
      return "stale";
    }
    if (code === "TX_REVERTED") pool.strike(item.transaction.sender);
    if (code === "INSUFFICIENT_FUNDS") pool.short(item);
    else if (WAITS_FOR_NEXT_BLOCK.has(code)) pool.park(item);
    else pool.drop(item, code);
    return "left";
  }

  /** `null` where the engine itself failed on it. */
  async #apply(item: PooledTransaction, options: ApplyOptions): Promise<ApplyResult | null> {
    const { engine, log, pool } = this.#deps;
    try {
      return await engine.apply(item.transaction, options);
    } catch (error) {
      this.#faults += 1;
      log.error("the engine failed on a transaction", {
        hash: item.transaction.hash,
        error: messageOf(error),
      });
      pool.drop(item, "EXECUTION_FAILED");
      if (this.#faults > FAULTS_MAX) throw error;
      return null;
    }
  }
}
