/**
 * Builds one block: an ordered list of flashblocks, fast ranks first in each.
 *
 * Owns: which transaction comes next, class caps (I4), where a flashblock ends. Does not own: what
 * is valid (engine, `verifyLanes`), when a block begins (timetable), durability, signatures.
 * A flashblock ends when the fast lane has something new while normal work runs, after
 * `FLASHBLOCK_WORK_MS` of normal work, or when nothing is left. DESIGN 4, PROTOCOL 4.
 */
import { NORMAL_RANK } from "../../lanes/classify.ts";
import { capOf } from "../../lanes/budget.ts";
import type { LaneData, LaneFlashblock, LaneNumbers } from "../../lanes/lane-data.ts";
import type { Policy } from "../../lanes/policy.ts";
import type { Chain, ChainTip } from "../chain/chain.ts";
import type { OriginPosition } from "../chain/origin.ts";
import type { Clock } from "../clock.ts";
import { NodeError } from "../errors.ts";
import type { ApplyResult, BlockSlice, Engine, RejectionCode } from "../execution/engine.ts";
import type { Logger } from "../log.ts";
import type { PreemptionSignal } from "../preemption-signal.ts";
import type { Transaction } from "../primitives/transaction.ts";
import type { Pool } from "../txpool/pool.ts";
import type { PooledTransaction } from "../txpool/sender-queue.ts";
import type { Arrivals } from "./arrivals.ts";
import { type BlockPlan, flashblockTime } from "./timetable.ts";

/**
 * Bytes of a block that is built here. Below the protocol's limit, so that a block which does not
 * compress at all still fits the blobs of one batch (`settlement/blob.ts`: 761,852 bytes).
 */
const BUILT_BYTES_MAX = 700_000;
/** Normal work in one flashblock before it ends. */
const FLASHBLOCK_WORK_MS = 50;
/** Normal work between two looks at what has arrived. */
const TURN_MS = 2;
/** Aborts of a normal transaction before it runs to its end in a block's heavy slot. */
const ABORTS_MAX = 3;
/** Faults of the engine in one block before the node stops: it is not one transaction's then. */
const FAULTS_MAX = 8;
/** Bytes of a block beside its transactions and their numbers: header, attributes, lists. */
const BLOCK_OVERHEAD_BYTES = 2_000;
/** LaneData and list prefixes of one transaction, at most. */
const TRANSACTION_OVERHEAD_BYTES = 32;
/** LaneData of one flashblock, at most. */
const FLASHBLOCK_OVERHEAD_BYTES = 32;

export interface BuilderDeps {
  readonly chain: Chain;
  readonly engine: Engine;
  readonly pool: Pool;
  readonly policy: Policy;
  readonly clock: Clock;
  readonly arrivals: Arrivals;
  /** Makes a long normal transaction give way; raised by whoever hands a fast one in. */
  readonly preemption: PreemptionSignal;
  /** Whether a fast transaction is taken in and about to become durable. */
  isFastArriving(): boolean;
  /** Gives the event loop one turn, so that arrivals are taken in. */
  yieldTurn(): Promise<void>;
  /** Whether the open block ends at once. */
  stopping(): boolean;
  /**
   * Whether the block before is done with. Until then a block whose time is over stays open, for
   * the fast lane alone; `arrivals` is notified when it changes.
   */
  maySeal(): boolean;
  /** A part of the block has been executed. */
  onSlice(slice: BlockSlice): void;
  readonly log: Logger;
  readonly leaderEpoch: number;
  /** A normal-only flashblock opens no sooner than this after one that left nothing over. */
  readonly flashblockMs: number;
}

export interface BuiltBlock {
  readonly plan: BlockPlan;
  readonly position: OriginPosition;
  readonly laneData: LaneData;
  readonly transactions: readonly Transaction[];
  /** Journal records it settles. */
  readonly settled: readonly bigint[];
}

/** Builds the planned block on `tip`. Call inside `chain.exclusive`; it stays open in the engine. */
export async function buildBlock(
  plan: BlockPlan,
  tip: ChainTip,
  deps: BuilderDeps,
): Promise<BuiltBlock> {
  const building = new BlockBuilding(plan, tip, deps);
  await building.open();
  await building.fill();
  return building.finish();
}

