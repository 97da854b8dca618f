/**
 * A block's change to the state's tables as records: accounts, slots, slot lists, code, trie nodes.
 *
 * What stood before is read from the database, off the thread, a few records at a time: a version
 * follows from the one before it, and a reverse diff of what really stood there cannot be wrong.
 */
import assert from "node:assert";
import { NodeError } from "../errors.ts";
import { encodeAccount, encodeSlot } from "./codecs.ts";
import type { Database, RecordView } from "./database.ts";
import { createStateView } from "./history.ts";
import { accountKey, hashKey, slotKey, trieKey } from "./keys.ts";
import { createSlotList } from "./slot-list.ts";
import type { AccountChange, StateDiff, TrieNodeChange } from "./state.ts";
import type { Change } from "./undo.ts";
import { decodeVersioned, encodeVersioned, nextVersion } from "./versions.ts";

/** Records read at a time: more would hold the thread while they arrive. */
const RECORDS_A_READ = 1000;

/** A value of a versioned table. */
interface Write {
  readonly key: Uint8Array;
  readonly value: Uint8Array | null;
  /** Whether there was a value, as whoever made the change saw it. */
  readonly existed: boolean;
}

function* accountWrites(change: AccountChange): Generator<Write> {
  const { address, before, after } = change;
  if (before !== null || after !== null)
    yield {
      key: accountKey(address),
      value: after === null ? null : encodeAccount(after),
      existed: before !== null,
    };
  for (const slot of change.slots)
    if (slot.before !== slot.after)
      yield {
        key: slotKey("SLOT", address, slot.slot),
        value: encodeSlot(slot.after),
        existed: slot.before !== 0n,
      };
}

/** `values` reads values without their versions. */
function* stateWrites(values: RecordView, diff: StateDiff): Generator<Write> {
  const slotList = createSlotList(values);
  for (const account of diff.accounts) {
    yield* accountWrites(account);
    for (const { slot, before, after } of account.slots) {
      if (before === 0n && after !== 0n) slotList.add(account.address, slot);
      if (before !== 0n && after === 0n) slotList.remove(account.address, slot);
    }
  }
  yield* slotList.writes();
}

/** The same code may have been deployed before; taking this block back must not delete it. */
function codeChanges(values: RecordView, diff: StateDiff): Change[] {
  return diff.codes
    .map(({ hash, code }) => ({ key: hashKey("CODE", hash), before: null, after: code }))
    .filter(({ key }) => values.get(key) === null);
}

/** The block that makes the change, and the oldest whose state can be read with it as the head. */
interface StateBlock {
  readonly number: number;
  readonly oldest: number;
}

function versionedChange(
  { key, value, existed }: Write,
  before: Uint8Array | null,
  { number, oldest }: StateBlock,
): Change | null {
  const found = before === null ? null : decodeVersioned(before);
  // Otherwise the engine's caches and the store have parted, and nothing that follows is right.
  assert(((found?.value ?? null) !== null) === existed, "the change fits what the store holds");
  if (!existed && value === null) return null;
  // A tombstone that leaves the history with this block is gone for whoever takes the block back.
  if (found === null || (!existed && found.version.since <= oldest))
    return { key, before: null, after: encodeVersioned(nextVersion(null, number), value) };
  return { key, before, after: encodeVersioned(nextVersion(found.version, number), value) };
}

function take<T>(items: Iterator<T, unknown>, countMax: number): T[] {
  const taken: T[] = [];
  while (taken.length < countMax) {
    const next = items.next();
    if (next.done === true) break;
    taken.push(next.value);
  }
  return taken;
}

export interface StateChanges {
  readonly changes: readonly Change[];
  /** Keys that hold a tombstone now. */
  readonly tombstones: readonly Uint8Array[];
}

/** All changes of `block` to the state's tables. Errors: `STORAGE_CORRUPT`, `STORAGE_FAILED`. */
export async function stateChanges(
  database: Pick<Database, "get" | "getMany">,
  block: StateBlock,
  { diff, trie }: { readonly diff: StateDiff; readonly trie: readonly TrieNodeChange[] },
): Promise<StateChanges> {
  const values = createStateView(database);
  const changes = codeChanges(values, diff);
  for (const { path, node, previous } of trie)
    changes.push({ key: trieKey(path), before: previous, after: node });
  const tombstones: Uint8Array[] = [];
  const writes = stateWrites(values, diff);
  const readSome = () => {
    const some = take(writes, RECORDS_A_READ);
    const before = some.length === 0 ? null : database.getMany(some.map(({ key }) => key));
    // Whoever awaits it gets the error; when an earlier one has failed, nobody does.
    before?.catch(() => undefined);
    return { some, before };
  };
  let next = readSome();
  while (next.before !== null) {
    const { some, before } = next;
    next = readSome();
    const found = await before;
    for (const [i, write] of some.entries()) {
      const change = versionedChange(write, found[i] ?? null, block);
      if (change === null) continue;
      changes.push(change);
      if (write.value === null) tombstones.push(write.key);
    }
  }
  return { changes, tombstones };
}

/** Keys one after another, each behind its length. */
export function encodeTombstones(keys: readonly Uint8Array[]): Uint8Array {
  const payload = new Uint8Array(keys.reduce((sum, key) => sum + 1 + key.length, 0));
  let offset = 0;
  for (const key of keys) {
    payload[offset] = key.length;
    payload.set(key, offset + 1);
    offset += 1 + key.length;
  }
  return payload;
}

/** Errors: `STORAGE_CORRUPT`. */
export function decodeTombstones(payload: Uint8Array): readonly Uint8Array[] {
  const keys: Uint8Array[] = [];
  for (let offset = 0; offset < payload.length;) {
    const end = offset + 1 + (payload[offset] as number);
    if (end > payload.length)
      throw new NodeError("STORAGE_CORRUPT", { record: "tombstones", reason: "form" });
    keys.push(payload.subarray(offset + 1, end));
    offset = end;
  }
  return keys;
}
