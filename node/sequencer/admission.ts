/**
 * Takes transactions in: number, journal, signature, then answer (I7: persist before promise); and
 * tells what becomes of those that will stand in no block. PROTOCOL 3.
 *
 * Owns: the admission counter (`leaderEpoch · 2^40 + seq`), deadlines, the way from a submitted
 * transaction to an acknowledged one, and the log of what was accepted and dropped since the last
 * block. Does not own: pool rules, the journal's format, signatures.
 */
import { laneOf } from "../../lanes/classify.ts";
import type { Hex } from "../../lanes/bytes.ts";
import { decodeLeaves } from "../../lanes/flashblock-leaves.ts";
import type { Policy } from "../../lanes/policy.ts";
import type { DroppedTransaction, SubmitAnswer } from "../api.ts";
import type { Clock } from "../clock.ts";
import { type ErrorCode, NodeError } from "../errors.ts";
import type { AccountView } from "../execution/engine.ts";
import type { Logger } from "../log.ts";
import type { TransactionConditions } from "../primitives/conditions.ts";
import type { UserTransaction } from "../primitives/transaction.ts";
import type { AdmissionEntry, BlockAdmissions, DropEntry, Store } from "../storage/store.ts";
import { createPool } from "../txpool/pool.ts";
import type { Pool } from "../txpool/pool-api.ts";
import { type PooledTransaction, promisedLane } from "../txpool/sender-queue.ts";
import {
  dropRecord,
  type JournalContent,
  readJournal,
  transactionRecord,
  type TransactionRecord,
} from "./journal-records.ts";
import type { PromiseLog } from "./promises.ts";

const SEQ_BITS = 40n;
const SEQ_MAX = (1n << SEQ_BITS) - 1n;

/**
 * What may wait for a block to be stored: entries of the log, and bytes of transactions dropped. A
 * chain that stands still, because L1 does, takes nothing in beyond.
 */
const LOG_ENTRIES_MAX = 262_144;
const LOG_BYTES_MAX = 64 * 1024 * 1024;

export interface AdmissionOptions {
  readonly chainId: number;
  readonly policy: Policy;
  readonly leaderEpoch: number;
  readonly globalMax: number;
  readonly accountMax: number;
}

export interface AdmissionDeps {
  readonly store: Pick<Store, "loadJournal" | "settleJournal" | "transactionLocation">;
  readonly promises: Pick<PromiseLog, "admit" | "note">;
  account(address: Hex): AccountView;
  recoverSenders(raws: readonly Uint8Array[]): Promise<readonly (Hex | null)[]>;
  readonly clock: Clock;
  /** Something may have become executable. */
  onReady(): void;
  onAccepted(hash: Hex): void;
  /** It is durable that this transaction will stand in no block. */
  onDropped(drop: DroppedTransaction): void;
  /** What is to be promised could not be made durable. */
  onFailed(error: unknown): void;
  readonly log: Logger;
}

/** What the next block's batch takes along. */
export interface Settled {
  /** Journal records of what left the pool other than by a block, and of these drops. */
  readonly dropped: readonly bigint[];
  readonly admissions: BlockAdmissions;
}

/** What earlier runs have promised of blocks that are not there. */
export interface Restored extends Pick<JournalContent, "flashblocks" | "reports"> {
  /** Of these flashblocks, by number. */
  readonly transactions: ReadonlyMap<bigint, UserTransaction>;
}

export interface Admission {
  readonly pool: Pool;
  /** The next admission number: greater than every one given before. */
  nextNumber(): bigint;
  /** Puts every journaled transaction of earlier runs back into the pool; their promise stands. */
  restore(head: number): Promise<Restored>;
  /** Resolves when the transaction is durable and its group signed, or refused. */
  submit(
    transaction: UserTransaction,
    wantsReceipt?: boolean,
    conditions?: TransactionConditions | null,
  ): Promise<SubmitAnswer>;
  /** A block opens. */
  openBlock(baseFee: bigint, number: number): void;
  /** The block that is open, by its number; `null` where nothing is taken in. */
  openNumber(): number | null;
  /** What has become durable since the last call. */
  takeSettled(): Settled;
  /** Refuses everything from now on. */
  close(): void;
}

export function createAdmission(options: AdmissionOptions, deps: AdmissionDeps): Admission {
  return new AdmissionDesk(options, deps);
}