/** What became of a candidate: in the block; not in this block, or gone; or it gave way. */
type Outcome = "built" | "left" | "aborted";

/** Codes of a transaction that may stand in a later block. */
const WAITS_FOR_NEXT_BLOCK: ReadonlySet<RejectionCode> = new Set([
  "FEE_CAP_TOO_LOW",
  "BLOCK_GAS_EXCEEDED",
]);

class BlockBuilding {
  readonly #plan: BlockPlan;
  readonly #tip: ChainTip;
  readonly #deps: BuilderDeps;
  /** The block's place towards L1, and the transaction that says so. */
  readonly #attributes: ReturnType<Chain["attributes"]>;
  readonly #flashblocks: LaneFlashblock[] = [];
  readonly #transactions: Transaction[] = [];
  readonly #numbers: LaneNumbers[] = [];
  readonly #settled: bigint[] = [];
  /** Gas limits left to each fast rank. */
  readonly #gasLeft = new Map<number, bigint>();
  /** Ranks that take nothing more in this block: their next candidate is over the class cap. */
  readonly #closed = new Set<number>();
  /** Gas limits left to transactions that nothing interrupts any more. */
  #heavyGasLeft: bigint;
  #bytes = BLOCK_OVERHEAD_BYTES;
  #txCount = 0;
  #faults = 0;
  #startedAtMs = 0;
  /** The last flashblock ended with normal work left over: the next one follows at once. */
  #isSliceFull = false;
  /** Time of the flashblock opened last. */
  #timestampMs: number;
  #openedAtMs = 0;

  constructor(plan: BlockPlan, tip: ChainTip, deps: BuilderDeps) {
    this.#plan = plan;
    this.#tip = tip;
    this.#deps = deps;
    this.#attributes = deps.chain.attributes(plan.origin, tip.origin);
    this.#timestampMs = tip.timestampMs;
    this.#heavyGasLeft = BigInt(deps.policy.document.normal.heavyGas);
  }

