/**
 * How the builder lets the fast lane in while it works on something else.
 *
 * Owns: turns of the event loop, in which arrivals and the disk are heard; waiting for a fast
 * transaction that something has given way to; and that nothing long begins while a promise to the
 * fast lane is on its way to the disk, because nobody would hear the disk. DESIGN 4.
 */
import type { Clock } from "../clock.ts";
import type { PreemptionSignal } from "../preemption-signal.ts";
import type { Arrivals } from "./arrivals.ts";

export interface CourtesyDeps {
  readonly clock: Clock;
  readonly arrivals: Arrivals;
  readonly preemption: PreemptionSignal;
  yieldTurn(): Promise<void>;
}

export interface CourtesyBlock {
  /** Unix milliseconds: nothing is waited for beyond the block's end. */
  readonly sealAtMs: number;
  /** Whether a fast transaction may be the next. */
  hasFast(): boolean;
}

/** Of one block. */
export class Courtesy {
  readonly #deps: CourtesyDeps;
  readonly #block: CourtesyBlock;
  /** Flashblocks with fast transactions that are not signed yet. */
  #unsigned = 0;

  constructor(deps: CourtesyDeps, block: CourtesyBlock) {
    this.#deps = deps;
    this.#block = block;
  }

  /** A flashblock with fast transactions is on its way to its signature. */
  promised(signature: Promise<unknown>): void {
    this.#unsigned += 1;
    const done = (): void => {
      this.#unsigned -= 1;
      this.#deps.arrivals.notify();
    };
    // A failure shows where the signature is waited for.
    signature.then(done, done);
  }

  /** Whether somebody in the fast lane waits for the disk. */
  isUrgent(): boolean {
    return this.#unsigned > 0;
  }

  /** Takes in what has arrived. */
  async takeTurn(): Promise<void> {
    const { preemption } = this.#deps;
    preemption.lower();
    await this.#deps.yieldTurn();
  }

  /**
   * Waits until fast flashblocks are signed. Whether it has waited at all: then the next candidate
   * is chosen anew.
   */
  async awaitPromises(): Promise<boolean> {
    if (this.#unsigned === 0) return false;
    await this.#wait(() => this.#block.hasFast() || this.#unsigned === 0);
    return true;
  }

  async #wait(isOver: () => boolean): Promise<void> {
    const { arrivals, clock } = this.#deps;
    while (!isOver()) {
      const leftMs = this.#block.sealAtMs - clock.nowMs();
      if (leftMs <= 0) return;
      await arrivals.wait(leftMs);
    }
  }
}
