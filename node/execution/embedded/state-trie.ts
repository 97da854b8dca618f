/**
 * State roots: the account trie and one storage trie an account, resident and extended by slices.
 *
 * Owns key hashing, account and slot encoding, the deletion of an account's storage nodes, and how
 * much stays in memory. Does not own the order of calls nor lists: `root-hasher.ts`. After an error
 * it is of no use. Source: yellow paper 4.1.
 */
import assert from "node:assert/strict";
import {
  bigintToMinimalBytes,
  bytesEqual,
  fromHex,
  type Hex,
  toHex,
} from "../../../lanes/bytes.ts";
import { keccak256 } from "../../primitives/hash.ts";
import { EMPTY_TRIE_ROOT } from "../../primitives/header.ts";
import {
  type AccountRecord,
  EMPTY_CODE_HASH,
  type StateDiff,
  type TrieNodeChange,
  type TrieReader,
} from "../../storage/state.ts";
import type { AccountWrite, RootResult, SlotWrite, StateSlice } from "../engine.ts";
import { type Allocate, createArena } from "./trie-arena.ts";
import {
  compareKeys,
  encodeStrings,
  itemEnd,
  payloadStart,
  stringAt,
  stringLength,
  writeString,
} from "./trie-codec.ts";
import { createScope, type TrieScope } from "./trie-source.ts";
import type { TrieUpdate } from "./trie-update.ts";
import { EMPTY_ROOT, openTrie, type Trie } from "./trie.ts";

/**
 * Nodes in memory before the ones that were not used lately are given up: about 200 MB, and enough
 * for the branches of a million accounts. What uncommitted blocks touched stays in any case.
 */
export const RESIDENT_NODES_MAX = 300_000;
/** Share left after that: giving up walks all of them, so it must not come with every block. */
const RESIDENT_SHARE_KEPT = 3 / 4;

/** Memory for nodes' RLP, beyond twice what the nodes took when they were packed last. */
const ARENA_BYTES_SLACK = 32 * 1024 * 1024;

const EMPTY_CODE_HASH_BYTES = fromHex(EMPTY_CODE_HASH);
const ACCOUNT_TRIE = new Uint8Array(0);

/** Path prefix of an account's storage nodes; also its key in the account trie. */
export function accountKey(address: Hex): Uint8Array {
  return keccak256(fromHex(address));
}

export interface StateTries {
  /** Applies a slice, each address once, and hashes what it changed. */
  extend(slice: StateSlice): void;
  /** Roots and node changes of the open block, and opens the next one. */
  seal(): RootResult;
  /** The oldest sealed block is in the store. */
  committed(): void;
}

/**
 * The tries over the committed nodes of a new scope's reader; the root node is taken as it stands
 * there. They keep about `residentMax` nodes in memory.
 */
export function createStateTries(scope: TrieScope, residentMax: number): StateTries {
  return new ResidentTries(scope, residentMax);
}

/** Roots after one slice over the committed nodes of `reader`. */
export function computeRoots(slice: StateSlice, reader: TrieReader): RootResult {
  const tries = createStateTries(createScope(reader), RESIDENT_NODES_MAX);
  tries.extend(slice);
  return tries.seal();
}

/** A whole block's change as one slice. */
export function diffToSlice({ accounts }: StateDiff): StateSlice {
  return accounts.map(({ address, before, after, storageCleared, slots }) => ({
    address,
    after,
    committed: before,
    storageCleared,
    slots: slots.map((change) => ({
      slot: change.slot,
      value: change.after,
      committed: change.before,
    })),
  }));
}

interface Storage {
  readonly owner: Uint8Array;
  readonly trie: Trie;
}

class ResidentTries implements StateTries {
  readonly #residentMax: number;
  #arenaBytesMax = ARENA_BYTES_SLACK;
  readonly #scope: TrieScope;
  /** Opened at first use. */
  #accounts: Trie | null = null;
  /** Not empty but for those of the open block; bounded with the nodes they hold. */
  readonly #storages = new Map<Hex, Storage>();
  /** What the open block has touched. */
  readonly #touched = new Set<Storage>();
  #storageRoots = new Map<Hex, Hex>();

  constructor(scope: TrieScope, residentMax: number) {
    this.#scope = scope;
    this.#residentMax = residentMax;
  }

  extend(slice: StateSlice): void {
    const writes = slice
      .map((write) => ({ key: accountKey(write.address), write }))
      // In the order of the trie: neighbours are read while their parents are at hand.
      .sort((a, b) => compareKeys(a.key, b.key));
    // Values are copied into nodes.
    const { allocate } = createArena();
    const updates = writes.map(({ key, write }, index) => {
      const next = writes[index + 1];
      assert(next?.write.address !== write.address, "a slice has each account once");
      return {
        key,
        guess: guessAccount(write, allocate),
        value: (old: Uint8Array | null) => this.#write(write, key, old, allocate),
      };
    });
    const accounts = this.#accountTrie();
    accounts.update(updates);
    accounts.root();
  }

