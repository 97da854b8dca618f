/**
 * Merkle proofs of an account and its slots, EIP-1186: the nodes from a root to where a key is, or
 * would be.
 *
 * Owns the walk. Does not own where nodes of which block stand: `storage/history.ts`.
 * Source: yellow paper, appendix D; geth trie/proof.go (a node that stands in its parent is no
 * element of its own, the root always is).
 */
import { RLP } from "@ethereumjs/rlp";
import { bytesEqual, concatBytes, fromHex, type Hex, toHex } from "../../lanes/bytes.ts";
import { NodeError } from "../errors.ts";
import { keccak256 } from "../primitives/hash.ts";
import { EMPTY_TRIE_ROOT } from "../primitives/header.ts";
import type { HistoricalState } from "../storage/chain-reader.ts";
import type { NodeHistory } from "../storage/history.ts";
import type { AccountRecord } from "../storage/state.ts";

/** RLP of nodes, root first. */
export type Proof = readonly Uint8Array[];

export interface AccountProof {
  /** `null` where the proof shows that there is no such account. */
  readonly account: AccountRecord | null;
  readonly proof: Proof;
  /** In the order of the slots asked for. */
  readonly storage: readonly { readonly value: bigint; readonly proof: Proof }[];
}

type Item = Uint8Array | Item[];

const BRANCH_ITEMS = 17;
const HASH_BYTES = 32;
const ACCOUNT_TRIE = new Uint8Array(0);

/**
 * Proves an account and its slots in the state whose root is `stateRoot`. Errors: as
 * `NodeHistory.node`.
 */
export async function proveAccount(
  { state, nodes }: HistoricalState,
  stateRoot: Hex,
  address: Hex,
  slots: readonly Hex[],
): Promise<AccountProof> {
  const key = keccak256(fromHex(address));
  const proof = await prove(nodes, ACCOUNT_TRIE, stateRoot, key);
  const account = state.account(address);
  const storage = [];
  for (const slot of slots)
    storage.push({
      value: state.slot(address, slot),
      proof: await prove(
        nodes,
        key,
        account?.storageRoot ?? EMPTY_TRIE_ROOT,
        keccak256(fromHex(slot)),
      ),
    });
  return { account, proof, storage };
}

/** Nibbles of bytes, one a byte. */
function nibblesOf(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from({ length: 2 * bytes.length }, (_, i) => {
    const byte = bytes[i >> 1] as number;
    return i % 2 === 0 ? byte >> 4 : byte & 0x0f;
  });
}

/** Nibbles of a leaf's or extension's key, and which of the two it is. */
function decodeKey(compact: Uint8Array): { nibbles: Uint8Array; isLeaf: boolean } {
  const [flags = 0, ...rest] = nibblesOf(compact);
  return { nibbles: Uint8Array.from(rest.slice((flags & 1) === 1 ? 0 : 1)), isLeaf: flags >= 2 };
}

/** Where the way to a key goes on from a node: a reference, and how many nibbles it has used. */
function follow(node: Item, key: Uint8Array): { next: Item; used: number } | null {
  if (!Array.isArray(node)) throw corrupt();
  if (node.length === BRANCH_ITEMS) {
    const [nibble] = key;
    // Keys of these tries are hashes of one length: none ends in a branch.
    if (nibble === undefined) throw corrupt();
    return { next: node[nibble] as Item, used: 1 };
  }
  const [compact, next] = node;
  if (node.length !== 2 || !(compact instanceof Uint8Array) || next === undefined) throw corrupt();
  const { nibbles, isLeaf } = decodeKey(compact);
  if (isLeaf || !bytesEqual(nibbles, key.subarray(0, nibbles.length))) return null;
  return { next, used: nibbles.length };
}

/** The proof of a key in the trie that stands at `owner`; of an empty trie, nothing. */
async function prove(
  nodes: NodeHistory,
  owner: Uint8Array,
  root: Hex,
  key: Uint8Array,
): Promise<Proof> {
  if (root === EMPTY_TRIE_ROOT) return [];
  const path = nibblesOf(key);
  const proof: Uint8Array[] = [];
  let used = 0;
  let from: number | undefined;
  let next: Item = fromHex(root);
  for (;;) {
    let node: Item = next;
    if (next instanceof Uint8Array) {
      if (next.length === 0) return proof;
      if (next.length !== HASH_BYTES) throw corrupt();
      const at = concatBytes(owner, path.subarray(0, used));
      const { raw, changedBy } = await nodes.node(at, toHex(next), from);
      from = changedBy;
      proof.push(raw);
      node = RLP.decode(raw);
    }
    const step = follow(node, path.subarray(used));
    if (step === null) return proof;
    used += step.used;
    next = step.next;
  }
}

function corrupt(): NodeError {
  return new NodeError("STORAGE_CORRUPT", { record: "trie node" });
}
