/**
 * Speculative execution: a transaction is executed aside, on the state as it was a moment ago, and
 * what it read is compared with the state of now before what it wrote counts.
 *
 * Owns the shape of the calls and of their result, as optimistic concurrency control has it: read
 * set and write set. `node/workers/speculate.ts` answers the calls, `node/sequencer/speculation.ts`
 * makes them, the engine validates. Source: Kung, Robinson, "On Optimistic Methods for Concurrency
 * Control" (1981); Block-STM (2022). DESIGN 4.
 */
import type { Hex } from "../../lanes/bytes.ts";
import type { PendingEnvironment, PendingSlice } from "../api.ts";
import type { Log } from "../primitives/receipt.ts";
import type { UserTransaction } from "../primitives/transaction.ts";
import type { AccountRecord, StateDiff } from "../storage/state.ts";
import type { StateSlice } from "./engine.ts";

/** What executing a message came to. */
export interface Outcome {
  readonly success: boolean;
  /** Refund and floor applied. */
  readonly gasUsed: bigint;
  /** Before the refund: what the gas limit had to cover. */
  readonly gasSpent: bigint;
  /** Return data or revert data. */
  readonly output: Uint8Array;
  /** The EVM's word for a failure, `null` on success. */
  readonly error: string | null;
  readonly logs: readonly Log[];
  /** Accounts to delete when fees are paid. */
  readonly destructed: readonly Hex[];
}

/** The last slice of what the sequencing thread had executed. */
export interface SpeculationBase {
  readonly block: number;
  /** Counts the slices of the block from 0. */
  readonly index: number;
}

export interface SpeculationRequest {
  readonly base: SpeculationBase;
  readonly transaction: UserTransaction;
  /** wei per gas, as GASPRICE shows it. */
  readonly gasPrice: bigint;
  /** wei that the sender pays before execution. */
  readonly charge: bigint;
}

/** What was read of the state, with the values it had. */
export interface ReadSet {
  readonly accounts: ReadonlyMap<Hex, AccountRecord | null>;
  readonly slots: ReadonlyMap<Hex, ReadonlyMap<Hex, bigint>>;
}

/** The block as opcodes see it. */
export interface SeenBlock extends PendingEnvironment {
  readonly parentHash: Hex;
}

export interface Speculated extends SpeculationRequest {
  /** What it was told of the block; whoever takes the result compares that with what it knows. */
  readonly seen: SeenBlock;
  readonly outcome: Outcome;
  readonly reads: ReadSet;
  /** Without the fees, but for `charge`. */
  readonly writes: StateSlice;
  readonly codes: StateDiff["codes"];
  /** It looked at the block or at a price: it holds where these are the same only. */
  readonly readsBlock: boolean;
  /** It looked at its sender's balance, from which `charge` was taken. */
  readonly readsSender: boolean;
}

/** What the thread answers that executes aside; calls take effect in their order. */
export type SpeculationService = {
  /** As the RPC threads are told; what is missing only makes `run` refuse. */
  add(slice: PendingSlice): void;
  /** `null` where the base cannot be read any more, or execution took too long. */
  run(request: SpeculationRequest): Promise<Speculated | null>;
};
