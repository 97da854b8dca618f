/**
 * Reads of the chain from any thread of the process that runs it, without a word to the thread that
 * writes. The store must be open in the process before, and is closed after (`database.ts`).
 */
import { NodeError } from "../errors.ts";
import { createLiveReads, createSnapshotReads, readOldestState } from "./chain-reads.ts";
import { openSharedDatabase, type RecordView } from "./database.ts";
import { createNodeHistory, createStateView, type NodeHistory } from "./history.ts";
import { createStateReader } from "./state-reads.ts";
import type { StateReader } from "./state.ts";
import type { ChainReader } from "./store.ts";

/** Reads of one version of the chain: heads, blocks and state agree until `release`. */
export interface ChainSnapshot extends ChainReader {
  /**
   * The state after `block`, which is the head or one of the blocks whose state is kept. Throws
   * `STATE_NOT_AVAILABLE` for all others, with the oldest that is kept.
   */
  stateAt(block: number): HistoricalState;
  release(): Promise<void>;
}

/** The state after one block. */
export interface HistoricalState {
  readonly state: StateReader;
  readonly nodes: NodeHistory;
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
      const reads = createSnapshotReads(view);
      return {
        ...reads,
        stateAt: (block) => readStateAt(view, reads.heads().unsafe.number, block),
        release: () => view.release(),
      };
    },
    close: () => database.close(),
  };
}

function readStateAt(view: RecordView, head: number, block: number): HistoricalState {
  const oldest = readOldestState(view);
  if (block < oldest || block > head)
    throw new NodeError("STATE_NOT_AVAILABLE", { block, oldest, head });
  return {
    state: createStateReader(createStateView(view, block)),
    nodes: createNodeHistory(view, block, head),
  };
}
