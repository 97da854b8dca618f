/**
 * The genesis block and state from the rollup config, and the accounts that every Pricelane genesis
 * needs. Everyone with the same config makes the same genesis hash. PROTOCOL 6.
 */
import { fromHex, type Hex, toHex, ZERO_HASH } from "../../lanes/bytes.ts";
import { hashWords, u64, word } from "../../lanes/abi.ts";
import { PRICE_FEEDS } from "../../lanes/epoch-transaction.ts";
import type { PolicyFeed } from "../../lanes/policy-feeds.ts";
import { makeHeader } from "../execution/embedded/block-header.ts";
import { computeRoots, diffToSlice } from "../execution/embedded/state-trie.ts";
import {
  BEACON_ROOTS,
  GAS_PRICE_ORACLE,
  HISTORY_STORAGE,
  L1_BLOCK,
  MESSAGE_PASSER,
} from "../primitives/predeploys.ts";
import type { Block } from "../primitives/block.ts";
import { keccakHex } from "../primitives/hash.ts";
import { EMPTY_TRIE_ROOT, type Header, headerHash } from "../primitives/header.ts";
import { BLOOM_BYTES } from "../primitives/receipt.ts";
import type { RollupConfig, RollupConfigFile } from "../rollup-config.ts";
import {
  type AccountChange,
  EMPTY_CODE_HASH,
  type SlotChange,
  type StateDiff,
  type TrieNodeChange,
} from "../storage/state.ts";

export interface Genesis {
  readonly block: Block;
  readonly header: Header;
  readonly diff: StateDiff;
  readonly trie: readonly TrieNodeChange[];
}

type AllocFile = RollupConfigFile["genesis"]["alloc"];
type GenesisAccount = RollupConfig["genesis"]["alloc"][Hex];

/** Runtime code of the system contracts. Source: EIP-4788, EIP-2935. */
const BEACON_ROOTS_CODE: Hex =
  "0x3373fffffffffffffffffffffffffffffffffffffffe14604d57602036146024575f5ffd5b5f35801560495762001fff810690815414603c575f5ffd5b62001fff01545f5260205ff35b5f5ffd5b62001fff42064281555f359062001fff015500";
const HISTORY_STORAGE_CODE: Hex =
  "0x3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111604257611fff81430311604257611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500";

/** Contracts of the genesis that are compiled with the node. */
type PredeployName = "L1Block" | "GasPriceOracle" | "PriceFeeds" | "SequencerUptimeFeed";

const SEQUENCER_UPTIME_FEED: Hex = "0x5200000000000000000000000000000000000002";
/** Where PriceFeeds has the decimals of the policy's feeds. */
const DECIMALS_SLOT = 4;
/** Added where a feed's id is its 32 bytes in hex. */
const RAW_ID = 0x80;

type NamedFeed = Pick<PolicyFeed, "id" | "feedId" | "decimals">;

/**
 * Alloc entries of every Pricelane genesis. `codeOf` gives the compiled runtime code; contracts read
 * these feeds with their decimals.
 */
export function predeployAlloc(
  codeOf: (name: PredeployName) => Hex,
  feeds: readonly NamedFeed[] = [],
): AllocFile {
  return {
    [L1_BLOCK]: { nonce: 1, code: codeOf("L1Block") },
    [GAS_PRICE_ORACLE]: { nonce: 1, code: codeOf("GasPriceOracle") },
    [PRICE_FEEDS]: { nonce: 1, code: codeOf("PriceFeeds"), storage: decimalsOf(feeds) },
    [SEQUENCER_UPTIME_FEED]: { nonce: 1, code: codeOf("SequencerUptimeFeed") },
    // Exists from the start: clients disagree about the storage root of an absent account.
    [MESSAGE_PASSER]: { nonce: 1 },
    [BEACON_ROOTS]: { nonce: 1, code: BEACON_ROOTS_CODE },
    [HISTORY_STORAGE]: { nonce: 1, code: HISTORY_STORAGE_CODE },
  };
}

/** One more than the decimals of each feed, because what is not there is 0; and what its id is. */
function decimalsOf(feeds: readonly NamedFeed[]): Record<Hex, Hex> {
  return Object.fromEntries(
    feeds.map(({ id, feedId, decimals }) => [
      hashWords([word(feedId), u64(DECIMALS_SLOT)]),
      toHex(u64(decimals + 1 + (id.toLowerCase() === feedId ? RAW_ID : 0))),
    ]),
  );
}

/** Block 0, its state as a diff from nothing, and its trie. */
export function buildGenesis(rollup: RollupConfig): Genesis {
  const { alloc, timestamp, gasLimit, baseFee } = rollup.genesis;
  const codes = new Map<Hex, Uint8Array>();
  const unrooted = Object.entries(alloc)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([address, account]) => accountChange(address as Hex, account, codes))
    .filter((change) => change !== null);
  const slice = diffToSlice({ accounts: unrooted, codes: [] });
  const roots = computeRoots(slice, { node: () => null });
  const accounts = unrooted.map((change) => {
    const storageRoot = roots.storageRoots.get(change.address) ?? EMPTY_TRIE_ROOT;
    return { ...change, after: { ...change.after, storageRoot } };
  });
  const header = makeHeader(
    {
      parentHash: ZERO_HASH,
      number: 0,
      timestamp,
      gasLimit,
      gasUsed: 0n,
      baseFeePerGas: baseFee,
      stateRoot: roots.stateRoot,
      transactionsRoot: EMPTY_TRIE_ROOT,
      receiptsRoot: EMPTY_TRIE_ROOT,
      withdrawalsRoot: roots.storageRoots.get(MESSAGE_PASSER) ?? EMPTY_TRIE_ROOT,
      logsBloom: new Uint8Array(BLOOM_BYTES),
    },
    rollup.eip1559,
  );
  const sortedCodes = [...codes]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([hash, code]) => ({ hash, code }));
  return {
    block: { hash: headerHash(header), header, transactions: [] },
    header,
    diff: { accounts, codes: sortedCodes },
    trie: roots.nodes,
  };
}

type NewAccount = AccountChange & { readonly after: NonNullable<AccountChange["after"]> };

/** `null` for an entry that EIP-161 calls empty: such an account does not exist. */
function accountChange(
  address: Hex,
  account: GenesisAccount,
  codes: Map<Hex, Uint8Array>,
): NewAccount | null {
  const code = fromHex(account.code);
  const codeHash = code.length === 0 ? EMPTY_CODE_HASH : keccakHex(code);
  if (code.length > 0) codes.set(codeHash, code);
  const slots: SlotChange[] = Object.entries(account.storage)
    .map(([slot, value]) => ({ slot: slot as Hex, before: 0n, after: BigInt(value) }))
    .filter(({ after }) => after !== 0n)
    .sort((a, b) => (a.slot < b.slot ? -1 : 1));
  const { balance } = account;
  const nonce = BigInt(account.nonce);
  if (balance === 0n && nonce === 0n && code.length === 0) return null;
  const after = { nonce, balance, codeHash, storageRoot: EMPTY_TRIE_ROOT };
  return { address, before: null, after, storageCleared: false, slots };
}
