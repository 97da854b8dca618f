/**
 * Keeps a follower at its peers' head: gossiped blocks, and ranges for what gossip did not bring.
 *
 * Owns: when to ask peers for blocks, and the short memory of refused ones. Does not own: validity
 * (chain), transport, signatures: the p2p thread hands on only what the sequencer signed. One
 * import runs at a time; everything queued is bounded.
 */
import type { Verdict } from "../../lanes/verdict.ts";
import type { Chain } from "../chain/chain.ts";
import type { EquivocationWatch } from "../chain/equivocation.ts";
import type { Clock } from "../clock.ts";
import { type ErrorCode, type ErrorData, ERRORS, NodeError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { type BlockRef, decodeSignedBlock } from "../primitives/block.ts";
import type { NetworkService } from "./network.ts";

/** Blocks asked of a peer at once. */
const RANGE_BLOCKS = 32;
/** How often peers are asked for their head. */
const POLL_MS = 2_000;
const REFUSALS_KEPT = 16;
/** Gossiped blocks that wait for the import before them; more are left to the next range. */
const QUEUE_MAX = 64;

export interface Refusal {
  readonly code: ErrorCode;
  readonly data: ErrorData;
}

export interface FollowDeps {
  readonly chain: Chain;
  /** Hears of every signed block that comes, taken or not. */
  readonly equivocation: Pick<EquivocationWatch, "saw">;
  readonly network: Pick<NetworkService, "blocksByRange" | "bestPeerHead">;
  readonly clock: Clock;
  readonly log: Logger;
  /** Something other than a peer is at fault: a store that fails, a bug. The node must end. */
  fail(error: Error): void;
}

export interface Follow {
  start(): void;
  stop(): void;
  /** A block from gossip. */
  onBlock(bytes: Uint8Array): void;
  /** L1 moved: a block whose origin was unknown may be valid now. */
  onL1(): void;
  /** Newest first. */
  refusals(): readonly Refusal[];
}

export function createFollow(deps: FollowDeps): Follow {
  const { chain, clock, log } = deps;
  const queue: Uint8Array[] = [];
  const refusals: Refusal[] = [];
  let running = false;
  let catchUp = false;
  let stopped = true;
  let cancelPoll: () => void = () => undefined;

  const giveUpOrWait = (error: unknown): void => {
    const cause = error instanceof Error ? error : new NodeError("INTERNAL", {}, error);
    const ours = !(cause instanceof NodeError) || ERRORS[cause.code].severity === "fatal";
    if (stopped) return;
    if (ours) deps.fail(cause);
    // Peers come and go: the next poll asks again.
    else log.warn("following failed", { error: cause.message });
  };

  const importOne = async (bytes: Uint8Array): Promise<Verdict<BlockRef, ErrorCode>> => {
    const block = decodeSignedBlock(bytes);
    if (!block.ok) return block;
    const outcome = await chain.importSigned(block.value);
    await deps.equivocation.saw(block.value, bytes, outcome.ok);
    return outcome;
  };

  const settle = (outcome: Verdict<BlockRef, ErrorCode>): void => {
    if (outcome.ok) return;
    if (outcome.code === "BLOCK_PARENT_UNKNOWN") catchUp = true;
    // Only what an honest sender could have known is held against the block.
    if (ERRORS[outcome.code].gossip === "ignore") return;
    refusals.unshift({ code: outcome.code, data: outcome.data });
    refusals.length = Math.min(refusals.length, REFUSALS_KEPT);
    log.warn("block refused", { code: outcome.code, ...outcome.data });
  };

  /** Asks peers for what lies above the head, range by range, until none of it helps. */
  const fetchRanges = async (): Promise<void> => {
    while (!stopped) {
      const from = chain.head().header.number + 1;
      const blocks = await deps.network.blocksByRange(from, RANGE_BLOCKS);
      for (const bytes of blocks.slice(0, RANGE_BLOCKS)) {
        const outcome = await importOne(bytes);
        // A parent mismatch inside a range is the peer's other chain, not a gap to fill.
        if (!outcome.ok && outcome.code !== "BLOCK_PARENT_UNKNOWN") settle(outcome);
      }
      if (chain.head().header.number + 1 === from) return;
    }
  };

  const run = async (): Promise<void> => {
    if (running || stopped) return;
    running = true;
    try {
      for (let bytes = queue.shift(); bytes !== undefined; bytes = queue.shift())
        settle(await importOne(bytes));
      if (catchUp) {
        catchUp = false;
        await fetchRanges();
      }
    } catch (error) {
      giveUpOrWait(error);
    } finally {
      running = false;
    }
    if (queue.length > 0) await run();
  };

  const poll = async (): Promise<void> => {
    try {
      const best = await deps.network.bestPeerHead();
      if (best !== null && best > chain.head().header.number) catchUp = true;
      await run();
    } catch (error) {
      giveUpOrWait(error);
    }
    if (!stopped) cancelPoll = clock.after(POLL_MS, () => void poll());
  };

  return {
    start() {
      stopped = false;
      void poll();
    },
    stop() {
      stopped = true;
      cancelPoll();
    },
    onBlock(bytes) {
      if (queue.length < QUEUE_MAX) queue.push(bytes);
      else catchUp = true;
      void run();
    },
    onL1() {
      catchUp = true;
      void run();
    },
    refusals: () => refusals,
  };
}
