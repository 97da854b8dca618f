/**
 * State roots: the account trie and one storage trie an account, updated from a `StateDiff`.
 *
 * Owns key hashing, account and slot encoding, and the deletion of an account's storage nodes.
 * Pure but for reads of committed nodes. Source: yellow paper 4.1.
 */
import { RLP } from "@ethereumjs/rlp";
import { bigintToMinimalBytes, fromHex, type Hex } from "../../../lanes/bytes.ts";
import { keccak256 } from "../../primitives/hash.ts";
import { EMPTY_TRIE_ROOT } from "../../primitives/header.ts";
import type {
  AccountChange,
  AccountRecord,
  SlotChange,
  StateDiff,
  TrieNodeChange,
  TrieReader,
} from "../../storage/state.ts";
import type { RootResult } from "../engine.ts";
import { openTrie, type TrieUpdate } from "./trie.ts";

const ACCOUNT_TRIE = new Uint8Array(0);

/** Path prefix of an account's storage nodes; also its key in the account trie. */
export function accountKey(address: Hex): Uint8Array {
  return keccak256(fromHex(address));
}

/**
 * Roots after `diff` over the committed nodes of `reader`.
 *
 * `stateRoot` is the committed root where it is known: then the root node is checked against it.
 * Account changes may come in any order; each address once.
 */
export function computeRoots(
  diff: StateDiff,
  reader: TrieReader,
  stateRoot: Hex | null,
): RootResult {
  const nodes: TrieNodeChange[] = [];
  const storageRoots = new Map<Hex, Hex>();
  const updates: TrieUpdate[] = [];
  for (const change of diff.accounts) {
    const key = accountKey(change.address);
    const storageRoot = updateStorage(change, key, reader, nodes);
    if (change.after !== null) storageRoots.set(change.address, storageRoot);
    const value = change.after === null ? null : encodeAccount(change.after, storageRoot);
    updates.push({ key, value });
  }
  const trie = openTrie(reader, ACCOUNT_TRIE, stateRoot);
  trie.update(updates);
  const { root, changes } = trie.finish();
  return { stateRoot: root, storageRoots, nodes: nodes.concat(changes) };
}

function updateStorage(
  change: AccountChange,
  owner: Uint8Array,
  reader: TrieReader,
  nodes: TrieNodeChange[],
): Hex {
  const before = change.before?.storageRoot ?? EMPTY_TRIE_ROOT;
  const emptied = change.storageCleared || change.after === null;
  if (!emptied && change.slots.length === 0) return before;
  const trie = openTrie(reader, owner, before);
  if (emptied) trie.clear();
  if (change.after !== null) trie.update(change.slots.map(slotUpdate));
  const { root, changes } = trie.finish();
  for (const node of changes) nodes.push(node);
  return root;
}

function slotUpdate({ slot, after }: SlotChange): TrieUpdate {
  return {
    key: keccak256(fromHex(slot)),
    value: after === 0n ? null : RLP.encode(bigintToMinimalBytes(after)),
  };
}

function encodeAccount(account: AccountRecord, storageRoot: Hex): Uint8Array {
  return RLP.encode([
    bigintToMinimalBytes(account.nonce),
    bigintToMinimalBytes(account.balance),
    fromHex(storageRoot),
    fromHex(account.codeHash),
  ]);
}
