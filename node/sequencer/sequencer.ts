/**
 * The sequencing loop: plan, build, seal, again; and meanwhile verify, commit, sign and publish the
 * block before.
 *
 * Owns: the order of these steps, that at most one block is under way behind the one that is being
 * built, and what happens to flashblocks that are promised and in no block: after a restart, and
 * when the independent check finds a difference, their order is executed again. Invariants: nothing
 * that was not checked is committed; a block is durable before it is signed, its mark is durable
 * before the signature, the signature is durable before the block is published (I7, I8); the next
 * block is sealed only when this is done. Any failure stops the loop with its error; nothing is
 * skipped over. DESIGN 4.
 */
import { laneDataHash, type LaneData } from "../../lanes/lane-data.ts";
import { encodeLaneState } from "../../lanes/lane-state.ts";
import type { Verdict } from "../../lanes/verdict.ts";
import type { LaneResult } from "../../lanes/verify.ts";
import type { PendingSlice } from "../api.ts";
import { type Chain, type ChainTip } from "../chain/chain.ts";
import type { L1View } from "../chain/l1-view.ts";
import { NodeError } from "../errors.ts";
import type { EndedSlice, ExecutedBlock } from "../execution/engine.ts";
import { packSlice } from "../execution/slice-codec.ts";
import { SEQUENCER_FEE_VAULT } from "../primitives/predeploys.ts";
import type { VerifiedBlock } from "../execution/verification.ts";
import type { Logger } from "../log.ts";
import type { Block } from "../primitives/block.ts";
import { GENESIS_TERM, type RollupConfig } from "../rollup-config.ts";
import type { Store } from "../storage/store.ts";
import type { Admission } from "./admission.ts";
import type { AssembledFlashblock } from "./block-assembly.ts";
import { buildBlock, type BuilderDeps } from "./builder.ts";
import { type BuiltBlock, tipOf } from "./built-block.ts";
import { flashblockRecord } from "./journal-records.ts";
import { promisedAgain, type PromisedBlock } from "./promised-blocks.ts";
import type { PromiseLog } from "./promises.ts";
import type { ReportDesk } from "./report-desk.ts";
import type { SequencingEvents } from "./sequencing.ts";
import type { Signer } from "./signer.ts";
import { createPlanner, type Planner } from "./planner.ts";
import type { BlockPlan } from "./timetable.ts";
import type { Speculation } from "./speculation.ts";
import type { BlockCheck, Verifier } from "./verifier.ts";

/** How often the loop looks again for an L1 block it cannot do without. */
const L1_RETRY_MS = 200;
/** Blocks without a signature that a crash can leave behind: the head alone. */
const RESIGN_DEPTH = 1;

export interface SequencerDeps {
  readonly rollup: RollupConfig;
  readonly chain: Chain;
  readonly store: Store;
  readonly l1: L1View;
  readonly admission: Admission;
  readonly reports: Pick<ReportDesk, "takeSettled">;
  /** Flashblocks that were promised and are in no block of the chain. */
  readonly promised: readonly PromisedBlock[];
  readonly builder: Omit<
    BuilderDeps,
    "speculation" | "stopping" | "maySeal" | "onSlice" | "promise" | "log"
  >;
  readonly promises: Pick<PromiseLog, "flashblock">;
  readonly verifier: Verifier;
  readonly speculation: Speculation;
  readonly signer: Signer;
  readonly events: Pick<SequencingEvents, "onPendingSlice" | "onFlashblock" | "publish">;
  readonly log: Logger;
}

export interface Sequencer {
  /** Runs until `stop`; rejects when sequencing cannot go on. */
  run(): Promise<void>;
  /** Ends the loop; what is promised of the open block is built at the next start. */
  stop(): void;
}

export function createSequencer(deps: SequencerDeps): Sequencer {
  return new SequencingLoop(deps);
}

/** A sealed block on its way to its signature. */
interface SealedBlock extends BuiltBlock {
  /** Journal records of its flashblocks. */
  readonly records: readonly bigint[];
  /** Those of reports that were of no more use when it was sealed: its flashblocks hold them. */
  readonly reports: readonly bigint[];
  readonly isCorrection: boolean;
}

class SequencingLoop implements Sequencer {
  readonly #deps: SequencerDeps;
  readonly #planner: Planner;
  #tip: ChainTip;
  #stopping = false;
  /** What is built before anything new, oldest first. */
  #promised: readonly PromisedBlock[];
  /** The sealed block on its way to its signature. */
  #finishing: Promise<void> = Promise.resolve();
  #isFinishing = false;
  /** A sealed block whose results turned out wrong. */
  #wrong: SealedBlock | null = null;
  /** The first promise that could not be made, or what else must end the loop. */
  #failure: unknown = null;

  constructor(deps: SequencerDeps) {
    this.#deps = deps;
    this.#promised = deps.promised;
    const { l1, rollup, chain, builder } = deps;
    this.#planner = createPlanner({ l1, rollup, clock: builder.clock, blockTime: chain.blockTime });
    this.#tip = deps.chain.tip();
  }

