/**
 * LaneState: the small state that lane rules depend on, derived by everyone from the blocks alone.
 * Owns its form at genesis and its canonical bytes. Bounded: at most `ttlBlocks` recent blocks, with
 * at most one entry a rank each. PROTOCOL 4.
 *
 *   rlp([blockNumber, timestamp, timestampMs, orderHash, lastForced, leaderEpoch, policyHash,
 *        [[[rank, cap, gas]…], [[rank, ready]…]]…, accepted, prices])     the newest block last
 */
import { bigintToMinimalBytes, fromHex, type Hex, toHex, ZERO_HASH } from "./bytes.ts";
import { NUMBER_BYTES } from "./lane-data.ts";
import { NO_PRICES, type PriceState, priceStateFromRlp, priceStateToRlp } from "./price-state.ts";
import { TTL_BLOCKS_MAX } from "./policy-document.ts";
import {
  decodeRlp,
  encodeRlp,
  isRlpList,
  rlpInteger,
  rlpIntegerBytes,
  type RlpItem,
  rlpSafeInteger,
} from "./rlp.ts";
import { accept, refuse, type Verdict } from "./verdict.ts";

const RANK_MAX = 255;
const HASH_BYTES = 32;
const DEPTH_MAX = 6;
/** Bytes of gas limits: a class can take what a block has, and a cap is never above it. */
const GAS_BYTES = 9;

/** What a fast class may take of a block, and what it took: gas limits. */
export interface ClassGas {
  /** 1 to 254. */
  readonly rank: number;
  readonly cap: bigint;
  readonly gas: bigint;
}

/** The highest `ready` number of a rank in a block. */
export interface RankReady {
  /** 1 to 255. */
  readonly rank: number;
  readonly ready: bigint;
}

/** What I2 needs of a block: who could have been in it, and who was. */
export interface RecentBlock {
  /** One a class of the policy, ascending. */
  readonly classes: readonly ClassGas[];
  /** Ranks that the block has, ascending. */
  readonly ready: readonly RankReady[];
}

/** After the block `blockNumber`. */
export interface LaneState {
  readonly blockNumber: number;
  /** Of the block, Unix seconds. */
  readonly timestamp: number;
  /** Of the block's last flashblock, Unix milliseconds. */
  readonly timestampMs: number;
  /** Of the block's last flashblock. */
  readonly orderHash: Hex;
  /** Height of the newest forced block, 0 if none. */
  readonly lastForced: number;
  /** Of the block's last flashblock. */
  readonly leaderEpoch: number;
  /** Of the block, and of every block in `recent`; the zero hash at genesis. */
  readonly policyHash: Hex;
  /**
   * Blocks up to this one, newest last: as many as the policy's `ttlBlocks`, and none from before
   * the policy changed.
   */
  readonly recent: readonly RecentBlock[];
  /** The highest accepted number of a transaction in a block. */
  readonly accepted: bigint;
  readonly prices: PriceState;
}

/** The state after block 0, which has no flashblocks. */
export function genesisLaneState(timestamp: number): LaneState {
  return {
    blockNumber: 0,
    timestamp,
    timestampMs: 1000 * timestamp,
    orderHash: ZERO_HASH,
    lastForced: 0,
    leaderEpoch: 0,
    policyHash: ZERO_HASH,
    recent: [],
    accepted: 0n,
    prices: NO_PRICES,
  };
}

/**
 * The blocks before the next one that it can be held against under this policy. A rank, a cap and a
 * number of another policy say nothing about its own classes, so that a change begins anew: whoever
 * waits across it may be overtaken once, which no one can prove or disprove, and nobody honest is
 * convicted.
 */
export function comparableBlocks(state: LaneState, policyHash: Hex): readonly RecentBlock[] {
  return state.policyHash === policyHash ? state.recent : [];
}

