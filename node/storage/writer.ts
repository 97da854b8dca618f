/**
 * The one way into the database for writes: one batch at a time, in the order they were asked for.
 *
 * One at a time, because LevelDB's thread pool may swap two batches that are in flight together,
 * and because the check of the write-ahead log relies on it. After a failed write nothing is
 * written any more: what the disk holds is unknown, and LevelDB itself refuses after a failed fsync
 * (ACCEPTANCE row 47).
 */
import { ERRORS, NodeError } from "../errors.ts";
import type { Operation } from "./database.ts";

/** Writes that wait for their turn; their callers all await them, so more is a runaway. */
const WAITING_MAX = 4096;

export interface Writer {
  /**
   * Runs `build` when its turn has come and writes what it returns as one atomic synced batch.
   *
   * Errors: `STORAGE_FAILED` for this and every later call once a write has failed; `STORAGE_BUSY`
   * when too many wait; what `build` throws, which stops the writer too unless it is a `NodeError`
   * that is not fatal: `build` throws those before it has changed anything.
   */
  write(build: () => readonly Operation[] | Promise<readonly Operation[]>): Promise<void>;
  /** Resolves when no write is waiting or under way. Later writes are refused. */
  drain(): Promise<void>;
}

export function createWriter(
  writeBatch: (operations: readonly Operation[]) => Promise<void>,
): Writer {
  let tail: Promise<void> = Promise.resolve();
  let waiting = 0;
  let failure: unknown = null;
  let closed = false;

  const run = async (
    build: () => readonly Operation[] | Promise<readonly Operation[]>,
  ): Promise<void> => {
    if (failure !== null) throw new NodeError("STORAGE_FAILED", { reason: "stopped" }, failure);
    try {
      const operations = await build();
      if (operations.length > 0) await writeBatch(operations);
    } catch (error) {
      if (!(error instanceof NodeError) || ERRORS[error.code].severity === "fatal") failure = error;
      throw error;
    }
  };

  return {
    async write(build) {
      if (closed) throw new NodeError("STORAGE_FAILED", { reason: "closed" });
      if (waiting >= WAITING_MAX) throw new NodeError("STORAGE_BUSY", { waiting });
      waiting += 1;
      const result = tail.then(() => run(build));
      tail = result.then(
        () => undefined,
        () => undefined,
      );
      try {
        await result;
      } finally {
        waiting -= 1;
      }
    },

    async drain() {
      closed = true;
      await tail;
    },
  };
}
