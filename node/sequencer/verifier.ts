/**
 * The independent check of what the builder makes: re-execution, slice by slice, and the lane
 * rules, in threads of their own, trailing the builder. It gates the commit, and with it the
 * block's signature and the batch. DESIGN 4; ACCEPTANCE 21, 22.
 *
 * Owns which thread looks at which slice, and the verdict over a block. Does not own what happens
 * on a mismatch: `sequencer.ts`. `node/workers/verify.ts` is the other side.
 * Bounded: one block at a time; its slices wait here until the block before is in the store.
 */
import type { LaneData } from "../../lanes/lane-data.ts";
import type { LaneResult } from "../../lanes/verify.ts";
import type { Verdict } from "../../lanes/verdict.ts";
import type { PackedSlice } from "../api.ts";
import type { Mismatch, VerifiedBlock, VerifierService } from "../execution/verification.ts";
import type { Speculated } from "../execution/speculation.ts";
import type { Remote } from "../port.ts";

export interface VerifierOptions {
  /** Every so many slices one is re-executed; 1 for all of them. */
  readonly sampleEvery: number;
}

export interface BlockVerdict {
  readonly mismatch: Mismatch | null;
  readonly order: Verdict<LaneResult>;
}

/** A slice that waits for its turn. */
interface Seen {
  readonly slice: PackedSlice;
  readonly witnesses: readonly Speculated[];
}

/** The check of one block. */
export interface BlockCheck {
  /** The next slice of the block, as soon as it is executed, and what witnesses there are of it. */
  push(slice: PackedSlice, witnesses?: readonly Speculated[]): void;
  /** The parent is the head of the store: from now on slices are looked at. */
  start(block: VerifiedBlock): void;
  /** The verdict over the whole block; call after `start` and the last `push`. */
  finish(laneData: LaneData): Promise<BlockVerdict>;
}

export interface Verifier {
  /** Begins the check of the next block; the one before is finished or forgotten. */
  begin(): BlockCheck;
}

/** A verifier that spreads slices over `threads`, at least one. */
export function createVerifier(
  threads: readonly Remote<VerifierService>[],
  { sampleEvery }: VerifierOptions,
): Verifier {
  const [first] = threads;
  if (first === undefined) throw new RangeError("a verifier needs a thread");
  let slices = 0;

  return {
    begin() {
      let waiting: Seen[] | null = [];
      const checks: Promise<Mismatch | null>[] = [];
      const keep = (check: Promise<Mismatch | null>): void => {
        // A failure shows when the block is finished.
        check.catch(() => undefined);
        checks.push(check);
      };
      const look = ({ slice, witnesses }: Seen): void => {
        const turn = slices % sampleEvery === 0 ? (slices / sampleEvery) % threads.length : null;
        slices += 1;
        threads.forEach((thread, index) => {
          // All of them: also one whose turn it is not may have to execute the slice.
          keep(thread.check(slice, index === turn, witnesses));
        });
      };
      return {
        push(slice, witnesses = []) {
          if (waiting === null) look({ slice, witnesses });
          else waiting.push({ slice, witnesses });
        },
        start(block) {
          for (const thread of threads) keep(thread.begin(block).then(() => null));
          const slicesSoFar = waiting ?? [];
          waiting = null;
          slicesSoFar.forEach(look);
        },
        async finish(laneData) {
          const order = await first.verifyOrder(laneData);
          const results = await Promise.all(checks);
          await Promise.all(threads.map((thread) => thread.end()));
          const mismatch = results.find((result) => result !== null) ?? null;
          return { mismatch, order };
        },
      };
    },
  };
}
