/**
 * The check of the chain of hashes at start-up. DESIGN 6, ACCEPTANCE row 44.
 *
 * Headers are followed further back than whole blocks are read: two of LevelDB's write buffers hold
 * fewer than `HEADERS_CHECKED` blocks, so a batch that was lost before it reached a table file
 * leaves a hole here even where the check of the log did not see it.
 */
import { NodeError } from "../errors.ts";
import { keccakHex } from "../primitives/hash.ts";
import {
  decodeStoredHeader,
  decodeU64,
  splitHeaderRecord,
  type StoredHeader,
} from "./block-records.ts";
import { decodeHeads } from "./codecs.ts";
import type { RecordView } from "./database.ts";
import { blockKey, hashKey, META } from "./keys.ts";
import type { Heads } from "./store.ts";

/** Blocks whose every record is read. */
const BLOCKS_CHECKED = 256;
const HEADERS_CHECKED = 4096;

function damaged(number: number, reason: string): NodeError {
  return new NodeError("STORAGE_CORRUPT", { number, reason });
}

/** The block's own header: its hash is the one it is stored under, and the index leads to it. */
function checkHeader(view: RecordView, number: number): StoredHeader {
  const payload = view.get(blockKey("HEADER", number));
  if (payload === null) throw damaged(number, "block is missing");
  const { hash, encoded } = splitHeaderRecord(payload);
  if (keccakHex(encoded) !== hash) throw damaged(number, "header hash");
  const { header } = decodeStoredHeader(payload);
  if (header.number !== number) throw damaged(number, "header number");
  const index = view.get(hashKey("NUMBER_BY_HASH", hash));
  if (index === null || decodeU64(index) !== number) throw damaged(number, "hash index");
  return { hash, header };
}

/** All records of a block are there and pass their checksum. */
function checkRecords(view: RecordView, number: number): void {
  for (const table of ["BLOCK", "SIDECAR", "RECEIPTS"] as const)
    if (view.get(blockKey(table, number)) === null)
      throw damaged(number, `${table.toLowerCase()} record is missing`);
}

function checkHeads(view: RecordView, heads: Heads): void {
  for (const name of ["unsafe", "safe", "finalized"] as const) {
    const { number, hash } = heads[name];
    if (number > heads.unsafe.number || checkHeader(view, number).hash !== hash)
      throw damaged(number, `${name} head`);
  }
}

/**
 * Checks heads and the newest blocks. Errors: `STORAGE_CORRUPT` with the number and what is wrong.
 */
export function checkChain(view: RecordView): void {
  const payload = view.get(META.heads);
  if (payload === null) throw new NodeError("STORAGE_CORRUPT", { record: "heads" });
  const heads = decodeHeads(payload);
  checkHeads(view, heads);
  const top = heads.unsafe.number;
  let child: string | null = null;
  for (let number = top; number >= 0 && number > top - HEADERS_CHECKED; number--) {
    const { hash, header } = checkHeader(view, number);
    if (child !== null && child !== hash) throw damaged(number, "parent hash");
    child = header.parentHash;
    if (number > top - BLOCKS_CHECKED) checkRecords(view, number);
  }
}
