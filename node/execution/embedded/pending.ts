/**
 * The blocks that are not in the store yet, as a reader thread knows them: layers of what their
 * flashblocks wrote, over the head of whatever snapshot is read.
 *
 * Owns the rule that a layer counts only over the very block it was built on (DESIGN 6), and bounds
 * on what is kept. Where a slice is missing or too much, `pending` is the newest state that is
 * whole, and `latest` at worst, until the next block begins. Does not own where slices come from.
 */
import type { Hex } from "../../../lanes/bytes.ts";
import type { PackedSlice, PendingEnvironment, PendingSlice } from "../../api.ts";
import type { BlockRef } from "../../primitives/block.ts";
import { EMPTY_TRIE_ROOT } from "../../primitives/header.ts";
import type { Receipt } from "../../primitives/receipt.ts";
import type { Transaction } from "../../primitives/transaction.ts";
import type { StateReader } from "../../storage/state.ts";
import { type BlockContext, ROLLUP_BLOB_BASE_FEE } from "./rules.ts";
import { createLayer, createLayeredReader, type StateLayer } from "./state-layer.ts";
import { type AccountWrite, type BlockSlice, SEALED_BLOCKS_MAX } from "../engine.ts";
import { unpackResults, unpackState } from "../slice-codec.ts";

/** The open block, and those that are sealed and on their way to the store. */
const BLOCKS_MAX = SEALED_BLOCKS_MAX + 1;
/** Bytes of transactions and receipts that the slices of a block hold. */
const RESULT_BYTES_MAX = 32 * 1024 * 1024;
/** Accounts and slots that the slices of a block write; a full block changes some 30,000. */
const WRITES_MAX = 200_000;
const CODE_BYTES_MAX = 16 * 1024 * 1024;

/** The newest state there is, and the block that it is the state of. */
export interface PendingView {
  readonly environment: PendingEnvironment;
  readonly parentHash: Hex;
  /** Slices of its block so far. */
  readonly slices: number;
  /** Good until the event loop has its turn: the next slice changes it. */
  readonly state: StateReader;
}

/** What was executed of a block that is not in the store, in order. */
export interface PendingBody {
  readonly environment: PendingEnvironment;
  readonly parentHash: Hex;
  readonly transactions: readonly Transaction[];
  readonly receipts: readonly Receipt[];
}

/** What opcodes see in the open block. */
export function contextOfPending({ environment, parentHash }: PendingView): BlockContext {
  return { ...environment, parentHash, blobBaseFee: ROLLUP_BLOB_BASE_FEE };
}

export interface PendingBlocks {
  add(slice: PendingSlice): void;
  /** What stands on `head`, whose state `state` reads; `null` where nothing does. */
  over(head: BlockRef, state: StateReader): PendingView | null;
  /** The blocks that stand on `head`, newest last. */
  bodies(head: BlockRef): readonly PendingBody[];
}

interface PendingBlock {
  environment: PendingEnvironment;
  readonly parentHash: Hex;
  readonly layer: StateLayer;
  nextIndex: number;
  writes: number;
  codeBytes: number;
  /** Of slices whose results were not asked for yet. */
  packed: PackedSlice[];
  resultBytes: number;
  readonly transactions: Transaction[];
  readonly receipts: Receipt[];
  /** Something of it is missing: it cannot be read, and nothing that stands on it. */
  broken: boolean;
}

function createBlock({ environment, parentHash }: PendingSlice): PendingBlock {
  return {
    environment,
    parentHash,
    layer: createLayer(),
    nextIndex: 0,
    writes: 0,
    codeBytes: 0,
    packed: [],
    resultBytes: 0,
    transactions: [],
    receipts: [],
    broken: false,
  };
}

