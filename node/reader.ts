/**
 * What the RPC threads read by themselves: blocks, logs, state of the head, simulated calls.
 *
 * Owns the snapshot under each answer: whatever needs more than one record sees one version of the
 * database, while the sequencing thread commits. Does not own limits of the RPC server or JSON.
 * Costs the sequencing thread nothing (DESIGN I10).
 */
import { NodeError } from "./errors.ts";
import { estimateGas, simulateCall } from "./execution/embedded/call.ts";
import type { CallRequest, CallResult } from "./execution/engine.ts";
import type { Header } from "./primitives/header.ts";
import type { RollupConfig } from "./rollup-config.ts";
import { type ChainSnapshot, openChainReader } from "./storage/chain-reader.ts";
import { findLogs, type LogFilter, type LogVerdict } from "./storage/logs.ts";
import type { StateReader } from "./storage/state.ts";
import type { ChainReader } from "./storage/store.ts";

export type { LogEntry, LogFilter } from "./storage/logs.ts";

export interface ReaderOptions {
  readonly dataDir: string;
  readonly rollup: RollupConfig;
}

export interface Reader {
  /** Each call by itself is consistent; two calls may see different heads. */
  readonly chain: ChainReader;
  /** Logs that match, in chain order; synchronous, so within limits. */
  logs(filter: LogFilter): LogVerdict;
  /**
   * Result of `read` on the state of `block`. Throws `STATE_NOT_AVAILABLE` unless it is the head.
   */
  stateAt<T>(block: number, read: (state: StateReader) => T): T;
  /**
   * Simulates a call on the state of `block`. Throws `STATE_NOT_AVAILABLE` unless it is the head.
   */
  call(request: CallRequest, block: number): Promise<CallResult>;
  /** Least gas limit with which the call succeeds. Throws as `call`. */
  estimateGas(request: CallRequest, block: number): ReturnType<typeof estimateGas>;
  close(): Promise<void>;
}

/** A consistent view whose head is `block`. */
interface HeadView {
  readonly snapshot: ChainSnapshot;
  readonly header: Header;
}

/**
 * Opens a reader in any thread of the process that has the store open; close it before the store.
 * Errors: as `openChainReader`.
 */
export async function openReader({ dataDir, rollup }: ReaderOptions): Promise<Reader> {
  const chain = await openChainReader(dataDir);

  const openHead = (block: number): HeadView => {
    const snapshot = chain.snapshot();
    try {
      const head = snapshot.heads().unsafe.number;
      if (head !== block) throw new NodeError("STATE_NOT_AVAILABLE", { block, head });
      const found = snapshot.headerByNumber(block);
      if (found === null) throw new NodeError("STORAGE_CORRUPT", { record: "header", block });
      return { snapshot, header: found.header };
    } catch (error) {
      void snapshot.release();
      throw error;
    }
  };

  return {
    chain,

    logs(filter) {
      const snapshot = chain.snapshot();
      try {
        return findLogs(snapshot, filter);
      } finally {
        void snapshot.release();
      }
    },

    stateAt(block, read) {
      const { snapshot } = openHead(block);
      try {
        return read(snapshot.state);
      } finally {
        void snapshot.release();
      }
    },

    async call(request, block) {
      const { snapshot, header } = openHead(block);
      try {
        return await simulateCall({ rollup, state: snapshot.state, header }, request);
      } finally {
        await snapshot.release();
      }
    },

    async estimateGas(request, block) {
      const { snapshot, header } = openHead(block);
      try {
        return await estimateGas({ rollup, state: snapshot.state, header }, request);
      } finally {
        await snapshot.release();
      }
    },

    close: () => chain.close(),
  };
}
