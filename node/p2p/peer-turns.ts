/**
 * Work for many peers on one thread: a piece of each in turn, and a turn of the event loop after
 * each piece. Whoever asks for much waits for itself; whoever asks for little waits for one piece
 * of every other peer at most.
 *
 * Does not own a bound: whoever takes turns bounds how many a peer waits for.
 */
import { setImmediate } from "node:timers/promises";

export class PeerTurns {
  /** Who waits, by peer; the first peer is the next. */
  readonly #waiting = new Map<string, (() => void)[]>();
  #running = false;

  /** Resolves when it is the peer's turn: until the next wait, nobody else's work is done. */
  take(peerId: string): Promise<void> {
    return new Promise((resolve) => {
      const own = this.#waiting.get(peerId);
      if (own === undefined) this.#waiting.set(peerId, [resolve]);
      else own.push(resolve);
      if (this.#running) return;
      this.#running = true;
      void this.#run();
    });
  }

  async #run(): Promise<void> {
    for (const [peerId, own] of this.#waiting) {
      // Deleted and set again: the map is walked in the order of setting, so the peer comes last.
      this.#waiting.delete(peerId);
      const resolve = own.shift();
      if (own.length > 0) this.#waiting.set(peerId, own);
      resolve?.();
      await setImmediate();
    }
    this.#running = false;
  }
}
