/**
 * The slots of each account as a doubly linked list of records.
 *
 * `StateReader.slots` is synchronous and LevelDB's iterators are not, so the slots that exist must
 * be reachable by point reads. Only creating and deleting a slot touches the list: two or three
 * small records. Order in the list is the order of creation; readers sort.
 */
import assert from "node:assert";
import { fromHex, type Hex, toHex } from "../../lanes/bytes.ts";
import { NodeError } from "../errors.ts";
import { decodeLink, encodeLink, type SlotLink } from "./codecs.ts";
import type { RecordView } from "./database.ts";
import { slotFirstKey, slotKey } from "./keys.ts";

/** A value of a versioned table. */
export interface Write {
  readonly key: Uint8Array;
  readonly value: Uint8Array | null;
  /** Whether there was a value, as whoever made the change saw it. */
  readonly existed: boolean;
}

export interface SlotList {
  add(address: Hex, slot: Hex): void;
  remove(address: Hex, slot: Hex): void;
  /** What the calls so far write: the value of each record, and whether it had one before. */
  writes(): Iterable<Write>;
}

/** Collects changes to slot lists over what `view` holds. */
export function createSlotList(view: RecordView): SlotList {
  const touched = new Map<
    string,
    { key: Uint8Array; before: Uint8Array | null; after: Uint8Array | null }
  >();

  const record = (key: Uint8Array) => {
    const name = toHex(key);
    let entry = touched.get(name);
    if (entry === undefined) {
      const before = view.get(key);
      entry = { key, before, after: before };
      touched.set(name, entry);
    }
    return entry;
  };
  const first = (address: Hex) => record(slotFirstKey(address));
  const link = (address: Hex, slot: Hex) => record(slotKey("SLOT_LINK", address, slot));

  const readLink = (address: Hex, slot: Hex): SlotLink => {
    const payload = link(address, slot).after;
    if (payload === null) throw brokenList(address, slot);
    return decodeLink(payload);
  };
  const changeLink = (address: Hex, slot: Hex, change: Partial<SlotLink>): void => {
    const next = { ...readLink(address, slot), ...change };
    link(address, slot).after = encodeLink(next);
  };

  return {
    add(address, slot) {
      const head = first(address);
      assert(link(address, slot).after === null, "a created slot is not in the list");
      const next = head.after === null ? null : toHex(head.after);
      link(address, slot).after = encodeLink({ previous: null, next });
      if (next !== null) changeLink(address, next, { previous: slot });
      head.after = fromHex(slot);
    },

    remove(address, slot) {
      const { previous, next } = readLink(address, slot);
      if (previous === null) first(address).after = next === null ? null : fromHex(next);
      else changeLink(address, previous, { next });
      if (next !== null) changeLink(address, next, { previous });
      link(address, slot).after = null;
    },

    *writes() {
      for (const { key, before, after } of touched.values())
        if (before !== after) yield { key, value: after, existed: before !== null };
    },
  };
}

/** Slots of an account in list order. Errors: `STORAGE_CORRUPT` where the list is broken. */
export function* listSlots(view: RecordView, address: Hex): Generator<Hex> {
  const head = view.get(slotFirstKey(address));
  let slot = head === null ? null : toHex(head);
  let previous: Hex | null = null;
  while (slot !== null) {
    const payload: Uint8Array | null = view.get(slotKey("SLOT_LINK", address, slot));
    const link = payload === null ? null : decodeLink(payload);
    // Each link names the slot before it, so a damaged list cannot lead round in a circle.
    if (link?.previous !== previous) throw brokenList(address, slot);
    yield slot;
    previous = slot;
    slot = link.next;
  }
}

function brokenList(address: Hex, slot: Hex): NodeError {
  return new NodeError("STORAGE_CORRUPT", { record: "slot list", address, slot });
}
