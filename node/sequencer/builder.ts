/**
 * Builds one block: flashblock after flashblock, fast first, as long as its time lasts.
 *
 * Owns: when a flashblock begins and ends, and what becomes of a candidate. A flashblock ends the
 * moment the fast lane is drained; normal work goes into another, which ends when the fast lane has
 * something new, after `FLASHBLOCK_WORK_MS`, or when nothing is left. Where flashblocks are scarce,
 * fast and normal share one. Under a fast flood the normal lane has a part of the time (`#isTurn`).
 * Does not own: what comes next (`selection.ts`), what is valid (engine, `verifyLanes`), when a
 * block begins (timetable), durability and signatures (`promises.ts`). DESIGN 4, PROTOCOL 4.
 */
import type { LaneLeaf } from "../../lanes/flashblock.ts";
import { type Chain, type ChainTip } from "../chain/chain.ts";
import type { Clock } from "../clock.ts";
import { NodeError } from "../errors.ts";
import type { ApplyOptions, EndedSlice, Engine } from "../execution/engine.ts";
import type { Logger } from "../log.ts";
import type { PreemptionSignal } from "../preemption-signal.ts";
import type { Pool } from "../txpool/pool-api.ts";
import type { PooledTransaction } from "../txpool/sender-queue.ts";
import type { Arrivals } from "./arrivals.ts";
import { type AssembledFlashblock, BlockAssembly } from "./block-assembly.ts";
import { OpenBlockRoom } from "./block-room.ts";
import type { BuiltBlock } from "./built-block.ts";
import { Candidates, type Excluded } from "./candidates.ts";
import { Courtesy } from "./courtesy.ts";
import { HeavySlot, optionsOf } from "./heavy-slot.ts";
import { isScarce, NormalTurns, waitMs } from "./pacing.ts";
import { type HasRoom, Pricing, type PricingDeps } from "./pricing.ts";
import { type ReplayDeps, type ReplayedFlashblock, replayFlashblock } from "./replayed.ts";
import { Selection } from "./selection.ts";
import type { Speculation } from "./speculation.ts";
import { placeSystem } from "./system-transactions.ts";
import { type BlockPlan, flashblockTime } from "./timetable.ts";
import { GENESIS_TERM } from "../rollup-config.ts";

/** Normal work in one flashblock before it ends. */
const FLASHBLOCK_WORK_MS = 50;
/** Work between two looks at what has arrived; less while somebody waits for a promise. */
const TURN_MS = 2;
const URGENT_TURN_MS = 0.3;
/** The normal lane's turn under a fast flood. */
const NORMAL_TURN_MS = 5;
/**
 * Gas of a normal transaction that may begin while a promise to the fast lane is on its way to the
 * disk: nobody would hear the disk while a longer one runs.
 */
const LIGHT_GAS = 100_000n;

export interface BuilderDeps extends PricingDeps {
  readonly chain: Chain;
  readonly engine: Engine;
  readonly pool: Pool;
  readonly clock: Clock;
  readonly arrivals: Arrivals;
  /** Makes a long normal transaction give way; raised by whoever hands a fast one in. */
  readonly preemption: PreemptionSignal;
  /** Where long normal transactions are executed aside. */
  readonly speculation: Pick<Speculation, "has" | "offer" | "take" | "wasted">;
  /** A block opens: what waited is looked at again, what has waited too long goes. */
  openPool(baseFee: bigint, blockNumber: number): void;
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
  onSlice(slice: EndedSlice): void;
  /** Makes the promise: resolves when it is signed. Resolves in order. */
  promise(flashblock: AssembledFlashblock, isJournaled: boolean): Promise<Uint8Array>;
  readonly log: Logger;
  readonly leaderEpoch: number;
  /** A normal-only flashblock opens no sooner than this after one that left nothing over. */
  readonly flashblockMs: number;
}

/**
 * Builds the planned block on `tip`, after the flashblocks of it that are promised already. Call
 * inside `chain.exclusive`; it stays open in the engine.
 */
export async function buildBlock(
  plan: BlockPlan,
  tip: ChainTip,
  deps: BuilderDeps,
  promised: readonly ReplayedFlashblock[] = [],
): Promise<BuiltBlock> {
  const building = new BlockBuilding(plan, tip, deps);
  await building.open(promised);
  await building.fill();
  return building.finish();
}

