/**
 * A small chain in memory behind the Reader's shape: genesis, and a block with
 * the L1 attributes deposit and one transaction of every type, really signed.
 */
import { privateKeyToAccount } from "viem/accounts";
import { fromHex, type Hex, toHex, ZERO_HASH } from "../../lanes/bytes.ts";
import { parsePolicy } from "../../lanes/policy.ts";
import { accept, refuse } from "../../lanes/verdict.ts";
import { StoredClasses } from "../../node/chain/stored-classes.ts";
import { NodeError } from "../../node/errors.ts";
import type { CallRequest, CallResult } from "../../node/execution/call.ts";
import type { CallFrame } from "../../node/execution/trace.ts";
import type { BlockRef } from "../../node/primitives/block.ts";
import {
  EMPTY_OMMERS_HASH,
  EMPTY_REQUESTS_HASH,
  EMPTY_TRIE_ROOT,
  type Header,
  headerHash,
  ZERO_NONCE,
} from "../../node/primitives/header.ts";
import { type Log, logsBloom, type Receipt } from "../../node/primitives/receipt.ts";
import { recoverSender } from "../../node/primitives/signature.ts";
import {
  decodeTransaction,
  encodeDeposit,
  type Transaction,
  type UserTransaction,
} from "../../node/primitives/transaction.ts";
import {
  type BlockId,
  type CallOptions,
  type LogFilter,
  type Reader,
  resolveBlock,
  type TraceLimits,
  type PendingBody,
} from "../../node/reader.ts";
import { type RollupConfig, rollupConfigSchema } from "../../node/rollup-config.ts";
import type { StateReader } from "../../node/storage/state.ts";
import { type ChainReader, NO_ADMISSIONS, type StoredBlock } from "../../node/storage/store.ts";
import { logsOf, matches } from "../../rpc/logs.ts";
import { NO_LANE_PRICES } from "../../lanes/lane-data.ts";

export const CHAIN_ID = 901;
const PRIVATE_KEY: Hex = `0x${"42".repeat(32)}`;
export const account = privateKeyToAccount(PRIVATE_KEY);
export const SENDER = account.address.toLowerCase() as Hex;
export const FEED: Hex = "0x00000000000000000000000000000000000feed0";
export const SET_PRICE: Hex = "0xaabbccdd";
export const TOPIC: Hex = `0x${"00".repeat(31)}07`;
export const CONTRACT: Hex = `0x${"c0".repeat(20)}`;
const BASE_FEE = 1_000_000_000n;

/** The policy every test of this folder runs under: one class with one rule. */
export const POLICY_JSON = {
  version: 1,
  chainId: CHAIN_ID,
  feedSet: ZERO_HASH,
  blockTimeMs: 1000,
  ttlBlocks: 5,
  policyDelay: 16,
  maxFlashblocks: 256,
  systemReserveGas: 6_000_000,
  graceMs: 10_000,
  fast: {
    classes: [
      {
        name: "oracle",
        gasShareBps: 2000,
        order: "ready",
        rules: [{ to: FEED, selectors: [SET_PRICE], maxGas: 500_000, value: false }],
      },
    ],
    queueLimit: 4096,
    perSender: { ratePerSecond: 200, burst: 400, maxPending: 64 },
  },
  normal: { order: "tip", maxTxGas: 16_777_216, heavyGas: 30_000_000 },
  publishers: [],
  feeds: [],
};

export const ROLLUP_FILE = {
  version: 1,
  chainId: CHAIN_ID,
  l1ChainId: 900,
  settlement: `0x${"5e".repeat(20)}`,
  genesis: {
    timestamp: 1_700_000_000,
    l1Origin: { number: 0, hash: ZERO_HASH },
    gasLimit: "60000000",
    baseFee: String(BASE_FEE),
    alloc: {},
  },
  eip1559: { denominator: 250, elasticity: 6 },
  system: {
    batcher: `0x${"ba".repeat(20)}`,
    baseFeeScalar: 0,
    blobBaseFeeScalar: 0,
    operatorFeeScalar: 0,
    operatorFeeConstant: "0",
  },
  sequencer: SENDER,
  policy: POLICY_JSON,
  originConfirmations: 0,
  sequencingWindow: 60,
  challengeWindow: 60,
  l1BlobSchedule: [{ timestamp: 0, baseFeeUpdateFraction: 5_007_716 }],
} as const;

export const rollup: RollupConfig = rollupConfigSchema.parse(ROLLUP_FILE);

