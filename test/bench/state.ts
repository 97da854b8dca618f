/**
 * A large state in the store: many accounts written at once, as blocks of a genesis-like alloc.
 *
 * Owns the order: one block for everything below each first nibble of the account trie, so that no
 * node is written twice and only a sixteenth is in memory. Only the last header states a root:
 * nothing is executed between. Does not own what the accounts are.
 */
import { RLP } from "@ethereumjs/rlp";
import { bigintToMinimalBytes, fromHex, type Hex, ZERO_HASH } from "../../lanes/bytes.ts";
import { encodeLaneState, genesisLaneState } from "../../lanes/lane-state.ts";
import { makeHeader } from "../../node/execution/embedded/block-header.ts";
import type { Block } from "../../node/primitives/block.ts";
import { keccak256, keccakHex } from "../../node/primitives/hash.ts";
import { EMPTY_TRIE_ROOT, type Header, headerHash } from "../../node/primitives/header.ts";
import { BLOOM_BYTES } from "../../node/primitives/receipt.ts";
import type { RollupConfig } from "../../node/rollup-config.ts";
import {
  type AccountChange,
  type AccountRecord,
  EMPTY_CODE_HASH,
  type StateDiff,
  type TrieNodeChange,
} from "../../node/storage/state.ts";
import { NO_ADMISSIONS, type Store } from "../../node/storage/store.ts";
import {
  type BulkLeaf,
  buildSubtree,
  buildTrie,
  byKey,
  joinSubtrees,
  type NodeReference,
} from "./bulk-trie.ts";

/** An account of the alloc; what is left out is nothing. */
export interface AllocEntry {
  readonly address: Hex;
  readonly nonce?: bigint;
  readonly balance?: bigint;
  readonly code?: Uint8Array;
  readonly storage?: ReadonlyMap<Hex, bigint>;
}

export interface StatePlan {
  /** Contracts and whatever else is not plain. */
  readonly entries: readonly AllocEntry[];
  /** Accounts that hold a balance and nothing else. */
  readonly plain: {
    readonly count: number;
    readonly balance: bigint;
    address(index: number): Hex;
  };
}

const FIRST_NIBBLES = 16;
/** With fewer, a first nibble could be without a leaf, and the root no branch over sixteen. */
const PLAIN_ACCOUNTS_MIN = 500;

type NewAccount = AccountChange & { readonly after: AccountRecord };

/** Everything below one first nibble, or the contracts' storage. */
interface Part {
  readonly diff: StateDiff;
  readonly nodes: readonly TrieNodeChange[];
}

/** Puts the plan on top of an empty genesis. */
export async function buildState(
  rollup: RollupConfig,
  store: Store,
  plan: StatePlan,
): Promise<void> {
  if (plan.plain.count < PLAIN_ACCOUNTS_MIN) throw new Error("too few accounts for a state");
  const genesis = store.headerByNumber(0);
  if (genesis === null) throw new Error("the store has no genesis");
  let head: { readonly hash: Hex; readonly header: Header } = genesis;
  const append = async (part: Part, stateRoot: Hex): Promise<void> => {
    const block = emptyBlock(rollup, head, stateRoot);
    await store.commitBlock(commitOf(store, block, part));
    head = block;
  };
  const { special, codes, nodes } = specialAccounts(plan.entries);
  await append({ diff: { accounts: [], codes }, nodes }, EMPTY_TRIE_ROOT);
  const references: NodeReference[] = [];
  for (const accounts of byFirstNibble(special, plan.plain)) {
    const leaves = accounts.map(accountLeaf).sort(byKey);
    const subtree = buildSubtree(new Uint8Array(0), leaves, 1);
    references.push(subtree.reference);
    await append({ diff: { accounts, codes: [] }, nodes: subtree.nodes }, EMPTY_TRIE_ROOT);
  }
  const { root, node } = joinSubtrees(references);
  await append({ diff: { accounts: [], codes: [] }, nodes: [node] }, root);
}