  async run(): Promise<void> {
    const { chain, builder } = this.#deps;
    this.#stopping = false;
    await this.#signHead();
    this.#tip = chain.tip();
    while (!this.#isOver()) {
      const planned = await this.#planner.next(this.#tip, this.#promised[0]);
      if (planned === null) await builder.arrivals.wait(L1_RETRY_MS);
      else await chain.exclusive(() => this.#buildOne(planned));
    }
    await this.#finishing.catch(() => undefined);
    if (this.#failure !== null) throw this.#failure as Error;
  }

  stop(): void {
    this.#stopping = true;
    this.#deps.builder.arrivals.notify();
  }

  #isOver(): boolean {
    return this.#stopping || this.#failure !== null;
  }

  /** Whether what is being built will not be sealed. */
  #isEnding(): boolean {
    return this.#isOver() || this.#wrong !== null;
  }

  /** Builds and seals one block; the rest of its way it goes while the next one is built. */
  async #buildOne(plan: BlockPlan): Promise<void> {
    const { builder, admission, verifier, speculation, log } = this.#deps;
    const { engine } = builder;
    const check = verifier.begin();
    // On the head nothing is waited for; behind a sealed block its commit is.
    if (this.#tip.isCommitted) check.start(this.#verifiedBlock(plan));
    else
      void this.#finishing.then(() => {
        if (this.#wrong === null) check.start(this.#verifiedBlock(plan));
      }, ignore);
    let index = 0;
    const onSlice = (slice: EndedSlice): void => {
      const packed = packSlice(slice);
      check.push(packed, speculation.witnessesOf(slice.transactions));
      this.#announce(plan, { parentHash: slice.parentHash, index: index++, slice: packed });
    };
    const [promised] = this.#promised;
    const records = [...(promised?.records ?? [])];
    const deps: BuilderDeps = {
      ...builder,
      speculation,
      stopping: () => this.#isEnding(),
      maySeal: () => !this.#isFinishing,
      promise: (flashblock, isJournaled) => this.#promise(flashblock, isJournaled, records),
      onSlice,
      log,
    };
    const built = await buildBlock(plan, this.#tip, deps, promised?.flashblocks);
    this.#promised = this.#promised.slice(1);
    await this.#finishing;
    if (this.#isEnding()) {
      const { isComplete = false, isCorrection = false } = promised ?? {};
      await this.#buildAgain(built, records, { isComplete, isCorrection });
      return;
    }
    // What was executed before the parent's hash was known, if no slice has had it since. An empty
    // one would take a real one's turn to be looked at.
    const rest = engine.endSlice();
    if (rest !== null && rest.transactions.length > 0) onSlice(rest);
    const sealing = engine.seal();
    const isCorrection = promised?.isCorrection ?? false;
    // The pool knows it as sealed already, where its results were wrong.
    if (!isCorrection) admission.pool.blockSealed();
    this.#tip = tipOf(built, this.#tip);
    this.#isFinishing = true;
    const reports = this.#deps.reports.takeSettled();
    this.#finishing = this.#finish({ ...built, records, reports, isCorrection }, check, sealing);
    void this.#finishing
      .catch((error: unknown) => {
        this.#failure ??= error;
      })
      .finally(() => {
        this.#isFinishing = false;
        builder.arrivals.notify();
      });
  }

