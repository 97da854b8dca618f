/**
 * The Engine port: everything the sequencer and the followers ask of an execution layer.
 *
 * Owns: the shape. Does not own: order, lanes, the txpool, signatures.
 * One block is open at a time. Building and importing take the same path: `open`, `apply` for each
 * transaction in order, `seal`; importing then compares the header. Nothing is durable before the
 * store has committed the `ExecutedBlock`; `committed` or `discard` closes it.
 */
import type { Hex } from "../../lanes/bytes.ts";
import type { Block } from "../primitives/block.ts";
import type { Header } from "../primitives/header.ts";
import type { Receipt } from "../primitives/receipt.ts";
import type { Transaction, UserTransaction } from "../primitives/transaction.ts";
import type { Speculated, SpeculationRequest } from "./speculation.ts";
import type { AccountRecord, StateDiff, TrieNodeChange } from "../storage/state.ts";

/** What a block takes from its parent beside the hash. */
export type ParentHeader = Pick<Header, "number" | "gasLimit" | "gasUsed" | "baseFeePerGas">;

/** What a block is executed in. The rest of the header follows from execution. */
export interface BlockEnvironment {
  /**
   * The committed head; `null` for the block sealed last, whose hash may not be there yet, and which
   * may be committed at any moment.
   */
  readonly parent: { readonly hash: Hex; readonly header: Header } | null;
  /** Unix seconds. */
  readonly timestamp: number;
  readonly prevRandao: Hex;
  readonly parentBeaconBlockRoot: Hex;
  readonly gasLimit: bigint;
}

/** Why a transaction cannot stand in the block at this place; it leaves no trace. */
export type RejectionCode =
  | "NONCE_TOO_LOW"
  | "NONCE_TOO_HIGH"
  | "INSUFFICIENT_FUNDS"
  | "FEE_CAP_TOO_LOW"
  | "INTRINSIC_GAS_TOO_LOW"
  | "BLOCK_GAS_EXCEEDED"
  | "SENDER_NOT_EOA"
  | "TX_TYPE_NOT_SUPPORTED"
  | "TX_INVALID"
  /** Gave way to the fast lane; it may be tried again. */
  | "PREEMPTED"
  /** Would have taken more time than a preemptible one may, with nobody waiting too. */
  | "TOO_LONG"
  /** Reverted or failed, and was applied as one that is kept only where it succeeds. */
  | "TX_REVERTED"
  /** What was executed aside has read what is written since; it may be tried again. */
  | "STALE";

export type ApplyResult =
  | { readonly ok: true; readonly receipt: Receipt }
  | { readonly ok: false; readonly code: RejectionCode };

export interface ApplyOptions {
  /** Given up when the preemption signal is raised while it runs, or for long. @default false */
  readonly preemptible?: boolean;
  /** Kept only where it succeeds. @default false */
  readonly onlySuccess?: boolean;
  /**
   * Its execution aside, begun after `beginSpeculation` was called last: taken where it is what
   * execution in place would have come to. @default null
   */
  readonly speculated?: Speculated | null;
}

export interface ExecutedBlock {
  readonly block: Block;
  readonly receipts: readonly Receipt[];
  readonly diff: StateDiff;
  readonly trie: readonly TrieNodeChange[];
}

/** State of an account in the open block, or at the head where none is open. */
export interface AccountView {
  readonly nonce: bigint;
  readonly balance: bigint;
}

