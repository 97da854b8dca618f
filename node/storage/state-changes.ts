/**
 * A block's change to the state's tables as records: accounts, slots, slot lists, code, trie nodes.
 *
 * What stood before is read from the database, off the thread, a few records at a time: a version
 * follows from the one before it, and a reverse diff of what really stood there cannot be wrong.
 */
import assert from "node:assert";
import type { Hex } from "../../lanes/bytes.ts";
import { NodeError } from "../errors.ts";
import { inTurns, type Steps } from "../turns.ts";
import { encodeAccount, encodeSlot } from "./codecs.ts";
import type { Database, RecordView } from "./database.ts";
import { createStateView } from "./history.ts";
import { accountKey, hashKey, slotKey, trieKey } from "./keys.ts";
import { readMany } from "./read-many.ts";
import { createSlotList, type SlotList, type Write } from "./slot-list.ts";
import type { SlotChange, StateDiff, TrieNodeChange } from "./state.ts";
import type { Change } from "./undo.ts";
import { decodeVersioned, encodeVersioned, nextVersion } from "./versions.ts";

/**
 * Microseconds of the steps: to encode an account, a slot, a key of the trie; to look for a code or
 * in a slot list, which reads on the thread; to write a version.
 */
const ACCOUNT_COST = 2;
const SLOT_COST = 1;
const TRIE_COST = 0.3;
const READ_COST = 20;
const VERSION_COST = 1;
/** Microseconds to copy the key of a tombstone. */
const TOMBSTONE_COST = 0.2;

/** `values` reads values without their versions. */
function* stateWrites(values: RecordView, diff: StateDiff): Steps<Write[]> {
  const writes: Write[] = [];
  const slotList = createSlotList(values);
  for (const { address, before, after, slots } of diff.accounts) {
    if (before !== null || after !== null)
      writes.push({
        key: accountKey(address),
        value: after === null ? null : encodeAccount(after),
        existed: before !== null,
      });
    yield ACCOUNT_COST;
    for (const change of slots) yield slotWrite(address, change, slotList, writes);
  }
  for (const write of slotList.writes()) {
    writes.push(write);
    yield SLOT_COST;
  }
  return writes;
}

/** Returns its cost. */
function slotWrite(
  address: Hex,
  { slot, before, after }: SlotChange,
  slotList: SlotList,
  writes: Write[],
): number {
  if (before === after) return SLOT_COST;
  writes.push({
    key: slotKey("SLOT", address, slot),
    value: encodeSlot(after),
    existed: before !== 0n,
  });
  if (before !== 0n && after !== 0n) return SLOT_COST;
  if (before === 0n) slotList.add(address, slot);
  else slotList.remove(address, slot);
  return READ_COST;
}

/** Code and trie nodes, whose records have no versions. */
function* plainChanges(
  values: RecordView,
  { codes }: StateDiff,
  trie: readonly TrieNodeChange[],
): Steps<Change[]> {
  const changes: Change[] = [];
  for (const { hash, code } of codes) {
    const key = hashKey("CODE", hash);
    // It may have been deployed before; taking this block back must not delete it then.
    if (values.get(key) === null) changes.push({ key, before: null, payload: code });
    yield READ_COST;
  }
  for (const { path, node, previous } of trie) {
    changes.push({ key: trieKey(path), before: previous, payload: node });
    yield TRIE_COST;
  }
  return changes;
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
    return { key, before: null, payload: encodeVersioned(nextVersion(null, number), value) };
  return { key, before, payload: encodeVersioned(nextVersion(found.version, number), value) };
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
  const changes = await inTurns(plainChanges(values, diff, trie));
  const writes = await inTurns(stateWrites(values, diff));
  const tombstones: Uint8Array[] = [];
  await readMany(database, writes, {
    cost: VERSION_COST,
    keyOf: ({ key }) => key,
    take(write, before) {
      const change = versionedChange(write, before, block);
      if (change === null) return;
      changes.push(change);
      if (write.value === null) tombstones.push(write.key);
    },
  });
  return { changes, tombstones };
}

/** Keys one after another, each behind its length. */
export function* encodeTombstones(keys: readonly Uint8Array[]): Steps<Uint8Array> {
  const payload = new Uint8Array(keys.reduce((sum, key) => sum + 1 + key.length, 0));
  let offset = 0;
  for (const key of keys) {
    payload[offset] = key.length;
    payload.set(key, offset + 1);
    offset += 1 + key.length;
    yield TOMBSTONE_COST;
  }
  return payload;
}

/** Errors: `STORAGE_CORRUPT`. */
export function* decodeTombstones(payload: Uint8Array): Steps<Uint8Array[]> {
  const keys: Uint8Array[] = [];
  for (let offset = 0; offset < payload.length;) {
    const end = offset + 1 + (payload[offset] as number);
    if (end > payload.length)
      throw new NodeError("STORAGE_CORRUPT", { record: "tombstones", reason: "form" });
    keys.push(payload.subarray(offset + 1, end));
    offset = end;
    yield TOMBSTONE_COST;
  }
  return keys;
}
