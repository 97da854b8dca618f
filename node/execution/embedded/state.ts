/**
 * Flat state of the open block: an overlay in memory over the committed state, with an undo log.
 *
 * Owns reads, writes, checkpoints, the original slot values of the open transaction, and the diff.
 * Synchronous. Does not own the EVM's view of it (`state-manager.ts`) nor roots.
 * Invariants: reverting to a checkpoint restores every read; an account's `storageRoot` is the
 * committed one until the block is sealed; code is content-addressed, so the diff names only code
 * that an account of the diff uses.
 */
import assert from "node:assert/strict";
import type { Hex } from "../../../lanes/bytes.ts";
import { keccakHex } from "../../primitives/hash.ts";
import { EMPTY_TRIE_ROOT } from "../../primitives/header.ts";
import type {
  AccountChange,
  AccountRecord,
  SlotChange,
  StateDiff,
  StateReader,
} from "../../storage/state.ts";
import type { StateSlice } from "../engine.ts";

/** keccak256 of nothing: the code hash of an account without code. */
export const EMPTY_CODE_HASH: Hex =
  "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470";

export const EMPTY_ACCOUNT: AccountRecord = {
  nonce: 0n,
  balance: 0n,
  codeHash: EMPTY_CODE_HASH,
  storageRoot: EMPTY_TRIE_ROOT,
};

/** Whether EIP-161 calls the account empty. */
export function isEmpty({ nonce, balance, codeHash }: AccountRecord): boolean {
  return nonce === 0n && balance === 0n && codeHash === EMPTY_CODE_HASH;
}

const EMPTY_CODE = new Uint8Array(0);

type Slots = Map<Hex, bigint>;

/** What to put back; `undefined` stands for "not in the overlay". */
type Undo =
  | {
      readonly kind: "account";
      readonly address: Hex;
      readonly was: AccountRecord | null | undefined;
    }
  | {
      readonly kind: "slot";
      readonly address: Hex;
      readonly slot: Hex;
      readonly was: bigint | undefined;
    }
  | {
      readonly kind: "storage";
      readonly address: Hex;
      readonly was: Slots | undefined;
      readonly cleared: boolean;
    };

interface Written {
  storageCleared: boolean;
  readonly slots: Set<Hex>;
}

export interface WorkingState {
  account(address: Hex): AccountRecord | null;
  /** `null` deletes the account and its storage. */
  setAccount(address: Hex, account: AccountRecord | null): void;
  slot(address: Hex, slot: Hex): bigint;
  setSlot(address: Hex, slot: Hex, value: bigint): void;
  /** Value of a slot when the open transaction began (EIP-2200). */
  originalSlot(address: Hex, slot: Hex): bigint;
  clearStorage(address: Hex): void;
  code(address: Hex): Uint8Array;
  setCode(address: Hex, code: Uint8Array): void;
  addBalance(address: Hex, amount: bigint): void;
  subtractBalance(address: Hex, amount: bigint): void;
  /** Starts a transaction: from here `originalSlot` counts. */
  beginTransaction(): void;
  checkpoint(): void;
  commit(): void;
  revert(): void;
  /** Number of open checkpoints. */
  depth(): number;
  /** Reverts until `depth` checkpoints are open: after an execution that broke off in the middle. */
  unwind(depth: number): void;
  /** Everything changed against the committed state; `storageRoot`s still the committed ones. */
  diff(): StateDiff;
  /**
   * What was written since the last call, with its value now, sorted by address; outside all
   * checkpoints. Something that was written and is as it was before may be listed too.
   */
  takeSlice(): StateSlice;
  /** Forgets every change. */
  clear(): void;
}

/** An overlay over what `reader` reads. */
export function createWorkingState(reader: StateReader): WorkingState {
  return new Overlay(reader);
}

class Overlay implements WorkingState {
  readonly #reader: StateReader;
  readonly #accounts = new Map<Hex, AccountRecord | null>();
  readonly #slots = new Map<Hex, Slots>();
  /** Accounts whose committed storage is gone. */
  readonly #cleared = new Set<Hex>();
  readonly #codes = new Map<Hex, Uint8Array>();
  readonly #originals = new Map<Hex, Slots>();
  readonly #undo: Undo[] = [];
  readonly #checkpoints: number[] = [];
  /** What the transactions since the last slice left written; the open one's stands in `#undo`. */
  readonly #written = new Map<Hex, Written>();

