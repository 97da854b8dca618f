/**
 * The chain of one node: its head, its safe and finalized heads, and the one way a block gets in.
 *
 * Owns: what "valid" means for a block (origin, lanes, execution), commits, head movements.
 * Does not own: where blocks come from (builder, gossip, derivation), signatures, the txpool.
 * Invariants: nothing is head before the store holds it; one block is open at a time (`exclusive`);
 * gossip and derivation get the same verdict from the same code (PROTOCOL 4).
 */
import assert from "node:assert/strict";
import type { Hex } from "../../lanes/bytes.ts";
import { EPOCH_SENDER } from "../../lanes/epoch-transaction.ts";
import type { LaneData } from "../../lanes/lane-data.ts";
import { decodeLaneState, encodeLaneState, type LaneState } from "../../lanes/lane-state.ts";
import type { Policy } from "../../lanes/policy.ts";
import type { PriceState } from "../../lanes/price-state.ts";
import { DEPOSIT_TYPE } from "../../lanes/transaction.ts";
import { accept, refuse, type Verdict } from "../../lanes/verdict.ts";
import { type LaneResult, verifyLanes } from "../../lanes/verify.ts";
import { type ErrorCode, NodeError } from "../errors.ts";
import type { Engine, ExecutedBlock } from "../execution/engine.ts";
import type { Logger } from "../log.ts";
import {
  type Block,
  BLOCK_BYTES_MAX,
  type BlockRef,
  encodeSignedBlock,
  type UnverifiedBlock,
} from "../primitives/block.ts";
import type { Header } from "../primitives/header.ts";
import type { L1Origin } from "../primitives/l1-origin.ts";
import {
  type DepositTransaction,
  laneTransaction,
  type Transaction,
} from "../primitives/transaction.ts";
import {
  type BlockAdmissions,
  type DerivationCursor,
  type Heads,
  NO_ADMISSIONS,
  type Store,
  type StoredBlock,
} from "../storage/store.ts";
import { attributesAfter, parseAttributes } from "./attributes.ts";
import { checkOrigin, type OriginPosition } from "./origin.ts";
import { placeTransactions } from "./epochs.ts";
import { type BlockContent, contentOf, type ReceivedDeps } from "./received.ts";
import { GENESIS_TERM } from "../rollup-config.ts";
import { recoverSigner } from "../primitives/signature.ts";

/** As long as a signature, for blocks that carry none. */
const UNSIGNED = new Uint8Array(65);

export interface ChainHead {
  readonly hash: Hex;
  readonly header: Header;
  readonly laneState: LaneState;
  readonly origin: OriginPosition;
}

/** What the next block stands on: the head, or a block that is sealed and not yet committed. */
export interface ChainTip {
  readonly number: number;
  /** Unix seconds. */
  readonly timestamp: number;
  readonly origin: OriginPosition;
  /** Time of its last flashblock, Unix milliseconds. */
  readonly timestampMs: number;
  /** Of its last flashblock. */
  readonly orderHash: Hex;
  /** Height of the newest forced block, 0 if none. */
  readonly lastForced: number;
  /** The highest accepted number up to and in it. */
  readonly accepted: bigint;
  /** After it. */
  readonly prices: PriceState;
  readonly isCommitted: boolean;
}

export interface ChainDeps extends ReceivedDeps {
  readonly policy: Policy;
  readonly store: Store;
  readonly engine: Engine;
  readonly log: Logger;
}

/** What goes into the store with a block beside the block itself. */
export interface CommitExtras {
  readonly signature: Uint8Array | null;
  /** Of its flashblocks; none where they were not built here. */
  readonly flashblockSignatures: readonly Uint8Array[];
  /** Journal records the block settles. */
  readonly settled: readonly bigint[];
  readonly admissions: BlockAdmissions;
}

export type HeadListener = (head: BlockRef, removed: readonly BlockRef[]) => void;

export class Chain {
  readonly #deps: ChainDeps;
  readonly #listeners: HeadListener[] = [];
  #head: ChainHead;
  #heads: Heads;
  #cursor: DerivationCursor;
  #lock: Promise<unknown> = Promise.resolve();
  #headWrites: Promise<unknown> = Promise.resolve();

  constructor(deps: ChainDeps) {
    this.#deps = deps;
    const { store } = deps;
    const cursor = store.cursor();
    assert(cursor !== null, "the store is initialized");
    this.#heads = store.heads();
    this.#cursor = cursor;
    this.#head = this.#loadHead(this.#heads.unsafe.number);
  }

  head(): ChainHead {
    return this.#head;
  }

  tip(): ChainTip {
    const { header, laneState, origin } = this.#head;
    const { number, timestamp } = header;
    const { timestampMs, orderHash, lastForced, accepted, prices } = laneState;
    const order = { timestampMs, orderHash, lastForced, accepted, prices };
    return { number, timestamp, origin, ...order, isCommitted: true };
  }