/** Canonical RLP. */
export function encodeLaneState(state: LaneState): Uint8Array {
  return encodeRlp([
    rlpIntegerBytes(state.blockNumber),
    rlpIntegerBytes(state.timestamp),
    rlpIntegerBytes(state.timestampMs),
    fromHex(state.orderHash),
    rlpIntegerBytes(state.lastForced),
    rlpIntegerBytes(state.leaderEpoch),
    fromHex(state.policyHash),
    state.recent.map(({ classes, ready }) => [
      classes.map(({ rank, cap, gas }) => [
        rlpIntegerBytes(rank),
        bigintToMinimalBytes(cap),
        bigintToMinimalBytes(gas),
      ]),
      ready.map((entry) => [rlpIntegerBytes(entry.rank), bigintToMinimalBytes(entry.ready)]),
    ]),
    bigintToMinimalBytes(state.accepted),
    priceStateToRlp(state.prices),
  ]);
}

export function decodeLaneState(bytes: Uint8Array): Verdict<LaneState, "LANE_STATE_MALFORMED"> {
  const fields = decodeRlp(bytes, DEPTH_MAX);
  if (!isRlpList(fields) || fields.length !== 10) return refuse("LANE_STATE_MALFORMED");
  const blockNumber = rlpSafeInteger(fields[0]);
  const timestamp = rlpSafeInteger(fields[1]);
  const timestampMs = rlpSafeInteger(fields[2]);
  const orderHash = fields[3];
  const lastForced = rlpSafeInteger(fields[4]);
  const leaderEpoch = rlpSafeInteger(fields[5]);
  const policyHash = fields[6];
  const recent = decodeRecent(fields[7]);
  const accepted = rlpInteger(fields[8], NUMBER_BYTES);
  const prices = priceStateFromRlp(fields[9]);
  if (
    blockNumber === null ||
    timestamp === null ||
    timestampMs === null ||
    !isHash(orderHash) ||
    lastForced === null ||
    leaderEpoch === null ||
    !isHash(policyHash) ||
    recent === null ||
    accepted === null ||
    prices === null
  ) {
    return refuse("LANE_STATE_MALFORMED");
  }
  return accept({
    blockNumber,
    timestamp,
    timestampMs,
    orderHash: toHex(orderHash),
    lastForced,
    leaderEpoch,
    policyHash: toHex(policyHash),
    recent,
    accepted,
    prices,
  });
}

function isHash(item: RlpItem | undefined): item is Uint8Array {
  return item instanceof Uint8Array && item.length === HASH_BYTES;
}

function decodeRecent(item: RlpItem | undefined): RecentBlock[] | null {
  if (!isRlpList(item) || item.length > TTL_BLOCKS_MAX) return null;
  const blocks: RecentBlock[] = [];
  for (const block of item) {
    if (!isRlpList(block) || block.length !== 2) return null;
    const classes = decodeByRank(block[0], 3, (rank, [cap, gas]) => ({
      rank,
      cap: rlpInteger(cap, GAS_BYTES),
      gas: rlpInteger(gas, GAS_BYTES),
    }));
    const ready = decodeByRank(block[1], 2, (rank, [number]) => ({
      rank,
      ready: rlpInteger(number, NUMBER_BYTES),
    }));
    if (classes === null || ready === null) return null;
    const isWhole = classes.every(({ cap, gas }) => cap !== null && gas !== null);
    if (!isWhole || ready.some((entry) => (entry.ready ?? 0n) === 0n)) return null;
    blocks.push({ classes: classes as ClassGas[], ready: ready as RankReady[] });
  }
  return blocks;
}

/** Entries of `size` items that begin with a rank, ranks ascending. */
function decodeByRank<T>(
  item: RlpItem | undefined,
  size: number,
  decodeOne: (rank: number, rest: readonly (RlpItem | undefined)[]) => T,
): T[] | null {
  if (!isRlpList(item) || item.length > RANK_MAX) return null;
  const out: T[] = [];
  let above = 0;
  for (const entry of item) {
    if (!isRlpList(entry) || entry.length !== size) return null;
    const rank = rlpSafeInteger(entry[0]);
    if (rank === null || rank <= above || rank > RANK_MAX) return null;
    out.push(decodeOne(rank, entry.slice(1)));
    above = rank;
  }
  return out;
}
