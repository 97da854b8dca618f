/**
 * Group commit of the journal: calls made while one batch is under way share the next one, so that
 * a burst of transactions costs one sync and not one each.
 *
 * A call resolves only when its batch is on disk. Does not own records (`journal.ts`).
 */
import assert from "node:assert";
import { NodeError } from "../errors.ts";
import type { Operation } from "./database.ts";
import type { Journal } from "./journal.ts";
import type { JournalRecord } from "./store.ts";
import type { Writer } from "./writer.ts";

/** One group commit takes at most this many bytes of records (and always at least one call). */
const GROUP_BYTES_MAX = 4 * 1024 * 1024;
/** Bytes of records that may wait for a group commit. */
const WAITING_BYTES_MAX = 64 * 1024 * 1024;
/** What one number to settle counts as. */
const SETTLE_BYTES = 16;

interface WaitingCall {
  readonly append: readonly JournalRecord[];
  readonly settle: readonly bigint[];
  readonly bytes: number;
  resolve(): void;
  reject(error: unknown): void;
}

export interface GroupCommit {
  append(records: readonly JournalRecord[]): Promise<void>;
  /** A record can be settled once its append has resolved. */
  settle(accepted: readonly bigint[]): Promise<void>;
}

/** Appended first, then settled: what a batch appends, it cannot settle. */
async function groupOperations(
  journal: Journal,
  group: readonly WaitingCall[],
): Promise<Operation[]> {
  const appended = group.flatMap(({ append }) => journal.append(append));
  const settled = await journal.settle(group.flatMap(({ settle }) => settle));
  return [...appended, ...settled, journal.state()];
}

/** How many of the oldest calls go into one batch. */
function groupSize(waiting: readonly WaitingCall[]): number {
  let bytes = 0;
  let size = 0;
  for (const call of waiting) {
    bytes += call.bytes;
    if (size > 0 && bytes > GROUP_BYTES_MAX) break;
    size += 1;
  }
  return size;
}

export function createGroupCommit(journal: Journal, writer: Writer): GroupCommit {
  /** Highest number handed in, durable or not yet. */
  let highest = journal.lastAccepted();
  let waiting: WaitingCall[] = [];
  let waitingBytes = 0;
  let running = false;

  const commitGroups = async (): Promise<void> => {
    while (waiting.length > 0) {
      let group: WaitingCall[] = [];
      try {
        // The group is taken when its turn has come: until then it grows.
        await writer.write(() => {
          group = waiting.splice(0, groupSize(waiting));
          for (const { bytes } of group) waitingBytes -= bytes;
          return groupOperations(journal, group);
        });
        for (const call of group) call.resolve();
      } catch (error) {
        // Nothing is written after a failure, so everyone behind gets the same answer.
        const failed = [...group, ...waiting];
        waiting = [];
        waitingBytes = 0;
        for (const call of failed) call.reject(error);
      }
    }
    running = false;
  };

  const enqueue = (call: Pick<WaitingCall, "append" | "settle" | "bytes">): Promise<void> =>
    new Promise((resolve, reject) => {
      if (waiting.length > 0 && waitingBytes + call.bytes > WAITING_BYTES_MAX) {
        reject(new NodeError("STORAGE_BUSY", { waitingBytes }));
        return;
      }
      highest = call.append.at(-1)?.accepted ?? highest;
      waitingBytes += call.bytes;
      waiting.push({ ...call, resolve, reject });
      if (running) return;
      running = true;
      void commitGroups();
    });

  return {
    async append(records) {
      let previous = highest;
      let bytes = 0;
      for (const record of records) {
        assert(record.accepted > previous, "accepted numbers ascend");
        previous = record.accepted;
        bytes += record.bytes.length;
      }
      if (records.length > 0) await enqueue({ append: records, settle: [], bytes });
    },

    async settle(accepted) {
      const bytes = accepted.length * SETTLE_BYTES;
      if (accepted.length > 0) await enqueue({ append: [], settle: accepted, bytes });
    },
  };
}