function specialAccounts(entries: readonly AllocEntry[]): {
  readonly special: readonly NewAccount[];
  readonly codes: StateDiff["codes"];
  readonly nodes: readonly TrieNodeChange[];
} {
  const codes = new Map<Hex, Uint8Array>();
  const nodes: TrieNodeChange[] = [];
  const special = entries.map((entry): NewAccount => {
    const { address, nonce = 0n, balance = 0n, code = new Uint8Array(0) } = entry;
    const codeHash = code.length === 0 ? EMPTY_CODE_HASH : keccakHex(code);
    if (code.length > 0) codes.set(codeHash, code);
    const slots = [...(entry.storage ?? [])].map(([slot, value]) => ({ slot, value }));
    const leaves = slots.map(({ slot, value }) => ({
      key: keccak256(fromHex(slot)),
      value: RLP.encode(bigintToMinimalBytes(value)),
    }));
    const storage = buildTrie(keccak256(fromHex(address)), leaves.sort(byKey));
    for (const node of storage.nodes) nodes.push(node);
    return {
      address,
      before: null,
      after: { nonce, balance, codeHash, storageRoot: storage.root },
      storageCleared: false,
      slots: slots.map(({ slot, value }) => ({ slot, before: 0n, after: value })),
    };
  });
  return { special, codes: [...codes].map(([hash, code]) => ({ hash, code })), nodes };
}

function* byFirstNibble(
  special: readonly NewAccount[],
  { count, balance, address }: StatePlan["plain"],
): Generator<NewAccount[]> {
  const nibbles = new Uint8Array(count);
  for (let index = 0; index < count; index++) nibbles[index] = firstNibble(address(index));
  const after = { nonce: 0n, balance, codeHash: EMPTY_CODE_HASH, storageRoot: EMPTY_TRIE_ROOT };
  for (let nibble = 0; nibble < FIRST_NIBBLES; nibble++) {
    const accounts = special.filter((account) => firstNibble(account.address) === nibble);
    for (let index = 0; index < count; index++)
      if (nibbles[index] === nibble)
        accounts.push({
          address: address(index),
          before: null,
          after,
          storageCleared: false,
          slots: [],
        });
    yield accounts;
  }
}

function firstNibble(address: Hex): number {
  return (keccak256(fromHex(address))[0] ?? 0) >> 4;
}

function accountLeaf({ address, after }: NewAccount): BulkLeaf {
  const { nonce, balance, storageRoot, codeHash } = after;
  const value = RLP.encode([
    bigintToMinimalBytes(nonce),
    bigintToMinimalBytes(balance),
    fromHex(storageRoot),
    fromHex(codeHash),
  ]);
  return { key: keccak256(fromHex(address)), value };
}

function emptyBlock(
  rollup: RollupConfig,
  parent: { readonly hash: Hex; readonly header: Header },
  stateRoot: Hex,
): Block {
  const header = makeHeader(
    {
      parentHash: parent.hash,
      number: parent.header.number + 1,
      timestamp: parent.header.timestamp + 1,
      gasLimit: parent.header.gasLimit,
      gasUsed: 0n,
      baseFeePerGas: parent.header.baseFeePerGas,
      stateRoot,
      transactionsRoot: EMPTY_TRIE_ROOT,
      receiptsRoot: EMPTY_TRIE_ROOT,
      withdrawalsRoot: EMPTY_TRIE_ROOT,
      logsBloom: new Uint8Array(BLOOM_BYTES),
    },
    rollup.eip1559,
  );
  return { hash: headerHash(header), header, transactions: [] };
}

function commitOf(store: Store, block: Block, { diff, nodes }: Part) {
  const { number, timestamp } = block.header;
  return {
    stored: {
      block,
      laneData: { policyHash: ZERO_HASH, flashblocks: [], numbers: [] },
      orderHashes: [],
      flashblockSignatures: [],
      laneState: encodeLaneState({ ...genesisLaneState(timestamp), blockNumber: number }),
      signature: null,
    },
    receipts: [],
    diff,
    trie: nodes,
    settled: [],
    admissions: NO_ADMISSIONS,
    heads: { ...store.heads(), unsafe: { number, hash: block.hash } },
  };
}
