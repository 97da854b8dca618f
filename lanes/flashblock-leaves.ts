/**
 * The leaves of a flashblock as it grows: both trees, and the bytes that rebuild them.
 *
 * Runs for every transaction on the sequencing thread, so that sealing costs a few hashes only.
 * Owns the leaves' words (PROTOCOL 4) and the entry's bytes, 70 each, big-endian:
 *
 *   txHash 32 ‖ rank u8 ‖ rule u16 ‖ accepted u72 ‖ ready u72 ‖ gasLimit u64 ‖ status u8 ‖ gasUsed u64
 */
import { U64_MAX, U72_MAX, WORD_BYTES } from "./abi.ts";
import { fromHex, type Hex, toHex } from "./bytes.ts";
import type { LaneLeaf, ResultLeaf } from "./flashblock.ts";
import { keccak, keccakText } from "./keccak.ts";
import { LANE_NUMBERS_MAX } from "./lane-data.ts";
import { TreeBuilder } from "./tree.ts";
import { accept, refuse, type Verdict } from "./verdict.ts";

export const LEAF_BYTES = 70;
/** Transactions in a flashblock: those with numbers, and deposits. */
const LEAVES_MAX = 2 * LANE_NUMBERS_MAX;

const LANE_WORDS = 6;
const RESULT_WORDS = 3;
const FIRST_CAPACITY = 8;

export const RANK_AT = 32;
const RULE_AT = 33;
const ACCEPTED_AT = 35;
const READY_AT = 44;
const GAS_LIMIT_AT = 53;
const STATUS_AT = 61;
const GAS_USED_AT = 62;

/** A transaction's two leaves. */
export interface FlashblockLeaf {
  readonly lane: LaneLeaf;
  readonly result: ResultLeaf;
}

/** Tag, hashed tree name, index and fields of one leaf, filled anew for each. */
class LeafBytes {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(treeName: string, words: number) {
    this.#bytes = new Uint8Array(1 + WORD_BYTES * (2 + words));
    this.#bytes.set(keccakText(treeName), 1);
    this.#view = new DataView(this.#bytes.buffer);
  }

  index(index: number): void {
    this.#view.setUint32(1 + 2 * WORD_BYTES - 4, index);
  }

  hash(field: number, hash: Uint8Array): void {
    this.#bytes.set(hash, 1 + WORD_BYTES * (2 + field));
  }

  uint(field: number, value: number): void {
    this.#view.setUint32(1 + WORD_BYTES * (3 + field) - 4, value);
  }

  wide(field: number, value: bigint): void {
    const end = 1 + WORD_BYTES * (3 + field);
    this.#view.setUint8(end - 9, Number(value >> 64n));
    this.#view.setBigUint64(end - 8, value & U64_MAX);
  }

  leafHash(): Uint8Array {
    return keccak(this.#bytes);
  }
}

const laneBytes = new LeafBytes("laneRoot", LANE_WORDS);
const resultBytes = new LeafBytes("resultRoot", RESULT_WORDS);

export class FlashblockLeaves {
  readonly #lane = new TreeBuilder();
  readonly #result = new TreeBuilder();
  #bytes = new Uint8Array(FIRST_CAPACITY * LEAF_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #gasUsed = 0n;

  get count(): number {
    return this.#lane.count;
  }

  /** Of all transactions so far. */
  get gasUsed(): bigint {
    return this.#gasUsed;
  }

  /** The next transaction. Throws RangeError for a number that does not fit its field. */
  add(lane: LaneLeaf, result: ResultLeaf): void {
    checkRanges(lane, result);
    const hash = fromHex(lane.txHash);
    this.#addLane(lane, hash);
    this.#addResult(result, hash);
    this.#write(lane, result, hash);
    this.#gasUsed += result.gasUsed;
  }

  laneRoot(): Hex {
    return this.#lane.root();
  }

  resultRoot(): Hex {
    return this.#result.root();
  }

  /** A copy of all entries. */
  bytes(): Uint8Array {
    return this.#bytes.slice(0, this.count * LEAF_BYTES);
  }

