/**
 * LaneState: the small state that lane rules depend on, derived by everyone from the blocks alone.
 * Owns its form at genesis and its canonical bytes. Bounded: at most one entry a rank. PROTOCOL 4.
 *
 *   rlp([blockNumber, timestamp, timestampMs, orderHash, lastForced, leaderEpoch, [[rank, ready]…]])
 */
import { bigintToMinimalBytes, fromHex, type Hex, toHex, ZERO_HASH } from "./bytes.ts";
import { NUMBER_BYTES } from "./lane-data.ts";
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
const DEPTH_MAX = 3;

/** The highest `ready` number of a rank on the whole chain so far. */
export interface RankReady {
  /** 1 to 255. */
  readonly rank: number;
  readonly ready: bigint;
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
  /** Ranks that have had a transaction, ascending. */
  readonly readyByRank: readonly RankReady[];
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
    readyByRank: [],
  };
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
    state.readyByRank.map(({ rank, ready }) => [
      rlpIntegerBytes(rank),
      bigintToMinimalBytes(ready),
    ]),
  ]);
}

export function decodeLaneState(bytes: Uint8Array): Verdict<LaneState, "LANE_STATE_MALFORMED"> {
  const fields = decodeRlp(bytes, DEPTH_MAX);
  if (!isRlpList(fields) || fields.length !== 7) return refuse("LANE_STATE_MALFORMED");
  const blockNumber = rlpSafeInteger(fields[0]);
  const timestamp = rlpSafeInteger(fields[1]);
  const timestampMs = rlpSafeInteger(fields[2]);
  const orderHash = fields[3];
  const lastForced = rlpSafeInteger(fields[4]);
  const leaderEpoch = rlpSafeInteger(fields[5]);
  const readyByRank = decodeReadyByRank(fields[6]);
  if (
    blockNumber === null ||
    timestamp === null ||
    timestampMs === null ||
    !(orderHash instanceof Uint8Array && orderHash.length === HASH_BYTES) ||
    lastForced === null ||
    leaderEpoch === null ||
    readyByRank === null
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
    readyByRank,
  });
}

/** The highest of what was and what a block brings, rank by rank. */
export function raiseReady(
  before: readonly RankReady[],
  block: Iterable<RankReady>,
): readonly RankReady[] {
  const highest = new Map(before.map(({ rank, ready }) => [rank, ready]));
  for (const { rank, ready } of block) {
    const known = highest.get(rank);
    if (known === undefined || ready > known) highest.set(rank, ready);
  }
  return [...highest].map(([rank, ready]) => ({ rank, ready })).sort((a, b) => a.rank - b.rank);
}

function decodeReadyByRank(item: RlpItem | undefined): RankReady[] | null {
  if (!isRlpList(item) || item.length > RANK_MAX) return null;
  const out: RankReady[] = [];
  let above = 0;
  for (const entry of item) {
    if (!isRlpList(entry) || entry.length !== 2) return null;
    const rank = rlpSafeInteger(entry[0]);
    const ready = rlpInteger(entry[1], NUMBER_BYTES);
    if (rank === null || ready === null || ready === 0n) return null;
    if (rank <= above || rank > RANK_MAX) return null;
    out.push({ rank, ready });
    above = rank;
  }
  return out;
}
