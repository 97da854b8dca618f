/**
 * The journal's own database: records of what was promised, the signer's marks, the leader epoch.
 *
 * A database of its own, because a promise waits for a sync, and in the chain's database that sync
 * would stand behind a whole block's batch. Its folder may be on another disk. Owns what goes into
 * which batch here. Does not own the meaning of records, nor when something may be signed
 * (`sequencer/signer.ts`). PROTOCOL 10.
 *
 * Invariant: marks become durable in the batch of the records they belong to, or before.
 */
import { fromHex } from "../../lanes/bytes.ts";
import { rlpIntegerBytes } from "../../lanes/rlp.ts";
import { decodeU64 } from "./block-records.ts";
import { decodeMark, encodeMark } from "./codecs.ts";
import { type Database, openDatabase, type Operation } from "./database.ts";
import { encodeFields, FieldReader } from "./fields.ts";
import { createGroupCommit } from "./group-commit.ts";
import { createJournal } from "./journal.ts";
import { encodeU64, META, signedKey, signedRange } from "./keys.ts";
import type { AdmissionMark, JournalRecord, SignedMark } from "./store.ts";
import { createWriter } from "./writer.ts";

/** The database's folder inside the folder that is given. */
const FOLDER = "journal";

export interface JournalStore {
  /**
   * Appends records, and writes marks with them, in one synced batch (group commit). Resolves when
   * durable. Accepted numbers ascend over all calls. Errors: `STORAGE_BUSY`, and then nothing was
   * appended.
   */
  appendJournal(
    records: readonly JournalRecord[],
    marks?: readonly SignedMark[],
    admission?: AdmissionMark,
  ): Promise<void>;
  /** Removes settled or dropped records; numbers that are not in the journal are ignored. */
  settleJournal(accepted: readonly bigint[]): Promise<void>;
  /** All records in accepted order. Errors: `STORAGE_CORRUPT` where one is damaged or missing. */
  loadJournal(): Promise<readonly JournalRecord[]>;
  /**
   * Raises the leader epoch durably, beyond `above` and every earlier one, and returns it: 1 on the
   * first start, or `atLeast`.
   */
  raiseLeaderEpoch(above: number, atLeast?: number): Promise<number>;
  signedMark(kind: SignedMark["kind"], height: number, index?: number): SignedMark | null;
  saveSignedMark(mark: SignedMark): Promise<void>;
  /** The newest admission group that was signed. */
  admissionMark(): AdmissionMark | null;
  /** The highest block of which everything was signed: nothing at or below it is signed again. */
  signedFloor(): number;
  /**
   * Everything of this block and those before is signed and stored: their marks go, and the floor
   * stands at it.
   */
  raiseSignedFloor(block: number): Promise<void>;
}

/** The journal's database, and what the owner of the store needs of it beside. */
export interface OpenJournalStore {
  readonly methods: JournalStore;
  readonly database: Database;
  write(operations: readonly Operation[]): Promise<void>;
  close(): Promise<void>;
}

/** Opens the journal inside `parent`, or creates it there. Errors: as `openDatabase`. */
export async function openJournalStore(parent: string): Promise<OpenJournalStore> {
  const database = await openDatabase(parent, FOLDER);
  try {
    return assemble(database);
  } catch (error) {
    await database.close();
    throw error;
  }
}

function assemble(database: Database): OpenJournalStore {
  const writer = createWriter((operations) => database.write(operations));
  const journal = createJournal(database);
  const groupCommit = createGroupCommit(journal, writer);
  const readNumber = (key: Uint8Array): number => {
    const payload = database.get(key);
    return payload === null ? 0 : decodeU64(payload);
  };
  // Also what is being written: asked for before it is durable, it must not be lower.
  let floor = readNumber(META.signedFloor);
  // From the first mark on, once: a crash may have left some below the floor. Later only from where
  // the last pruning ended, because what was deleted is still passed by an iterator.
  let prunedTo = 0;

  const methods: JournalStore = {
    appendJournal: (records, marks = [], admission) =>
      groupCommit.append(records, [
        ...marks.map(markOperation),
        ...(admission === undefined ? [] : [admissionOperation(admission)]),
      ]),
    settleJournal: (accepted) => groupCommit.settle(accepted),
    loadJournal: () => journal.load(),

    async raiseLeaderEpoch(above, atLeast = 1) {
      let epoch = 0;
      await writer.write(() => {
        epoch = Math.max(readNumber(META.leaderEpoch) + 1, above + 1, atLeast);
        return [{ key: META.leaderEpoch, payload: encodeU64(epoch) }];
      });
      return epoch;
    },

    signedMark(kind, height, index = 0) {
      const payload = database.get(signedKey(kind, height, index));
      return payload === null ? null : { kind, height, index, ...decodeMark(payload) };
    },
    saveSignedMark: (mark) => writer.write(() => [markOperation(mark)]),
    admissionMark() {
      const payload = database.get(META.signedAdmission);
      if (payload === null) return null;
      const read = FieldReader.of(payload, "admission mark");
      return { firstAccepted: read.bigint(), hash: read.hash() };
    },

    signedFloor: () => floor,
    async raiseSignedFloor(block) {
      if (block <= floor) return;
      floor = block;
      const from = prunedTo;
      prunedTo = block + 1;
      const gone: Operation[] = [];
      for (const kind of ["block", "flashblock"] as const)
        for await (const [key] of database.iterate(signedRange(kind, from, block)))
          gone.push({ key, payload: null });
      await groupCommit.settle([], [...gone, { key: META.signedFloor, payload: encodeU64(floor) }]);
    },
  };

  return {
    methods,
    database,
    write: (operations) => writer.write(() => operations),
    async close() {
      await writer.drain();
      await database.close();
    },
  };
}

function markOperation(mark: SignedMark): Operation {
  return { key: signedKey(mark.kind, mark.height, mark.index), payload: encodeMark(mark) };
}

function admissionOperation({ firstAccepted, hash }: AdmissionMark): Operation {
  const payload = encodeFields([rlpIntegerBytes(firstAccepted), fromHex(hash)]);
  return { key: META.signedAdmission, payload };
}
