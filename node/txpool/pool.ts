/**
 * The txpool: acknowledged transactions that wait for blockspace.
 *
 * Owns: admission limits, per-account nonce order, readiness (`ready` numbers, PROTOCOL 3), and the
 * order of candidates per rank. Does not own: durability (the journal), execution, the block.
 * Invariants: only an account's next nonce is ever ready; nothing acknowledged leaves but into a
 * block or with a typed reason; the fast lane has room of its own, so a normal flood cannot fill
 * it; every map is bounded by `globalMax` and `fast.queueLimit`.
 */
import type { Hex } from "../../lanes/bytes.ts";
import { classify, NORMAL_RANK } from "../../lanes/classify.ts";
import type { Policy } from "../../lanes/policy.ts";
import { accept, refuse, type Verdict } from "../../lanes/verdict.ts";
import type { ErrorCode } from "../errors.ts";
import type { AccountView } from "../execution/engine.ts";
import { laneTransaction, type UserTransaction } from "../primitives/transaction.ts";
import { createReadyQueues, type ReadyQueues } from "./ready-queues.ts";
import {
  createSenderQueue,
  type PooledTransaction,
  type SenderQueue,
  type SenderQueues,
} from "./sender-queue.ts";
import { checkAdmission, maxCost } from "./validate.ts";

/** A replacement raises both fees by at least this. */
const REPLACEMENT_BUMP_PERCENT = 10n;
/** Accounts looked at when a block opens, in turn: see `#sweep`. */
const SWEEP_ACCOUNTS_MAX = 256;

/** Transactions with a nonce gap in the whole pool (geth's global queue). */
const GAPPED_MAX = 1024;
/** Bytes of raw transactions of one lane in the pool. */
const LANE_BYTES_MAX = 128 * 1024 * 1024;
/** Blocks in which a transaction may turn out not to be payable. */
const SHORTFALLS_MAX = 3;

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
  /** A transaction left the pool other than into a block; `code` says why. */
  onDropped(item: PooledTransaction, code: ErrorCode): void;
}

export interface Pool {
  /** Takes a transaction in, not yet durable: it cannot be built before `activate`. */
  admit(transaction: UserTransaction, accepted: bigint): Verdict<PooledTransaction, ErrorCode>;
  /** As `admit` for one acknowledged in an earlier run: no limit applies to it. */
  restore(transaction: UserTransaction, accepted: bigint): void;
  /** The journal holds it durably; what it replaced is dropped only now. */
  activate(item: PooledTransaction): void;
  /** It never became durable nor acknowledged; what it replaced takes its place again. */
  withdraw(item: PooledTransaction): void;
  /** The next candidate of a rank in the open block. */
  best(rank: number): PooledTransaction | undefined;
  /** Executed in the open block: the account's next one may become ready. */
  included(item: PooledTransaction): void;
  /** Cannot stand in the open block; it waits for the next one and loses its number. */
  park(item: PooledTransaction): void;
  /** Parks one that its account cannot pay now; after some blocks of that it is dropped. */
  short(item: PooledTransaction): void;
  /** Can never stand in a block. */
  drop(item: PooledTransaction, code: ErrorCode): void;
  /** A block was opened: what waited is looked at again under its base fee. */
  openBlock(baseFee: bigint): void;
  /** The open block is complete; the next one may be opened before it is durable. */
  blockSealed(): void;
  /** The sealed block is durable: its transactions are found in the chain from now on. */
  blockCommitted(): void;
  /** The open block will not be: what was executed in it waits again. */
  blockDiscarded(): void;
  get(hash: Hex): PooledTransaction | undefined;
  /** The nonce a new transaction of the account should have. */
  nextNonce(address: Hex): bigint;
  counts(): { readonly pending: number; readonly queued: number };
}

class Txpool implements Pool {
  readonly #options: PoolOptions;
  readonly #deps: PoolDeps;
  readonly #byHash = new Map<Hex, PooledTransaction>();
  readonly #senders: SenderQueues = new Map();
  /** Executed in the open block, in order. */
  #executed: PooledTransaction[] = [];
  /** Executed in the block that is sealed: still answered by hash until that is durable. */
  #sealed: PooledTransaction[] = [];
  readonly #parked = new Set<PooledTransaction>();
  readonly #queues: ReadyQueues;
  /** Where the next sweep goes on. */
  #sweepNext: Iterator<[Hex, SenderQueue]> = this.#senders.entries();
  #baseFee = 0n;
  /** Taken in with a nonce gap and not ready since: they hold room without being able to pay. */
  readonly #gapped = new Set<PooledTransaction>();
  readonly #bytes = { fast: 0, normal: 0 };
  #fastCount = 0;
  #normalCount = 0;

