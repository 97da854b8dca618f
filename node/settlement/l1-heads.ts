/**
 * L1's chain as this node has seen it: new blocks in order, reorgs by parent hashes, origins by
 * number. Polls when told to; does not own the timer.
 *
 * Invariant: what `onBlocks` got is one chain of hashes; a reorg is seen as a list that starts
 * lower again, at the first block that is new.
 */
import type { BlockRef } from "../primitives/block.ts";
import type { L1Origin } from "../primitives/l1-origin.ts";
import type { L1Client } from "./l1.ts";

/** Blocks remembered: behind `originAt`; a deeper reorg is read again from `start`. */
const RECENT_MAX = 1024;
/** Blocks handed over at once while catching up. */
const BLOCKS_A_STEP = 64;

export interface L1HeadsOptions {
  readonly client: Pick<L1Client, "block">;
  /** First block to hand over. */
  readonly start: number;
  /** Blocks in order, each the child of the one before; resolved before the next call. */
  onBlocks(blocks: readonly L1Origin[], finalized: BlockRef | null): Promise<void>;
}

export interface L1Heads {
  /** Reads what is new, until `latest` or a bounded step; answers whether it reached `latest`. */
  poll(): Promise<boolean>;
  head(): L1Origin | null;
  finalized(): BlockRef | null;
  originAt(number: number): Promise<L1Origin | null>;
}

export function createL1Heads(options: L1HeadsOptions): L1Heads {
  const { client } = options;
  /** Ascending numbers without holes. */
  let recent: L1Origin[] = [];
  let finalized: BlockRef | null = null;

  const known = (number: number): L1Origin | undefined => {
    const first = recent[0];
    return first === undefined ? undefined : recent[number - first.number];
  };

  /** Drops what L1 no longer has. Afterwards the last of `recent` is canonical, or it is empty. */
  const dropRemoved = async (): Promise<void> => {
    for (let last = recent.at(-1); last !== undefined; last = recent.at(-1)) {
      const now = await client.block(last.number);
      if (now?.hash === last.hash) return;
      recent.pop();
    }
  };

  /** The next blocks after the last known one; stops where L1 changed between two answers. */
  const nextBlocks = async (latest: number): Promise<L1Origin[]> => {
    const last = recent.at(-1);
    const from = last === undefined ? options.start : last.number + 1;
    const count = Math.min(latest - from + 1, BLOCKS_A_STEP);
    const numbers = Array.from({ length: Math.max(0, count) }, (_, i) => from + i);
    const answers = await Promise.all(numbers.map((number) => client.block(number)));
    const blocks: L1Origin[] = [];
    let parent = last;
    for (const block of answers) {
      if (block === null || (parent !== undefined && block.parentHash !== parent.hash)) break;
      blocks.push(block);
      parent = block;
    }
    return blocks;
  };

  return {
    async poll() {
      const latest = await client.block("latest");
      if (latest === null) return true;
      finalized = refOf(await client.block("finalized"));
      const last = recent.at(-1);
      if (last?.hash === latest.hash) return true;
      // A block below the head that is known: a lagging endpoint, or nothing at all.
      if (last !== undefined && known(latest.number)?.hash === latest.hash) return true;
      if (latest.parentHash !== last?.hash) await dropRemoved();
      const blocks = await nextBlocks(latest.number);
      if (blocks.length === 0) return recent.at(-1)?.number === latest.number;
      await options.onBlocks(blocks, finalized);
      recent = [...recent, ...blocks].slice(-RECENT_MAX);
      return recent.at(-1)?.hash === latest.hash;
    },
    head: () => recent.at(-1) ?? null,
    finalized: () => finalized,
    async originAt(number) {
      return known(number) ?? (await client.block(number));
    },
  };
}

function refOf(block: L1Origin | null): BlockRef | null {
  return block === null ? null : { number: block.number, hash: block.hash };
}
