/**
 * Reads of heads, blocks, receipts and indexes over one view of the database: the `ChainReader`.
 *
 * Over a snapshot everything agrees with everything. Over the live database each call that needs
 * several records takes a snapshot of its own, because another thread may commit between two reads.
 */
import type { Hex } from "../../lanes/bytes.ts";
import { NodeError } from "../errors.ts";
import { readAdmissions, readDrop } from "./admissions.ts";
import {
  bloomOfHeaderRecord,
  decodeLocation,
  decodeReceipts,
  decodeStoredBlock,
  decodeStoredHeader,
  decodeU64,
  laneStateOfSidecar,
  type StoredHeader,
} from "./block-records.ts";
import { decodeHeads } from "./codecs.ts";
import type { Database, RecordView } from "./database.ts";
import { createStateView } from "./history.ts";
import { blockKey, hashKey, META } from "./keys.ts";
import { createStateReader, createTrieReader } from "./state-reads.ts";
import type { ChainReader, Heads, StoredBlock } from "./store.ts";

function map<T>(payload: Uint8Array | null, decode: (payload: Uint8Array) => T): T | null {
  return payload === null ? null : decode(payload);
}

function readHeads(view: RecordView): Heads {
  const payload = view.get(META.heads);
  if (payload === null) throw new NodeError("STORAGE_CORRUPT", { record: "heads" });
  return decodeHeads(payload);
}

/** The oldest block whose state can be read. Errors: `STORAGE_CORRUPT`. */
export function readOldestState(view: RecordView): number {
  const payload = view.get(META.oldestState);
  if (payload === null) throw new NodeError("STORAGE_CORRUPT", { record: "oldest state" });
  return decodeU64(payload);
}

function readNumber(view: RecordView, hash: Hex): number | null {
  return map(view.get(hashKey("NUMBER_BY_HASH", hash)), decodeU64);
}

function readHeader(view: RecordView, number: number): StoredHeader | null {
  return map(view.get(blockKey("HEADER", number)), decodeStoredHeader);
}

/** Block by number from its two records; for one without the other, `STORAGE_CORRUPT`. */
export function readBlock(view: RecordView, number: number): StoredBlock | null {
  const wire = view.get(blockKey("BLOCK", number));
  const sidecar = view.get(blockKey("SIDECAR", number));
  if (wire === null && sidecar === null) return null;
  if (wire === null || sidecar === null)
    throw new NodeError("STORAGE_CORRUPT", { record: "block", number, reason: "incomplete" });
  return decodeStoredBlock(wire, sidecar);
}

/** Runs `read` on a consistent view. */
type Consistently = <T>(read: (view: RecordView) => T) => T;

function createReads(view: RecordView, consistently: Consistently): ChainReader {
  const values = createStateView(view);
  return {
    heads: () => readHeads(view),
    blockByNumber: (number) => consistently((at) => readBlock(at, number)),
    blockByHash: (hash) =>
      consistently((at) => {
        const number = readNumber(at, hash);
        return number === null ? null : readBlock(at, number);
      }),
    headerByNumber: (number) => readHeader(view, number),
    headerByHash: (hash) =>
      consistently((at) => {
        const number = readNumber(at, hash);
        return number === null ? null : readHeader(at, number);
      }),
    numberByHash: (hash) => readNumber(view, hash),
    logsBloom: (number) => map(view.get(blockKey("HEADER", number)), bloomOfHeaderRecord),
    receipts: (number) => map(view.get(blockKey("RECEIPTS", number)), decodeReceipts),
    laneState: (number) => map(view.get(blockKey("SIDECAR", number)), laneStateOfSidecar),
    transactionLocation: (hash) => map(view.get(hashKey("TRANSACTION", hash)), decodeLocation),
    admissions: (number) => readAdmissions(view, number),
    drop: (hash) => consistently((at) => readDrop(at, hash)),
    rawBlock: (number) => view.get(blockKey("BLOCK", number)),
    state: createStateReader(values),
    trie: createTrieReader(values),
  };
}

/** Reads over a view that does not change. */
export function createSnapshotReads(view: RecordView): ChainReader {
  return createReads(view, (read) => read(view));
}

/** Reads of the newest committed state. */
export function createLiveReads(database: Pick<Database, "get" | "snapshot">): ChainReader {
  return createReads(database, (read) => {
    const snapshot = database.snapshot();
    try {
      return read(snapshot);
    } finally {
      void snapshot.release();
    }
  });
}
