/**
 * The sequencing loop: plan, build, seal, again; and meanwhile commit, sign and publish the block
 * before.
 *
 * Owns: the order of these steps, and that at most one block is under way behind the one that is
 * being built. Invariants: a block is durable before it is signed, its mark is durable before the
 * signature, the signature is durable before the block is published (I7, I8); the next block is
 * sealed only when this is done. Any failure stops the loop with its error; nothing is skipped
 * over. DESIGN 4.
 */
import { laneDataHash, type LaneData } from "../../lanes/lane-data.ts";
import { type Chain, type ChainTip, GENESIS_TERM } from "../chain/chain.ts";
import type { L1View } from "../chain/l1-view.ts";
import { NodeError } from "../errors.ts";
import type { ExecutedBlock } from "../execution/engine.ts";
import type { Logger } from "../log.ts";
import { type Block, encodeSignedBlock } from "../primitives/block.ts";
import type { L1Origin } from "../primitives/l1-origin.ts";
import type { RollupConfig } from "../rollup-config.ts";
import type { Store } from "../storage/store.ts";
import type { Admission } from "./admission.ts";
import { buildBlock, type BuilderDeps, type BuiltBlock } from "./builder.ts";
import type { Signer } from "./signer.ts";
import { type BlockPlan, planBlock } from "./timetable.ts";

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
  readonly builder: Omit<BuilderDeps, "stopping" | "log">;
  readonly signer: Signer;
  /** Hands an encoded signed block to the network; does not wait for it. */
  publish(bytes: Uint8Array): void;
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
    while (!this.#isEnding()) {
      const planned = await this.#plan();
      if (planned === null) await builder.arrivals.wait(L1_RETRY_MS);
      else await chain.exclusive(() => this.#buildOne(planned));
    }
    await this.#finishing;
  }

  stop(): void {
    this.#stopping = true;
    this.#deps.builder.arrivals.notify();
  }

  #isEnding(): boolean {
    return this.#stopping || this.#hasFailed;
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

  /** Builds and seals one block; it is committed and signed while the next one is built. */
  async #buildOne(plan: BlockPlan): Promise<void> {
    const { builder, admission, log } = this.#deps;
    const { engine } = builder;
    const stopping = (): boolean => this.#isEnding();
    const built = await buildBlock(plan, this.#tip, { ...builder, stopping, log });
    await this.#finishing;
    if (this.#isEnding()) {
      await engine.discard();
      admission.pool.blockDiscarded();
      return;
    }
    const sealing = engine.seal();
    admission.pool.blockSealed();
    this.#tip = tipOf(built, this.#tip);
    this.#finishing = this.#finish(built, sealing);
    this.#finishing.catch(() => {
      this.#hasFailed = true;
      builder.arrivals.notify();
    });
  }

  async #finish(built: BuiltBlock, sealing: Promise<ExecutedBlock>): Promise<void> {
    const { chain, admission, log } = this.#deps;
    const { plan, transactions, laneData } = built;
    const executed = await sealing;
    const order = chain.verifyOrder(plan.timestamp, plan.origin, transactions, laneData);
    if (!order.ok) throw new NodeError("LANE_VIOLATION", { ...order.data, violation: order.code });
    const settled = [...built.settled, ...admission.takeDropped()];
    await chain.commit(executed, laneData, order.value, { signature: null, settled });
    admission.pool.blockCommitted();
    await this.#sign(executed.block, laneData);
    const { number, gasUsed } = executed.block.header;
    log.info("block built", {
      number,
      gasUsed: String(gasUsed),
      transactions: transactions.length,
      flashblocks: laneData.flashblocks.length,
    });
  }

  /** Signs the head and publishes it. */
  async #sign(block: Block, laneData: LaneData): Promise<void> {
    const { chain, signer, store, publish } = this.#deps;
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
    publish(encodeSignedBlock(block, laneData, signature));
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

/** What the block after `built` stands on; `parent` is what `built` stands on. */
function tipOf({ plan, position, laneData }: BuiltBlock, parent: ChainTip): ChainTip {
  return {
    number: parent.number + 1,
    timestamp: plan.timestamp,
    origin: position,
    flashblockMs: laneData.flashblocks.at(-1)?.timestampMs ?? parent.flashblockMs,
    isCommitted: false,
  };
}