export interface Engine {
  /**
   * Opens a block on the committed head, or on the block sealed after it, and runs the system
   * calls.
   */
  open(environment: BlockEnvironment): Promise<void>;
  /**
   * Executes one transaction at the end of the open block: kept with its receipt, or no trace of
   * it.
   */
  apply(transaction: Transaction, options?: ApplyOptions): Promise<ApplyResult>;
  /** wei per gas of the open block. */
  baseFee(): bigint;
  /** Gas used so far in the open block. */
  gasUsed(): bigint;
  account(address: Hex): AccountView;
  /** Of a contract's storage, as `account`. */
  slot(address: Hex, slot: Hex): bigint;
  /**
   * Ends a slice of the open block, a flashblock: hashing what it wrote begins at once. `null` while
   * the parent's hash is not known: then what it holds belongs to the next slice.
   */
  endSlice(): EndedSlice | null;
  /**
   * What is executed aside from now on stands on what is written by now. Call right after
   * `endSlice`.
   */
  beginSpeculation(): void;
  /**
   * What execution aside needs to know of a transaction's price here, whatever gas is left; or why
   * it cannot stand at this place.
   */
  price(
    transaction: UserTransaction,
  ): Pick<SpeculationRequest, "gasPrice" | "charge"> | RejectionCode;
  /**
   * Ends the open block; resolves when its roots are hashed. The next one may be opened on it as
   * soon as this was called, and sealed when this one is committed.
   */
  seal(): Promise<ExecutedBlock>;
  /** The store holds the sealed block durably: its state is the new base. */
  committed(): Promise<void>;
  /** Forgets the open block, and the sealed one where it is not committed. */
  discard(): Promise<void>;
  /**
   * The store was rolled back to this block: every cached read is forgotten, here and in the
   * hasher.
   */
  rebase(head: { readonly hash: Hex; readonly header: Header }): Promise<void>;
}

/** An account written since the previous slice, with its values now. */
export interface AccountWrite {
  readonly address: Hex;
  /** The account now, its `storageRoot` as committed; `null` where there is none. */
  readonly after: AccountRecord | null;
  /**
   * What it was before the block, where that is at hand. Only saves the hasher a read of the trie:
   * it believes nothing that does not hash to what the trie says.
   */
  readonly committed?: AccountRecord | null;
  /** What stood in the account's storage before the slice is gone; `slots` come after that. */
  readonly storageCleared: boolean;
  readonly slots: readonly SlotWrite[];
}

export interface SlotWrite {
  readonly slot: Hex;
  readonly value: bigint;
  /** As the account's. */
  readonly committed?: bigint;
}

/** Accounts and slots written since the previous slice, each account once, in any order. */
export type StateSlice = readonly AccountWrite[];

/** What a slice adds to the lists that have roots in the header. */
export interface SliceLists {
  /** As signed. */
  readonly transactions: readonly Uint8Array[];
  /** As `encodeReceipt` has them. */
  readonly receipts: readonly Uint8Array[];
}

/** A part of a block: what was executed, and what that wrote. */
export interface BlockSlice {
  readonly writes: StateSlice;
  /** Code that accounts of `writes` may have, beside what was known before the slice. */
  readonly codes: StateDiff["codes"];
  readonly transactions: readonly Transaction[];
  /** One a transaction. */
  readonly receipts: readonly Receipt[];
}

/** A slice with what the block it is part of stands on, which is known by then. */
export interface EndedSlice extends BlockSlice {
  readonly parentHash: Hex;
}

/** Blocks that may be sealed before the store has the oldest of them. */
export const SEALED_BLOCKS_MAX = 2;

/**
 * Merkle roots, hashed off the sequencing thread and ahead of the seal.
 *
 * Calls take effect in their order, whether or not one waits for them. The next block may be
 * extended and sealed before the previous one is committed. After a failure every call fails in the
 * same way until `discard`. Errors: `STORAGE_CORRUPT` where a stored node is not what its parent
 * says, and what reads of the store throw.
 */
export interface RootHasher {
  /**
   * Adds the next slice of the open block, each account once, and hashes what it changed. Callers
   * need not wait, but must not leave the rejection unhandled: `seal` fails with it too.
   */
  extend(slice: StateSlice, lists?: SliceLists): Promise<void>;
  /**
   * Ends the block: its roots after all of its slices. What is extended next belongs to the
   * following block.
   */
  seal(): Promise<SealedRoots>;
  /** The oldest sealed block is in the store. */
  committed(): Promise<void>;
  /**
   * Forgets every block that is not committed, and every node in memory: the store may have been
   * rolled back.
   */
  discard(): Promise<void>;
}

export interface RootResult {
  readonly stateRoot: Hex;
  /** Storage roots by address, for every account the block wrote that still exists. */
  readonly storageRoots: ReadonlyMap<Hex, Hex>;
  /** Against the state after the previous block, committed or not; each path once. */
  readonly nodes: readonly TrieNodeChange[];
}

export interface SealedRoots extends RootResult {
  readonly transactionsRoot: Hex;
  readonly receiptsRoot: Hex;
}
