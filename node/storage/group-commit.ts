/**
 * Group commit of the journal: calls made while one batch is under way share the next one, so that
 * a burst of transactions costs one sync and not one each. What is to be settled rides along, a
 * limited part with each batch: nobody who waits for a promise waits behind the records of a block.
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
/** Records that one batch settles beside what it appends: a quarter of a millisecond. */
const SETTLED_A_GROUP_MAX = 256;

interface WaitingCall {
  readonly records: readonly JournalRecord[];
  readonly marks: readonly Operation[];
  readonly bytes: number;
  resolve(): void;
  reject(error: unknown): void;
}

/** Numbers that wait to be settled, in order of the calls. */
interface SettleCall {
  readonly accepted: readonly bigint[];
  /** Records deleted with the last of them. */
  readonly deleted: readonly Operation[];
  from: number;
  resolve(): void;
  reject(error: unknown): void;
}

export interface GroupCommit {
  /** Records, and other records of the signer that become durable with them. */
  append(records: readonly JournalRecord[], marks?: readonly Operation[]): Promise<void>;
  /** A record can be settled once its append has resolved. */
  settle(accepted: readonly bigint[], deleted?: readonly Operation[]): Promise<void>;
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

/** What one batch settles of the calls that wait, and the calls that are done with it. */
function takeSettled(settling: SettleCall[]): {
  readonly accepted: bigint[];
  readonly deleted: Operation[];
  readonly done: SettleCall[];
} {
  const accepted: bigint[] = [];
  const deleted: Operation[] = [];
  const done: SettleCall[] = [];
  for (let call = settling[0]; call !== undefined; call = settling[0]) {
    const room = SETTLED_A_GROUP_MAX - accepted.length;
    if (room <= 0 && call.from < call.accepted.length) break;
    const taken = call.accepted.slice(call.from, call.from + room);
    accepted.push(...taken);
    call.from += taken.length;
    if (call.from < call.accepted.length) break;
    deleted.push(...call.deleted);
    done.push(call);
    settling.shift();
  }
  return { accepted, deleted, done };
}

export function createGroupCommit(journal: Journal, writer: Writer): GroupCommit {
  /** Highest number handed in, durable or not yet. */
  let highest = journal.lastAccepted();
  let waiting: WaitingCall[] = [];
  let waitingBytes = 0;
  let settling: SettleCall[] = [];
  let running = false;

  const commitGroups = async (): Promise<void> => {
    while (waiting.length > 0 || settling.length > 0) {
      let group: Pick<WaitingCall, "resolve" | "reject">[] = [];
      try {
        // The group is taken when its turn has come: until then it grows.
        await writer.write(() => {
          const calls = waiting.splice(0, groupSize(waiting));
          for (const { bytes } of calls) waitingBytes -= bytes;
          // Appended first, then settled: what a batch appends, it cannot settle.
          const appended = calls.flatMap(({ records }) => journal.append(records));
          const { accepted, deleted, done } = takeSettled(settling);
          group = [...calls, ...done];
          const settled = journal.settle(accepted);
          const marks = calls.flatMap((call) => call.marks);
          return [...appended, ...settled, ...marks, ...deleted, journal.state()];
        });
        for (const call of group) call.resolve();
      } catch (error) {
        // Nothing is written after a failure, so everyone behind gets the same answer.
        const failed = [...group, ...waiting, ...settling];
        waiting = [];
        waitingBytes = 0;
        settling = [];
        for (const call of failed) call.reject(error);
      }
    }
    running = false;
  };

  const start = (): void => {
    if (running) return;
    running = true;
    void commitGroups();
  };

  return {
    async append(records, marks = []) {
      let previous = highest;
      let bytes = 0;
      for (const record of records) {
        assert(record.accepted > previous, "accepted numbers ascend");
        previous = record.accepted;
        bytes += record.bytes.length;
      }
      if (records.length === 0 && marks.length === 0) return;
      await new Promise<void>((resolve, reject) => {
        if (waiting.length > 0 && waitingBytes + bytes > WAITING_BYTES_MAX) {
          reject(new NodeError("STORAGE_BUSY", { waitingBytes }));
          return;
        }
        highest = previous;
        waitingBytes += bytes;
        waiting.push({ records, marks, bytes, resolve, reject });
        start();
      });
    },

    async settle(accepted, deleted = []) {
      if (accepted.length === 0 && deleted.length === 0) return;
      await new Promise<void>((resolve, reject) => {
        settling.push({ accepted, deleted, from: 0, resolve, reject });
        start();
      });
    },
  };
}
