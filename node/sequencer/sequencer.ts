/**
 * The sequencing loop: plan, build, commit, sign, publish, again.
 *
 * Owns: the order of these steps. Invariants: a block is durable before it is signed, its mark is
 * durable before the signature, the signature is durable before the block is published (I7, I8).
 * Any failure stops the loop with its error; nothing is skipped over. DESIGN 4.
 */
import { laneDataHash, type LaneData } from "../../lanes/lane-data.ts";
import { type Chain, GENESIS_TERM } from "../chain/chain.ts";
import type { L1View } from "../chain/l1-view.ts";
import { NodeError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { type Block, encodeSignedBlock } from "../primitives/block.ts";
import type { L1Origin } from "../primitives/l1-origin.ts";
import type { RollupConfig } from "../rollup-config.ts";
import type { Store } from "../storage/store.ts";
import type { Admission } from "./admission.ts";
import { buildBlock, type BuilderDeps } from "./builder.ts";
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
  /** Ends the loop after the block that is being built. */
  stop(): void;
}

export function createSequencer(deps: SequencerDeps): Sequencer {
  const { chain, store, builder, log } = deps;
  let stopping = false;

  const parentOrigin = async (): Promise<L1Origin | null> => {
    const { number, hash } = chain.head().origin;
    const origin = await deps.l1.at(number);
    if (origin !== null && origin.hash !== hash)
      throw new NodeError("L1_REORGED", { number, expected: hash, found: origin.hash });
    return origin;
  };

  const confirmedChild = async (origin: L1Origin): Promise<L1Origin | null> => {
    const head = deps.l1.head();
    const number = origin.number + 1;
    if (head === null || number > head.number - deps.rollup.originConfirmations) return null;
    const child = await deps.l1.at(number);
    if (child !== null && child.parentHash !== origin.hash)
      throw new NodeError("L1_REORGED", { number, expected: origin.hash, found: child.parentHash });
    return child;
  };

  const plan = async (): Promise<BlockPlan | null> => {
    const origin = await parentOrigin();
    if (origin === null) return null;
    return planBlock({
      nowMs: builder.clock.nowMs(),
      parentTimestamp: chain.head().header.timestamp,
      origin,
      child: await confirmedChild(origin),
      blockTime: chain.blockTime,
    });
  };

  const sign = async (block: Block, laneData: LaneData): Promise<void> => {
    const { origin, laneState } = chain.head();
    const signature = await deps.signer.signBlock({
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
    deps.publish(encodeSignedBlock(block, laneData, signature));
  };

  const buildOne = (planned: BlockPlan): Promise<void> =>
    chain.exclusive(async () => {
      const { executed, laneData, transactions, settled } = await buildBlock(planned, {
        ...builder,
        stopping: () => stopping,
        log,
      });
      const order = chain.verifyOrder(planned.timestamp, planned.origin, transactions, laneData);
      if (!order.ok)
        throw new NodeError("LANE_VIOLATION", { ...order.data, violation: order.code });
      const extras = { signature: null, settled: [...settled, ...deps.admission.takeDropped()] };
      await chain.commit(executed, laneData, order.value, extras);
      deps.admission.pool.blockCommitted();
      await sign(executed.block, laneData);
      const { number, gasUsed } = executed.block.header;
      const flashblocks = laneData.flashblocks.length;
      log.info("block built", {
        number,
        gasUsed: String(gasUsed),
        transactions: transactions.length,
        flashblocks,
      });
    });

  /**
   * A crash between commit and signature leaves the head unsigned: the promise is made good now.
   */
  const signHead = async (): Promise<void> => {
    const head = chain.head().header.number;
    for (let number = Math.max(1, head + 1 - RESIGN_DEPTH); number <= head; number++) {
      const stored = store.blockByNumber(number);
      if (stored !== null && stored.signature === null) await sign(stored.block, stored.laneData);
    }
  };

  return {
    async run() {
      stopping = false;
      await signHead();
      while (!stopping) {
        const planned = await plan();
        if (planned === null) await builder.arrivals.wait(L1_RETRY_MS);
        else await buildOne(planned);
      }
    },
    stop() {
      stopping = true;
      builder.arrivals.notify();
    },
  };
}
