/**
 * Plans the next block from what L1 and the clock say: `timetable.ts` has the rules.
 *
 * Errors: `L1_REORGED` where L1 shows another block at the height of an origin that is built on.
 */
import type { ChainTip } from "../chain/chain.ts";
import type { L1View } from "../chain/l1-view.ts";
import type { Clock } from "../clock.ts";
import { NodeError } from "../errors.ts";
import type { BlockRef } from "../primitives/block.ts";
import type { L1Origin } from "../primitives/l1-origin.ts";
import type { RollupConfig } from "../rollup-config.ts";
import type { PromisedBlock } from "./promised-blocks.ts";
import { type BlockPlan, planBlock, planPromised } from "./timetable.ts";

export interface PlannerDeps {
  readonly l1: L1View;
  readonly rollup: Pick<RollupConfig, "originConfirmations">;
  readonly clock: Clock;
  /** Seconds. */
  readonly blockTime: number;
}

export interface Planner {
  /** The block on `tip`, or the one that is promised; `null` while L1 does not show its origin. */
  next(tip: ChainTip, promised: PromisedBlock | undefined): Promise<BlockPlan | null>;
}

export function createPlanner({ l1, rollup, clock, blockTime }: PlannerDeps): Planner {
  const originAt = async ({ number, hash }: BlockRef): Promise<L1Origin | null> => {
    const origin = await l1.at(number);
    if (origin !== null && origin.hash !== hash)
      throw new NodeError("L1_REORGED", { number, expected: hash, found: origin.hash });
    return origin;
  };

  const confirmedChild = async (origin: L1Origin): Promise<L1Origin | null> => {
    const head = l1.head();
    const number = origin.number + 1;
    if (head === null || number > head.number - rollup.originConfirmations) return null;
    const child = await l1.at(number);
    if (child !== null && child.parentHash !== origin.hash)
      throw new NodeError("L1_REORGED", { number, expected: origin.hash, found: child.parentHash });
    return child;
  };

  return {
    async next(tip, promised) {
      if (promised !== undefined) {
        const { l1OriginNumber: number, l1OriginHash: hash } = promised.header;
        const origin = await originAt({ number, hash });
        return origin === null ? null : planPromised(promised.header, origin, promised.isComplete);
      }
      const origin = await originAt(tip.origin);
      if (origin === null) return null;
      return planBlock({
        nowMs: clock.nowMs(),
        parentTimestamp: tip.timestamp,
        origin,
        child: await confirmedChild(origin),
        blockTime,
      });
    },
  };
}
