/**
 * The store's shape: what the sequencing thread writes and what every thread reads.
 *
 * Invariants: a block is one atomic synced batch (body, LaneData, receipts, indexes, state, trie
 * nodes, reverse diff, heads, and which journal records it settles); a journal record is synced
 * before its call resolves; every record carries a checksum. DESIGN 6, PROTOCOL 10.
 */
import type { Hex } from "../../lanes/bytes.ts";
import type { LaneData } from "../../lanes/lane-data.ts";
import type { ErrorCode } from "../errors.ts";
import type { Block, BlockRef } from "../primitives/block.ts";
import type { Header } from "../primitives/header.ts";
import type { Receipt } from "../primitives/receipt.ts";
import type { JournalStore } from "./journal-store.ts";
import type { StateDiff, StateReader, TrieNodeChange, TrieReader } from "./state.ts";

export interface StoredBlock {
  readonly block: Block;
  readonly laneData: LaneData;
  /** `orderHash` of each flashblock. */
  readonly orderHashes: readonly Hex[];
  /** Of each flashblock, 65 bytes; none where the block was not built here. */
  readonly flashblockSignatures: readonly Uint8Array[];
  /** LaneState after this block, encoded by `lanes/lane-state.ts`. */
  readonly laneState: Uint8Array;
  /** Block signature, 65 bytes; `null` for blocks derived from L1 and for genesis. */
  readonly signature: Uint8Array | null;
}

export interface Heads {
  readonly unsafe: BlockRef;
  readonly safe: BlockRef;
  readonly finalized: BlockRef;
}

/** Where derivation stands. All L1 batches before `nextBatchIndex` are applied or void. */
export interface DerivationCursor {
  readonly nextBatchIndex: number;
  /** Hash of the struct of the previous batch header; zero before the first. */
  readonly previousBatchHash: Hex;
  /** The newest L1 block whose logs were applied. */
  readonly l1Block: BlockRef;
  /** Newest safe block by L1 block it was derived from, for `finalized`: ascending, bounded. */
  readonly pendingFinality: readonly { readonly l1Number: number; readonly l2: BlockRef }[];
}

export interface BlockCommit {
  readonly stored: StoredBlock;
  readonly receipts: readonly Receipt[];
  readonly diff: StateDiff;
  readonly trie: readonly TrieNodeChange[];
  /** Journal records this block settles, by accepted number; removed once it is durable. */
  readonly settled: readonly bigint[];
  /** What was taken in and dropped since the block before. */
  readonly admissions: BlockAdmissions;
  readonly heads: Heads;
  readonly cursor?: DerivationCursor;
}

/** A transaction that was taken in. */
export interface AdmissionEntry {
  readonly accepted: bigint;
  readonly hash: Hex;
  /** Unix milliseconds. */
  readonly timeMs: number;
  /** Its class as it was promised: 255 for the normal lane. */
  readonly rank: number;
}

/** One that was taken in and will stand in no block. */
export interface DropEntry {
  readonly accepted: bigint;
  readonly hash: Hex;
  /** When it was dropped, Unix milliseconds. */
  readonly timeMs: number;
  readonly code: ErrorCode;
  /** `null` where the log of its block had no room for it. */
  readonly raw: Uint8Array | null;
}

/** In order of what happened; a restart repeats entries of what still waits. */
export interface BlockAdmissions {
  readonly accepted: readonly AdmissionEntry[];
  readonly dropped: readonly DropEntry[];
}

export const NO_ADMISSIONS: BlockAdmissions = { accepted: [], dropped: [] };

/** What is kept of a drop, and in which block's log. */
export interface StoredDrop extends Omit<DropEntry, "hash" | "raw"> {
  readonly blockNumber: number;
}

/** Record kinds of the journal; their bytes are `sequencer/journal-records.ts`'s. */
export const JOURNAL_TRANSACTION = 1;
export const JOURNAL_FLASHBLOCK = 2;
export const JOURNAL_DROP = 3;
export const JOURNAL_REPORT = 4;

/**
 * PROTOCOL 10: `{leaderEpoch, seq, prevHash, kind, bytes}`; `accepted` is `leaderEpoch · 2^40 +
 * seq`.
 */
