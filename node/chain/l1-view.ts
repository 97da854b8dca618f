/**
 * L1 as this node sees it: recent blocks by height, pushed by settlement in order.
 *
 * Owns: the bounded window and the head. Does not own polling. A block outside the window is asked
 * for (`fetch`), which costs a hop to another thread.
 */
import type { BlockRef } from "../primitives/block.ts";
import type { L1Origin } from "../primitives/l1-origin.ts";

/** L1 blocks kept at hand: more than a sequencer's origin ever lags in ordinary work. */
const WINDOW_BLOCKS = 512;

export interface L1View {
  /** New blocks, each the child of the one before; a reorg starts lower again. */
  push(blocks: readonly L1Origin[]): void;
  head(): BlockRef | null;
  /** The block at this height; `null` where L1 has none yet. */
  at(number: number): Promise<L1Origin | null>;
}

export function createL1View(fetch: (number: number) => Promise<L1Origin | null>): L1View {
  const window = new Map<number, L1Origin>();
  let head: L1Origin | null = null;
  return {
    push(blocks) {
      for (const block of blocks) {
        if (head !== null) {
          // A lower or equal height is a reorg: what stood above is gone.
          for (let stale = block.number; stale <= head.number; stale++) window.delete(stale);
        }
        window.set(block.number, block);
        window.delete(block.number - WINDOW_BLOCKS);
        head = block;
      }
    },
    head: () => (head === null ? null : { number: head.number, hash: head.hash }),
    at: async (number) => window.get(number) ?? (await fetch(number)),
  };
}