/** Starts with none, as it stays while no slice ever comes. */
export function createPendingBlocks(): PendingBlocks {
  /** Numbers ascend by one. */
  let blocks: PendingBlock[] = [];

  const begin = (slice: PendingSlice): PendingBlock => {
    const { number } = slice.environment;
    const block = createBlock(slice);
    const below = blocks.filter(({ environment }) => environment.number < number);
    const follows = below.at(-1)?.environment.number === number - 1;
    blocks = [...(follows ? below.slice(1 - BLOCKS_MAX) : []), block];
    return block;
  };

  return {
    add(slice) {
      const { number } = slice.environment;
      const open = blocks.at(-1);
      const block =
        slice.index === 0 ? begin(slice) : open?.environment.number === number ? open : null;
      // The beginning was missed, or the block has been left behind.
      if (block === null) return;
      if (slice.index !== block.nextIndex) block.broken = true;
      block.nextIndex = slice.index + 1;
      block.environment = slice.environment;
      if (block.broken) return;
      block.packed.push(slice.slice);
      block.resultBytes += slice.slice.results.length;
      extend(block, unpackState(slice.slice));
    },

    over(head, state) {
      const standing = standingOn(blocks, head);
      const newest = standing.at(-1);
      if (newest === undefined) return null;
      let reader = state;
      for (const { layer } of standing) reader = readOver(layer, reader);
      const { environment, parentHash } = newest;
      const slices = newest.nextIndex;
      return { environment, parentHash, slices, state: reader };
    },

    bodies: (head) => standingOn(blocks, head).map(bodyOf),
  };
}

/** The blocks that can be read over `head`, oldest first: each was built on the one before it. */
function standingOn(blocks: readonly PendingBlock[], head: BlockRef): PendingBlock[] {
  const first = blocks.findIndex(
    ({ environment, parentHash }) =>
      environment.number === head.number + 1 && parentHash === head.hash,
  );
  if (first < 0) return [];
  const standing = blocks.slice(first);
  const end = standing.findIndex(({ broken }) => broken);
  return end < 0 ? standing : standing.slice(0, end);
}

function bodyOf(block: PendingBlock): PendingBody {
  for (const slice of block.packed) {
    const { transactions, receipts } = unpackResults(slice);
    block.transactions.push(...transactions);
    block.receipts.push(...receipts);
  }
  block.packed = [];
  const { environment, parentHash, transactions, receipts } = block;
  return { environment, parentHash, transactions, receipts };
}

function extend(
  block: PendingBlock,
  { writes, codes }: Pick<BlockSlice, "writes" | "codes">,
): void {
  const { layer } = block;
  for (const write of writes) {
    applyWrite(layer, write);
    block.writes += 1 + write.slots.length;
  }
  for (const { hash, code } of codes) {
    layer.codes.set(hash, code);
    block.codeBytes += code.length;
  }
  const fits = block.writes <= WRITES_MAX && block.codeBytes <= CODE_BYTES_MAX;
  if (fits && block.resultBytes <= RESULT_BYTES_MAX) return;
  block.broken = true;
  block.packed = [];
  for (const kept of [layer.accounts, layer.slots, layer.cleared, layer.codes]) kept.clear();
}

function applyWrite(layer: StateLayer, { address, after, storageCleared, slots }: AccountWrite) {
  layer.accounts.set(address, after === null ? null : { ...after, storageRoot: EMPTY_TRIE_ROOT });
  if (storageCleared || after === null) {
    layer.cleared.add(address);
    layer.slots.delete(address);
  }
  if (slots.length === 0) return;
  const values = layer.slots.get(address) ?? new Map<Hex, bigint>();
  layer.slots.set(address, values);
  for (const { slot, value } of slots) values.set(slot, value);
}

/** Slices say nothing of storage roots: an account that keeps its storage keeps its root. */
function readOver(layer: StateLayer, below: StateReader): StateReader {
  const reader = createLayeredReader(below);
  reader.pin(layer);
  return {
    account(address) {
      const account = reader.account(address);
      const isKept = account?.storageRoot === EMPTY_TRIE_ROOT && !layer.cleared.has(address);
      if (!isKept) return account;
      return { ...account, storageRoot: below.account(address)?.storageRoot ?? EMPTY_TRIE_ROOT };
    },
    slot: (address, slot) => reader.slot(address, slot),
    slots: (address) => reader.slots(address),
    code: (hash) => reader.code(hash),
  };
}