  seal(): RootResult {
    const accounts = this.#accountTrie();
    const nodes: TrieNodeChange[] = [];
    const touched = [...this.#touched].sort((a, b) => compareKeys(a.owner, b.owner));
    for (const { trie } of touched) trie.seal(nodes);
    accounts.seal(nodes);
    for (const [address, storage] of this.#storages)
      if (storage.trie.isEmpty()) this.#storages.delete(address);
    const storageRoots = this.#storageRoots;
    this.#touched.clear();
    this.#storageRoots = new Map();
    this.#scope.block += 1;
    return { stateRoot: toHex(accounts.root()), storageRoots, nodes };
  }

  committed(): void {
    this.#scope.committed += 1;
    assert(this.#scope.committed < this.#scope.block, "no block is sealed");
    const { resident, arena } = this.#scope;
    if (resident > this.#residentMax) this.#prune(this.#residentMax * RESIDENT_SHARE_KEPT);
    else if (arena.bytes() > this.#arenaBytesMax) this.#prune(resident);
  }

  #accountTrie(): Trie {
    this.#accounts ??= openTrie(this.#scope, ACCOUNT_TRIE, null);
    return this.#accounts;
  }

  /** What the account trie holds after a write, its storage root included. */
  #write(
    write: AccountWrite,
    key: Uint8Array,
    old: Uint8Array | null,
    allocate: Allocate,
  ): Uint8Array | null {
    const before = old === null ? EMPTY_ROOT : storageRootOf(old);
    const storageRoot = this.#extendStorage(write, key, before);
    if (write.after === null) {
      this.#storageRoots.delete(write.address);
      return null;
    }
    this.#storageRoots.set(write.address, rootHex(storageRoot));
    return encodeAccount(write.after, storageRoot, allocate);
  }

  /** Root of the account's storage after the write. */
  #extendStorage(write: AccountWrite, owner: Uint8Array, before: Uint8Array): Uint8Array {
    const emptied = write.storageCleared || write.after === null;
    if (!emptied && write.slots.length === 0) return before;
    let storage = this.#storages.get(write.address);
    if (storage === undefined) {
      storage = { owner, trie: openTrie(this.#scope, owner, before) };
      this.#storages.set(write.address, storage);
    }
    const { trie } = storage;
    assert(bytesEqual(trie.root(), before), "the storage trie is the account's");
    this.#touched.add(storage);
    if (emptied) trie.clear();
    if (write.after !== null) trie.update(write.slots.map(slotUpdate));
    return trie.root();
  }

  /**
   * Gives up the oldest nodes but for `keptMax`, and those the store may not have yet; what stays
   * is packed.
   */
  #prune(keptMax: number): void {
    const byAge = new Map<number, number>();
    this.#accounts?.countNodes(byAge);
    for (const { trie } of this.#storages.values()) trie.countNodes(byAge);
    let kept = 0;
    let ageMax = 0;
    for (const [age, nodes] of [...byAge].sort(([a], [b]) => a - b)) {
      if (age > 0 && kept + nodes > keptMax) break;
      kept += nodes;
      ageMax = age;
    }
    this.#scope.arena = createArena();
    this.#accounts?.prune(ageMax);
    for (const [address, storage] of this.#storages) {
      const isOld = storage.trie.prune(ageMax);
      // One that is empty now still knows what the open block took from the store.
      if (isOld && !this.#touched.has(storage)) this.#storages.delete(address);
    }
    // The account trie's root stays whatever its age.
    this.#scope.resident = kept + 1;
    this.#arenaBytesMax = 2 * this.#scope.arena.bytes() + ARENA_BYTES_SLACK;
  }
}

function slotUpdate({ slot, value, committed }: SlotWrite): TrieUpdate {
  return {
    key: keccak256(fromHex(slot)),
    value: encodeSlotValue(value),
    guess: encodeSlotValue(committed ?? 0n),
  };
}

/** What the storage trie holds of a slot: nothing of 0. */
function encodeSlotValue(value: bigint): Uint8Array | null {
  if (value === 0n) return null;
  const bytes = bigintToMinimalBytes(value);
  const item = new Uint8Array(stringLength(bytes));
  writeString(item, 0, bytes);
  return item;
}

function guessAccount({ committed }: AccountWrite, allocate: Allocate): Uint8Array | null {
  if (committed === undefined || committed === null) return null;
  return encodeAccount(committed, rootBytes(committed.storageRoot), allocate);
}

function encodeAccount(
  { nonce, balance, codeHash }: AccountRecord,
  storageRoot: Uint8Array,
  allocate: Allocate,
): Uint8Array {
  const fields = [
    bigintToMinimalBytes(nonce),
    bigintToMinimalBytes(balance),
    storageRoot,
    codeHash === EMPTY_CODE_HASH ? EMPTY_CODE_HASH_BYTES : fromHex(codeHash),
  ];
  return encodeStrings(fields, allocate);
}

/** The third field of an encoded account. */
function storageRootOf(account: Uint8Array): Uint8Array {
  const nonce = payloadStart(account, 0);
  return stringAt(account, itemEnd(account, itemEnd(account, nonce)));
}

function rootBytes(root: Hex): Uint8Array {
  return root === EMPTY_TRIE_ROOT ? EMPTY_ROOT : fromHex(root);
}

function rootHex(root: Uint8Array): Hex {
  return bytesEqual(root, EMPTY_ROOT) ? EMPTY_TRIE_ROOT : toHex(root);
}
