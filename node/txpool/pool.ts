/**
 * The txpool: acknowledged transactions that wait for blockspace.
 *
 * Owns: admission limits, per-account nonce order, readiness (`ready` numbers, PROTOCOL 3),
 * deadlines, and the order of candidates per rank. Does not own: durability (the journal),
 * execution, the block; room and eviction (`room.ts`), what accounts may ask (`sender-limits.ts`).
 * Invariants: only an account's next nonce is ever ready; nothing acknowledged leaves but into a
 * block or with a typed reason; the fast lane has room of its own, so a normal flood cannot fill
 * it; every map is bounded by `globalMax` and `fast.queueLimit`.
 */
import type { Hex } from "../../lanes/bytes.ts";
import { NORMAL_RANK, type PricesAt } from "../../lanes/classify.ts";
import { ConflatingQueue } from "../../lanes/queue.ts";
import { accept, refuse, type Verdict } from "../../lanes/verdict.ts";
import type { ErrorCode } from "../errors.ts";
import type { UserTransaction } from "../primitives/transaction.ts";
import { type GateDeps, passGate } from "./gate.ts";
import type { Pool, PoolDeps, PoolOptions } from "./pool-api.ts";
import { type PoolClass, PoolClasses } from "./pool-classes.ts";
import { createReadyQueues, type ReadyQueues } from "./ready-queues.ts";
import { Room } from "./room.ts";
import { SenderLimits } from "./sender-limits.ts";
import {
  isLate,
  placeKey,
  type PooledTransaction,
  type Promised,
  type PromisedBefore,
  SenderQueue,
  type SenderQueues,
} from "./sender-queue.ts";
import { checkAdmission } from "./validate.ts";

/** Accounts looked at when a block opens, in turn: see `#sweep`. */
const SWEEP_ACCOUNTS_MAX = 256;
/** Blocks in which a transaction may turn out not to be payable. */
const SHORTFALLS_MAX = 3;

class Txpool implements Pool {
  readonly #options: PoolOptions;
  readonly #deps: PoolDeps;
  readonly #byHash = new Map<Hex, PooledTransaction>();
  readonly #senders: SenderQueues = new Map();
  /** Of earlier runs, as long as they wait. */
  readonly #restored = new Map<bigint, PooledTransaction>();
  /** Executed in the open block, in order. */
  #executed: PooledTransaction[] = [];
  /** Executed in the block that is sealed: still answered by hash until that is durable. */
  #sealed: PooledTransaction[] = [];
  /** They wait for the next block, without a number and with it. */
  readonly #parked = new Set<PooledTransaction>();
  readonly #passedOver = new Set<PooledTransaction>();
  readonly #classes: PoolClasses;
  readonly #queues: ReadyQueues;
  /** Everything in the fast lane by account and nonce, ready or not. */
  readonly #deadlines: ConflatingQueue<PooledTransaction>;
  readonly #room: Room;
  readonly #limits: SenderLimits;
  readonly #gate: Omit<GateDeps, "baseFee">;
  /** Where the next sweep goes on. */
  #sweepNext: Iterator<[Hex, SenderQueue]> = this.#senders.entries();
  #baseFee = 0n;
  #block = 0;