  constructor(options: PoolOptions, deps: PoolDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#queues = createReadyQueues(options.policy, (item) => {
      item.ready = null;
      this.#parked.add(item);
    });
  }

  admit(transaction: UserTransaction, accepted: bigint): Verdict<PooledTransaction, ErrorCode> {
    if (this.#byHash.has(transaction.hash)) return refuse("ALREADY_KNOWN");
    const account = this.#deps.account(transaction.sender);
    const { chainId, policy } = this.#options;
    const maxTxGas = BigInt(policy.document.normal.maxTxGas);
    const own = checkAdmission(transaction, account, { chainId, maxTxGas });
    if (!own.ok) return own;
    const item = this.#classified(transaction, accepted);
    if (transaction.maxFeePerGas < this.#baseFee)
      return refuse("FEE_CAP_TOO_LOW", { baseFee: String(this.#baseFee) });
    const room = this.#checkRoom(item, account);
    if (!room.ok) return room;
    this.#insert(item);
    return accept(item);
  }

  restore(transaction: UserTransaction, accepted: bigint): void {
    const item = this.#classified(transaction, accepted);
    if (transaction.nonce < this.#deps.account(transaction.sender).nonce) {
      this.#deps.onDropped(item, "NONCE_TOO_LOW");
      return;
    }
    this.#insert(item);
    this.activate(item);
  }

  activate(item: PooledTransaction): void {
    item.durable = true;
    if (item.replaced !== null) this.#deps.onDropped(item.replaced, "REPLACED");
    item.replaced = null;
    const { sender, nonce } = item.transaction;
    // Its nonce may have been passed while it was being written.
    if (this.#senders.get(sender)?.get(nonce) !== item) return;
    if (nonce === this.#deps.account(sender).nonce) this.#makeReady(item);
  }

  withdraw(item: PooledTransaction): void {
    const { replaced } = item;
    item.replaced = null;
    const stood = this.#remove(item);
    if (replaced === null) return;
    if (stood) {
      this.#insert(replaced);
      this.#wake(replaced.transaction.sender, replaced.transaction.nonce);
    } else this.#deps.onDropped(replaced, "NONCE_TOO_LOW");
  }

  best(rank: number): PooledTransaction | undefined {
    return this.#queues.best(rank);
  }

  included(item: PooledTransaction): void {
    this.#remove(item);
    this.#executed.push(item);
    this.#byHash.set(item.transaction.hash, item);
    this.#wake(item.transaction.sender, item.transaction.nonce + 1n);
  }

  park(item: PooledTransaction): void {
    this.#unready(item);
    this.#parked.add(item);
  }

  short(item: PooledTransaction): void {
    item.shortfalls += 1;
    if (item.shortfalls < SHORTFALLS_MAX) this.park(item);
    else this.drop(item, "INSUFFICIENT_FUNDS");
  }

  drop(item: PooledTransaction, code: ErrorCode): void {
    // One that a replacement has put out was reported then.
    if (!this.#remove(item)) return;
    this.#deps.onDropped(item, code);
    const { sender } = item.transaction;
    this.#wake(sender, this.#deps.account(sender).nonce);
  }

  openBlock(baseFee: bigint): void {
    this.#baseFee = baseFee;
    const waiting = [...this.#parked];
    this.#parked.clear();
    this.#queues.setBaseFee(baseFee);
    for (const { transaction } of waiting) this.#wake(transaction.sender, transaction.nonce);
    this.#sweep();
  }

  blockSealed(): void {
    this.#sealed.push(...this.#executed);
    this.#executed = [];
  }

  blockCommitted(): void {
    for (const item of this.#sealed) this.#byHash.delete(item.transaction.hash);
    this.#sealed = [];
  }

  blockDiscarded(): void {
    const items = this.#executed;
    this.#executed = [];
    for (const item of items) {
      this.#byHash.delete(item.transaction.hash);
      this.restore(item.transaction, item.accepted);
    }
  }

  get(hash: Hex): PooledTransaction | undefined {
    return this.#byHash.get(hash);
  }

  nextNonce(address: Hex): bigint {
    const { nonce } = this.#deps.account(address);
    return this.#senders.get(address)?.nextNonce(nonce) ?? nonce;
  }

  counts(): { pending: number; queued: number } {
    let pending = 0;
    for (const [address, queue] of this.#senders)
      pending += queue.executable(this.#deps.account(address).nonce);
    return { pending, queued: this.#fastCount + this.#normalCount - pending };
  }

  #classified(transaction: UserTransaction, accepted: bigint): PooledTransaction {
    const { rank, rule } = classify(laneTransaction(transaction), this.#options.policy);
    return {
      transaction,
      accepted,
      rank,
      rule,
      durable: false,
      ready: null,
      tip: 0n,
      replaced: null,
      shortfalls: 0,
      aborts: 0,
    };
  }

  #checkRoom(item: PooledTransaction, account: AccountView): Verdict<null, ErrorCode> {
    const { sender, nonce } = item.transaction;
    const { fast } = this.#options.policy.document;
    const isFast = item.rank !== NORMAL_RANK;
    const queue = this.#senders.get(sender);
    const cost = maxCost(item.transaction) + (queue?.costWithout(nonce) ?? 0n);
    if (cost > account.balance)
      return refuse("INSUFFICIENT_FUNDS", { have: String(account.balance), want: String(cost) });
    const old = queue?.get(nonce);
    if (old !== undefined) {
      const replaced = checkReplacement(old, item);
      const isFastOld = old.rank !== NORMAL_RANK;
      // A replacement takes the old one's room, but in the old one's lane only.
      if (!replaced.ok || isFastOld === isFast) return replaced;
    } else if ((queue?.size ?? 0) >= this.#options.accountMax)
      return refuse("SENDER_LIMIT", { limit: this.#options.accountMax });
    const { maxPending } = fast.perSender;
    if (isFast && (queue?.fastCount(NORMAL_RANK) ?? 0) >= maxPending)
      return refuse("SENDER_LIMIT", { limit: maxPending });
    const full = isFast
      ? this.#fastCount >= fast.queueLimit
      : this.#normalCount >= this.#options.globalMax;
    const { length } = item.transaction.raw;
    const heavy = this.#bytes[isFast ? "fast" : "normal"] + length > LANE_BYTES_MAX;
    const gapped = nonce > (queue?.nextNonce(account.nonce) ?? account.nonce);
    if (gapped && this.#gapped.size >= GAPPED_MAX) return refuse("POOL_FULL", { gapped: true });
    return full || heavy ? refuse("POOL_FULL") : accept(null);
  }

  #insert(item: PooledTransaction): void {
    const { sender, nonce, hash } = item.transaction;
    let queue = this.#senders.get(sender);
    const old = queue?.get(nonce);
    if (old !== undefined) {
      this.#remove(old);
      item.replaced = old;
      queue = this.#senders.get(sender);
    }
    if (queue === undefined) {
      queue = createSenderQueue();
      this.#senders.set(sender, queue);
    }
    const { nonce: next } = this.#deps.account(sender);
    if (nonce > queue.nextNonce(next)) this.#gapped.add(item);
    queue.set(item);
    this.#byHash.set(hash, item);
    this.#count(item, 1);
  }

  /** Whether it was here. */
  #remove(item: PooledTransaction): boolean {
    const { sender, nonce, hash } = item.transaction;
    const queue = this.#senders.get(sender);
    if (queue?.get(nonce) !== item) return false;
    queue.delete(nonce);
    if (queue.size === 0) this.#senders.delete(sender);
    this.#byHash.delete(hash);
    this.#parked.delete(item);
    this.#gapped.delete(item);
    this.#unready(item);
    this.#count(item, -1);
    return true;
  }

  #count(item: PooledTransaction, by: 1 | -1): void {
    const isFast = item.rank !== NORMAL_RANK;
    this.#bytes[isFast ? "fast" : "normal"] += by * item.transaction.raw.length;
    if (isFast) this.#fastCount += by;
    else this.#normalCount += by;
  }

  /**
   * Looks at some accounts again: a nonce also moves without a pooled transaction (an EIP-7702
   * authorization, a creation by delegated code), and then nothing else would wake what follows it
   * or drop what it has passed.
   */
  #sweep(): void {
    for (let looked = 0; looked < SWEEP_ACCOUNTS_MAX; looked++) {
      const next = this.#sweepNext.next();
      if (next.done === true) {
        this.#sweepNext = this.#senders.entries();
        return;
      }
      const [sender, queue] = next.value;
      const { nonce } = this.#deps.account(sender);
      for (const item of [...queue.values()])
        if (item.transaction.nonce < nonce) this.drop(item, "NONCE_TOO_LOW");
      this.#wake(sender, nonce);
    }
  }

  /** The account's next transaction, if it is here, may have become executable. */
  #wake(sender: Hex, nonce: bigint): void {
    const next = this.#senders.get(sender)?.get(nonce);
    if (next === undefined || next.ready !== null || this.#parked.has(next)) return;
    if (next.durable && nonce === this.#deps.account(sender).nonce) this.#makeReady(next);
  }

  #makeReady(item: PooledTransaction): void {
    if (item.transaction.maxFeePerGas < this.#baseFee) {
      this.#parked.add(item);
      return;
    }
    this.#gapped.delete(item);
    item.ready = this.#deps.nextNumber();
    this.#queues.add(item);
  }

  #unready(item: PooledTransaction): void {
    this.#queues.remove(item);
    item.ready = null;
  }
}

function checkReplacement(
  old: PooledTransaction,
  item: PooledTransaction,
): Verdict<null, ErrorCode> {
  // One step at a time: an unacknowledged one may still have to give its place back.
  if (!old.durable) return refuse("SENDER_LIMIT", { nonce: String(old.transaction.nonce) });
  const bumped = (fee: bigint): bigint => fee + (fee * REPLACEMENT_BUMP_PERCENT + 99n) / 100n;
  const fees = item.transaction;
  if (
    fees.maxFeePerGas < bumped(old.transaction.maxFeePerGas) ||
    fees.maxPriorityFeePerGas < bumped(old.transaction.maxPriorityFeePerGas)
  )
    return refuse("REPLACEMENT_UNDERPRICED");
  return accept(null);
}

export function createPool(options: PoolOptions, deps: PoolDeps): Pool {
  return new Txpool(options, deps);
}
