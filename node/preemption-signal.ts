/**
 * Makes a long normal transaction give way to the fast lane: a signal shared between threads.
 *
 * The sequencing thread hears nobody while the EVM runs. So whichever thread hands it a fast
 * transaction raises this signal in shared memory, which the EVM polls. DESIGN 4.
 * Owns the signal and who raises it. Does not own what is interrupted:
 * `execution/embedded/preemption.ts`.
 */
import type { Hex } from "../lanes/bytes.ts";
import { mayBeFast } from "../lanes/classify.ts";
import type { Policy } from "../lanes/policy.ts";
import { keepNewest } from "./keep-newest.ts";
import { laneTransaction, type UserTransaction } from "./primitives/transaction.ts";

export class PreemptionSignal {
  readonly #word: Int32Array<SharedArrayBuffer>;

  /** On the memory of a signal that another thread has made. */
  constructor(memory: SharedArrayBuffer) {
    this.#word = new Int32Array(memory);
  }

  static create(): PreemptionSignal {
    return new PreemptionSignal(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  }

  /** To be sent to another thread. */
  get memory(): SharedArrayBuffer {
    return this.#word.buffer;
  }

  raise(): void {
    Atomics.store(this.#word, 0, 1);
  }

  lower(): void {
    Atomics.store(this.#word, 0, 0);
  }

  isRaised(): boolean {
    return Atomics.load(this.#word, 0) !== 0;
  }
}

/** Transactions that are remembered as announced. */
const ANNOUNCED_MAX = 4096;

const NO_ACCOUNT = { nonce: 0n, balance: 0n };

/** What is known of an account where a transaction is taken in; `null` where there is none. */
export type KnownAccount = (
  address: Hex,
) => { readonly nonce: bigint; readonly balance: bigint } | null;

/**
 * Raises the signal for transactions that may be of the fast lane. Of one thread, because anybody
 * may send whatever was signed once: each raises it once, and none that the chain has already, or
 * that its sender cannot pay.
 */
export class FastSignal {
  readonly #signal: Pick<PreemptionSignal, "raise">;
  readonly #policy: Policy;
  readonly #accountOf: KnownAccount;
  readonly #announced = new Map<Hex, true>();

  constructor(signal: Pick<PreemptionSignal, "raise">, policy: Policy, accountOf: KnownAccount) {
    this.#signal = signal;
    this.#policy = policy;
    this.#accountOf = accountOf;
  }

  /**
   * To be called after it was sent to the sequencing thread: what the thread finds when it has
   * given way must be there.
   */
  announce(transaction: UserTransaction): void {
    const { hash, sender, nonce, gasLimit, maxFeePerGas, value } = transaction;
    if (!mayBeFast(laneTransaction(transaction), this.#policy) || this.#announced.has(hash)) return;
    const account = this.#accountOf(sender) ?? NO_ACCOUNT;
    if (nonce < account.nonce || gasLimit * maxFeePerGas + value > account.balance) return;
    this.#announced.set(hash, true);
    keepNewest(this.#announced, ANNOUNCED_MAX);
    this.#signal.raise();
  }
}
