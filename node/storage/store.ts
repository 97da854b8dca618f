/**
 * The store's shape: what the sequencing thread writes and what every thread reads.
 *
 * Invariants: a block is one atomic synced batch (body, LaneData, receipts, indexes, state, trie
 * nodes, reverse diff, heads, settled journal records); a journal record is synced before its call
 * resolves; every record carries a checksum. DESIGN 6, PROTOCOL 10.
 */
import type { Hex } from "../../lanes/bytes.ts";
import type { LaneData } from "../../lanes/lane-data.ts";
import type { Block, BlockRef } from "../primitives/block.ts";
import type { Header } from "../primitives/header.ts";
import type { Receipt } from "../primitives/receipt.ts";
import type { StateDiff, StateReader, TrieNodeChange, TrieReader } from "./state.ts";

export interface StoredBlock {
  readonly block: Block;
  readonly laneData: LaneData;
  /** `orderHash` of each flashblock. */
  readonly orderHashes: readonly Hex[];
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
  /** Journal records this block settles, by accepted number; removed with it. */
  readonly settled: readonly bigint[];
  readonly heads: Heads;
  readonly cursor?: DerivationCursor;
}

/** Record kinds of the journal. */
export const JOURNAL_TRANSACTION = 1;

/**
 * PROTOCOL 10: `{leaderEpoch, seq, prevHash, kind, bytes}`; `accepted` is `leaderEpoch · 2^40 +
 * seq`.
 */
export interface JournalRecord {
  readonly accepted: bigint;
  readonly kind: number;
  readonly bytes: Uint8Array;
}

/**
 * Everything the signer has signed, as high-water marks; written durably before the signature
 * leaves.
 */
export interface SignedMark {
  readonly kind: "block" | "batch";
  /** Block number or batch index. */
  readonly height: number;
  readonly hash: Hex;
  /** L1 origin hash of a block; the zero hash for a batch. */
  readonly origin: Hex;
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
  /** Where a transaction stands in the chain. */
  transactionLocation(hash: Hex): { readonly blockNumber: number; readonly index: number } | null;
  /** Encoded signed block as on the wire, for peers and the batcher; no decoding. */
  rawBlock(number: number): Uint8Array | null;
  readonly state: StateReader;
  readonly trie: TrieReader;
}

/** The writing side: one owner, the sequencing thread. */
export interface Store extends ChainReader {
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
   * Shape: returns them, newest last. Journal records they had settled stand in the journal again.
   * Safe and finalized heads above `number` come down to it; `cursor`, written with the first
   * batch, is where derivation goes on from then.
   * Errors: `STATE_NOT_AVAILABLE` where the reverse diffs do not reach that far.
   */
  rollback(number: number, cursor?: DerivationCursor): Promise<readonly StoredBlock[]>;
  saveHeads(heads: Heads, cursor?: DerivationCursor): Promise<void>;
  cursor(): DerivationCursor | null;
  /**
   * Appends records in one synced batch (group commit). Resolves when durable. Accepted numbers
   * ascend over all calls. Errors: `STORAGE_BUSY`, and then nothing was appended.
   */
  appendJournal(records: readonly JournalRecord[]): Promise<void>;
  /** Removes settled or dropped records; numbers that are not in the journal are ignored. */
  settleJournal(accepted: readonly bigint[]): Promise<void>;
  /** All records in accepted order. Errors: `STORAGE_CORRUPT` where one is damaged or missing. */
  loadJournal(): Promise<readonly JournalRecord[]>;
  /**
   * Raises the leader epoch durably, beyond `above` and every earlier one, and returns it: 1 on the
   * first start.
   */
  raiseLeaderEpoch(above: number): Promise<number>;
  signedMark(kind: SignedMark["kind"], height: number): SignedMark | null;
  saveSignedMark(mark: SignedMark): Promise<void>;
  close(): Promise<void>;
}
