/**
 * Threads that take turns at work of seconds, where there are too few processors for all of it at
 * once: one of them works, the others sleep. For threads that have nothing else to do.
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

  /** Does the work while no other thread does; this one sleeps until then. */
  async hold<T>(work: () => Promise<T>): Promise<T> {
    while (Atomics.compareExchange(this.#word, 0, FREE, HELD) === HELD)
      Atomics.wait(this.#word, 0, HELD);
    try {
      return await work();
    } finally {
      Atomics.store(this.#word, 0, FREE);
      Atomics.notify(this.#word, 0, 1);
    }
  }
}
