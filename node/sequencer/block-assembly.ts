/**
 * The block as it grows: its flashblocks, their leaves and hashes, and everything LaneData says.
 *
 * Owns: the chain of `orderHash`es, flashblock headers, the block's size. Does not own which
 * transaction comes next (`selection.ts`), execution, signatures. PROTOCOL 4.
 */
import { type FlashblockContext, type LaneLeaf, NO_RULE } from "../../lanes/flashblock.ts";
import { FlashblockLeaves } from "../../lanes/flashblock-leaves.ts";
import {
  encodeLanePrices,
  type LaneData,
  type LaneFlashblock,
  type LaneNumbers,
  type LanePrices,
  REPORTS_MAX,
} from "../../lanes/lane-data.ts";
import { epochTransactionBytes, PRICE_BYTES_MAX } from "../../lanes/epoch-size.ts";
import { EPOCH_SENDER } from "../../lanes/epoch-transaction.ts";
import { NORMAL_RANK, SYSTEM_RANK } from "../../lanes/classify.ts";
import { type ExecutedFlashblock, flashblockOrderHash } from "../../lanes/signed-flashblock.ts";
import type { Hex } from "../../lanes/bytes.ts";
import type { Receipt } from "../primitives/receipt.ts";
import type { DepositTransaction, Transaction } from "../primitives/transaction.ts";

/**
 * Bytes of a block that is built here. Below the protocol's limit, so that a block which does not
 * compress at all still fits the blobs of one batch (`settlement/blob.ts`: 761,852 bytes).
 */
const BUILT_BYTES_MAX = 700_000;
/** Bytes of a block beside its transactions and their numbers: header, attributes, lists. */
const BLOCK_OVERHEAD_BYTES = 2_000;
/** LaneData and list prefixes of one transaction, at most. */
const TRANSACTION_OVERHEAD_BYTES = 32;
/** LaneData of one flashblock beside its prices, at most. */
const FLASHBLOCK_OVERHEAD_BYTES = 32;

/** Where a transaction stands by the lane rules. */
export type Place = Pick<LaneLeaf, "rank" | "rule" | "accepted" | "ready">;

const SYSTEM_PLACE: Place = { rank: SYSTEM_RANK, rule: NO_RULE, accepted: 0n, ready: 0n };

/** A flashblock of the block that is built, and what is in it. */
export interface AssembledFlashblock {
  readonly executed: ExecutedFlashblock;
  readonly prices: LanePrices;
  readonly orderHash: Hex;
  readonly transactions: readonly Transaction[];
  /** Whether it holds a transaction of the fast lane, or an epoch. */
  readonly hasFast: boolean;
}

interface OpenFlashblock {
  readonly timestampMs: number;
  readonly leaderEpoch: number;
  readonly prices: LanePrices;
  readonly leaves: FlashblockLeaves;
  readonly transactions: Transaction[];
  /** Bytes of the block before it, and of those that were held back for prices. */
  readonly before: { readonly bytes: number; readonly priceBytes: number };
  /** The highest rank in it. */
  rank: number;
  hasFast: boolean;
}

export class BlockAssembly {
  readonly #context: FlashblockContext;
  readonly #flashblocks: AssembledFlashblock[] = [];
  readonly #numbers: LaneNumbers[] = [];
  readonly #entries: LaneFlashblock[] = [];
  #orderHash: Hex;
  #open: OpenFlashblock | null = null;
  #bytes = BLOCK_OVERHEAD_BYTES;
  /** Bytes that are still held back for prices. */
  #priceBytes: number;

  /**
   * `parentOrderHash` is that of the last flashblock before this block; with feeds, room is kept for
   * prices.
   */
  constructor(context: FlashblockContext, parentOrderHash: Hex, hasFeeds: boolean) {
    this.#context = context;
    this.#orderHash = parentOrderHash;
    this.#priceBytes = hasFeeds ? PRICE_BYTES_MAX : 0;
  }

  /** Flashblocks so far, the open one included. */
  get count(): number {
    return this.#flashblocks.length + (this.#open === null ? 0 : 1);
  }

  get flashblocks(): readonly AssembledFlashblock[] {
    return this.#flashblocks;
  }

  get orderHash(): Hex {
    return this.#orderHash;
  }

  get isOpen(): boolean {
    return this.#open !== null;
  }