class AdmissionDesk implements Admission {
  readonly pool: Pool;
  readonly #options: AdmissionOptions;
  readonly #deps: AdmissionDeps;
  #seq = 0n;
  #open = true;
  #blockNumber = 0;
  /** Dropped in the pool, not yet on their way to the journal. */
  #dropping: { readonly item: PooledTransaction; readonly code: ErrorCode }[] = [];
  #accepted: AdmissionEntry[] = [];
  #dropped: DropEntry[] = [];
  #droppedBytes = 0;
  #settled: bigint[] = [];

  constructor(options: AdmissionOptions, deps: AdmissionDeps) {
    this.#options = options;
    this.#deps = deps;
    this.pool = createPool(options, {
      account: (address) => deps.account(address),
      nextNumber: () => this.nextNumber(),
      nowMs: () => deps.clock.monotonicMs(),
      onDropped: (item, code) => {
        this.#drop(item, code);
      },
    });
  }

  nextNumber(): bigint {
    if (this.#seq >= SEQ_MAX)
      throw new NodeError("NOT_ACCEPTING", { admissionNumbers: "exhausted" });
    this.#seq += 1n;
    return (BigInt(this.#options.leaderEpoch) << SEQ_BITS) + this.#seq;
  }

  async restore(head: number): Promise<Restored> {
    const { store, log } = this.#deps;
    // Deadlines of what is taken in before the first block opens count from that block.
    this.#blockNumber = head + 1;
    const journal = readJournal(await store.loadJournal());
    const isInChain = ({ transaction }: TransactionRecord): boolean =>
      store.transactionLocation(transaction.hash) !== null;
    // Imported from L1 or from peers while this node was down.
    const included = journal.transactions.filter(isInChain).map(({ accepted }) => accepted);
    const old = journal.flashblocks.filter(({ header }) => header.blockNumber <= head);
    await store.settleJournal([...included, ...old.map(({ record }) => record)]);
    const flashblocks = journal.flashblocks.filter(({ header }) => header.blockNumber > head);
    const executed = numbersOf(flashblocks);
    this.#restoreDrops(journal, executed);
    const dropped = new Set(journal.drops.map(({ accepted }) => accepted));
    const live = journal.transactions.filter(
      (record) =>
        !isInChain(record) && (executed.has(record.accepted) || !dropped.has(record.accepted)),
    );
    const transactions = await this.#restoreTransactions(live, executed);
    log.info("journal restored", { records: live.length, ...this.pool.counts() });
    return { flashblocks, transactions, reports: journal.reports };
  }

  async submit(
    transaction: UserTransaction,
    wantsReceipt = false,
    conditions: TransactionConditions | null = null,
  ): Promise<SubmitAnswer> {
    if (!this.#open) return { ok: false, code: "NOT_ACCEPTING", data: {} };
    if (this.#isLogFull())
      return { ok: false, code: "NOT_ACCEPTING", data: { reason: "no block is stored" } };
    const { policy } = this.#options;
    const { hash, raw } = transaction;
    const accepted = this.nextNumber();
    const timeMs = this.#deps.clock.nowMs();
    const deadline = this.#blockNumber + policy.document.ttlBlocks;
    const promised = { accepted, timeMs, deadlineBlock: deadline, conditions };
    const admitted = this.pool.admit(transaction, promised);
    if (!admitted.ok) return admitted;
    const { rank, deadlineBlock } = admitted.value;
    const lane = laneOf(rank);
    const leaf = { hash, accepted, lane, rank, policyHash: policy.hash, deadlineBlock } as const;
    const record = transactionRecord({ accepted, deadlineBlock, timeMs, rank, conditions }, raw);
    const isGapped = transaction.nonce >= this.pool.nextNonce(transaction.sender);
    const admitting = this.#deps.promises.admit(leaf, record);
    // Promises are durable in their order, so a fast one is built meanwhile: the flashblock that it
    // stands in is signed after its admission is durable.
    if (lane === "fast") this.#activate(admitted.value);
    let admission;
    try {
      admission = await admitting;
    } catch (error) {
      // What a fast one stands in is not signed either: nothing is promised after a failure.
      if (lane === "normal") this.pool.withdraw(admitted.value);
      this.#deps.onFailed(error);
      throw error;
    }
    this.#accepted.push({ accepted, hash, timeMs, rank });
    if (lane === "normal") this.#activate(admitted.value);
    this.#deps.onAccepted(hash);
    const answer = { ok: true, hash, lane, rank, accepted, deadlineBlock, isGapped } as const;
    return wantsReceipt ? { ...answer, admission } : answer;
  }

  #activate(item: PooledTransaction): void {
    this.pool.activate(item);
    this.#deps.onReady();
  }

  openBlock(baseFee: bigint, number: number): void {
    this.#blockNumber = number;
    this.pool.openBlock(baseFee, number);
  }

  openNumber(): number | null {
    return this.#open ? this.#blockNumber : null;
  }

  takeSettled(): Settled {
    const taken = {
      dropped: this.#settled,
      admissions: { accepted: this.#accepted, dropped: this.#dropped },
    };
    this.#settled = [];
    this.#accepted = [];
    this.#dropped = [];
    this.#droppedBytes = 0;
    return taken;
  }

  #logDrop(drop: DropEntry): void {
    this.#dropped.push(drop);
    this.#droppedBytes += drop.raw?.length ?? 0;
  }

  #isLogFull(): boolean {
    const entries = this.#accepted.length + this.#dropped.length + this.#dropping.length;
    return entries >= LOG_ENTRIES_MAX || this.#droppedBytes >= LOG_BYTES_MAX;
  }

  close(): void {
    this.#open = false;
  }

  /**
   * The log of the next block has them, and their records go with it. What stands in a promised
   * flashblock is not dropped, whatever else was noted.
   */
  #restoreDrops({ transactions, drops }: JournalContent, executed: ReadonlySet<bigint>): void {
    const byNumber = new Map(transactions.map((record) => [record.accepted, record]));
    for (const { accepted, code, timeMs, record } of drops) {
      this.#settled.push(record);
      if (executed.has(accepted)) continue;
      this.#settled.push(accepted);
      const found = byNumber.get(accepted);
      if (found === undefined) continue;
      const { hash, raw } = found.transaction;
      this.#accepted.push({ accepted, hash, timeMs: found.timeMs, rank: found.rank });
      this.#logDrop({ accepted, hash, timeMs, code, raw });
    }
  }

  /** Returns those that stand in promised flashblocks. */
  async #restoreTransactions(
    records: readonly TransactionRecord[],
    executed: ReadonlySet<bigint>,
  ): Promise<Map<bigint, UserTransaction>> {
    const found = new Map<bigint, UserTransaction>();
    const raws = records.map(({ transaction }) => transaction.raw);
    const senders = await this.#deps.recoverSenders(raws);
    for (const [index, record] of records.entries()) {
      const { accepted, timeMs, deadlineBlock, rank, conditions, transaction } = record;
      const sender = senders[index];
      if (sender === null || sender === undefined)
        throw new NodeError("STORAGE_CORRUPT", { record: "journal", accepted: String(accepted) });
      this.#accepted.push({ accepted, hash: transaction.hash, timeMs, rank });
      const restored = { ...transaction, sender };
      const isExecuted = executed.has(accepted);
      const promised = { accepted, timeMs, deadlineBlock, rank, conditions, isExecuted };
      this.pool.restore(restored, promised);
      if (isExecuted) found.set(accepted, restored);
    }
    return found;
  }

  /**
   * Not at once: the pool may drop one in favour of another whose own record, with a lower number,
   * is not on its way yet.
   */
  #drop(item: PooledTransaction, code: ErrorCode): void {
    this.#dropping.push({ item, code });
    if (this.#dropping.length === 1)
      queueMicrotask(() => {
        this.#noteDrops();
      });
  }

  #noteDrops(): void {
    const dropping = this.#dropping;
    this.#dropping = [];
    for (const { item, code } of dropping)
      this.#noteDrop(item, code).catch((error: unknown) => {
        this.#deps.onFailed(error);
      });
  }

  async #noteDrop(item: PooledTransaction, code: ErrorCode): Promise<void> {
    const { transaction, accepted } = item;
    const { promises, log } = this.#deps;
    const { hash, raw } = transaction;
    const timeMs = this.#deps.clock.nowMs();
    const blockNumber = this.#blockNumber;
    const record = dropRecord(this.nextNumber(), { accepted, timeMs, code });
    await promises.note(record);
    // Settled with the next block, in its batch.
    this.#settled.push(accepted, record.accepted);
    this.#logDrop({ accepted, hash, timeMs, code, raw });
    log.info("transaction dropped", { hash, code });
    const lane = promisedLane(item);
    this.#deps.onDropped({ hash, accepted, lane, code, blockNumber });
  }
}

/** Accepted numbers of everything in the flashblocks. */
function numbersOf(flashblocks: JournalContent["flashblocks"]): Set<bigint> {
  const numbers = new Set<bigint>();
  for (const { leaves } of flashblocks) {
    const decoded = decodeLeaves(leaves);
    if (decoded.ok) for (const { lane } of decoded.value) numbers.add(lane.accepted);
  }
  return numbers;
}
