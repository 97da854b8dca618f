/**
 * Flat state of the open block: a layer in memory over the state before it, with an undo log.
 *
 * Owns reads, writes, checkpoints, the original slot values of the open transaction, and what was
 * written since the last slice. Synchronous. Does not own the EVM's view of it
 * (`state-manager.ts`), the difference a layer makes (`state-layer.ts`), nor roots.
 * Invariants: reverting to a checkpoint restores every read; an account's `storageRoot` is the one
 * before the block.
 */
import assert from "node:assert/strict";
import type { Hex } from "../../../lanes/bytes.ts";
import { keccakHex } from "../../primitives/hash.ts";
import { EMPTY_TRIE_ROOT } from "../../primitives/header.ts";
import {
  type AccountRecord,
  EMPTY_CODE_HASH,
  type StateDiff,
  type StateReader,
} from "../../storage/state.ts";
import { atOnce } from "../../turns.ts";
import type { StateSlice } from "../engine.ts";
import { WriteLog } from "./write-log.ts";
import { createLayer, layerChanges, type Slots, type StateLayer, toDiff } from "./state-layer.ts";

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

/** What to put back; `undefined` stands for "not in the overlay". */
type Undo = { readonly address: Hex } & (
  | { readonly kind: "account"; readonly was: AccountRecord | null | undefined }
  | { readonly kind: "slot"; readonly slot: Hex; readonly was: bigint | undefined }
  | { readonly kind: "storage"; readonly was: Slots | undefined; readonly cleared: boolean }
);

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
  /** Makes code known that accounts may name by its hash, which it returns. */
  addCode(code: Uint8Array): Hex;
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
  /** Everything changed against the state below; `storageRoot`s still those below. */
  diff(): StateDiff;
  /** Gives the layer away and starts an empty one; outside all checkpoints. */
  detach(): StateLayer;
  /**
   * A written slot whose value is not known yet: whoever reads it gets `SlotUnknown` thrown. One at
   * a time, until `settleDeferred` gives it its value.
   */
  defer(address: Hex, slot: Hex): void;
  /** Does nothing where no slot is deferred. */
  settleDeferred(value: bigint): void;
  /**
   * What was written since the last call, with its value now, sorted by address; outside all
   * checkpoints. Something that was written and is as it was before may be listed too, and code
   * that no account has in the end.
   */
  takeSlice(): { readonly writes: StateSlice; readonly codes: StateDiff["codes"] };
  /**
   * Writes what `takeSlice` of another state gave for one transaction. To be called inside one, and
   * nothing of it is read before the next: original values are not kept.
   */
  adopt(writes: StateSlice, codes: StateDiff["codes"]): void;
  /** Starts a log of what transactions leave written from now on, in place of any before. */
  logWrites(): void;
  /** The log, up to the transaction begun last; `null` where none was started since `clear`. */
  writeLog(): WriteLog | null;
  /** Forgets every change. */
  clear(): void;
}

/** Thrown where a deferred slot is read. */
export class SlotUnknown extends Error {
  override readonly name = "SlotUnknown";
}

/** A layer over what `reader` reads. */
export function createWorkingState(reader: StateReader): WorkingState {
  return new Overlay(reader);
}

class Overlay implements WorkingState {
  readonly #reader: StateReader;
  #layer = createLayer();
  readonly #originals = new Map<Hex, Slots>();
  readonly #undo: Undo[] = [];
  readonly #checkpoints: number[] = [];
  /** What the transactions since the last slice left written; the open one's stands in `#undo`. */
  readonly #written = new Map<Hex, Written>();
  /** Code that was set since the last slice, also by what was reverted. */
  readonly #newCodes = new Map<Hex, Uint8Array>();
  #deferred: { readonly address: Hex; readonly slot: Hex } | null = null;
  #log: WriteLog | null = null;

  constructor(reader: StateReader) {
    this.#reader = reader;
  }

  account(address: Hex): AccountRecord | null {
    const account = this.#layer.accounts.get(address);
    return account === undefined ? this.#reader.account(address) : account;
  }

  setAccount(address: Hex, account: AccountRecord | null): void {
    if (account === null) this.clearStorage(address);
    const { accounts } = this.#layer;
    this.#undo.push({ kind: "account", address, was: accounts.get(address) });
    accounts.set(address, account);
  }

