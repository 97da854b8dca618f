/**
 * The sequencing loop: plan, build, seal, again; and meanwhile verify, commit, sign and publish the
 * block before.
 *
 * Owns: the order of these steps, that at most one block is under way behind the one that is being
 * built, and what happens when the independent check finds a difference: the order stands, its
 * results are corrected. Invariants: nothing that was not checked is committed; a block is durable
 * before it is signed, its mark is durable before the signature, the signature is durable before
 * the block is published (I7, I8); the next block is sealed only when this is done. Any failure
 * stops the loop with its error; nothing is skipped over. DESIGN 4.
 */
import { laneDataHash, type LaneData } from "../../lanes/lane-data.ts";
import { encodeLaneState } from "../../lanes/lane-state.ts";
import type { Verdict } from "../../lanes/verdict.ts";
import type { LaneResult } from "../../lanes/verify.ts";
import type { PackedSlice, PendingSlice } from "../api.ts";
import { type Chain, type ChainTip, GENESIS_TERM } from "../chain/chain.ts";
import type { L1View } from "../chain/l1-view.ts";
import { NodeError } from "../errors.ts";
import type { BlockSlice, ExecutedBlock } from "../execution/engine.ts";
import { packSlice } from "../execution/slice-codec.ts";
import { SEQUENCER_FEE_VAULT } from "../execution/predeploys.ts";
import type { VerifiedBlock } from "../execution/verification.ts";
import type { Logger } from "../log.ts";
import type { Block, BlockRef } from "../primitives/block.ts";
import type { L1Origin } from "../primitives/l1-origin.ts";
import type { RollupConfig } from "../rollup-config.ts";
import type { Store } from "../storage/store.ts";
import type { Admission } from "./admission.ts";
import { buildBlock, type BuilderDeps, type BuiltBlock } from "./builder.ts";
import type { Signer } from "./signer.ts";
import { type BlockPlan, planBlock } from "./timetable.ts";
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
  readonly builder: Omit<BuilderDeps, "stopping" | "maySeal" | "onSlice" | "log">;
  readonly verifier: Verifier;
  readonly signer: Signer;
  /** Hands an encoded signed block to the network; does not wait for it. */
  publish(bytes: Uint8Array): void;
  /** Hears of each flashblock when it is executed. */
  onPendingSlice(slice: PendingSlice): void;
  /** Hears the hash of each block when it is sealed. */
  onPendingSealed(block: BlockRef): void;
  readonly log: Logger;
}

export interface Sequencer {
  /** Runs until `stop`; rejects when sequencing cannot go on. */
  run(): Promise<void>;
  /** Ends the loop; what is being built is not sealed any more. */
  stop(): void;
}

export function createSequencer(deps: SequencerDeps): Sequencer {
  return new SequencingLoop(deps);
}

class SequencingLoop implements Sequencer {
  readonly #deps: SequencerDeps;
  #tip: ChainTip;
  #stopping = false;
  /** The sealed block on its way to its signature. */
  #finishing: Promise<void> = Promise.resolve();
  #isFinishing = false;
  /** A sealed block whose results turned out wrong. */
  #wrong: BuiltBlock | null = null;
  #hasFailed = false;

  constructor(deps: SequencerDeps) {
    this.#deps = deps;
    this.#tip = deps.chain.tip();
  }

  async run(): Promise<void> {
    const { chain, builder } = this.#deps;
    this.#stopping = false;
    await this.#signHead();
    this.#tip = chain.tip();
    while (!this.#isOver()) {
      const planned = await this.#plan();
      if (planned === null) await builder.arrivals.wait(L1_RETRY_MS);
      else await chain.exclusive(() => this.#buildOne(planned));
    }
    await this.#finishing;
    await chain.exclusive(() => this.#correct());
  }

  stop(): void {
    this.#stopping = true;
    this.#deps.builder.arrivals.notify();
  }

  #isOver(): boolean {
    return this.#stopping || this.#hasFailed;
  }

  /** Whether what is being built will not be sealed. */
  #isEnding(): boolean {
    return this.#isOver() || this.#wrong !== null;
  }

