/**
 * NodeApi: what the RPC threads may ask of the sequencing thread. Asynchronous and
 * structured-cloneable; everything that can be read from the store is read there instead
 * (`reader.ts`), so that reads never cost the sequencing thread anything.
 */
import type { AdmissionLeaf, AdmissionReceipt } from "../lanes/admission.ts";
import type { Hex } from "../lanes/bytes.ts";
import type { BlockEvidence } from "../lanes/evidence.ts";
import type { VerifiedReport } from "../lanes/report-rules.ts";
import type { AdmissionGroup } from "../lanes/signed.ts";
import type { ErrorCode, ErrorData } from "./errors.ts";
import type { BlockRef } from "./primitives/block.ts";
import type { TransactionConditions } from "./primitives/conditions.ts";
import type { UserTransaction } from "./primitives/transaction.ts";
import type { ThreadShares } from "./thread-load.ts";

/** Channel names of `port.ts` between the sequencing thread and an RPC thread. */
export const NODE_API_CHANNEL = "node";
export const NODE_EVENTS_CHANNEL = "node-events";

/** A signed admission group, and which of its leaves this is. PROTOCOL 3. */
export interface AdmissionProof {
  readonly group: AdmissionGroup;
  /** 65 bytes. */
  readonly signature: Uint8Array;
  /** The hashes of all leaves, 32 bytes each, in memory that threads share. */
  readonly leafHashes: Uint8Array;
  readonly index: number;
  readonly leaf: AdmissionLeaf;
}

export type SubmitAnswer =
  | {
      readonly ok: true;
      readonly hash: Hex;
      readonly lane: "fast" | "normal";
      readonly rank: number;
      readonly accepted: bigint;
      /** The last block in which it may stand; 0 for the normal lane, which has none. */
      readonly deadlineBlock: number;
      /** Whether it waits for a nonce before its own that nobody has sent. */
      readonly isGapped: boolean;
      /** Where it was asked for, and this node is the sequencer. */
      readonly admission?: AdmissionProof;
    }
  | { readonly ok: false; readonly code: ErrorCode; readonly data: ErrorData };

export type ReportAnswer =
  | {
      readonly ok: true;
      readonly hash: Hex;
      readonly accepted: bigint;
      /** Until the end of this block it may be used; then it is too old, or another is newer. */
      readonly deadlineBlock: number;
      /** From a follower the receipt itself, which it has checked. */
      readonly admission: AdmissionProof | AdmissionReceipt;
    }
  | { readonly ok: false; readonly code: ErrorCode; readonly data: ErrorData };

/** What a publisher must know of its key before it signs with it. */
export interface KeyUse {
  /** The highest sequence taken in; 0 before the first. */
  readonly sequence: bigint;
  readonly isSuspended: boolean;
}

/** A transaction that was acknowledged and will not stand in any block. */
export interface DroppedTransaction {
  readonly hash: Hex;
  readonly accepted: bigint;
  readonly lane: "fast" | "normal";
  readonly code: ErrorCode;
  /** The block that was open. */
  readonly blockNumber: number;
}

export interface PendingTransaction {
  readonly transaction: UserTransaction;
  /** Fast or normal as classified at admission. */
  readonly lane: "fast" | "normal";
}

export interface NodeStatus {
  readonly role: "sequencer" | "follower";
  readonly unsafe: BlockRef;
  readonly safe: BlockRef;
  readonly finalized: BlockRef;
  readonly l1Head: BlockRef | null;
  readonly peers: number;
  readonly pending: number;
  readonly queued: number;
  readonly nextBatchIndex: number;
  /** Delay of the sequencing thread's event loop since the last time somebody asked. */
  readonly loopDelayMs: { readonly p50: number; readonly p99: number; readonly max: number };
  /**
   * Share of the time since then, 0 to 1, in which each thread's event loop had something to do;
   * threads of one kind add up.
   */
  readonly threads: ThreadShares;
  /** `null` while the node sequences or follows without trouble. */
  readonly trouble: string | null;
  /** Why the last blocks from peers were refused, newest first, at most 16. */
  readonly refusals: readonly { readonly code: ErrorCode; readonly data: ErrorData }[];
  /**
   * Pairs of blocks that the sequencer signed for one position, oldest first, at most 16: kept on
   * disk with the whole blocks. Anything here is an alarm.
   */
  readonly equivocations: readonly BlockEvidence[];
}

/** Answered by the sequencing thread. */
export interface NodeApi {
  /**
   * Takes a transaction in. Resolves when its journal record is durable (a follower: when the
   * sequencer has said so). The caller has decoded it, checked its form and recovered the sender.
   * Conditions do not travel between nodes: a follower takes none.
   */
  submit(
    transaction: UserTransaction,
    wantsReceipt?: boolean,
    conditions?: TransactionConditions | null,
  ): Promise<SubmitAnswer>;
  /**
   * Takes a report in. The caller has verified it. Resolves as `submit` does; a follower throws
   * `SEQUENCER_UNREACHABLE`.
   */
  submitReport(report: VerifiedReport): Promise<ReportAnswer>;
  /** The newest reports of every publisher and feed that no epoch has used; none on a follower. */
  waitingReports(): Promise<readonly VerifiedReport[]>;
  /**
   * What the sequencer has heard from a publisher's key; `null` while it hears nobody. Errors: as
   * `submitReport`.
   */
  keyUse(key: Hex): Promise<KeyUse | null>;
  /** Next nonce after the account's pooled transactions; `null` where the pool has none of it. */
  poolNonce(address: Hex): Promise<bigint | null>;
  pooled(hash: Hex): Promise<PendingTransaction | null>;
  poolStatus(): Promise<{ readonly pending: number; readonly queued: number }>;
  /** Connected ones; a part of `status` that many want to know. */
  peerCount(): Promise<number>;
  status(): Promise<NodeStatus>;
}

/** What code of the open block sees of it. */
export interface PendingEnvironment {
  readonly number: number;
  /** Unix seconds. */
  readonly timestamp: number;
  readonly gasLimit: bigint;
  readonly baseFee: bigint;
  readonly beneficiary: Hex;
  readonly prevRandao: Hex;
}

/**
 * What was executed, and what that wrote, in memory that threads share (`execution/slice-codec.ts`).
 * Structured-cloneable, without copying the bytes.
 */
export interface PackedSlice {
  /** What was written, and code. */
  readonly state: Uint8Array;
  /** Transactions and receipts. */
  readonly results: Uint8Array;
}

/** A flashblock of the open block. */
export interface PendingSlice {
  readonly environment: PendingEnvironment;
  /** The block before may be on its way to the store. */
  readonly parentHash: Hex;
  /** Counts the slices of the block from 0; from 0 again where it is built anew. */
  readonly index: number;
  readonly slice: PackedSlice;
}

/** Pushed to every RPC thread. */
export interface NodeEvents {
  /** A new head stands in the store; `removed` lists blocks a reorg took away, newest first. */
  newHead(head: BlockRef, removed: readonly BlockRef[]): void;
  newPendingTransactions(hashes: readonly Hex[]): void;
  /** `encodeSignedFlashblock`: durable and signed, in order. In memory that threads share. */
  flashblock(bytes: Uint8Array): void;
  /** Durable before it is told. */
  dropped(drop: DroppedTransaction): void;
  /** A flashblock was executed, in order; whoever misses one has no `pending` until the next block. */
  pendingSlice(slice: PendingSlice): void;
}