  /** Journals, signs and announces a flashblock. */
  #promise(
    { executed, prices }: AssembledFlashblock,
    isJournaled: boolean,
    records: bigint[],
  ): Promise<Uint8Array> {
    const { admission, promises, builder } = this.#deps;
    const record = isJournaled ? null : flashblockRecord(admission.nextNumber(), executed, prices);
    if (record !== null) records.push(record.accepted);
    const signing = promises.flashblock(executed, record);
    signing
      .then((signature) => {
        this.#deps.events.onFlashblock({ ...executed, signature });
      })
      .catch((error: unknown) => {
        this.#failure ??= error;
        builder.arrivals.notify();
      });
    return signing;
  }

  /**
   * The open block will not be sealed now: the loop stops, and what is promised of it waits, in the
   * journal too; or the block before had wrong results, and both are executed again, on an engine
   * that remembers nothing.
   */
  async #buildAgain(
    built: BuiltBlock,
    records: readonly bigint[],
    openKind: Pick<PromisedBlock, "isComplete" | "isCorrection">,
  ): Promise<void> {
    const { chain, builder } = this.#deps;
    const wrong = this.#wrong;
    this.#wrong = null;
    await builder.engine.discard();
    const open = promisedAgain(built, records, openKind);
    this.#promised = [open, ...this.#promised];
    if (wrong !== null) {
      const { hash, header } = chain.head();
      await builder.engine.rebase({ hash, header });
      const kind = { isComplete: true, isCorrection: true };
      this.#promised = [
        promisedAgain(wrong, [...wrong.records, ...wrong.reports], kind),
        ...this.#promised,
      ];
    }
    this.#tip = chain.tip();
  }

  /** Tells the RPC threads of the next slice of the open block. */
  #announce({ timestamp, origin }: BlockPlan, slice: Omit<PendingSlice, "environment">): void {
    const { chain, builder } = this.#deps;
    const told: PendingSlice = {
      environment: {
        number: this.#tip.number + 1,
        timestamp,
        gasLimit: chain.gasLimit,
        baseFee: builder.engine.baseFee(),
        beneficiary: SEQUENCER_FEE_VAULT,
        prevRandao: origin.prevRandao,
      },
      ...slice,
    };
    this.#deps.speculation.onSlice(told);
    this.#deps.events.onPendingSlice(told);
  }

  /** What the check must know of the block that is built on the head. */
  #verifiedBlock({ timestamp, origin }: BlockPlan): VerifiedBlock {
    const { chain } = this.#deps;
    const { hash, header, laneState } = chain.head();
    const { prevRandao, parentBeaconBlockRoot } = origin;
    const { gasLimit } = chain;
    return {
      start: {
        parent: { hash, header },
        environment: { timestamp, prevRandao, parentBeaconBlockRoot, gasLimit },
      },
      laneState: encodeLaneState(laneState),
      term: GENESIS_TERM,
      origin,
    };
  }

  async #finish(
    built: SealedBlock,
    check: BlockCheck,
    sealing: Promise<ExecutedBlock>,
  ): Promise<void> {
    const { log, builder } = this.#deps;
    const [executed, { mismatch, order }, signatures] = await Promise.all([
      sealing,
      check.finish(built.laneData),
      Promise.all(built.signatures),
    ]);
    if (mismatch !== null) {
      if (built.isCorrection) throw new NodeError("VERIFICATION_FAILED", { ...mismatch });
      log.error("results differ from the independent check; they are corrected", mismatch);
      this.#wrong = built;
      builder.arrivals.notify();
      return;
    }
    await this.#commit(built, executed, order, signatures);
  }

  async #commit(
    { laneData, records, reports, orderHash }: SealedBlock,
    executed: ExecutedBlock,
    order: Verdict<LaneResult>,
    flashblockSignatures: readonly Uint8Array[],
  ): Promise<void> {
    const { chain, admission, log } = this.#deps;
    if (!order.ok) throw new NodeError("LANE_VIOLATION", { ...order.data, violation: order.code });
    if (order.value.orderHashes.at(-1) !== orderHash)
      throw new NodeError("VERIFICATION_FAILED", { part: "order", reason: "another orderHash" });
    const { dropped, admissions } = admission.takeSettled();
    await chain.commit(executed, laneData, order.value, {
      signature: null,
      flashblockSignatures,
      settled: [
        ...laneData.numbers.map(({ accepted }) => accepted),
        ...records,
        ...dropped,
        ...reports,
      ],
      admissions,
    });
    admission.pool.blockCommitted();
    await this.#sign(executed.block, laneData);
    const { header, transactions } = executed.block;
    log.info("block built", {
      number: header.number,
      gasUsed: String(header.gasUsed),
      transactions: transactions.length,
      flashblocks: laneData.flashblocks.length,
    });
  }

  /** Signs the head and publishes it. */
  async #sign(block: Block, laneData: LaneData): Promise<void> {
    const { chain, signer, store } = this.#deps;
    const { origin, laneState } = chain.head();
    const signature = await signer.signBlock({
      number: block.header.number,
      blockHash: block.hash,
      laneDataHash: laneDataHash(laneData),
      term: GENESIS_TERM,
      leaderEpoch: laneState.leaderEpoch,
      lastForced: laneState.lastForced,
      l1OriginNumber: origin.number,
      l1OriginHash: origin.hash,
    });
    await store.saveSignature(block.header.number, signature);
    const encoded = store.rawBlock(block.header.number);
    if (encoded === null) throw new NodeError("BLOCK_NOT_FOUND", { number: block.header.number });
    this.#deps.events.publish(encoded);
    // Nothing of it will be signed again; this may become durable when it likes.
    store.raiseSignedFloor(block.header.number).catch((error: unknown) => {
      this.#failure ??= error;
    });
  }

  /**
   * A crash between commit and signature leaves the head unsigned: the promise is made good now.
   */
  async #signHead(): Promise<void> {
    const { chain, store } = this.#deps;
    const head = chain.head().header.number;
    for (let number = Math.max(1, head + 1 - RESIGN_DEPTH); number <= head; number++) {
      const stored = store.blockByNumber(number);
      if (stored !== null && stored.signature === null)
        await this.#sign(stored.block, stored.laneData);
    }
  }
}

/** A failure of the block before shows where it is waited for. */
function ignore(): void {
  return undefined;
}
