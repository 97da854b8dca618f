/**
 * Settlement as the sequencing thread sees it; L1 polling, the batcher and the fetching half of
 * derivation run in their own worker (JSON and HTTP stay off the sequencing thread: I10).
 */
import type { BatchCommitment } from "../../lanes/signed.ts";
import type { BatchBlock } from "../chain/batch-content.ts";
import type { Hex } from "../../lanes/bytes.ts";
import type { ErrorCode, ErrorData } from "../errors.ts";
import type { LogLevel } from "../log.ts";
import type { BlockRef } from "../primitives/block.ts";
import type { L1Origin } from "../primitives/l1-origin.ts";
import type { RollupConfig } from "../rollup-config.ts";
import type { DerivationCursor } from "../storage/store.ts";

export interface SettlementOptions {
  readonly rollup: RollupConfig;
  /** JSON-RPC and beacon API of L1. */
  readonly l1RpcUrl: string;
  readonly l1BeaconUrl: string;
  /** Pays for L1 transactions; `null` on followers: nothing is posted. */
  readonly batcherKey: Hex | null;
  readonly dataDir: string;
  readonly pollIntervalMs: number;
  /** Post a batch at the latest this long after its first block. */
  readonly batchIntervalMs: number;
  readonly cursor: DerivationCursor;
  /** Hash of the genesis block; the first batch's parent. */
  readonly genesisHash: Hex;
  readonly logLevel: LogLevel;
}

/** What the sequencer signs of a batch. PROTOCOL 8. */
export type BatchHeader = BatchCommitment;

/** One block as a batch carries it: system transactions are rebuilt. */
export type DerivedBlock = BatchBlock;

export interface DerivedBatch {
  readonly header: BatchHeader;
  readonly batchHash: Hex;
  readonly blocks: readonly DerivedBlock[];
  /** The L1 block that carries the batch. */
  readonly l1Block: BlockRef;
}

/** A batch whose blocks are stored here with the very same content, as its header says of them. */
export type HeldBatch = Omit<DerivedBatch, "blocks">;

/**
 * What became of a batch: its blocks are the safe chain now, or it is void (index spent, no
 * blocks).
 */
export type BatchOutcome =
  { readonly valid: true } | { readonly valid: false; readonly reason: string };

/** Channel names of `port.ts` between the sequencing thread and the settlement worker. */
export const SETTLEMENT_CHANNEL = "settlement";
export const SETTLEMENT_HANDLERS_CHANNEL = "settlement-handlers";

/** Calls the worker answers. */
export interface SettlementService {
  /** Begins polling. Throws `L1_WRONG_CHAIN`; an L1 that does not answer is waited for. */
  start(): Promise<void>;
  /** The L1 block at this height; `null` where L1 has none yet. Cached. */
  originAt(number: number): Promise<L1Origin | null>;
  /** Posts what is unposted now, without waiting for the interval. */
  flush(): Promise<void>;
  status(): Promise<{
    readonly l1Head: BlockRef | null;
    readonly nextBatchIndex: number;
    readonly pendingBatches: number;
    /** Why derivation, or posting, does not go on; it is retried unless the error is fatal. */
    readonly trouble: { readonly code: ErrorCode; readonly data: ErrorData } | null;
  }>;
  stop(): Promise<void>;
}

/** Calls the worker makes to the sequencing thread. */
export interface SettlementHandlers {
  /** New L1 blocks in order, each the child of the one before (a reorg starts lower again). */
  onL1Blocks(blocks: readonly L1Origin[], finalized: BlockRef | null): Promise<void>;
  /**
   * A decoded batch in index order. The answer is durable before it is given: blocks, safe head and
   * cursor.
   */
  onBatch(batch: DerivedBatch): Promise<BatchOutcome>;
  /**
   * The same of a batch that was compared with the store already; `false` where it is not held any
   * more: then it has to be handed over whole.
   */
  onHeldBatch(batch: HeldBatch): Promise<boolean>;
  /**
   * A batch on L1 that does not decode, or whose header contradicts its payload: spends the index.
   */
  onVoidBatch(index: number, batchHash: Hex, l1Block: BlockRef, reason: string): Promise<void>;
  /** All logs up to this L1 block are applied: durable cursor, and the finalized head moves. */
  onL1Applied(l1Block: BlockRef, finalizedL1Number: number): Promise<void>;
  /** Compare-and-set on the batch index, durable, then the 65-byte signature over the header. */
  signBatch(header: BatchHeader): Promise<Uint8Array>;
}
