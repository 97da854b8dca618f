/**
 * The journal: what was promised and is not in a block yet: transactions taken in, flashblocks of
 * the open block, transactions dropped. PROTOCOL 10.
 *
 * A record holds `prevHash`, the hash of the record appended before it, which may be settled and
 * gone since. So the chain alone cannot show that a record is missing. Beside it stands one state
 * record, changed in the same batch as every append and settlement: number of live records, XOR of
 * their hashes, and the last append. Settling is legal because it takes its hash out of the sum;
 * damage is not. `loadJournal` checks both: the sum over all live records, and `prevHash` wherever
 * two live records have neighbouring numbers (numbers ascend, so nothing stood between them).
 *
 * Owns records and state. Does not own writing (`group-commit.ts`, `chain-store.ts`).
 */
import { bytesToBigint, bytesEqual, fromHex, toHex, ZERO_HASH } from "../../lanes/bytes.ts";
import { rlpIntegerBytes } from "../../lanes/rlp.ts";
import { NodeError } from "../errors.ts";
import { keccak256 } from "../primitives/hash.ts";
import type { Database, Operation } from "./database.ts";
import { encodeFields, FieldReader } from "./fields.ts";
import { journalKey, META, PREFIX, prefixRange } from "./keys.ts";
import type { JournalRecord } from "./store.ts";

/** `accepted` is `leaderEpoch · 2^40 + seq`. */
const SEQ_BITS = 40n;

interface JournalState {
  count: number;
  /** XOR of the hashes of all live records. */
  sum: Uint8Array;
  /** Hash and accepted number of the last record appended. */
  lastHash: Uint8Array;
  lastAccepted: bigint;
}

/**
 * Changes to the journal as parts of batches; each batch must be written before the next is built.
 */
export interface Journal {
  /** Accepted number of the last record appended; 0 before the first. */
  lastAccepted(): bigint;
  /** Adds records to a batch, in order. */
  append(records: readonly JournalRecord[]): Operation[];
  /** Takes records out, as parts of a batch. Unknown numbers are ignored. */
  settle(accepted: readonly bigint[]): Operation[];
  /** The state record, which ends every batch that changes the journal. */
  state(): Operation;
  load(): Promise<readonly JournalRecord[]>;
}

function encodeState(state: JournalState): Uint8Array {
  return encodeFields([
    rlpIntegerBytes(state.count),
    state.sum,
    state.lastHash,
    rlpIntegerBytes(state.lastAccepted),
  ]);
}

function decodeState(payload: Uint8Array): JournalState {
  const read = FieldReader.of(payload, "journal state");
  return {
    count: read.number(),
    sum: read.bytes(32).slice(),
    lastHash: read.bytes(32),
    lastAccepted: read.bigint(),
  };
}

function encodeRecord(record: JournalRecord, prevHash: Uint8Array): Uint8Array {
  return encodeFields([
    rlpIntegerBytes(record.accepted >> SEQ_BITS),
    rlpIntegerBytes(record.accepted & ((1n << SEQ_BITS) - 1n)),
    prevHash,
    rlpIntegerBytes(record.kind),
    record.bytes,
  ]);
}

interface LiveRecord extends JournalRecord {
  readonly prevHash: Uint8Array;
}

function decodeRecord(payload: Uint8Array): LiveRecord {
  const read = FieldReader.of(payload, "journal");
  const leaderEpoch = read.bigint();
  const seq = read.bigint();
  return {
    accepted: (leaderEpoch << SEQ_BITS) + seq,
    prevHash: read.bytes(32),
    kind: read.number(),
    bytes: read.bytes(),
  };
}

function xorInto(sum: Uint8Array, hash: Uint8Array): void {
  for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) ^ (hash[i] as number);
}

/**
 * How far the journal in `database` has come durably: accepted number and hash of the last record
 * appended. Settling does not change it.
 */
export function encodePosition(database: Database): Uint8Array {
  const { lastAccepted, lastHash } = readState(database);
  return encodeFields([rlpIntegerBytes(lastAccepted), lastHash]);
}

/** Whether the journal has come as far as `position`, which it, or another copy of it, once had. */
export function isAtOrPast(database: Database, position: Uint8Array): boolean {
  const read = FieldReader.of(position, "journal position");
  const accepted = read.bigint();
  const hash = read.bytes(32);
  const { lastAccepted, lastHash } = readState(database);
  return lastAccepted > accepted || (lastAccepted === accepted && bytesEqual(lastHash, hash));
}

function readState(database: Database): JournalState {
  const stored = database.get(META.journal);
  return stored === null
    ? { count: 0, sum: new Uint8Array(32), lastHash: fromHex(ZERO_HASH), lastAccepted: 0n }
    : decodeState(stored);
}

/** The journal over `database`; its state is read once, here. */
export function createJournal(database: Database): Journal {
  const state = readState(database);
  /** Of live records that this run has appended or loaded: settling them reads nothing. */
  const hashes = new Map<bigint, Uint8Array>();
  const hashOfStored = (key: Uint8Array): Uint8Array | null => {
    const payload = database.get(key);
    return payload === null ? null : keccak256(payload);
  };

  return {
    lastAccepted: () => state.lastAccepted,

    append: (records) =>
      records.map((record) => {
        const payload = encodeRecord(record, state.lastHash);
        const hash = keccak256(payload);
        xorInto(state.sum, hash);
        state.count += 1;
        state.lastHash = hash;
        state.lastAccepted = record.accepted;
        hashes.set(record.accepted, hash);
        return { key: journalKey(record.accepted), payload };
      }),

    // A number named twice is in the database until the batch is written, but in the sum only once.
    settle: (accepted) =>
      [...new Set(accepted)].flatMap((number) => {
        const key = journalKey(number);
        const hash = hashes.get(number) ?? hashOfStored(key);
        if (hash === null) return [];
        hashes.delete(number);
        xorInto(state.sum, hash);
        state.count -= 1;
        return [{ key, payload: null }];
      }),

    state: () => ({ key: META.journal, payload: encodeState(state) }),

    load: () => loadRecords(database, state, hashes),
  };
}

async function loadRecords(
  database: Database,
  state: JournalState,
  hashes: Map<bigint, Uint8Array>,
): Promise<readonly JournalRecord[]> {
  const records: JournalRecord[] = [];
  const sum = new Uint8Array(32);
  let previous: { accepted: bigint; hash: Uint8Array } | null = null;
  for await (const [key, payload] of database.iterate(prefixRange(PREFIX.JOURNAL))) {
    const { prevHash, ...record } = decodeRecord(payload);
    const { accepted } = record;
    if (bytesToBigint(key.subarray(1)) !== accepted) throw damagedJournal("number", accepted);
    const follows = previous !== null && previous.accepted + 1n === accepted;
    if (follows && !bytesEqual(prevHash, previous?.hash ?? prevHash))
      throw damagedJournal("prevHash", accepted);
    const hash = keccak256(payload);
    xorInto(sum, hash);
    previous = { accepted, hash };
    hashes.set(accepted, hash);
    records.push(record);
  }
  if (records.length !== state.count || !bytesEqual(sum, state.sum))
    throw new NodeError("STORAGE_CORRUPT", {
      record: "journal",
      reason: "records are missing or too many",
      found: records.length,
      expected: state.count,
      sum: toHex(sum),
    });
  return records;
}

function damagedJournal(reason: string, accepted: bigint): NodeError {
  return new NodeError("STORAGE_CORRUPT", {
    record: "journal",
    reason,
    accepted: String(accepted),
  });
}