type Outcome = "built" | Excluded;

class BlockBuilding {
  readonly #plan: BlockPlan;
  readonly #tip: ChainTip;
  readonly #deps: BuilderDeps;
  /** The block's place towards L1, and the transaction that says so. */
  readonly #attributes: ReturnType<Chain["attributes"]>;
  readonly #assembly: BlockAssembly;
  readonly #pricing: Pricing;
  readonly #room: OpenBlockRoom;
  readonly #selection: Selection;
  readonly #candidates: Candidates;
  readonly #courtesy: Courtesy;
  readonly #signatures: Promise<Uint8Array>[] = [];
  readonly #heavy: HeavySlot;
  /** Normal work ended with some left over: it goes on as soon as the fast lane lets it. */
  #isNormalLeft = false;
  /** When normal work began last. */
  #normalAtMs = -Infinity;
  /** Time of the flashblock opened last. */
  #timestampMs: number;
  #openedAtMs = 0;
  #isSliceDue = false;
  readonly #turns = new NormalTurns();

  constructor(plan: BlockPlan, tip: ChainTip, deps: BuilderDeps) {
    this.#plan = plan;
    this.#tip = tip;
    this.#deps = deps;
    const { chain, policy, pool } = deps;
    this.#attributes = chain.attributes(plan.origin, tip.origin);
    this.#timestampMs = tip.timestampMs;
    this.#heavy = new HeavySlot(deps.speculation, BigInt(policy.document.normal.heavyGas));
    this.#assembly = new BlockAssembly(
      {
        chainId: policy.document.chainId,
        term: GENESIS_TERM,
        lastForced: tip.lastForced,
        blockNumber: tip.number + 1,
        l1OriginNumber: plan.origin.number,
        l1OriginHash: plan.origin.hash,
        timestamp: plan.timestamp,
        policyHash: policy.hash,
      },
      tip.orderHash,
      policy.document.feeds.length > 0,
    );
    this.#room = new OpenBlockRoom(deps, this.#assembly, plan.sealAtMs);
    this.#pricing = new Pricing(plan.timestamp, tip, deps);
    this.#candidates = new Candidates(deps, { ...plan, number: tip.number + 1 }, this.#pricing);
    this.#courtesy = new Courtesy(deps, {
      sealAtMs: plan.sealAtMs,
      hasFast: () => this.#hasFast(),
    });
    const systemGas = this.#attributes.transaction.gasLimit;
    this.#selection = new Selection(
      { policy, pool, gasLimit: chain.gasLimit, systemGas },
      this.#room,
    );
  }

  /** Opens the block: with what is promised of it, or with its first flashblock. */
  async open(promised: readonly ReplayedFlashblock[]): Promise<void> {
    const { chain, engine } = this.#deps;
    const { timestamp, origin } = this.#plan;
    await chain.open(timestamp, origin, !this.#tip.isCommitted);
    this.#deps.openPool(engine.baseFee(), this.#tip.number + 1);
    for (const flashblock of promised) {
      this.#endSlice();
      this.#timestampMs = flashblock.executed.header.timestampMs;
      await this.#promise(await replayFlashblock(flashblock, this.#replayed()), true);
    }
    if (promised.length === 0) await this.#beginFlashblock();
  }

  #replayed(): ReplayDeps {
    return {
      ...this.#deps,
      attributes: this.#attributes.transaction,
      assembly: this.#assembly,
      pricing: this.#pricing,
      onEpoch: (gas) => {
        this.#room.tookEpoch(gas);
      },
      onPlaced: ({ rank, gasLimit }: LaneLeaf) => {
        this.#selection.took(rank, gasLimit);
      },
    };
  }

  /** Builds flashblocks until the block's end; in a deposit-only block its time passes, no less. */
  async fill(): Promise<void> {
    const { clock, arrivals } = this.#deps;
    const { sealAtMs, depositOnly } = this.#plan;
    if (this.#assembly.isOpen) {
      if (!depositOnly) await this.#fillFlashblock();
      await this.#endFlashblock();
    }
    while (!this.#deps.stopping()) {
      const nowMs = clock.nowMs();
      const leftMs = sealAtMs - nowMs;
      if (leftMs <= 0 && this.#deps.maySeal()) return;
      const untilMs = this.#waitMs(leftMs, nowMs);
      if (untilMs <= 0) {
        await this.#beginFlashblock();
        await this.#fillFlashblock();
        await this.#endFlashblock();
      } else await arrivals.wait(this.#idleMs(untilMs, leftMs));
    }
  }

  /** What was built; the block stays open in the engine until it is sealed. */
  finish(): BuiltBlock {
    this.#endSlice();
    return {
      plan: this.#plan,
      position: this.#attributes.position,
      laneData: this.#assembly.laneData(),
      flashblocks: this.#assembly.flashblocks,
      signatures: this.#signatures,
      orderHash: this.#assembly.orderHash,
      priced: this.#pricing.tip,
    };
  }

  /** How long nothing has to be done, unless something arrives; `undefined` for as long as it takes. */
  #idleMs(untilMs: number, leftMs: number): number | undefined {
    const { depositOnly, isComplete } = this.#plan;
    const untilLookMs = depositOnly || isComplete ? Infinity : this.#pricing.untilLookMs();
    const idleMs = Math.min(untilLookMs, leftMs > 0 ? Math.min(untilMs, leftMs) : Infinity);
    return idleMs === Infinity ? undefined : idleMs;
  }

  #waitMs(untilSealMs: number, nowMs: number): number {
    const { flashblockMs, policy } = this.#deps;
    if (this.#plan.depositOnly || this.#plan.isComplete) return Infinity;
    return waitMs({
      untilSealMs,
      left: policy.document.maxFlashblocks - this.#assembly.count,
      max: policy.document.maxFlashblocks,
      hasFast: this.#hasFast(),
      hasNormal: this.#selection.hasNormal(),
      isNormalLeft: this.#isNormalLeft,
      sinceOpenedMs: nowMs - this.#openedAtMs,
      sinceNormalMs: nowMs - this.#normalAtMs,
      flashblockMs,
    });
  }

  /** Whether an epoch is due, or a fast transaction waits. */
  #hasFast(): boolean {
    return this.#pricing.isDue(this.#nextTimeMs()) || this.#selection.hasFast();
  }

  /** Time of a flashblock that begins now. */
  #nextTimeMs(): number {
    const [last, nowMs] = [this.#timestampMs, this.#deps.clock.nowMs()];
    return flashblockTime(nowMs, last, this.#tip.timestamp, this.#plan.timestamp);
  }

  #isScarce(): boolean {
    const { maxFlashblocks } = this.#deps.policy.document;
    return isScarce(maxFlashblocks - this.#assembly.count, maxFlashblocks);
  }

  async #beginFlashblock(): Promise<void> {
    this.#endSlice();
    const { clock, engine, leaderEpoch } = this.#deps;
    this.#openedAtMs = clock.nowMs();
    this.#timestampMs = this.#nextTimeMs();
    const hasRoom: HasRoom = (prices, feeds) =>
      !this.#plan.depositOnly && this.#room.fitsEpoch(prices, feeds);
    const { prices, transaction: epoch } = this.#pricing.begin(this.#timestampMs, hasRoom);
    this.#assembly.begin(this.#timestampMs, leaderEpoch, prices);
    const attributes = this.#assembly.count === 1 ? this.#attributes.transaction : null;
    if (attributes !== null) await placeSystem(attributes, engine, this.#assembly);
    if (epoch !== null) this.#room.tookEpoch(await placeSystem(epoch, engine, this.#assembly));
    this.#deps.pool.repriced({ prices: this.#pricing.tip.prices, timeMs: this.#timestampMs });
  }

  async #endFlashblock(): Promise<void> {
    const flashblock = this.#assembly.end();
    if (flashblock === null) this.#pricing.takeBack();
    else await this.#promise(flashblock, false);
  }

  /** What stands in the flashblock is executed; from now on its order is, too. */
  async #promise(flashblock: AssembledFlashblock, isJournaled: boolean): Promise<void> {
    const signature = this.#deps.promise(flashblock, isJournaled);
    this.#isSliceDue = true;
    if (!flashblock.hasFast) {
      this.#signatures.push(signature);
      this.#endSlice();
      return;
    }
    this.#courtesy.promised(signature);
    const handedOn = signature.then((signed) => {
      this.#endSlice();
      return signed;
    });
    // A failure shows where the signatures of the block are waited for.
    handedOn.catch(() => undefined);
    this.#signatures.push(handedOn);
    // The disk begins now.
    await this.#deps.yieldTurn();
  }

  /**
   * Hands on what was executed. That wakes other threads: not before a promise to the fast lane is
   * signed, which they would be in the way of, unless more is executed first.
   */
  #endSlice(): void {
    if (!this.#isSliceDue) return;
    this.#isSliceDue = false;
    const slice = this.#deps.engine.endSlice();
    if (slice !== null) this.#deps.onSlice(slice);
  }

  async #fillFlashblock(): Promise<void> {
    if (!(await this.#fillFast())) return;
    const hasFast = this.#assembly.hasFast;
    if (!hasFast || this.#isScarce()) await this.#fillNormal();
  }

  /** Whether normal work may follow in this flashblock. */
  async #fillFast(): Promise<boolean> {
    const { clock } = this.#deps;
    let turnMs = clock.monotonicMs();
    for (let item = this.#selection.nextFast(); item; item = this.#selection.nextFast()) {
      if (this.#isTurn()) return true;
      // It needs another flashblock, as prices do; nothing may overtake it.
      if (item.rank < this.#assembly.rank || this.#pricing.isDue(this.#nextTimeMs())) return false;
      // Who was promised the normal lane stands in the block as it would there.
      if ((await this.#build(item, { onlySuccess: item.deadlineBlock > 0 })) === "built")
        this.#selection.took(item.rank, item.transaction.gasLimit);
      if (clock.monotonicMs() - turnMs < TURN_MS) continue;
      await this.#courtesy.takeTurn();
      turnMs = clock.monotonicMs();
    }
    this.#turns.reset();
    return true;
  }

  /** Whether the normal lane goes first now, for a short while. */
  #isTurn(): boolean {
    return this.#turns.isDue(this.#selection.hasNormal(), this.#deps.clock.monotonicMs());
  }

  /** Normal work until the fast lane has something new, the slice is over, or nothing is left. */
  async #fillNormal(): Promise<void> {
    const { clock } = this.#deps;
    const startedMs = clock.monotonicMs();
    const isTurn = this.#isTurn();
    const endMs = startedMs + (isTurn ? NORMAL_TURN_MS : FLASHBLOCK_WORK_MS);
    let turnMs = startedMs;
    this.#normalAtMs = clock.nowMs();
    this.#isNormalLeft = true;
    this.#turns.reset();
    while (clock.nowMs() < this.#plan.sealAtMs && !this.#deps.stopping()) {
      // Also one that the last transaction has made executable must not be overtaken.
      if (!isTurn && this.#hasFast()) return;
      const item = isTurn ? this.#selection.nextInTurn() : this.#selection.nextNormal();
      if (item === undefined) {
        this.#isNormalLeft = false;
        return;
      }
      if (item.transaction.gasLimit > LIGHT_GAS && (await this.#courtesy.awaitPromises())) return;
      if ((await this.#buildNormal(item)) === "aborted") {
        await this.#courtesy.takeTurn();
        return;
      }
      const now = clock.monotonicMs();
      if (now - turnMs < (this.#courtesy.isUrgent() ? URGENT_TURN_MS : TURN_MS)) continue;
      await this.#courtesy.takeTurn();
      turnMs = clock.monotonicMs();
      if (turnMs >= endMs) return;
    }
  }

  async #buildNormal(item: PooledTransaction): Promise<Outcome> {
    const { pool, speculation } = this.#deps;
    const way = this.#heavy.wayOf(item);
    if (way === null) {
      pool.park(item);
      return "left";
    }
    const outcome = await this.#build(item, optionsOf(way));
    if (way === "whole" && outcome === "built") this.#heavy.took(item);
    if (typeof way === "object" && outcome !== "built") speculation.wasted(item, way);
    return outcome;
  }

  /** Executes one candidate: in the block, parked for the next, aborted, or dropped. */
  async #build(item: PooledTransaction, options: ApplyOptions): Promise<Outcome> {
    const { transaction, accepted, ready, rank, rule } = item;
    if (ready === null) throw new NodeError("INTERNAL", { notReady: transaction.hash });
    const result = await this.#candidates.execute(item, options);
    if (typeof result === "string") return result;
    this.#assembly.add(transaction, result, { rank, rule, accepted, ready });
    this.#pricing.placed(accepted);
    this.#deps.pool.included(item);
    return "built";
  }
}