export interface JournalRecord {
  readonly accepted: bigint;
  readonly kind: number;
  readonly bytes: Uint8Array;
}

/** What the signer has signed; durable before the signature exists. */
export interface SignedMark {
  readonly kind: "block" | "batch" | "flashblock";
  /** Number of the block, or index of the batch. */
  readonly height: number;
  /** Of a flashblock in its block; else 0. */
  readonly index: number;
  /** What was signed: a digest, the hash of a batch header, an `orderHash`. */
  readonly hash: Hex;
  /** L1 origin hash of a block; the zero hash for a batch. */
  readonly origin: Hex;
}

/** The newest admission group that was signed: every later one begins above it. */
export interface AdmissionMark {
  readonly firstAccepted: bigint;
  /** Digest of the group. */
  readonly hash: Hex;
}

/** Two blocks that the sequencer signed for one position. */
export interface EquivocationRecord {
  /** Of both. */
  readonly number: number;
  /** Signed blocks as on the wire, in the order in which they came. */
  readonly blocks: readonly [Uint8Array, Uint8Array];
  /** Of the flashblocks of the one that stood in the chain then; none where none did. */
  readonly orderHashes: readonly Hex[];
  /** The same flashblocks' signatures, 65 bytes each, where this node had them. */
  readonly flashblockSignatures: readonly Uint8Array[];
}

/**
 * Consistent reads, from any thread, all synchronous. Errors: `STORAGE_CORRUPT`, `STORAGE_FAILED`.
 */
export interface ChainReader {
  heads(): Heads;
  blockByNumber(number: number): StoredBlock | null;
  blockByHash(hash: Hex): StoredBlock | null;
  headerByNumber(number: number): { readonly hash: Hex; readonly header: Header } | null;
  headerByHash(hash: Hex): { readonly hash: Hex; readonly header: Header } | null;
  numberByHash(hash: Hex): number | null;
  /** Bloom of a block's header without decoding the rest: 256 bytes. */
  logsBloom(number: number): Uint8Array | null;
  receipts(number: number): readonly Receipt[] | null;
  /** Encoded LaneState after a block, without decoding the block. */
  laneState(number: number): Uint8Array | null;
  /** Where a transaction stands in the chain. */
  transactionLocation(hash: Hex): { readonly blockNumber: number; readonly index: number } | null;
  /** The admission log of a block that was built here, while it is kept. */
  admissions(number: number): BlockAdmissions;
  /** How a transaction was dropped last; `null` where it was not, or too long ago. */
  drop(hash: Hex): StoredDrop | null;
  /** Encoded signed block as on the wire, for peers and the batcher; no decoding. */
  rawBlock(number: number): Uint8Array | null;
  readonly state: StateReader;
  readonly trie: TrieReader;
}

/** The writing side: one owner, the sequencing thread. */
export interface Store extends ChainReader, JournalStore {
  /**
   * Writes genesis into an empty folder; elsewhere checks that the folder belongs to this chain.
   */
  initialize(commit: BlockCommit, rollupConfigHash: Hex): Promise<void>;
  isEmpty(): boolean;
  commitBlock(commit: BlockCommit): Promise<void>;
  /** Keeps the signature of a block already committed unsigned. */
  saveSignature(number: number, signature: Uint8Array): Promise<void>;
  /**
   * Takes blocks above `number` back, newest first, by their reverse diffs; one atomic batch a
   * block.
   *
   * Shape: returns them, newest last. Journal records they had settled stay settled. Safe and
   * finalized heads above `number` come down to it; `cursor`, written with the first batch, is
   * where derivation goes on from then.
   * Errors: `STATE_NOT_AVAILABLE` where the reverse diffs do not reach that far.
   */
  rollback(number: number, cursor?: DerivationCursor): Promise<readonly StoredBlock[]>;
  saveHeads(heads: Heads, cursor?: DerivationCursor): Promise<void>;
  cursor(): DerivationCursor | null;
  /** Keeps the pair for good; `false` where as many are kept as may be. */
  saveEquivocation(record: EquivocationRecord): Promise<boolean>;
  /** In the order in which they were saved, at most 16. */
  equivocations(): readonly EquivocationRecord[];
  close(): Promise<void>;
}