  /** Opens the block and its first flashblock, which begins with the attributes. */
  async open(): Promise<void> {
    const { chain, engine, pool, policy } = this.#deps;
    const { timestamp, origin } = this.#plan;
    this.#startedAtMs = this.#deps.clock.nowMs();
    await chain.open(timestamp, origin, !this.#tip.isCommitted);
    pool.openBlock(engine.baseFee());
    const { transaction } = this.#attributes;
    const { gasLimit } = chain;
    const { systemReserveGas, fast } = policy.document;
    const gas = { gasLimit, systemGas: transaction.gasLimit, systemReserveGas };
    fast.classes.forEach(({ gasShareBps }, index) => {
      this.#gasLeft.set(index + 1, capOf(gasShareBps, gas));
    });
    this.#openFlashblock();
    const result = await engine.apply(transaction);
    if (!result.ok) throw new NodeError("INTERNAL", { attributes: result.code });
    this.#take(transaction);
  }

  /** Builds flashblocks until the block's end; in a deposit-only block its time passes, no less. */
  async fill(): Promise<void> {
    const { clock, arrivals } = this.#deps;
    const { sealAtMs } = this.#plan;
    if (!this.#plan.depositOnly) await this.#fillFlashblock();
    while (!this.#deps.stopping()) {
      const nowMs = clock.nowMs();
      const leftMs = sealAtMs - nowMs;
      if (leftMs <= 0 && this.#deps.maySeal()) return;
      const waitMs = this.#openedAtMs + this.#paceMs(leftMs) - nowMs;
      if (waitMs <= 0) {
        this.#openFlashblock();
        await this.#fillFlashblock();
      } else await (leftMs > 0 ? arrivals.wait(Math.min(waitMs, leftMs)) : arrivals.wait());
    }
  }

  /** Least time between two openings of a flashblock, by what waits; infinite for nothing. */
  #paceMs(untilSealMs: number): number {
    const { flashblockMs, policy } = this.#deps;
    const { maxFlashblocks } = policy.document;
    const left = maxFlashblocks - this.#flashblocks.length;
    if (left <= 0 || this.#plan.depositOnly) return Infinity;
    const isOver = untilSealMs <= 0;
    // Once half are spent, the rest is spread over what is left of the block.
    const spreadMs = isOver || 2 * left > maxFlashblocks ? 0 : untilSealMs / left;
    if (this.#hasFast()) return spreadMs;
    if (isOver || !this.#hasNormal()) return Infinity;
    return this.#isSliceFull ? spreadMs : Math.max(spreadMs, flashblockMs);
  }

  /** What was built; the block stays open in the engine until it is sealed. */
  finish(): BuiltBlock {
    this.#closeFlashblock();
    const laneData: LaneData = {
      policyHash: this.#deps.policy.hash,
      flashblocks: this.#flashblocks,
      numbers: this.#numbers,
    };
    return {
      plan: this.#plan,
      position: this.#attributes.position,
      laneData,
      transactions: this.#transactions,
      settled: this.#settled,
    };
  }

  #openFlashblock(): void {
    const nowMs = this.#deps.clock.nowMs();
    this.#openedAtMs = nowMs;
    this.#timestampMs = flashblockTime(
      nowMs,
      this.#timestampMs,
      this.#tip.timestamp,
      this.#plan.timestamp,
    );
    this.#bytes += FLASHBLOCK_OVERHEAD_BYTES;
  }

  /** Records the open flashblock; one that nothing went into is not one. */
  #closeFlashblock(): void {
    if (this.#txCount === 0) return;
    const { leaderEpoch } = this.#deps;
    const timestampMs = this.#timestampMs;
    this.#flashblocks.push({ txCount: this.#txCount, timestampMs, leaderEpoch });
    this.#txCount = 0;
    const slice = this.#deps.engine.endSlice();
    if (slice !== null) this.#deps.onSlice(slice);
  }

  async #fillFlashblock(): Promise<void> {
    for (const rank of this.#gasLeft.keys()) await this.#fillRank(rank);
    await this.#fillNormal();
    this.#closeFlashblock();
  }

  async #fillRank(rank: number): Promise<void> {
    const { clock, pool } = this.#deps;
    let turnMs = clock.monotonicMs();
    while (!this.#closed.has(rank)) {
      const item = pool.best(rank);
      if (item === undefined) return;
      const left = this.#gasLeft.get(rank) ?? 0n;
      // Order inside the class is kept: where the next one does not fit, none after it may pass.
      if (item.transaction.gasLimit > left) this.#closed.add(rank);
      else if ((await this.#build(item, false)) === "built")
        this.#gasLeft.set(rank, left - item.transaction.gasLimit);
      if (clock.monotonicMs() - turnMs < TURN_MS) continue;
      await this.#takeTurn();
      turnMs = clock.monotonicMs();
    }
  }

  /** Normal work until the fast lane has something new, the slice is over, or nothing is left. */
  async #fillNormal(): Promise<void> {
    const { pool, clock } = this.#deps;
    const startedMs = clock.monotonicMs();
    let turnMs = startedMs;
    this.#isSliceFull = false;
    while (clock.nowMs() < this.#plan.sealAtMs) {
      const item = pool.best(NORMAL_RANK);
      if (item === undefined) return;
      const { gasLimit } = item.transaction;
      if (gasLimit > this.#gasFree()) pool.park(item);
      else if (gasLimit > this.#normalGasLeft()) return;
      else if ((await this.#buildNormal(item)) === "aborted") {
        await this.#giveWay();
        return;
      }
      const now = clock.monotonicMs();
      if (now - turnMs < TURN_MS) continue;
      await this.#takeTurn();
      turnMs = clock.monotonicMs();
      this.#isSliceFull = turnMs - startedMs >= FLASHBLOCK_WORK_MS;
      if (this.#hasFast() || this.#isSliceFull) return;
    }
  }

  /**
   * A normal candidate can be aborted by the fast lane; one that was too often runs to its end, as
   * far as the block's heavy gas goes. DESIGN 4.
   */
  async #buildNormal(item: PooledTransaction): Promise<Outcome> {
    if (item.aborts < ABORTS_MAX) return this.#build(item, true);
    const { gasLimit } = item.transaction;
    if (gasLimit > this.#heavyGasLeft) {
      this.#deps.pool.park(item);
      return "left";
    }
    const outcome = await this.#build(item, false);
    if (outcome === "built") this.#heavyGasLeft -= gasLimit;
    return outcome;
  }

  /** Takes in what has arrived. */
  async #takeTurn(): Promise<void> {
    const { preemption } = this.#deps;
    preemption.lower();
    await this.#deps.yieldTurn();
    // On its way to the disk: by the time it is there, whatever runs then must give way to it.
    if (this.#deps.isFastArriving()) preemption.raise();
  }

  /**
   * Begins nothing before a fast transaction can be built. Not before none is on its way: under a
   * steady stream there is always one, and those that are there would wait for it.
   */
  async #giveWay(): Promise<void> {
    const { arrivals, clock } = this.#deps;
    await this.#takeTurn();
    for (let nowMs = clock.nowMs(); nowMs < this.#plan.sealAtMs; nowMs = clock.nowMs()) {
      if (this.#hasFast() || !this.#deps.isFastArriving()) return;
      await arrivals.wait(this.#plan.sealAtMs - nowMs);
    }
  }

  /**
   * The block's free gas less what the fast classes may still take; released linearly over the
   * block.
   */
  #normalGasLeft(): bigint {
    const { clock } = this.#deps;
    let reserved = 0n;
    for (const left of this.#gasLeft.values()) reserved += left;
    const totalMs = Math.max(1, this.#plan.sealAtMs - this.#startedAtMs);
    const leftMs = Math.min(totalMs, Math.max(0, this.#plan.sealAtMs - clock.nowMs()));
    return this.#gasFree() - (reserved * BigInt(Math.floor(leftMs))) / BigInt(Math.ceil(totalMs));
  }

  #gasFree(): bigint {
    const { chain, engine } = this.#deps;
    return chain.gasLimit - engine.gasUsed();
  }

  /** Executes one candidate: in the block, parked for the next, aborted, or dropped. */
  async #build(item: PooledTransaction, preemptible: boolean): Promise<Outcome> {
    const { pool } = this.#deps;
    const { transaction, accepted, ready } = item;
    const bytes = transaction.raw.length + TRANSACTION_OVERHEAD_BYTES;
    if (ready === null) throw new NodeError("INTERNAL", { notReady: transaction.hash });
    if (this.#bytes + bytes > BUILT_BYTES_MAX) {
      pool.park(item);
      return "left";
    }
    const result = await this.#apply(item, preemptible);
    if (result === null) return "left";
    if (!result.ok) {
      if (result.code === "PREEMPTED") {
        item.aborts += 1;
        return "aborted";
      }
      if (result.code === "INSUFFICIENT_FUNDS") pool.short(item);
      else if (WAITS_FOR_NEXT_BLOCK.has(result.code)) pool.park(item);
      else pool.drop(item, result.code);
      return "left";
    }
    this.#bytes += bytes;
    this.#numbers.push({ accepted, ready });
    this.#settled.push(accepted);
    this.#take(transaction);
    pool.included(item);
    return "built";
  }

  /** `null` where the engine itself failed on it: dropped, or a restart would meet it again for ever. */
  async #apply(item: PooledTransaction, preemptible: boolean): Promise<ApplyResult | null> {
    const { engine, log, pool } = this.#deps;
    try {
      return await engine.apply(item.transaction, { preemptible });
    } catch (error) {
      this.#faults += 1;
      log.error("the engine failed on a transaction", {
        hash: item.transaction.hash,
        error: error instanceof Error ? error.message : "unknown",
      });
      pool.drop(item, "EXECUTION_FAILED");
      if (this.#faults > FAULTS_MAX) throw error;
      return null;
    }
  }

  #take(transaction: Transaction): void {
    this.#transactions.push(transaction);
    this.#txCount++;
  }

  #hasFast(): boolean {
    for (const rank of this.#gasLeft.keys())
      if (!this.#closed.has(rank) && this.#deps.pool.best(rank) !== undefined) return true;
    return false;
  }

  #hasNormal(): boolean {
    return this.#deps.pool.best(NORMAL_RANK) !== undefined;
  }
}