  constructor(reader: StateReader) {
    this.#reader = reader;
  }

  account(address: Hex): AccountRecord | null {
    const account = this.#accounts.get(address);
    return account === undefined ? this.#reader.account(address) : account;
  }

  setAccount(address: Hex, account: AccountRecord | null): void {
    if (account === null) this.clearStorage(address);
    this.#undo.push({ kind: "account", address, was: this.#accounts.get(address) });
    this.#accounts.set(address, account);
  }

  slot(address: Hex, slot: Hex): bigint {
    return this.#slots.get(address)?.get(slot) ?? this.#committedSlot(address, slot);
  }

  setSlot(address: Hex, slot: Hex, value: bigint): void {
    const slots = mapAt(this.#slots, address);
    const originals = mapAt(this.#originals, address);
    const was = slots.get(slot);
    if (!originals.has(slot)) originals.set(slot, was ?? this.#committedSlot(address, slot));
    this.#undo.push({ kind: "slot", address, slot, was });
    slots.set(slot, value);
  }

  originalSlot(address: Hex, slot: Hex): bigint {
    return this.#originals.get(address)?.get(slot) ?? this.slot(address, slot);
  }

  clearStorage(address: Hex): void {
    const was = this.#slots.get(address);
    const cleared = this.#cleared.has(address);
    const committed = this.#reader.account(address)?.storageRoot ?? EMPTY_TRIE_ROOT;
    if (was === undefined && (cleared || committed === EMPTY_TRIE_ROOT)) return;
    this.#undo.push({ kind: "storage", address, was, cleared });
    this.#slots.delete(address);
    this.#cleared.add(address);
  }

  code(address: Hex): Uint8Array {
    const hash = this.account(address)?.codeHash ?? EMPTY_CODE_HASH;
    if (hash === EMPTY_CODE_HASH) return EMPTY_CODE;
    return this.#codes.get(hash) ?? this.#reader.code(hash);
  }

  setCode(address: Hex, code: Uint8Array): void {
    const codeHash = code.length === 0 ? EMPTY_CODE_HASH : keccakHex(code);
    if (codeHash !== EMPTY_CODE_HASH) this.#codes.set(codeHash, code);
    this.setAccount(address, { ...(this.account(address) ?? EMPTY_ACCOUNT), codeHash });
  }

  addBalance(address: Hex, amount: bigint): void {
    if (amount === 0n) return;
    const account = this.account(address) ?? EMPTY_ACCOUNT;
    this.setAccount(address, { ...account, balance: account.balance + amount });
  }

  subtractBalance(address: Hex, amount: bigint): void {
    if (amount === 0n) return;
    const account = this.account(address) ?? EMPTY_ACCOUNT;
    assert(account.balance >= amount, "the caller checks the balance first");
    this.setAccount(address, { ...account, balance: account.balance - amount });
  }

  beginTransaction(): void {
    assert(this.#checkpoints.length === 0, "a transaction begins outside all checkpoints");
    this.#originals.clear();
    this.#keepWritten();
  }

  checkpoint(): void {
    this.#checkpoints.push(this.#undo.length);
  }

  commit(): void {
    assert(this.#checkpoints.pop() !== undefined, "no checkpoint to commit");
  }

  revert(): void {
    const mark = this.#checkpoints.pop();
    assert(mark !== undefined, "no checkpoint to revert to");
    for (let i = this.#undo.length - 1; i >= mark; i--) {
      const entry = this.#undo[i];
      if (entry !== undefined) this.#putBack(entry);
    }
    this.#undo.length = mark;
  }

  depth(): number {
    return this.#checkpoints.length;
  }

  unwind(depth: number): void {
    while (this.#checkpoints.length > depth) this.revert();
  }

  diff(): StateDiff {
    const addresses = new Set([...this.#accounts.keys(), ...this.#slots.keys(), ...this.#cleared]);
    const accounts = [...addresses]
      .sort()
      .map((address) => this.#change(address))
      .filter((change) => change !== null);
    const hashes = new Set<Hex>();
    for (const { before, after } of accounts)
      if (after !== null && after.codeHash !== before?.codeHash) hashes.add(after.codeHash);
    const codes = [...hashes].sort().flatMap((hash) => {
      const code = this.#codes.get(hash);
      return code === undefined ? [] : [{ hash, code }];
    });
    return { accounts, codes };
  }

  clear(): void {
    this.#accounts.clear();
    this.#slots.clear();
    this.#cleared.clear();
    this.#codes.clear();
    this.#originals.clear();
    this.#undo.length = 0;
    this.#checkpoints.length = 0;
    this.#written.clear();
  }

  takeSlice(): StateSlice {
    assert(this.#checkpoints.length === 0, "a slice ends outside all checkpoints");
    this.#keepWritten();
    const slice = [...this.#written]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([address, { storageCleared, slots }]) => ({
        address,
        after: this.account(address),
        storageCleared,
        slots: [...slots].map((slot) => ({ slot, value: this.slot(address, slot) })),
      }));
    this.#written.clear();
    return slice;
  }

  /** Empties the undo log, and remembers what it lists: reverted writes have left it by now. */
  #keepWritten(): void {
    for (const entry of this.#undo) {
      let written = this.#written.get(entry.address);
      if (written === undefined) {
        written = { storageCleared: false, slots: new Set() };
        this.#written.set(entry.address, written);
      }
      if (entry.kind === "slot") written.slots.add(entry.slot);
      if (entry.kind === "storage") {
        written.storageCleared = true;
        written.slots.clear();
      }
    }
    this.#undo.length = 0;
  }

  #committedSlot(address: Hex, slot: Hex): bigint {
    if (this.#cleared.has(address)) return 0n;
    const root = this.#reader.account(address)?.storageRoot ?? EMPTY_TRIE_ROOT;
    return root === EMPTY_TRIE_ROOT ? 0n : this.#reader.slot(address, slot);
  }

  #putBack(entry: Undo): void {
    const { address } = entry;
    if (entry.kind === "account") {
      restore(this.#accounts, address, entry.was);
    } else if (entry.kind === "slot") {
      restore(mapAt(this.#slots, address), entry.slot, entry.was);
    } else {
      restore(this.#slots, address, entry.was);
      if (!entry.cleared) this.#cleared.delete(address);
    }
  }

  /** The account's change against the committed state; `null` where nothing changed. */
  #change(address: Hex): AccountChange | null {
    const before = this.#reader.account(address);
    const after = this.account(address);
    const storageCleared =
      this.#cleared.has(address) && before !== null && before.storageRoot !== EMPTY_TRIE_ROOT;
    const written: ReadonlyMap<Hex, bigint> = this.#slots.get(address) ?? new Map<Hex, bigint>();
    const slots: SlotChange[] = [];
    const old = new Map<Hex, bigint>();
    if (storageCleared)
      for (const { slot, value } of this.#reader.slots(address)) old.set(slot, value);
    for (const slot of [...new Set([...old.keys(), ...written.keys()])].sort()) {
      const was = storageCleared ? (old.get(slot) ?? 0n) : this.#committedSlot(address, slot);
      const now = written.get(slot) ?? 0n;
      // A cleared account lists all its old slots, also those that were written again.
      if (was !== now || old.has(slot)) slots.push({ slot, before: was, after: now });
    }
    if (!storageCleared && slots.length === 0 && sameAccount(before, after)) return null;
    const rebased =
      after !== null && storageCleared ? { ...after, storageRoot: EMPTY_TRIE_ROOT } : after;
    return { address, before, after: rebased, storageCleared, slots };
  }
}

function sameAccount(a: AccountRecord | null, b: AccountRecord | null): boolean {
  if (a === null || b === null) return a === b;
  return a.nonce === b.nonce && a.balance === b.balance && a.codeHash === b.codeHash;
}

function mapAt<K, V>(maps: Map<Hex, Map<K, V>>, address: Hex): Map<K, V> {
  let map = maps.get(address);
  if (map === undefined) {
    map = new Map();
    maps.set(address, map);
  }
  return map;
}

function restore<K, V>(map: Map<K, V>, key: K, was: V | undefined): void {
  if (was === undefined) map.delete(key);
  else map.set(key, was);
}
