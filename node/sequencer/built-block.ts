/** A block that was built, and what the next one stands on. Owns their form alone. */
import type { Hex } from "../../lanes/bytes.ts";
import type { LaneData } from "../../lanes/lane-data.ts";
import type { ChainTip } from "../chain/chain.ts";
import type { OriginPosition } from "../chain/origin.ts";
import type { AssembledFlashblock } from "./block-assembly.ts";
import type { BlockPlan } from "./timetable.ts";

export interface BuiltBlock {
  readonly plan: BlockPlan;
  readonly position: OriginPosition;
  readonly laneData: LaneData;
  readonly flashblocks: readonly AssembledFlashblock[];
  /** One a flashblock. */
  readonly signatures: readonly Promise<Uint8Array>[];
  /** Of the last flashblock. */
  readonly orderHash: Hex;
  /** After it. */
  readonly priced: Pick<ChainTip, "accepted" | "prices">;
}

/** What the block after `built` stands on; `parent` is what `built` stands on. */
export function tipOf(built: BuiltBlock, parent: ChainTip): ChainTip {
  const { plan, position, laneData, orderHash, priced } = built;
  return {
    ...priced,
    number: parent.number + 1,
    timestamp: plan.timestamp,
    origin: position,
    timestampMs: laneData.flashblocks.at(-1)?.timestampMs ?? parent.timestampMs,
    orderHash,
    lastForced: parent.lastForced,
    isCommitted: false,
  };
}
