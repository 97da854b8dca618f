/**
 * The state's tables as they were after an older block, over one version of the database.
 *
 * A record's version says whether it has changed since; where it has, it leads from reverse diff to
 * reverse diff to the first block that changed it afterwards, whose reverse diff holds the value.
 * Trie nodes have no version, which would double what a block costs to write; they have a hash. The
 * newest node at a path is the older one too where the hash is the same, and all below it; where it
 * is not, the later reverse diffs are looked through in order. Source: DESIGN 6 (history).
 */
import { setImmediate } from "node:timers/promises";
import type { Hex } from "../../lanes/bytes.ts";
import { NodeError } from "../errors.ts";
import { keccakHex } from "../primitives/hash.ts";
import type { RecordView } from "./database.ts";
import { trieKey } from "./keys.ts";
import { findUndo } from "./undo.ts";
import { decodeVersioned, isVersioned, oldestAbove } from "./versions.ts";

/** Reverse diffs looked into for the nodes of one request: a second's work, and never in one go. */
const LOOKS_MAX = 100_000;
const LOOKS_A_TURN = 256;

function corrupt(reason: string): NodeError {
  return new NodeError("STORAGE_CORRUPT", { record: "history", reason });
}

/** The record of `key` after `block`, or `null`. */
function valueAt(view: RecordView, key: Uint8Array, block: number): Uint8Array | null {
  let record = view.get(key);
  let above = Infinity;
  while (record !== null) {
    const { version, value } = decodeVersioned(record);
    if (version.since <= block) return value;
    const next = oldestAbove(version, block);
    // Always further back: a damaged version cannot lead round in a circle.
    if (next >= above) throw corrupt("order of versions");
    above = next;
    const entry = findUndo(view, above, key);
    if (entry === null) throw corrupt("a version without its reverse diff");
    record = entry.payload;
  }
  return null;
}

/**
 * The payloads after `block`, versions taken off; without `block` the newest ones.
 *
 * The reverse diffs of all later blocks must be there. Records of other tables than the versioned
 * ones are the newest always.
 */
export function createStateView(view: RecordView, block = Infinity): RecordView {
  return { get: (key) => (isVersioned(key) ? valueAt(view, key, block) : view.get(key)) };
}

/** A trie node as it was after a block. */
export interface OldNode {
  readonly raw: Uint8Array;
  /** The first later block that changed it, or `Infinity`: none before changed anything below. */
  readonly changedBy: number;
}

/** Trie nodes after one block. */
export interface NodeHistory {
  /**
   * The node at `path` (as in `TrieNodeChange`) that has this hash. `from` is the parent's
   * `changedBy`; of the root, left out.
   *
   * Errors: `LIMIT_EXCEEDED` when all calls together would take too long; `STORAGE_CORRUPT`.
   */
  node(path: Uint8Array, hash: Hex, from?: number): Promise<OldNode>;
}

/** The trie after `block`; `head` is the newest block that `view` holds. */
export function createNodeHistory(view: RecordView, block: number, head: number): NodeHistory {
  let looks = 0;
  return {
    async node(path, hash, from = block + 1) {
      const key = trieKey(path);
      const newest = view.get(key);
      if (newest !== null && keccakHex(newest) === hash)
        return { raw: newest, changedBy: Infinity };
      for (let number = from; number <= head; number++) {
        if (looks++ >= LOOKS_MAX)
          throw new NodeError("LIMIT_EXCEEDED", { limit: "reverse diffs", max: LOOKS_MAX });
        if (looks % LOOKS_A_TURN === 0) await setImmediate();
        const entry = findUndo(view, number, key);
        if (entry === null) continue;
        if (entry.payload === null || keccakHex(entry.payload) !== hash)
          throw corrupt("hash of a trie node");
        return { raw: entry.payload, changedBy: number };
      }
      throw corrupt("a trie node is missing");
    },
  };
}