  slot(address: Hex, slot: Hex): bigint {
    if (this.#deferred !== null && this.#isDeferred(address, slot)) throw new SlotUnknown();
    return this.#layer.slots.get(address)?.get(slot) ?? this.#slotBelow(address, slot);
  }

  setSlot(address: Hex, slot: Hex, value: bigint): void {
    const originals = mapAt(this.#originals, address);
    if (!originals.has(slot)) {
      const was = this.#layer.slots.get(address)?.get(slot);
      originals.set(slot, was ?? this.#slotBelow(address, slot));
    }
    this.#putSlot(address, slot, value);
  }

  originalSlot(address: Hex, slot: Hex): bigint {
    return this.#originals.get(address)?.get(slot) ?? this.slot(address, slot);
  }

  clearStorage(address: Hex): void {
    const { slots, cleared } = this.#layer;
    const was = slots.get(address);
    const wasCleared = cleared.has(address);
    const below = this.#reader.account(address)?.storageRoot ?? EMPTY_TRIE_ROOT;
    if (was === undefined && (wasCleared || below === EMPTY_TRIE_ROOT)) return;
    this.#dropStorage(address);
  }

  code(address: Hex): Uint8Array {
    const hash = this.account(address)?.codeHash ?? EMPTY_CODE_HASH;
    if (hash === EMPTY_CODE_HASH) return EMPTY_CODE;
    return this.#layer.codes.get(hash) ?? this.#reader.code(hash);
  }

  setCode(address: Hex, code: Uint8Array): void {
    const codeHash = code.length === 0 ? EMPTY_CODE_HASH : this.addCode(code);
    this.setAccount(address, { ...(this.account(address) ?? EMPTY_ACCOUNT), codeHash });
  }

  addCode(code: Uint8Array): Hex {
    const hash = keccakHex(code);
    this.#layer.codes.set(hash, code);
    this.#newCodes.set(hash, code);
    return hash;
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
    assert(this.#deferred === null, "a slot has no value yet");
    return atOnce(toDiff(atOnce(layerChanges(this.#layer, this.#reader)), this.#layer));
  }

  detach(): StateLayer {
    assert(this.#checkpoints.length === 0, "a layer ends outside all checkpoints");
    assert(this.#deferred === null, "a slot has no value yet");
    const layer = this.#layer;
    this.#reset();
    return layer;
  }

  defer(address: Hex, slot: Hex): void {
    assert(this.#deferred === null, "one deferred slot at a time");
    assert(this.#layer.slots.get(address)?.has(slot) === true, "it is written");
    this.#deferred = { address, slot };
  }

  settleDeferred(value: bigint): void {
    if (this.#deferred === null) return;
    const { address, slot } = this.#deferred;
    this.#deferred = null;
    mapAt(this.#layer.slots, address).set(slot, value);
  }

  takeSlice(): ReturnType<WorkingState["takeSlice"]> {
    assert(this.#checkpoints.length === 0, "a slice ends outside all checkpoints");
    assert(this.#deferred === null, "a slot has no value yet");
    this.#keepWritten();
    const writes = [...this.#written]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([address, { storageCleared, slots }]) => ({
        address,
        after: this.account(address),
        storageCleared,
        slots: [...slots].map((slot) => ({ slot, value: this.slot(address, slot) })),
      }));
    const codes = [...this.#newCodes].map(([hash, code]) => ({ hash, code }));
    this.#written.clear();
    this.#newCodes.clear();
    return { writes, codes };
  }

  adopt(writes: StateSlice, codes: StateDiff["codes"]): void {
    for (const { code } of codes) this.addCode(code);
    for (const { address, after, storageCleared, slots } of writes) {
      // Also what the transaction itself had written and cleared counts as cleared.
      if (storageCleared) this.#dropStorage(address);
      const { storageRoot } = this.account(address) ?? EMPTY_ACCOUNT;
      this.setAccount(address, after === null ? null : { ...after, storageRoot });
      for (const { slot, value } of slots) this.#putSlot(address, slot, value);
    }
  }

  logWrites(): void {
    assert(this.#checkpoints.length === 0, "a log begins outside all checkpoints");
    this.#keepWritten();
    this.#log = new WriteLog();
  }

  writeLog(): WriteLog | null {
    return this.#log;
  }

  clear(): void {
    this.#reset();
    this.#log = null;
  }

  #reset(): void {
    this.#layer = createLayer();
    this.#originals.clear();
    this.#undo.length = 0;
    this.#checkpoints.length = 0;
    this.#written.clear();
    this.#newCodes.clear();
    this.#deferred = null;
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
      if (this.#log !== null) logEntry(this.#log, entry);
    }
    this.#undo.length = 0;
  }

  #putSlot(address: Hex, slot: Hex, value: bigint): void {
    const slots = mapAt(this.#layer.slots, address);
    this.#undo.push({ kind: "slot", address, slot, was: slots.get(slot) });
    slots.set(slot, value);
  }

  #dropStorage(address: Hex): void {
    const { slots, cleared } = this.#layer;
    const was = slots.get(address);
    this.#undo.push({ kind: "storage", address, was, cleared: cleared.has(address) });
    slots.delete(address);
    cleared.add(address);
  }

  #isDeferred(address: Hex, slot: Hex): boolean {
    return this.#deferred?.slot === slot && this.#deferred.address === address;
  }

  #slotBelow(address: Hex, slot: Hex): bigint {
    if (this.#layer.cleared.has(address)) return 0n;
    const root = this.#reader.account(address)?.storageRoot ?? EMPTY_TRIE_ROOT;
    return root === EMPTY_TRIE_ROOT ? 0n : this.#reader.slot(address, slot);
  }

  #putBack(entry: Undo): void {
    const { address } = entry;
    const { accounts, slots, cleared } = this.#layer;
    if (entry.kind === "account") {
      restore(accounts, address, entry.was);
    } else if (entry.kind === "slot") {
      const values = mapAt(slots, address);
      restore(values, entry.slot, entry.was);
      // No trace: an empty map would make the next `clearStorage` one that clears something.
      if (values.size === 0) slots.delete(address);
    } else {
      restore(slots, address, entry.was);
      if (!entry.cleared) cleared.delete(address);
    }
  }
}

function logEntry(log: WriteLog, entry: Undo): void {
  if (entry.kind === "slot") log.slot(entry.address, entry.slot);
  else if (entry.kind === "storage") log.storage(entry.address);
  else log.account(entry.address);
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
