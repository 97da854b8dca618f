/**
 * Threads that take turns at work of seconds, where there are too few processors for all of it at
 * once: one of them works, the others sleep. For threads that nobody waits for meanwhile.
 */

const FREE = 0;
const HELD = 1;

export class SharedTurn {
  readonly #word: Int32Array<SharedArrayBuffer>;

  /** On the memory of a turn that another thread has made. */
  constructor(memory: SharedArrayBuffer) {
    this.#word = new Int32Array(memory);
  }

  static create(): SharedTurn {
    return new SharedTurn(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  }

  /** To be sent to another thread. */
  get memory(): SharedArrayBuffer {
    return this.#word.buffer;
  }

  /**
   * Does the work while no other thread does; this one sleeps until then, and goes on without its
   * turn after `waitMs`.
   */
  async hold<T>(work: () => Promise<T>, waitMs = Infinity): Promise<T> {
    let isMine = this.#take();
    while (!isMine && Atomics.wait(this.#word, 0, HELD, waitMs) !== "timed-out")
      isMine = this.#take();
    if (!isMine) return work();
    try {
      return await work();
    } finally {
      Atomics.store(this.#word, 0, FREE);
      Atomics.notify(this.#word, 0, 1);
    }
  }

  #take(): boolean {
    return Atomics.compareExchange(this.#word, 0, FREE, HELD) === FREE;
  }
}