  get gasLimit(): bigint {
    return this.#deps.rollup.genesis.gasLimit;
  }

  heads(): Heads {
    return this.#heads;
  }

  cursor(): DerivationCursor {
    return this.#cursor;
  }

  get blockTime(): number {
    return this.#deps.policy.document.blockTimeMs / 1000;
  }

  onHead(listener: HeadListener): void {
    this.#listeners.push(listener);
  }

  /** Runs one after another everything that opens a block or moves the head. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#lock.then(work, work);
    this.#lock = run.catch(() => undefined);
    return run;
  }

  /** The attributes transaction of a block with this origin, on one that stands at `parent`. */
  attributes(
    origin: L1Origin,
    parent: OriginPosition,
  ): { transaction: DepositTransaction; position: OriginPosition } {
    return attributesAfter(this.#deps.rollup, origin, parent);
  }

  /**
   * Opens a block in the engine, on the head or, with `onSealed`, on the block sealed last. Call
   * inside `exclusive`.
   */
  open(timestamp: number, origin: L1Origin, onSealed = false): Promise<void> {
    const { hash, header } = this.#head;
    const { prevRandao, parentBeaconBlockRoot } = origin;
    return this.#deps.engine.open({
      parent: onSealed ? null : { hash, header },
      timestamp,
      prevRandao,
      parentBeaconBlockRoot,
      gasLimit: this.gasLimit,
    });
  }

  /** Checks the order of a block on the head, executed or not. */
  verifyOrder(
    timestamp: number,
    origin: { readonly number: number; readonly hash: Hex },
    transactions: readonly Transaction[],
    laneData: LaneData,
  ): Verdict<LaneResult> {
    const { rollup, policy } = this.#deps;
    return verifyLanes(
      {
        chainId: rollup.chainId,
        term: GENESIS_TERM,
        number: this.#head.header.number + 1,
        timestamp,
        gasLimit: this.gasLimit,
        l1OriginNumber: origin.number,
        l1OriginHash: origin.hash,
        transactions: transactions.map(laneTransaction),
      },
      laneData,
      policy,
      this.#head.laneState,
      recoverSigner,
    );
  }

  /**
   * Makes a sealed block the head, durably. Call inside `exclusive`, or where nothing else commits.
   */
  async commit(
    executed: ExecutedBlock,
    laneData: LaneData,
    order: LaneResult,
    extras: CommitExtras,
  ): Promise<BlockRef> {
    const { block, receipts, diff, trie } = executed;
    assert.equal(block.header.parentHash, this.#head.hash);
    const { orderHashes, laneState } = order;
    const ref: BlockRef = { number: block.header.number, hash: block.hash };
    const stored: StoredBlock = {
      block,
      laneData,
      orderHashes,
      laneState: encodeLaneState(laneState),
      flashblockSignatures: extras.flashblockSignatures,
      signature: extras.signature,
    };
    await this.#moveHeads({ unsafe: ref }, (heads) =>
      this.#deps.store.commitBlock({
        stored,
        receipts,
        diff,
        trie,
        settled: extras.settled,
        admissions: extras.admissions,
        heads,
      }),
    );
    await this.#deps.engine.committed();
    const { hash, header } = block;
    this.#head = { hash, header, laneState, origin: this.#originOf(block) };
    this.#announce([]);
    return ref;
  }

  /**
   * Verifies a signed block from a peer on the head and appends it. Its signature was checked
   * before.
   */
  importSigned(block: UnverifiedBlock): Promise<Verdict<BlockRef, ErrorCode>> {
    return this.exclusive(() => this.importNext(block));
  }

  /** As `importSigned`. Call inside `exclusive`. */
  async importNext(block: UnverifiedBlock): Promise<Verdict<BlockRef, ErrorCode>> {
    const { number, parentHash } = block.header;
    const head = this.#head.header.number;
    if (number <= head) return refuse("BLOCK_ALREADY_KNOWN", { number });
    if (number !== head + 1 || parentHash !== this.#head.hash)
      return refuse("BLOCK_PARENT_UNKNOWN", { number, head });
    const content = await contentOf(block, this.#head.origin, this.#deps);
    if (!content.ok) return content;
    return this.append(content.value, { signature: block.signature, expected: block.hash });
  }

  /** Verifies, executes and commits a block on the head. Call inside `exclusive`. */
  async append(
    content: BlockContent,
    options: { readonly signature: Uint8Array | null; readonly expected: Hex | null },
  ): Promise<Verdict<BlockRef, ErrorCode>> {
    const { timestamp, origin, laneData } = content;
    const { transaction, position } = this.attributes(origin, this.#head.origin);
    const checked = checkOrigin({
      parentTimestamp: this.#head.header.timestamp,
      parent: this.#head.origin,
      timestamp,
      origin,
      sequenceNumber: position.sequenceNumber,
      blockTime: this.blockTime,
      userTransactions: content.transactions.length,
    });
    if (!checked.ok) return checked;
    const { policy } = this.#deps;
    const placed = placeTransactions(content, transaction, policy, this.#head.laneState);
    if (!placed.ok) return placed;
    const transactions = placed.value;
    const order = this.verifyOrder(timestamp, origin, transactions, laneData);
    if (!order.ok) return refuse("LANE_VIOLATION", { ...order.data, violation: order.code });
    const executed = await this.#execute(timestamp, origin, transactions);
    if (!executed.ok) return executed;
    if (options.expected !== null && executed.value.block.hash !== options.expected) {
      await this.#deps.engine.discard();
      return refuse("BLOCK_RESULT_MISMATCH", { expected: options.expected });
    }
    // Counted as signed whether it is or not, so that gossip and derivation agree on every block.
    const bytes = encodeSignedBlock(executed.value.block, laneData, UNSIGNED).length;
    if (bytes > BLOCK_BYTES_MAX) {
      await this.#deps.engine.discard();
      return refuse("BLOCK_TOO_LARGE", { bytes });
    }
    const { signature } = options;
    const extras = {
      signature,
      flashblockSignatures: [],
      settled: [],
      admissions: NO_ADMISSIONS,
    };
    return accept(await this.commit(executed.value, laneData, order.value, extras));
  }

  /** Takes blocks above `number` back. Call inside `exclusive`. */
  async rollback(number: number): Promise<readonly StoredBlock[]> {
    const { store, engine } = this.#deps;
    const removed = await this.#writeHeads(async () => {
      const blocks = await store.rollback(number);
      this.#heads = store.heads();
      return blocks;
    });
    this.#head = this.#loadHead(number);
    await engine.rebase({ hash: this.#head.hash, header: this.#head.header });
    this.#announce(removed.map(({ block }) => ({ number: block.header.number, hash: block.hash })));
    return removed;
  }

  /** Moves safe and finalized heads and the derivation cursor, durably. */
  async advance(heads: Omit<Heads, "unsafe">, cursor: DerivationCursor): Promise<void> {
    await this.#moveHeads(heads, (moved) => this.#deps.store.saveHeads(moved, cursor));
    this.#cursor = cursor;
  }

  #moveHeads(moved: Partial<Heads>, save: (heads: Heads) => Promise<void>): Promise<void> {
    return this.#writeHeads(async () => {
      const heads = { ...this.#heads, ...moved };
      await save(heads);
      this.#heads = heads;
    });
  }

  /**
   * One head movement at a time, whoever asks: each writes the whole record, so two at once could
   * name a head that is not stored yet, or take one back.
   */
  #writeHeads<T>(write: () => Promise<T>): Promise<T> {
    const run = this.#headWrites.then(write);
    this.#headWrites = run.catch(() => undefined);
    return run;
  }

  async #execute(
    timestamp: number,
    origin: L1Origin,
    transactions: readonly Transaction[],
  ): Promise<Verdict<ExecutedBlock, "BLOCK_RESULT_MISMATCH">> {
    const { engine } = this.#deps;
    await this.open(timestamp, origin);
    try {
      for (const [index, transaction] of transactions.entries()) {
        const result = await engine.apply(transaction);
        const isEpoch = transaction.sender === EPOCH_SENDER;
        if (result.ok && (result.receipt.status === 1 || !isEpoch)) continue;
        await engine.discard();
        const reason = result.ok ? "the epoch failed" : result.code;
        return refuse("BLOCK_RESULT_MISMATCH", { index, reason });
      }
      return accept(await engine.seal());
    } catch (error) {
      // A fault of the engine: whatever comes next must find it closed.
      await engine.discard();
      throw error;
    }
  }

  #loadHead(number: number): ChainHead {
    const stored = this.#deps.store.blockByNumber(number);
    assert(stored !== null, "the head is stored");
    const laneState = decodeLaneState(stored.laneState);
    if (!laneState.ok) throw new NodeError("STORAGE_CORRUPT", { record: "laneState", number });
    const { hash, header } = stored.block;
    return { hash, header, laneState: laneState.value, origin: this.#originOf(stored.block) };
  }

  #originOf(block: Block): OriginPosition {
    const first = block.transactions[0];
    if (first === undefined) {
      assert.equal(block.header.number, 0, "only genesis has no attributes");
      return { ...this.#deps.rollup.genesis.l1Origin, sequenceNumber: 0 };
    }
    const attributes = first.type === DEPOSIT_TYPE ? parseAttributes(first) : null;
    assert(attributes?.ok, "a block of the chain begins with its attributes");
    const { originNumber, originHash, sequenceNumber } = attributes.value;
    return { number: originNumber, hash: originHash, sequenceNumber: Number(sequenceNumber) };
  }

  #announce(removed: readonly BlockRef[]): void {
    for (const listener of this.#listeners) listener(this.#heads.unsafe, removed);
  }
}
