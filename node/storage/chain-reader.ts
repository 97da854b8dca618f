/**
 * Reads of the chain from any thread of the process that runs it, without a word to the thread that
 * writes. The store must be open in the process before, and is closed after (`database.ts`).
 */
import { createLiveReads, createSnapshotReads } from "./chain-reads.ts";
import { openSharedDatabase } from "./database.ts";
import type { ChainReader } from "./store.ts";

/** Reads of one version of the chain: heads, blocks and state agree until `release`. */
export interface ChainSnapshot extends ChainReader {
  release(): Promise<void>;
}

export interface SharedChainReader extends ChainReader {
  snapshot(): ChainSnapshot;
  close(): Promise<void>;
}

/** Opens another handle on the store of `dataDir`. Errors: as `createStore`. */
export async function openChainReader(dataDir: string): Promise<SharedChainReader> {
  const database = await openSharedDatabase(dataDir);
  return {
    ...createLiveReads(database),
    snapshot() {
      const view = database.snapshot();
      return { ...createSnapshotReads(view), release: () => view.release() };
    },
    close: () => database.close(),
  };
}