  /** Whether the open flashblock holds a transaction of the fast lane, or an epoch. */
  get hasFast(): boolean {
    return this.#open?.hasFast ?? false;
  }

  /** The highest rank in the open flashblock: a lower one needs another flashblock (I1). */
  get rank(): number {
    return this.#open?.rank ?? SYSTEM_RANK;
  }

  fitsBytes({ raw }: Transaction): boolean {
    const bytes = this.#bytes + this.#priceBytes + raw.length + TRANSACTION_OVERHEAD_BYTES;
    return bytes <= BUILT_BYTES_MAX;
  }

  /** Whether an epoch with these prices fits that writes so many feeds. */
  fitsPrices(prices: LanePrices, feeds: number): boolean {
    const reports = prices.epoch?.reports.length ?? 0;
    const bytes = encodeLanePrices(prices).length + epochTransactionBytes(feeds);
    return reports <= REPORTS_MAX && this.#bytes + bytes <= BUILT_BYTES_MAX;
  }

  begin(timestampMs: number, leaderEpoch: number, prices: LanePrices): void {
    const leaves = new FlashblockLeaves();
    const before = { bytes: this.#bytes, priceBytes: this.#priceBytes };
    const head = { timestampMs, leaderEpoch, prices, before };
    this.#open = { ...head, leaves, transactions: [], rank: SYSTEM_RANK, hasFast: false };
    this.#price(encodeLanePrices(prices).length);
  }

  /** Attributes, or the epoch of the open flashblock, which is ready at its cut. */
  addSystem(transaction: DepositTransaction, receipt: Receipt): void {
    const cut = this.#open?.prices.epoch?.cut ?? 0n;
    const isEpoch = transaction.sender === EPOCH_SENDER;
    this.add(transaction, receipt, { ...SYSTEM_PLACE, ready: isEpoch ? cut : 0n });
    if (this.#open !== null) this.#open.hasFast ||= isEpoch;
  }

  /** An executed transaction, at the end of the open flashblock. */
  add(transaction: Transaction, { status, gasUsed }: Receipt, place: Place): void {
    const open = this.#open;
    if (open === null) throw new RangeError("no flashblock is open");
    const { hash: txHash, gasLimit } = transaction;
    open.leaves.add({ txHash, gasLimit, ...place }, { txHash, status, gasUsed });
    open.transactions.push(transaction);
    open.rank = place.rank;
    open.hasFast ||= place.rank !== SYSTEM_RANK && place.rank !== NORMAL_RANK;
    this.#bytes += transaction.raw.length + TRANSACTION_OVERHEAD_BYTES;
    if (place.rank !== SYSTEM_RANK)
      this.#numbers.push({ accepted: place.accepted, ready: place.ready });
  }

  /** Ends the open flashblock; one that nothing went into is not one: `null`. */
  end(): AssembledFlashblock | null {
    const open = this.#open;
    this.#open = null;
    if (open === null) return null;
    if (open.leaves.count === 0) {
      this.#bytes = open.before.bytes;
      this.#priceBytes = open.before.priceBytes;
      return null;
    }
    const { timestampMs, leaderEpoch, prices, leaves, transactions, hasFast } = open;
    const executed: ExecutedFlashblock = {
      header: {
        ...this.#context,
        leaderEpoch,
        index: this.#flashblocks.length,
        parentOrderHash: this.#orderHash,
        txCount: leaves.count,
        laneRoot: leaves.laneRoot(),
        timestampMs,
      },
      resultRoot: leaves.resultRoot(),
      gasUsed: leaves.gasUsed,
      leaves: leaves.bytes(),
    };
    this.#orderHash = flashblockOrderHash(executed);
    const flashblock = { executed, prices, orderHash: this.#orderHash, transactions, hasFast };
    this.#flashblocks.push(flashblock);
    this.#entries.push({ txCount: leaves.count, timestampMs, leaderEpoch, ...prices });
    this.#bytes += FLASHBLOCK_OVERHEAD_BYTES;
    return flashblock;
  }

  /** Prices took so many bytes: of what is held back for them first. */
  #price(bytes: number): void {
    this.#bytes += bytes;
    this.#priceBytes = Math.max(0, this.#priceBytes - bytes);
  }

  laneData(): LaneData {
    const { policyHash } = this.#context;
    return { policyHash, flashblocks: this.#entries, numbers: this.#numbers };
  }
}
