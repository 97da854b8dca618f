/** What the txpool takes and answers; `pool.ts` is the one there is. */
import type { Hex } from "../../lanes/bytes.ts";
import type { PricesAt } from "../../lanes/classify.ts";
import type { Policy } from "../../lanes/policy.ts";
import type { Verdict } from "../../lanes/verdict.ts";
import type { ErrorCode } from "../errors.ts";
import type { AccountView } from "../execution/engine.ts";
import type { UserTransaction } from "../primitives/transaction.ts";
import type { PooledTransaction, Promised, PromisedBefore } from "./sender-queue.ts";

export interface PoolOptions {
  readonly chainId: number;
  readonly policy: Policy;
  /** Normal-lane transactions in the pool. */
  readonly globalMax: number;
  /** Transactions of one account. */
  readonly accountMax: number;
}

export interface PoolDeps {
  /** State of an account in the open block. */
  account(address: Hex): AccountView;
  /** The next admission number: greater than every one given before. */
  nextNumber(): bigint;
  /** Monotonic milliseconds. */
  nowMs(): number;
  /** A transaction left the pool other than into a block; `code` says why. */
  onDropped(item: PooledTransaction, code: ErrorCode): void;
}

export interface Pool {
  /**
   * Takes a transaction in, not yet durable: it cannot be built before `activate`. The deadline
   * counts for the fast lane only.
   */
  admit(transaction: UserTransaction, promised: Promised): Verdict<PooledTransaction, ErrorCode>;
  /**
   * As `admit` for one acknowledged in an earlier run: no limit applies to it. Called in the order
   * in which they were taken in.
   */
  restore(transaction: UserTransaction, promised: PromisedBefore): void;
  /**
   * One of a promised flashblock was executed again, whether it is here since an earlier run or was
   * `included` before: the account's next one may become ready.
   */
  executedAgain(accepted: bigint, transaction: UserTransaction): void;
  /** The journal holds it durably; what it replaced is dropped only now. */
  activate(item: PooledTransaction): void;
  /** It never became durable nor acknowledged; what it replaced takes its place again. */
  withdraw(item: PooledTransaction): void;
  /** The next candidate of a rank in the open block. */
  best(rank: number): PooledTransaction | undefined;
  /** The lowest number of a fast candidate in the open block; `null` where there is none. */
  oldestFast(): bigint | null;
  /** The normal candidate with the lowest number, where that is below `before`. */
  oldestNormal(before: bigint): PooledTransaction | undefined;
  /** Executed in the open block: the account's next one may become ready. */
  included(item: PooledTransaction): void;
  /** Cannot stand in the open block; it waits for the next one and loses its number. */
  park(item: PooledTransaction): void;
  /** One that is parked may be executed in the open block after all. */
  unpark(item: PooledTransaction): void;
  /** A fast one that the open block has no room for; it waits for the next one with its number. */
  passOver(item: PooledTransaction): void;
  /** Parks one that its account cannot pay now; after some blocks of that it is dropped. */
  short(item: PooledTransaction): void;
  /** Can never stand in a block. */
  drop(item: PooledTransaction, code: ErrorCode): void;
  /** A transaction of the account failed where only success stands. */
  strike(sender: Hex): void;
  /** The account has wasted this much time. */
  spend(sender: Hex, ms: number): void;
  /** A block was opened: what waited is looked at again under its base fee, what is late goes. */
  openBlock(baseFee: bigint, number: number): void;
  /**
   * A flashblock begins with these prices: who is of another class now waits there, without the
   * number that it had. One that was promised the fast lane is dropped where it has lost it.
   */
  repriced(at: PricesAt): void;
  /** The open block is complete; the next one may be opened before it is durable. */
  blockSealed(): void;
  /** The sealed block is durable: its transactions are found in the chain from now on. */
  blockCommitted(): void;
  get(hash: Hex): PooledTransaction | undefined;
  /** The nonce a new transaction of the account should have. */
  nextNonce(address: Hex): bigint;
  counts(): { readonly pending: number; readonly queued: number };
}
