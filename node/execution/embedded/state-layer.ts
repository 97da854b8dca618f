/**
 * What a block writes, apart from what it was written over: a layer, and the reader that a sealed
 * layer makes together with the committed state below it.
 *
 * Owns the layer's shape, reading through it, and the difference it makes. Does not own how it is
 * written (`state.ts`) nor when a sealed one becomes committed state (`engine.ts`).
 * Invariants: a layer lists what was written, not what changed; code is content-addressed, so the
 * diff names only code that an account of the diff uses.
 */
import { type Hex, ZERO_HASH } from "../../../lanes/bytes.ts";
import { EMPTY_TRIE_ROOT } from "../../primitives/header.ts";
import type {
  AccountChange,
  AccountRecord,
  SlotChange,
  StateDiff,
  StateReader,
} from "../../storage/state.ts";
import type { Steps } from "../../turns.ts";
import type { StateSlice } from "../engine.ts";

export type Slots = Map<Hex, bigint>;

export interface StateLayer {
  readonly accounts: Map<Hex, AccountRecord | null>;
  readonly slots: Map<Hex, Slots>;
  /** Accounts whose storage below this layer is gone. */
  readonly cleared: Set<Hex>;
  readonly codes: Map<Hex, Uint8Array>;
}

export function createLayer(): StateLayer {
  return { accounts: new Map(), slots: new Map(), cleared: new Set(), codes: new Map() };
}

/** Stands for a storage root that is not hashed yet; it is not the empty one. */
const UNKNOWN_ROOT = ZERO_HASH;

/** Whether a layer gives the account storage. Slots written back to nothing do not count. */
function givesStorage({ slots }: StateLayer, address: Hex): boolean {
  for (const value of slots.get(address)?.values() ?? []) if (value !== 0n) return true;
  return false;
}

/** Reads a layer, which does not change any more, over `below`. */
function createLayerReader(layer: StateLayer, below: StateReader): StateReader {
  /** Asked for with every read of an account or slot, and long to find where all is zero. */
  const withStorage = new Map<Hex, boolean>();
  const hasStorage = (address: Hex): boolean => {
    if (!layer.slots.has(address)) return false;
    let known = withStorage.get(address);
    if (known === undefined) {
      known = givesStorage(layer, address);
      withStorage.set(address, known);
    }
    return known;
  };
  return {
    account(address) {
      const written = layer.accounts.get(address);
      const account = written === undefined ? below.account(address) : written;
      if (account === null) return null;
      if (hasStorage(address)) return { ...account, storageRoot: UNKNOWN_ROOT };
      return layer.cleared.has(address) ? { ...account, storageRoot: EMPTY_TRIE_ROOT } : account;
    },
    slot(address, slot) {
      const value = layer.slots.get(address)?.get(slot);
      if (value !== undefined) return value;
      return layer.cleared.has(address) ? 0n : below.slot(address, slot);
    },
    slots(address) {
      const values = new Map<Hex, bigint>();
      if (!layer.cleared.has(address))
        for (const { slot, value } of below.slots(address)) values.set(slot, value);
      for (const [slot, value] of layer.slots.get(address) ?? []) values.set(slot, value);
      return [...values]
        .filter(([, value]) => value !== 0n)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([slot, value]) => ({ slot, value }));
    },
    code: (hash) => layer.codes.get(hash) ?? below.code(hash),
  };
}

/** Microseconds of the steps: to compare an account, a slot, a code hash. */
const ACCOUNT_COST = 1;
const SLOT_COST = 1;
const HASH_COST = 0.1;

export interface LayeredReader extends StateReader {
  /** From now on reads see the layer; at most one is pinned. `null` takes it away again. */
  pin(layer: StateLayer | null): void;
}

/** Reads `below`, and over it the layer of a block that is sealed but not committed. */
export function createLayeredReader(below: StateReader): LayeredReader {
  let reader = below;
  return {
    account: (address) => reader.account(address),
    slot: (address, slot) => reader.slot(address, slot),
    slots: (address) => reader.slots(address),
    code: (hash) => reader.code(hash),
    pin(layer) {
      reader = layer === null ? below : createLayerReader(layer, below);
    },
  };
}

