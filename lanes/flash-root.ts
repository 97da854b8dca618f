/**
 * `flashRoot`: what a batch header says of the order in its blocks, so that one signed flashblock
 * can be held against a posted batch. PROTOCOL 8.
 *
 * The trees are named as the fields that hold their roots: "flashRoot", "flashListRoot".
 */
import { u64, word } from "./abi.ts";
import type { Hex } from "./bytes.ts";
import { treeRoot } from "./tree.ts";

export interface FlashRootLeaf {
  readonly number: number;
  readonly blockHash: Hex;
  readonly laneDataHash: Hex;
  readonly term: number;
  readonly lastForced: number;
  readonly l1OriginHash: Hex;
  /** `orderHash` of each flashblock of the block, in order. */
  readonly orderHashes: readonly Hex[];
}

/** Root over one leaf a block, in block order. */
export function flashRoot(blocks: readonly FlashRootLeaf[]): Hex {
  return treeRoot(
    "flashRoot",
    blocks.map((block) => [
      u64(block.number),
      word(block.blockHash),
      word(block.laneDataHash),
      u64(block.term),
      u64(block.lastForced),
      word(block.l1OriginHash),
      u64(block.orderHashes.length),
      word(flashListRoot(block.orderHashes)),
    ]),
  );
}

function flashListRoot(orderHashes: readonly Hex[]): Hex {
  return treeRoot(
    "flashListRoot",
    orderHashes.map((orderHash) => [word(orderHash)]),
  );
}