  #addLane({ rank, rule, accepted, ready, gasLimit }: LaneLeaf, hash: Uint8Array): void {
    laneBytes.index(this.count);
    laneBytes.hash(0, hash);
    laneBytes.uint(1, rank);
    laneBytes.uint(2, rule);
    laneBytes.wide(3, accepted);
    laneBytes.wide(4, ready);
    laneBytes.wide(5, gasLimit);
    this.#lane.add(laneBytes.leafHash());
  }

  #addResult({ status, gasUsed }: ResultLeaf, hash: Uint8Array): void {
    resultBytes.index(this.#result.count);
    resultBytes.hash(0, hash);
    resultBytes.uint(1, status);
    resultBytes.wide(2, gasUsed);
    this.#result.add(resultBytes.leafHash());
  }

  #write(lane: LaneLeaf, { status, gasUsed }: ResultLeaf, hash: Uint8Array): void {
    const at = (this.count - 1) * LEAF_BYTES;
    if (at + LEAF_BYTES > this.#bytes.length) this.#grow();
    const view = this.#view;
    this.#bytes.set(hash, at);
    view.setUint8(at + RANK_AT, lane.rank);
    view.setUint16(at + RULE_AT, lane.rule);
    view.setUint8(at + ACCEPTED_AT, Number(lane.accepted >> 64n));
    view.setBigUint64(at + ACCEPTED_AT + 1, lane.accepted & U64_MAX);
    view.setUint8(at + READY_AT, Number(lane.ready >> 64n));
    view.setBigUint64(at + READY_AT + 1, lane.ready & U64_MAX);
    view.setBigUint64(at + GAS_LIMIT_AT, lane.gasLimit);
    view.setUint8(at + STATUS_AT, status);
    view.setBigUint64(at + GAS_USED_AT, gasUsed);
  }

  #grow(): void {
    const larger = new Uint8Array(2 * this.#bytes.length);
    larger.set(this.#bytes);
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}

function checkRanges(lane: LaneLeaf, result: ResultLeaf): void {
  const { rank, rule, accepted, ready, gasLimit } = lane;
  const { status, gasUsed } = result;
  const fits =
    rank >= 0 &&
    rank <= 0xff &&
    rule >= 0 &&
    rule <= 0xffff &&
    (status === 0 || status === 1) &&
    accepted >= 0n &&
    accepted <= U72_MAX &&
    ready >= 0n &&
    ready <= U72_MAX &&
    gasLimit >= 0n &&
    gasLimit <= U64_MAX &&
    gasUsed >= 0n &&
    gasUsed <= U64_MAX;
  if (!fits) throw new RangeError("a number does not fit the leaf");
}

/** The entries of `FlashblockLeaves.bytes`. */
export function decodeLeaves(
  bytes: Uint8Array,
): Verdict<readonly FlashblockLeaf[], "FLASHBLOCK_MALFORMED"> {
  const count = bytes.length / LEAF_BYTES;
  if (!Number.isInteger(count) || count > LEAVES_MAX)
    return refuse("FLASHBLOCK_MALFORMED", { field: "leaves" });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const leaves: FlashblockLeaf[] = [];
  for (let index = 0; index < count; index++) {
    const at = index * LEAF_BYTES;
    const status = view.getUint8(at + STATUS_AT);
    if (status > 1) return refuse("FLASHBLOCK_MALFORMED", { field: "leaves", index });
    const txHash = toHex(bytes.subarray(at, at + RANK_AT));
    leaves.push({
      lane: {
        txHash,
        rank: view.getUint8(at + RANK_AT),
        rule: view.getUint16(at + RULE_AT),
        accepted: readWide(view, at + ACCEPTED_AT),
        ready: readWide(view, at + READY_AT),
        gasLimit: view.getBigUint64(at + GAS_LIMIT_AT),
      },
      result: { txHash, status, gasUsed: view.getBigUint64(at + GAS_USED_AT) },
    });
  }
  return accept(leaves);
}

function readWide(view: DataView, at: number): bigint {
  return (BigInt(view.getUint8(at)) << 64n) + view.getBigUint64(at + 1);
}