/**
 * The difference a layer makes to what `below` reads, account by account; `storageRoot`s still
 * those below. The layer must not change meanwhile.
 */
export function* layerChanges(layer: StateLayer, below: StateReader): Steps<AccountChange[]> {
  const changes: AccountChange[] = [];
  for (const address of writtenAccounts(layer)) {
    const change = yield* accountChange(layer, below, address);
    if (change !== null) changes.push(change);
    yield ACCOUNT_COST;
  }
  return changes;
}

/** Each account once that the layer says anything about. */
function* writtenAccounts({ accounts, slots, cleared }: StateLayer): Generator<Hex> {
  yield* accounts.keys();
  for (const address of slots.keys()) if (!accounts.has(address)) yield address;
  for (const address of cleared) if (!accounts.has(address) && !slots.has(address)) yield address;
}

/** A slice with what `below`, the state before the block, holds of everything that it writes. */
export function withCommitted(slice: StateSlice, below: StateReader): StateSlice {
  return slice.map((write) => {
    const { address, slots } = write;
    const committed = below.account(address);
    const empty = (committed?.storageRoot ?? EMPTY_TRIE_ROOT) === EMPTY_TRIE_ROOT;
    return {
      ...write,
      committed,
      slots: slots.map(({ slot, value }) => ({
        slot,
        value,
        committed: empty ? 0n : below.slot(address, slot),
      })),
    };
  });
}

/** The whole diff of `changes`, with the code that they bring. */
export function* toDiff(
  accounts: readonly AccountChange[],
  { codes }: StateLayer,
): Steps<StateDiff> {
  const hashes = new Set<Hex>();
  for (const { before, after } of accounts) {
    if (after !== null && after.codeHash !== before?.codeHash) hashes.add(after.codeHash);
    yield HASH_COST;
  }
  return {
    accounts,
    codes: [...hashes].flatMap((hash) => {
      const code = codes.get(hash);
      return code === undefined ? [] : [{ hash, code }];
    }),
  };
}

/** `null` where nothing changed. */
function* accountChange(
  layer: StateLayer,
  below: StateReader,
  address: Hex,
): Steps<AccountChange | null> {
  const before = below.account(address);
  const now = layer.accounts.get(address);
  const after = now === undefined ? before : now;
  const storageCleared =
    layer.cleared.has(address) && before !== null && before.storageRoot !== EMPTY_TRIE_ROOT;
  const slots = yield* slotChanges(layer, below, address, storageCleared);
  if (!storageCleared && slots.length === 0 && sameAccount(before, after)) return null;
  const rebased =
    after !== null && storageCleared ? { ...after, storageRoot: EMPTY_TRIE_ROOT } : after;
  return { address, before, after: rebased, storageCleared, slots };
}

function* slotChanges(
  layer: StateLayer,
  below: StateReader,
  address: Hex,
  storageCleared: boolean,
): Steps<SlotChange[]> {
  const written = layer.slots.get(address);
  if (written === undefined && !storageCleared) return [];
  const old = new Map<Hex, bigint>();
  if (storageCleared) for (const { slot, value } of below.slots(address)) old.set(slot, value);
  const empty = (below.account(address)?.storageRoot ?? EMPTY_TRIE_ROOT) === EMPTY_TRIE_ROOT;
  const changes: SlotChange[] = [];
  // A cleared account lists all its old slots, also those that were written again.
  for (const [slot, before] of old) {
    changes.push({ slot, before, after: written?.get(slot) ?? 0n });
    yield SLOT_COST;
  }
  for (const [slot, after] of written ?? []) {
    if (old.has(slot)) continue;
    const before = storageCleared || empty ? 0n : below.slot(address, slot);
    if (before !== after) changes.push({ slot, before, after });
    yield SLOT_COST;
  }
  return changes;
}

function sameAccount(a: AccountRecord | null, b: AccountRecord | null): boolean {
  if (a === null || b === null) return a === b;
  return a.nonce === b.nonce && a.balance === b.balance && a.codeHash === b.codeHash;
}