function loadPolicy() {
  const parsed = parsePolicy(rollup.policy);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.data));
  return parsed.value;
}
export const policy = loadPolicy();

/** Decodes what viem has signed. */
export function toUser(raw: Hex): UserTransaction {
  const decoded = decodeTransaction(fromHex(raw));
  if (!decoded.ok) throw new Error(decoded.code);
  const sender = recoverSender(decoded.value);
  if (sender === null) throw new Error("no sender");
  return { ...decoded.value, sender };
}

const common = { gas: 100_000n, to: FEED, value: 0n } as const;
const fees = { maxFeePerGas: 3n * BASE_FEE, maxPriorityFeePerGas: 2_000_000n } as const;

/** Signs an ordinary transfer of the fixture's account. */
export async function signTransfer(
  overrides: {
    chainId?: number;
    gas?: bigint;
    nonce?: number;
    maxPriorityFeePerGas?: bigint;
    data?: Hex;
  } = {},
): Promise<Hex> {
  const { chainId = CHAIN_ID, nonce = 9, ...rest } = overrides;
  return account.signTransaction({ type: "eip1559", ...common, ...fees, ...rest, chainId, nonce });
}

async function userTransactions(): Promise<UserTransaction[]> {
  const chainId = CHAIN_ID;
  const data: Hex = `${SET_PRICE}${"00".repeat(32)}`;
  const gasPrice = 2n * BASE_FEE;
  const accessList = [{ address: FEED, storageKeys: [TOPIC] }] as const;
  const authorization = await account.signAuthorization({ address: CONTRACT, chainId, nonce: 4 });
  const raws = await Promise.all([
    account.signTransaction({ type: "eip1559", ...common, ...fees, data, chainId, nonce: 0 }),
    account.signTransaction({ type: "legacy", ...common, gasPrice, chainId, nonce: 1 }),
    account.signTransaction({
      type: "eip2930",
      ...common,
      gasPrice,
      accessList,
      chainId,
      nonce: 2,
    }),
    account.signTransaction({
      type: "eip7702",
      ...common,
      ...fees,
      authorizationList: [authorization],
      chainId,
      nonce: 3,
    }),
  ]);
  return raws.map(toUser);
}

function makeHeader(number: number, parentHash: Hex, logs: readonly Log[]): Header {
  return {
    parentHash,
    ommersHash: EMPTY_OMMERS_HASH,
    beneficiary: "0x4200000000000000000000000000000000000011",
    stateRoot: EMPTY_TRIE_ROOT,
    transactionsRoot: EMPTY_TRIE_ROOT,
    receiptsRoot: EMPTY_TRIE_ROOT,
    logsBloom: logsBloom(logs),
    difficulty: 0n,
    number,
    gasLimit: 60_000_000n,
    gasUsed: number === 0 ? 0n : 140_000n,
    timestamp: 1_700_000_000 + number,
    extraData: fromHex("0x00000000fa00000006"),
    prevRandao: ZERO_HASH,
    nonce: ZERO_NONCE,
    baseFeePerGas: BASE_FEE,
    withdrawalsRoot: EMPTY_TRIE_ROOT,
    blobGasUsed: 0n,
    excessBlobGas: 0n,
    parentBeaconBlockRoot: ZERO_HASH,
    requestsHash: EMPTY_REQUESTS_HASH,
  };
}

const LOG: Log = { address: FEED, topics: [TOPIC], data: fromHex(`0x${"00".repeat(31)}2a`) };

function makeReceipt(transaction: Transaction, index: number, logs: readonly Log[]): Receipt {
  const isDeposit = transaction.type === 0x7e;
  return {
    type: transaction.type,
    status: 1,
    gasUsed: isDeposit ? 40_000n : 25_000n,
    cumulativeGasUsed: 40_000n + 25_000n * BigInt(index),
    effectiveGasPrice: isDeposit
      ? 0n
      : transaction.type === 0 || transaction.type === 1
        ? transaction.maxFeePerGas
        : BASE_FEE + transaction.maxPriorityFeePerGas,
    contractAddress: null,
    logs,
    logsBloom: logsBloom(logs),
    l1Fee: isDeposit ? 0n : 7n,
    ...(isDeposit ? { depositNonce: 5n, depositReceiptVersion: 1n } : {}),
  };
}

interface Entry {
  readonly stored: StoredBlock;
  readonly receipts: readonly Receipt[];
}

