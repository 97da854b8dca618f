/** Synchronous reads of flat state, code and trie nodes over one view of the database. */
import type { Hex } from "../../lanes/bytes.ts";
import { NodeError } from "../errors.ts";
import { decodeAccount, decodeSlot } from "./codecs.ts";
import type { RecordView } from "./database.ts";
import { accountKey, hashKey, slotKey, trieKey } from "./keys.ts";
import { listSlots } from "./slot-list.ts";
import { EMPTY_CODE_HASH, type StateReader, type TrieReader } from "./state.ts";

/** Errors of all methods: `STORAGE_CORRUPT`, `STORAGE_FAILED`. */
export function createStateReader(view: RecordView): StateReader {
  const slot = (address: Hex, number: Hex): bigint =>
    decodeSlot(view.get(slotKey("SLOT", address, number)));
  return {
    account(address) {
      const payload = view.get(accountKey(address));
      return payload === null ? null : decodeAccount(payload);
    },
    slot,
    slots: (address) =>
      [...listSlots(view, address)]
        .sort()
        .map((number) => ({ slot: number, value: slot(address, number) })),
    code(hash) {
      if (hash === EMPTY_CODE_HASH) return new Uint8Array(0);
      const payload = view.get(hashKey("CODE", hash));
      if (payload === null)
        throw new NodeError("STORAGE_CORRUPT", { record: "code", hash, reason: "missing" });
      return payload;
    },
  };
}

export function createTrieReader(view: RecordView): TrieReader {
  return { node: (path) => view.get(trieKey(path)) };
}