  async #plan(): Promise<BlockPlan | null> {
    const { builder, chain } = this.#deps;
    const origin = await this.#parentOrigin();
    if (origin === null) return null;
    return planBlock({
      nowMs: builder.clock.nowMs(),
      parentTimestamp: this.#tip.timestamp,
      origin,
      child: await this.#confirmedChild(origin),
      blockTime: chain.blockTime,
    });
  }

  async #parentOrigin(): Promise<L1Origin | null> {
    const { number, hash } = this.#tip.origin;
    const origin = await this.#deps.l1.at(number);
    if (origin !== null && origin.hash !== hash)
      throw new NodeError("L1_REORGED", { number, expected: hash, found: origin.hash });
    return origin;
  }

  async #confirmedChild(origin: L1Origin): Promise<L1Origin | null> {
    const { l1, rollup } = this.#deps;
    const head = l1.head();
    const number = origin.number + 1;
    if (head === null || number > head.number - rollup.originConfirmations) return null;
    const child = await l1.at(number);
    if (child !== null && child.parentHash !== origin.hash)
      throw new NodeError("L1_REORGED", { number, expected: origin.hash, found: child.parentHash });
    return child;
  }

  /** Builds and seals one block; the rest of its way it goes while the next one is built. */
  async #buildOne(plan: BlockPlan): Promise<void> {
    const { builder, admission, verifier, log } = this.#deps;
    const { engine } = builder;
    const check = verifier.begin();
    // On the head nothing is waited for; behind a sealed block its commit is.
    if (this.#tip.isCommitted) check.start(this.#verifiedBlock(plan));
    else
      void this.#finishing.then(() => {
        if (this.#wrong === null) check.start(this.#verifiedBlock(plan));
      }, ignore);
    let index = 0;
    const onSlice = (slice: BlockSlice): void => {
      const packed = packSlice(slice);
      check.push(packed);
      this.#announce(plan, index++, packed);
    };
    const stopping = (): boolean => this.#isEnding();
    const maySeal = (): boolean => !this.#isFinishing;
    const deps = { ...builder, stopping, maySeal, onSlice, log };
    const built = await buildBlock(plan, this.#tip, deps);
    await this.#finishing;
    if (this.#isEnding()) {
      await engine.discard();
      admission.pool.blockDiscarded();
      await this.#correct();
      this.#tip = this.#deps.chain.tip();
      return;
    }
    // What was executed before the parent's hash was known, if no slice has had it since. An empty
    // one would take a real one's turn to be looked at.
    const rest = engine.endSlice();
    if (rest !== null && rest.transactions.length > 0) onSlice(rest);
    const sealing = engine.seal();
    admission.pool.blockSealed();
    this.#tip = tipOf(built, this.#tip);
    this.#isFinishing = true;
    this.#finishing = this.#finish(built, check, sealing);
    void this.#finishing
      .catch(() => {
        this.#hasFailed = true;
      })
      .finally(() => {
        this.#isFinishing = false;
        builder.arrivals.notify();
      });
  }

  /** Tells the RPC threads of the next slice of the open block. */
  #announce({ timestamp, origin }: BlockPlan, index: number, slice: PackedSlice): void {
    const { chain, builder } = this.#deps;
    const { number, isCommitted } = this.#tip;
    this.#deps.onPendingSlice({
      environment: {
        number: number + 1,
        timestamp,
        gasLimit: chain.gasLimit,
        baseFee: builder.engine.baseFee(),
        beneficiary: SEQUENCER_FEE_VAULT,
        prevRandao: origin.prevRandao,
      },
      parentHash: isCommitted ? chain.head().hash : null,
      index,
      slice,
    });
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
    built: BuiltBlock,
    check: BlockCheck,
    sealing: Promise<ExecutedBlock>,
  ): Promise<void> {
    const { log, builder } = this.#deps;
    const [executed, { mismatch, order }] = await Promise.all([
      sealing.then((sealed) => {
        const { header, hash } = sealed.block;
        this.#deps.onPendingSealed({ number: header.number, hash });
        return sealed;
      }),
      check.finish(built.laneData),
    ]);
    if (mismatch !== null) {
      log.error("results differ from the independent check; they are corrected", mismatch);
      this.#wrong = built;
      builder.arrivals.notify();
      return;
    }
    await this.#commit(built, executed, order);
  }

  async #commit(
    { laneData, settled }: BuiltBlock,
    executed: ExecutedBlock,
    order: Verdict<LaneResult>,
  ): Promise<void> {
    const { chain, admission, log } = this.#deps;
    if (!order.ok) throw new NodeError("LANE_VIOLATION", { ...order.data, violation: order.code });
    await chain.commit(executed, laneData, order.value, {
      signature: null,
      settled: [...settled, ...admission.takeDropped()],
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

  /**
   * Executes the order of a block whose results were wrong once more, on an engine that remembers
   * nothing, and has it checked again. Call inside `chain.exclusive`, with no block open.
   * Errors: `VERIFICATION_FAILED` where the order cannot be executed or the two still differ.
   */
  async #correct(): Promise<void> {
    const built = this.#wrong;
    if (built === null) return;
    const { chain, builder, verifier } = this.#deps;
    const { engine } = builder;
    const { plan, laneData, transactions } = built;
    const { hash, header } = chain.head();
    await engine.rebase({ hash, header });
    await chain.open(plan.timestamp, plan.origin);
    const check = verifier.begin();
    check.start(this.#verifiedBlock(plan));
    let index = 0;
    for (const { txCount } of laneData.flashblocks) {
      for (const transaction of transactions.slice(index, index + txCount)) {
        const result = await engine.apply(transaction);
        if (!result.ok)
          throw new NodeError("VERIFICATION_FAILED", { index, part: "order", code: result.code });
        index += 1;
      }
      const slice = engine.endSlice();
      if (slice !== null) check.push(packSlice(slice));
    }
    const sealing = engine.seal();
    const [executed, { mismatch, order }] = await Promise.all([sealing, check.finish(laneData)]);
    if (mismatch !== null) throw new NodeError("VERIFICATION_FAILED", { ...mismatch });
    await this.#commit(built, executed, order);
    this.#wrong = null;
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
    this.#deps.publish(encoded);
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

/** What the block after `built` stands on; `parent` is what `built` stands on. */
function tipOf({ plan, position, laneData }: BuiltBlock, parent: ChainTip): ChainTip {
  return {
    number: parent.number + 1,
    timestamp: plan.timestamp,
    origin: position,
    timestampMs: laneData.flashblocks.at(-1)?.timestampMs ?? parent.timestampMs,
    isCommitted: false,
  };
}
