/**
 * Committed state with a bounded cache of what was read, for the thread that executes.
 *
 * Invariant: the cache equals the committed state. Whoever commits calls `apply` with the block's
 * diff; whoever rolls back calls `clear`.
 */
import type { Hex } from "../../../lanes/bytes.ts";
import type { AccountRecord, StateDiff, StateReader } from "../../storage/state.ts";
import { createGenerationCache } from "./generation-cache.ts";

/** Entries of one cache generation; two are kept. */
const CACHED_ACCOUNTS_MAX = 50_000;
const CACHED_SLOTS_MAX = 100_000;
const CACHED_CODES_MAX = 500;

export interface CachedReader extends StateReader {
  /** The diff is durable now: what was cached follows it. */
  apply(diff: StateDiff): void;
  clear(): void;
}

/** Caches reads of `reader`. */
export function createCachedReader(reader: StateReader): CachedReader {
  const accounts = createGenerationCache<Hex, AccountRecord | null>(CACHED_ACCOUNTS_MAX);
  const slots = createGenerationCache<string, bigint>(CACHED_SLOTS_MAX);
  const codes = createGenerationCache<Hex, Uint8Array>(CACHED_CODES_MAX);

  return {
    account(address) {
      const hit = accounts.get(address);
      if (hit !== undefined) return hit;
      const account = reader.account(address);
      accounts.set(address, account);
      return account;
    },
    slot(address, slot) {
      const key = address + slot;
      const hit = slots.get(key);
      if (hit !== undefined) return hit;
      const value = reader.slot(address, slot);
      slots.set(key, value);
      return value;
    },
    slots: (address) => reader.slots(address),
    code(hash) {
      const hit = codes.get(hash);
      if (hit !== undefined) return hit;
      const code = reader.code(hash);
      codes.set(hash, code);
      return code;
    },
    apply(diff) {
      for (const change of diff.accounts) {
        accounts.set(change.address, change.after);
        // A cleared account lists every slot it had, so that no stale one stays behind.
        for (const { slot, after } of change.slots) slots.set(change.address + slot, after);
      }
      for (const { hash, code } of diff.codes) codes.set(hash, code);
    },
    clear() {
      accounts.clear();
      slots.clear();
      codes.clear();
    },
  };
}
