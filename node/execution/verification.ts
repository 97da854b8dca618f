/**
 * The independent check as the threads that make it serve it. Owns the shape of the calls; `node/
 * workers/verify.ts` answers them, `node/sequencer/verifier.ts` makes them. DESIGN 4.
 */
import type { Hex } from "../../lanes/bytes.ts";
import type { LaneData } from "../../lanes/lane-data.ts";
import type { LaneResult } from "../../lanes/verify.ts";
import type { Verdict } from "../../lanes/verdict.ts";
import type { PackedSlice } from "../api.ts";
import type { Speculated } from "./speculation.ts";
import type { BlockEnvironment, ParentHeader } from "./engine.ts";

/** What a block starts from. */
export interface ReexecutionStart {
  readonly parent: { readonly header: ParentHeader; readonly hash: Hex };
  readonly environment: Omit<BlockEnvironment, "parent">;
}

/** Where the first difference is. */
export interface Mismatch {
  /** In the block. */
  readonly transaction: number;
  /** What differs: `order` where the transaction cannot even be executed at its place. */
  readonly part: "order" | "receipt" | "state";
  readonly detail: string;
}

/** What the check knows of a block before its first transaction. */
export interface VerifiedBlock {
  readonly start: ReexecutionStart;
  /** LaneState before the block, encoded. */
  readonly laneState: Uint8Array;
  readonly term: number;
  readonly origin: { readonly number: number; readonly hash: Hex };
}

/** What a verifier thread answers; calls take effect in their order. */
export type VerifierService = {
  /** The parent must be the head of the store by now. */
  begin(block: VerifiedBlock): Promise<void>;
  /**
   * Re-executes the next slice, or takes its word where it can. Witnesses are executions aside of
   * its transactions, by a thread that the builder takes nothing from; what they were told of block
   * and state counts only where it is what this thread knows by itself.
   */
  check(
    slice: PackedSlice,
    reexecute: boolean,
    witnesses: readonly Speculated[],
  ): Promise<Mismatch | null>;
  /** The lane rules over all slices so far. */
  verifyOrder(laneData: LaneData): Promise<Verdict<LaneResult>>;
  /** Forgets the block. */
  end(): Promise<void>;
};
