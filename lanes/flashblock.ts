/**
 * Flashblocks: an ordered, executed, signed slice of a block. Owns the two hashes that a flashblock
 * signature covers and the trees under them; building and verifying both call these. PROTOCOL 4.
 *
 * The trees are named as the fields that hold their roots: "laneRoot", "resultRoot".
 */
import { hashWords, u64, u72, word } from "./abi.ts";
import type { Hex } from "./bytes.ts";
import { type TreeLeaf, treeRoot } from "./tree.ts";

/** Rule number of a transaction that no rule put where it is: system and normal. */
export const NO_RULE = 65_535;

/** What all flashblocks of one block have in common. */
export interface FlashblockContext {
  readonly chainId: number;
  readonly term: number;
  /** Height of the newest forced block, 0 if none. */
  readonly lastForced: number;
  readonly blockNumber: number;
  readonly l1OriginNumber: number;
  readonly l1OriginHash: Hex;
  /** Of the block, Unix seconds. */
  readonly timestamp: number;
  readonly policyHash: Hex;
}

export interface FlashblockHeader extends FlashblockContext {
  readonly leaderEpoch: number;
  readonly index: number;
  /** Of the flashblock before it; at index 0 the parent block's last, `ZERO_HASH` at genesis. */
  readonly parentOrderHash: Hex;
  readonly txCount: number;
  readonly laneRoot: Hex;
  /** Of the flashblock, Unix milliseconds. */
  readonly timestampMs: number;
}

/** One transaction's place in the order. System: rank 0, `NO_RULE`, numbers 0. */
export interface LaneLeaf {
  readonly txHash: Hex;
  readonly rank: number;
  readonly rule: number;
  readonly accepted: bigint;
  readonly ready: bigint;
  readonly gasLimit: bigint;
}

export interface ResultLeaf {
  readonly txHash: Hex;
  /** The receipt's: 1 success, 0 failure. */
  readonly status: number;
  readonly gasUsed: bigint;
}

/** What the sequencer promises about order under its bond. */
export function orderHash(header: FlashblockHeader): Hex {
  return hashWords([
    u64(header.chainId),
    u64(header.term),
    u64(header.leaderEpoch),
    u64(header.lastForced),
    u64(header.blockNumber),
    u64(header.index),
    word(header.parentOrderHash),
    u64(header.l1OriginNumber),
    word(header.l1OriginHash),
    u64(header.timestamp),
    word(header.policyHash),
    u64(header.txCount),
    word(header.laneRoot),
    u64(header.timestampMs),
  ]);
}

/** `gasUsed` is that of the flashblock alone. */
export function resultHash(root: Hex, gasUsed: bigint): Hex {
  return hashWords([word(root), u64(gasUsed)]);
}

export function laneRoot(leaves: readonly LaneLeaf[]): Hex {
  return treeRoot("laneRoot", leaves.map(laneWords));
}

/** Fields of a leaf of the "laneRoot" tree. */
export function laneWords(leaf: LaneLeaf): TreeLeaf {
  return [
    word(leaf.txHash),
    u64(leaf.rank),
    u64(leaf.rule),
    u72(leaf.accepted),
    u72(leaf.ready),
    u64(leaf.gasLimit),
  ];
}

/** Fields of a leaf of the "resultRoot" tree. */
export function resultWords(leaf: ResultLeaf): TreeLeaf {
  return [word(leaf.txHash), u64(leaf.status), u64(leaf.gasUsed)];
}