function makeEntry(
  number: number,
  parentHash: Hex,
  transactions: readonly Transaction[],
  logsPerTransaction: readonly (readonly Log[])[],
): Entry {
  const header = makeHeader(number, parentHash, logsPerTransaction.flat());
  const users = transactions.filter((transaction) => transaction.type !== 0x7e).length;
  const stored: StoredBlock = {
    block: { hash: headerHash(header), header, transactions },
    laneData: {
      policyHash: policy.hash,
      flashblocks: [
        {
          txCount: transactions.length,
          timestampMs: header.timestamp * 1000,
          leaderEpoch: 1,
          ...NO_LANE_PRICES,
        },
      ],
      numbers: Array.from({ length: users }, (_, i) => ({
        accepted: 2n ** 40n + BigInt(2 * i),
        ready: 2n ** 40n + BigInt(2 * i + 1),
      })),
    },
    orderHashes: [`0x${"0d".repeat(32)}`],
    flashblockSignatures: [],
    laneState: new Uint8Array(0),
    signature: number === 0 ? null : new Uint8Array(65).fill(1),
  };
  const receipts = transactions.map((transaction, i) =>
    makeReceipt(transaction, i, logsPerTransaction[i] ?? []),
  );
  return { stored, receipts };
}

export interface FakeChain {
  /** What was executed and is not in the chain. */
  open: readonly PendingBody[];
  readonly reader: Reader;
  readonly block: StoredBlock["block"];
  /** Appends an empty block with the given logs of one transaction, and returns its reference. */
  grow(logs?: readonly Log[]): BlockRef;
  /** Takes the newest block away, and returns its reference. */
  shrink(): BlockRef;
  /** The oldest block whose state is kept. */
  oldest: number;
  /** What `call` and `estimateGas` answer. */
  outcome: CallResult;
  /** What `trace` and `traceCall` answer for each transaction. */
  frame: CallFrame;
  /** What `call`, `estimateGas`, `traceCall` and `trace` have been given. */
  readonly calls: (CallRequest & CallOptions & { readonly id: BlockId })[];
  readonly traced: TraceLimits[];
}

const ATTRIBUTES = encodeDeposit({
  sourceHash: `0x${"50".repeat(32)}`,
  sender: "0xdeaddeaddeaddeaddeaddeaddeaddeaddead0001",
  to: "0x4200000000000000000000000000000000000015",
  mint: 0n,
  value: 0n,
  gasLimit: 1_000_000n,
  isSystemTx: false,
  data: fromHex("0x098999be"),
});

/** Stands for the RLP of a trie node. */
const NODE = fromHex("0xc0");

const FRAME: CallFrame = {
  type: "CALL",
  from: SENDER,
  to: CONTRACT,
  gas: 100_000n,
  gasUsed: 21_000n,
  input: fromHex("0x1234"),
  output: new Uint8Array(0),
  error: null,
  value: 0n,
  calls: [],
  logs: [],
};

const CODE_HASH: Hex = `0x${"cd".repeat(32)}`;

const absent = (): never => {
  throw new Error("not used by the RPC");
};

const STATE: StateReader = {
  account: (address) =>
    address === SENDER
      ? { nonce: 4n, balance: 10n ** 18n, codeHash: CODE_HASH, storageRoot: ZERO_HASH }
      : null,
  slot: (_address, slot) => BigInt(slot),
  slots: absent,
  code: () => fromHex("0x6001"),
};

const refOf = ({ stored }: Entry): BlockRef => ({
  number: stored.block.header.number,
  hash: stored.block.hash,
});

function makeChainReader(entries: readonly Entry[]): ChainReader {
  const find = (hash: Hex): Entry | undefined =>
    entries.find(({ stored }) => stored.block.hash === hash);
  const genesis = refOf(entries[0] as Entry);
  return {
    heads: () => ({ unsafe: refOf(entries.at(-1) as Entry), safe: genesis, finalized: genesis }),
    blockByNumber: (n) => entries[n]?.stored ?? null,
    blockByHash: (hash) => find(hash)?.stored ?? null,
    headerByNumber: (n) => entries[n]?.stored.block ?? null,
    headerByHash: (hash) => find(hash)?.stored.block ?? null,
    numberByHash: (hash) => find(hash)?.stored.block.header.number ?? null,
    receipts: (n) => entries[n]?.receipts ?? null,
    laneState: (n) => entries[n]?.stored.laneState ?? null,
    transactionLocation(hash) {
      const index = entries[1]?.stored.block.transactions.findIndex((tx) => tx.hash === hash) ?? -1;
      return index === -1 ? null : { blockNumber: 1, index };
    },
    admissions: () => NO_ADMISSIONS,
    drop: () => null,
    rawBlock: absent,
    logsBloom: absent,
    state: STATE,
    trie: { node: absent },
  };
}