  constructor(options: PoolOptions, deps: PoolDeps) {
    this.#options = options;
    this.#deps = deps;
    const { queueLimit, perSender } = options.policy.document.fast;
    this.#classes = new PoolClasses(options.policy);
    this.#queues = createReadyQueues(options.policy, (item) => {
      item.ready = null;
      this.#parked.add(item);
    });
    this.#deadlines = new ConflatingQueue({
      compare: (a, b) => (a.accepted < b.accepted ? -1 : 1),
      // Restored ones come back beyond the limit.
      sizeMax: Infinity,
    });
    this.#room = new Room({ fastMax: queueLimit, normalMax: options.globalMax });
    this.#limits = new SenderLimits(perSender, () => deps.nowMs());
    this.#gate = { ...options, room: this.#room, limits: this.#limits };
  }

  admit(transaction: UserTransaction, promised: Promised): Verdict<PooledTransaction, ErrorCode> {
    const { hash, sender } = transaction;
    if (this.#byHash.has(hash)) return refuse("ALREADY_KNOWN");
    const account = this.#deps.account(sender);
    const { chainId, policy } = this.#options;
    const maxTxGas = BigInt(policy.document.normal.maxTxGas);
    const own = checkAdmission(transaction, account, { chainId, maxTxGas });
    if (!own.ok) return own;
    const item = this.#classified(transaction, promised, this.#classes.of(transaction));
    if (this.#classes.isFull(item)) return refuse("POOL_FULL");
    if (transaction.maxFeePerGas < this.#baseFee)
      return refuse("FEE_CAP_TOO_LOW", { baseFee: String(this.#baseFee) });
    const passed = passGate(item, account, this.#senders.get(sender), {
      ...this.#gate,
      baseFee: this.#baseFee,
    });
    if (!passed.ok) return passed;
    if (passed.value !== null) this.#evict(passed.value);
    this.#insert(item);
    return accept(item);
  }

  restore(transaction: UserTransaction, promised: PromisedBefore): void {
    const own = this.#classes.ofPromised(transaction, promised.rank);
    const item = this.#classified(transaction, promised, own);
    item.executing = promised.isExecuted;
    // It was promised a deadline, and no lane but the one it was promised.
    const isDemoted = promised.rank !== NORMAL_RANK && item.rank === NORMAL_RANK;
    const { sender, nonce } = transaction;
    const isPassed =
      nonce < this.#deps.account(sender).nonce ||
      this.#senders.get(sender)?.get(nonce)?.executing === true;
    if (isDemoted && !promised.isExecuted) this.#deps.onDropped(item, "CLASS_CHANGED");
    else if (isPassed) this.#deps.onDropped(item, "NONCE_TOO_LOW");
    else {
      this.#insert(item);
      this.#restored.set(item.accepted, item);
      this.activate(item);
    }
  }

  executedAgain(accepted: bigint, { sender, nonce }: UserTransaction): void {
    const waiting = this.#restored.get(accepted);
    if (waiting !== undefined) this.included(waiting);
    else this.#wake(sender, nonce + 1n);
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
    if (replaced === null) {
      if (stood) this.#openGap(item);
      return;
    }
    if (isLate(replaced, this.#block)) this.#deps.onDropped(replaced, "TX_EXPIRED");
    else if (stood) {
      this.#insert(replaced);
      this.#wake(replaced.transaction.sender, replaced.transaction.nonce);
    } else this.#deps.onDropped(replaced, "NONCE_TOO_LOW");
  }

  best(rank: number): PooledTransaction | undefined {
    return this.#queues.best(rank);
  }

  oldestFast(): bigint | null {
    return this.#queues.oldestFast();
  }

  oldestNormal(before: bigint): PooledTransaction | undefined {
    return this.#queues.oldestNormal(before);
  }

  included(item: PooledTransaction): void {
    this.#remove(item);
    this.#executed.push(item);
    this.#byHash.set(item.transaction.hash, item);
    this.#wake(item.transaction.sender, item.transaction.nonce + 1n);
  }

  park(item: PooledTransaction): void {
    this.#unready(item);
    this.#passedOver.delete(item);
    this.#parked.add(item);
  }

  unpark(item: PooledTransaction): void {
    if (this.#parked.delete(item)) this.#wake(item.transaction.sender, item.transaction.nonce);
  }

  passOver(item: PooledTransaction): void {
    this.#queues.remove(item);
    this.#passedOver.add(item);
  }

  short(item: PooledTransaction): void {
    item.shortfalls += 1;
    if (item.shortfalls < SHORTFALLS_MAX) this.park(item);
    else this.drop(item, "INSUFFICIENT_FUNDS");
  }

  drop(item: PooledTransaction, code: ErrorCode): void {
    // One that a replacement has put out was reported then.
    if (!this.#remove(item)) return;
    this.#openGap(item);
    this.#deps.onDropped(item, code);
    const { sender } = item.transaction;
    this.#wake(sender, this.#deps.account(sender).nonce);
  }

  strike(sender: Hex): void {
    this.#limits.strike(sender);
    this.#holdThrottled(sender);
  }

  spend(sender: Hex, ms: number): void {
    this.#limits.spend(sender, ms);
    this.#holdThrottled(sender);
  }

  openBlock(baseFee: bigint, number: number): void {
    this.#baseFee = baseFee;
    this.#block = number;
    for (const item of this.#deadlines.expire(number)) this.drop(item, "TX_EXPIRED");
    const waiting = [...this.#parked];
    this.#parked.clear();
    this.#queues.setBaseFee(baseFee);
    const passedOver = [...this.#passedOver];
    this.#passedOver.clear();
    for (const item of passedOver)
      if (item.transaction.maxFeePerGas < baseFee) this.park(item);
      else this.#queues.add(item);
    for (const { transaction } of waiting) this.#wake(transaction.sender, transaction.nonce);
    this.#sweep();
  }

  repriced(at: PricesAt): void {
    for (const item of this.#classes.arrived(at)) this.unpark(item);
    for (const [item, { rank, rule }] of this.#classes.repriced(at)) {
      if (rank === NORMAL_RANK && item.deadlineBlock > 0) this.drop(item, "CLASS_CHANGED");
      else if (this.#remove(item)) {
        Object.assign(item, { rank, rule });
        this.#insert(item);
        this.#wake(item.transaction.sender, item.transaction.nonce);
      }
    }
  }

  blockSealed(): void {
    this.#sealed.push(...this.#executed);
    this.#executed = [];
  }

  blockCommitted(): void {
    for (const item of this.#sealed) this.#byHash.delete(item.transaction.hash);
    this.#sealed = [];
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
    return { pending, queued: this.#room.size - pending };
  }

  #classified(transaction: UserTransaction, promised: Promised, own: PoolClass): PooledTransaction {
    const { accepted, timeMs, deadlineBlock, conditions } = promised;
    return {
      ...{ transaction, accepted, timeMs, conditions, rank: own.rank, rule: own.rule },
      deadlineBlock: own.rank === NORMAL_RANK ? 0 : deadlineBlock,
      durable: false,
      executing: false,
      ready: null,
      tip: 0n,
      replaced: null,
      shortfalls: 0,
      aborts: 0,
      conflicts: 0,
    };
  }

  #evict(item: PooledTransaction): void {
    this.#remove(item);
    this.#openGap(item);
    this.#deps.onDropped(item, "EVICTED");
  }

  /** It has left for nothing: what follows cannot be executed, and is the first to be evicted. */
  #openGap({ transaction: { sender, nonce } }: PooledTransaction): void {
    if (nonce < this.#deps.account(sender).nonce) return;
    for (const item of this.#senders.get(sender)?.values() ?? [])
      if (item.transaction.nonce > nonce) this.#room.openedGap(item);
  }

  /** Nothing is missing before the account's transaction of this nonce any more. */
  #closeGap(queue: SenderQueue | undefined, nonce: bigint): void {
    for (let next = nonce; ; next++) {
      const item = queue?.get(next);
      if (item === undefined || !this.#room.closedGap(item)) return;
    }
  }

  /** Whoever is over its limits is not executable until it is under them again. */
  #holdThrottled(sender: Hex): void {
    if (!this.#limits.isThrottled(sender)) return;
    const next = this.#senders.get(sender)?.get(this.#deps.account(sender).nonce);
    if (next !== undefined && next.ready !== null) this.park(next);
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
      queue = new SenderQueue();
      this.#senders.set(sender, queue);
    }
    const isGapped = nonce > queue.nextNonce(this.#deps.account(sender).nonce);
    queue.set(item);
    this.#byHash.set(hash, item);
    this.#room.added(item, queue, isGapped);
    if (!isGapped) this.#closeGap(queue, nonce + 1n);
    if (item.deadlineBlock > 0) this.#deadlines.offer(placeKey(item), item, item.deadlineBlock);
    this.#classes.added(item);
  }

  /** Whether it was here. */
  #remove(item: PooledTransaction): boolean {
    const { sender, nonce, hash } = item.transaction;
    const queue = this.#senders.get(sender);
    if (queue?.get(nonce) !== item) return false;
    queue.delete(nonce);
    this.#room.removed(item, queue);
    if (queue.size === 0) this.#senders.delete(sender);
    this.#byHash.delete(hash);
    this.#restored.delete(item.accepted);
    this.#parked.delete(item);
    this.#passedOver.delete(item);
    this.#classes.removed(item);
    if (item.deadlineBlock > 0) this.#deadlines.remove(placeKey(item));
    this.#unready(item);
    return true;
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
    const { sender, nonce, maxFeePerGas } = item.transaction;
    this.#closeGap(this.#senders.get(sender), nonce);
    if (maxFeePerGas < this.#baseFee || this.#limits.isThrottled(sender)) {
      this.#parked.add(item);
      return;
    }
    item.ready = this.#deps.nextNumber();
    this.#queues.add(item);
  }

  #unready(item: PooledTransaction): void {
    this.#queues.remove(item);
    item.ready = null;
  }
}

export function createPool(options: PoolOptions, deps: PoolDeps): Pool {
  return new Txpool(options, deps);
}
