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

/**
 * Raises the signal for a transaction that may be of the fast lane, unless its nonce is used
 * already: anybody can send what is in the chain once more. To be called after it was sent to the
 * sequencing thread: what the thread finds when it has given way must be there.
 */
export function announceFast(
  signal: PreemptionSignal,
  transaction: UserTransaction,
  policy: Policy,
  nonceOf: (address: Hex) => bigint,
): void {
  if (!mayBeFast(laneTransaction(transaction), policy)) return;
  if (transaction.nonce >= nonceOf(transaction.sender)) signal.raise();
}