function findLogs(entries: readonly Entry[], filter: LogFilter): ReturnType<Reader["logs"]> {
  const asked =
    filter.blockHash === undefined
      ? entries.slice(filter.fromBlock, filter.toBlock + 1)
      : entries.filter(({ stored }) => stored.block.hash === filter.blockHash);
  if (filter.blockHash !== undefined && asked.length === 0) return refuse("BLOCK_NOT_FOUND");
  if (filter.addresses.length > 10) return refuse("LIMIT_EXCEEDED", { limit: "alternatives" });
  const topics = filter.topics.map((topic) =>
    typeof topic === "string" ? [topic] : (topic ?? []),
  );
  const placed = asked
    .flatMap(({ stored, receipts }) => logsOf(stored.block, receipts))
    .filter(({ log }) => matches({ addresses: filter.addresses, topics }, log));
  return accept(placed.map(({ log, at }) => ({ log, ...at })));
}

/** The chain with its Reader. */
export async function createFakeChain(): Promise<FakeChain> {
  const users = await userTransactions();
  const genesis = makeEntry(0, ZERO_HASH, [], []);
  const logs = [[], [LOG, LOG], [LOG], [], []];
  const first = makeEntry(1, genesis.stored.block.hash, [ATTRIBUTES, ...users], logs);
  const entries: Entry[] = [genesis, first];
  const requireState = (id: BlockId): number => {
    const block = resolveBlock(chain.reader.chain, id);
    if (block === null) throw new NodeError("BLOCK_NOT_FOUND");
    const head = entries.length - 1;
    const { oldest } = chain;
    if (block < oldest) throw new NodeError("STATE_NOT_AVAILABLE", { block, oldest, head });
    return block;
  };
  const note = (id: BlockId, request: CallRequest, options: CallOptions): void => {
    requireState(id);
    chain.calls.push({ ...request, ...options, id });
  };
  const chain: FakeChain = {
    oldest: 1,
    open: [],
    block: first.stored.block,
    outcome: { success: true, output: fromHex("0x2a"), gasUsed: 21_000n, error: null },
    frame: FRAME,
    calls: [],
    traced: [],
    grow(grown = []) {
      const parent = refOf(entries.at(-1) as Entry).hash;
      const entry = makeEntry(entries.length, parent, [ATTRIBUTES], [grown]);
      entries.push(entry);
      return refOf(entry);
    },
    shrink: () => refOf(entries.pop() as Entry),
    reader: {
      chain: makeChainReader(entries),
      logs: (filter) => findLogs(entries, filter),
      pending: { add: absent },
      pendingBodies: () => chain.open,
      flashblock: () => null,
      storedClasses: (stored) => new StoredClasses(policy).of(chain.reader.chain, stored),
      blockPosition: () => ({
        term: 1,
        lastForced: 0,
        l1OriginNumber: 7,
        l1OriginHash: ZERO_HASH,
      }),
      stateAt(id, read) {
        requireState(id);
        return read(STATE);
      },
      async call(id, request, options) {
        note(id, request, options);
        return accept(chain.outcome);
      },
      async estimateGas(id, request, options) {
        note(id, request, options);
        const { success, output, gasUsed } = chain.outcome;
        return success ? accept(gasUsed) : refuse("EXECUTION_REVERTED", { output: toHex(output) });
      },
      async traceCall(id, request, options) {
        note(id, request, options);
        chain.traced.push({ ...options.trace, timeoutMs: options.timeoutMs });
        return accept(chain.frame);
      },
      async proof(id, address, slots) {
        requireState(id);
        const account = STATE.account(address);
        const storage = slots.map((slot) => ({ value: BigInt(slot), proof: [NODE] }));
        return { account, proof: [NODE, NODE], storage };
      },
      async trace(id, index, limits) {
        const number = requireState(id);
        chain.traced.push(limits);
        const { transactions } = (entries[number] as Entry).stored.block;
        if (number === 0) return null;
        const frames = transactions.map(({ hash }) => ({ hash, frame: chain.frame }));
        return index === null ? frames : frames.slice(index, index + 1);
      },
      close: () => Promise.resolve(),
    },
  };
  return chain;
}
