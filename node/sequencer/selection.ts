/**
 * Which transaction the open block takes next: the rules of PROTOCOL 4 from the builder's side.
 *
 * Owns: class caps (I4), and that nobody is overtaken (I2): a fast transaction whose class is full
 * keeps its number and waits for the next block; one that does not fit what is left of the block
 * itself closes the block to all lower ranks. The normal lane gets what the fast classes leave,
 * released linearly over the block, and turns under a fast flood: then only transactions that were
 * executable before every fast one that waits. Does not own time, flashblocks, execution.
 */
import { capOf, normalGasLeft } from "../../lanes/budget.ts";
import { NORMAL_RANK } from "../../lanes/classify.ts";
import type { Policy } from "../../lanes/policy.ts";
import type { Pool } from "../txpool/pool-api.ts";
import type { PooledTransaction } from "../txpool/sender-queue.ts";

/**
 * Normal transactions that may turn out not to fit a block: then it is full for their lane. Each is
 * put aside and looked at again when the next block opens, and thousands may wait. Small ones
 * count: large ones would close the lane to all that they leave room for.
 */
const SMALL_MISFITS_MAX = 64;
const MISFITS_MAX = 1024;
/** What is small: this part of a block's gas, and so many bytes. */
const SMALL_GAS_PART = 64n;
const SMALL_BYTES = 2048;

/** What is left of the open block, whoever asks. */
export interface BlockRoom {
  /** Gas limits that still fit. */
  gasFree(): bigint;
  fitsBytes(item: PooledTransaction): boolean;
  /** Milliseconds of the block that are left, and all of them. */
  time(): { readonly leftMs: number; readonly totalMs: number };
}

export interface SelectionOptions {
  readonly policy: Policy;
  readonly pool: Pool;
  readonly gasLimit: bigint;
  /** Gas limits of the attributes and deposits. */
  readonly systemGas: bigint;
}

export class Selection {
  readonly #pool: Pool;
  readonly #room: BlockRoom;
  readonly #gasLimit: bigint;
  /** Gas limits left to each fast rank. */
  readonly #gasLeft = new Map<number, bigint>();
  /** Ranks above this one are closed: a better one does not fit the block any more. */
  #closedAbove = NORMAL_RANK;
  #misfits = 0;
  #smallMisfits = 0;

  constructor({ policy, pool, gasLimit, systemGas }: SelectionOptions, room: BlockRoom) {
    this.#pool = pool;
    this.#room = room;
    this.#gasLimit = gasLimit;
    const { systemReserveGas, fast } = policy.document;
    for (const { rank, gasShareBps } of fast.classes)
      this.#gasLeft.set(rank, capOf(gasShareBps, { gasLimit, systemGas, systemReserveGas }));
  }

  /** Whether a fast transaction waits that may be the next. */
  hasFast(): boolean {
    return this.#firstRank() !== null;
  }

  hasNormal(): boolean {
    return this.#closedAbove === NORMAL_RANK && this.#pool.best(NORMAL_RANK) !== undefined;
  }

  /** The best fast transaction that fits. Puts aside those that do not. */
  nextFast(): PooledTransaction | undefined {
    for (let rank = this.#firstRank(); rank !== null; rank = this.#firstRank()) {
      const item = this.#pool.best(rank);
      if (item !== undefined && this.#fits(item)) return item;
    }
    return undefined;
  }

  /** The best normal transaction, where there is gas for it now. */
  nextNormal(): PooledTransaction | undefined {
    while (this.hasNormal()) {
      const item = this.#pool.best(NORMAL_RANK);
      if (item === undefined) return undefined;
      if (this.#fitsBlock(item)) return this.#isReleased(item) ? item : undefined;
      this.#putAside(item);
    }
    return undefined;
  }

  /** One that no fast transaction is overtaken by, although some wait. */
  nextInTurn(): PooledTransaction | undefined {
    const waiting = this.#pool.oldestFast();
    if (waiting === null) return this.nextNormal();
    const item = this.hasNormal() ? this.#pool.oldestNormal(waiting) : undefined;
    if (item === undefined) return undefined;
    if (this.#fitsBlock(item)) return this.#isReleased(item) ? item : undefined;
    this.#putAside(item);
    return undefined;
  }

  /** A fast transaction went into the block. */
  took(rank: number, gasLimit: bigint): void {
    const left = this.#gasLeft.get(rank);
    if (left !== undefined) this.#gasLeft.set(rank, left - gasLimit);
  }

  #putAside(item: PooledTransaction): void {
    this.#pool.park(item);
    const { gasLimit, raw } = item.transaction;
    const isSmall = gasLimit * SMALL_GAS_PART <= this.#gasLimit && raw.length <= SMALL_BYTES;
    this.#misfits += 1;
    if (isSmall) this.#smallMisfits += 1;
    if (this.#misfits >= MISFITS_MAX || this.#smallMisfits >= SMALL_MISFITS_MAX)
      this.#closedAbove = Math.min(this.#closedAbove, NORMAL_RANK - 1);
  }

  #firstRank(): number | null {
    for (const rank of this.#gasLeft.keys())
      if (rank <= this.#closedAbove && this.#pool.best(rank) !== undefined) return rank;
    return null;
  }

  #fits(item: PooledTransaction): boolean {
    const { transaction, rank } = item;
    const isInCap = transaction.gasLimit <= (this.#gasLeft.get(rank) ?? 0n);
    if (isInCap && this.#fitsBlock(item)) return true;
    // Whoever is over the cap may be overtaken in this block, and only in this one.
    if (isInCap) this.#closedAbove = Math.min(this.#closedAbove, rank);
    this.#pool.passOver(item);
    return false;
  }

  #fitsBlock(item: PooledTransaction): boolean {
    return item.transaction.gasLimit <= this.#room.gasFree() && this.#room.fitsBytes(item);
  }

  /** Whether the gas it needs is not held back for the fast classes any more. */
  #isReleased({ transaction }: PooledTransaction): boolean {
    let reserved = 0n;
    for (const left of this.#gasLeft.values()) reserved += left;
    const free = this.#room.gasFree();
    return transaction.gasLimit <= normalGasLeft({ free, reserved, ...this.#room.time() });
  }
}
