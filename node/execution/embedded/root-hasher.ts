/**
 * The `RootHasher` over a trie reader: resident tries that are extended slice by slice.
 *
 * Owns the order of calls, the bound on sealed blocks, and what a failure leaves behind: nothing
 * that could be built upon. Runs on any thread: `node/workers/root.ts` serves it off the sequencing
 * thread. DESIGN 4, I10.
 */
import assert from "node:assert/strict";
import { NodeError } from "../../errors.ts";
import type { TrieReader } from "../../storage/state.ts";
import { type RootHasher, SEALED_BLOCKS_MAX } from "../engine.ts";
import { createListTrie } from "./list-root.ts";
import { createStateTries, RESIDENT_NODES_MAX } from "./state-trie.ts";
import { createScope } from "./trie-source.ts";

function createLists() {
  return { transactions: createListTrie(), receipts: createListTrie() };
}

/** A hasher whose base is what `trie` reads now; it keeps about `residentMax` nodes in memory. */
export function createRootHasher(
  trie: TrieReader,
  residentMax: number = RESIDENT_NODES_MAX,
): RootHasher {
  let tries = createStateTries(createScope(trie), residentMax);
  /** Of the open block. */
  let lists = createLists();
  /** Blocks that are sealed and not committed. */
  let sealed = 0;
  let failure: Error | null = null;

  /** Tries that an error left half changed must not give roots any more. */
  const guarded = <T>(work: () => T): T => {
    if (failure !== null) throw failure;
    try {
      return work();
    } catch (error) {
      failure = error instanceof Error ? error : new NodeError("INTERNAL", {}, error);
      throw failure;
    }
  };

  // An async function turns a throw into a rejection for callers on this very thread.
  /* eslint-disable @typescript-eslint/require-await -- see above */
  return {
    async extend(slice, added) {
      guarded(() => {
        tries.extend(slice);
        if (added === undefined) return;
        lists.transactions.add(added.transactions);
        lists.receipts.add(added.receipts);
      });
    },
    async seal() {
      assert(sealed < SEALED_BLOCKS_MAX, "too many sealed blocks wait for the store");
      const roots = guarded(() => tries.seal());
      sealed += 1;
      const { transactions, receipts } = lists;
      lists = createLists();
      return { ...roots, transactionsRoot: transactions.root(), receiptsRoot: receipts.root() };
    },
    async committed() {
      assert(sealed > 0, "no block is sealed");
      sealed -= 1;
      guarded(() => {
        tries.committed();
      });
    },
    async discard() {
      tries = createStateTries(createScope(trie), residentMax);
      lists = createLists();
      sealed = 0;
      failure = null;
    },
  };
  /* eslint-enable @typescript-eslint/require-await */
}
