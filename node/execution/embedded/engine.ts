/**
 * The embedded engine: EthereumJS' EVM over journaled flat state in memory.
 *
 * Owns the open block: its machine, transactions, receipts, gas and header; and the block sealed
 * before it, whose roots are being hashed or whose commit is being written meanwhile. Does not own
 * durability: between `seal` and `committed` the store writes the block.
 * Invariants: one call at a time but for `committed`; the open block stands on the sealed one, or
 * else on the committed head; a block built and the same block imported are equal byte for byte.
 * DESIGN 4, 5, PROTOCOL 6.
 */
import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import type { Hex } from "../../../lanes/bytes.ts";
import { EMPTY_TRIE_ROOT, type Header, headerHash } from "../../primitives/header.ts";
import { addBloom, BLOOM_BYTES, encodeReceipt, type Receipt } from "../../primitives/receipt.ts";
import type { Transaction, UserTransaction } from "../../primitives/transaction.ts";
import type { RollupConfig } from "../../rollup-config.ts";
import type { AccountChange, AccountRecord, StateReader } from "../../storage/state.ts";
import { inTurns, type Steps } from "../../turns.ts";
import type {
  ApplyOptions,
  ApplyResult,
  BlockEnvironment,
  EndedSlice,
  Engine,
  ExecutedBlock,
  ParentHeader,
  RootHasher,
  SealedRoots,
} from "../engine.ts";
import { HISTORY_STORAGE, MESSAGE_PASSER } from "../../primitives/predeploys.ts";
import { makeHeader } from "./block-header.ts";
import { contextOf, runSystemCalls } from "./block-start.ts";
import { type CachedReader, createCachedReader } from "./cached-reader.ts";
import { createMachine, type Machine } from "./evm.ts";
import { Preempted, type Preemption } from "./preemption.ts";
import { type BlockContext, historySlot, ISTHMUS } from "./rules.ts";
import { createWorkingState, SlotUnknown, type WorkingState } from "./state.ts";
import {
  createLayeredReader,
  layerChanges,
  type LayeredReader,
  type StateLayer,
  toDiff,
  withCommitted,
} from "./state-layer.ts";
import { applyTransaction, type BlockProgress, priceOf } from "./transition.ts";

export interface EmbeddedEngineOptions {
  readonly rollup: RollupConfig;
  /** The committed head that `state` and `roots` stand on. */
  readonly head: BlockHead;
  readonly state: StateReader;
  readonly roots: RootHasher;
  /** What may interrupt transactions that are applied as preemptible. @default nothing */
  readonly preemption?: Preemption;
}

export interface BlockHead {
  readonly hash: Hex;
  readonly header: Header;
}

/** Stands in the history contract until the parent's hash is known; nobody ever reads it. */
const UNKNOWN_HASH: Hex = `0x${"ff".repeat(32)}`;
/** Microseconds to give an account its storage root. */
const ROOT_COST = 1;

interface OpenBlock {
  readonly environment: BlockEnvironment;
  readonly context: BlockContext;
  readonly parent: Parent;
  readonly progress: BlockProgress;
  readonly transactions: Transaction[];
  readonly receipts: Receipt[];
  readonly encodedReceipts: Uint8Array[];
  readonly bloom: Uint8Array;
  /** Receipts that the slices so far hold. */
  sliced: number;
  /** Whether the state knows the parent's hash. */
  isSettled: boolean;
}

/** What the open block stands on. */
interface Parent {
  readonly header: ParentHeader;
  /** `null` from the seal until the roots are hashed. */
  hash: Hex | null;
}

interface SealedBlock {
  readonly tip: Parent;
  readonly layer: StateLayer;
  readonly executing: Promise<ExecutedBlock>;
  executed: ExecutedBlock | null;
}

/** An engine on the given head. */
export function createEmbeddedEngine(options: EmbeddedEngineOptions): Engine {
  return new EmbeddedEngine(options);
}

class EmbeddedEngine implements Engine {
  readonly #rollup: RollupConfig;
  readonly #reader: CachedReader;
  readonly #layers: LayeredReader;
  readonly #state: WorkingState;
  readonly #roots: RootHasher;
  readonly #preemption: Preemption | null;
  #head: BlockHead;
  #sealed: SealedBlock | null = null;
  #open: OpenBlock | null = null;
  /** Set while a call is under way: a second one at the same time is a fault of the caller. */
  #busy = false;

  constructor({ rollup, head, state, roots, preemption }: EmbeddedEngineOptions) {
    this.#rollup = rollup;
    this.#head = head;
    this.#reader = createCachedReader(state);
    this.#layers = createLayeredReader(this.#reader);
    this.#state = createWorkingState(this.#layers);
    this.#roots = roots;
    this.#preemption = preemption ?? null;
  }

  open(environment: BlockEnvironment): Promise<void> {
    return this.#exclusive(async () => {
      assert(this.#open === null, "a block is already open");
      const parent = this.#sealed?.tip ?? { ...this.#head };
      // Without a parent it stands on the block sealed last, which may be the head by now.
      if (environment.parent !== null)
        assert.equal(environment.parent.hash, this.#sealed === null ? parent.hash : null);
      const context = contextOf(this.#rollup, parent.header, environment, () => {
        if (parent.hash === null) throw new SlotUnknown();
        return parent.hash;
      });
      this.#preemption?.begin(false);
      const machine = await this.#createMachine(context);
      await this.#start(machine, environment, parent);
      this.#open = {
        environment,
        context,
        parent,
        progress: { machine, gasUsed: 0n, fees: null },
        transactions: [],
        receipts: [],
        encodedReceipts: [],
        bloom: new Uint8Array(BLOOM_BYTES),
        sliced: 0,
        isSettled: parent.hash !== null,
      };
    });
  }

  apply(transaction: Transaction, options?: ApplyOptions): Promise<ApplyResult> {
    return this.#exclusive(async () => {
      const open = this.#opened();
      for (;;) {
        this.#settleParent(open);
        this.#preemption?.begin(options?.preemptible ?? false);
        try {
          const result = await applyTransaction(open.progress, transaction, options);
          if (result.ok) keep(open, transaction, result.receipt);
          return result;
        } catch (cause) {
          // The EVM broke off in the middle: its inner stacks are of no use any more.
          open.progress.machine = await this.#createMachine(open.context);
          if (cause instanceof Preempted)
            return { ok: false, code: cause.isLong ? "TOO_LONG" : "PREEMPTED" };
          if (!(cause instanceof SlotUnknown)) throw cause;
          // It asked for the parent's hash: now it must be waited for.
          await this.#sealed?.executing;
        }
      }
    });
  }

  baseFee(): bigint {
    return this.#opened().context.baseFee;
  }

  gasUsed(): bigint {
    return this.#opened().progress.gasUsed;
  }

  account(address: Hex): { nonce: bigint; balance: bigint } {
    const account = this.#state.account(address);
    return { nonce: account?.nonce ?? 0n, balance: account?.balance ?? 0n };
  }

  slot(address: Hex, slot: Hex): bigint {
    return this.#state.slot(address, slot);
  }

  endSlice(): EndedSlice | null {
    assert(!this.#busy, "the engine takes one call at a time");
    const open = this.#opened();
    this.#settleParent(open);
    // The parent's hash is part of the first slice.
    const parentHash = open.parent.hash;
    if (parentHash === null) return null;
    const { writes, codes } = this.#state.takeSlice();
    const from = open.sliced;
    open.sliced = open.receipts.length;
    const transactions = open.transactions.slice(from);
    const lists = {
      transactions: transactions.map(({ raw }) => raw),
      receipts: open.encodedReceipts.slice(from),
    };
    // A failure shows again at the seal.
    this.#roots.extend(withCommitted(writes, this.#layers), lists).catch(() => undefined);
    return { parentHash, writes, codes, transactions, receipts: open.receipts.slice(from) };
  }

  beginSpeculation(): void {
    this.#state.logWrites();
  }

  price(transaction: UserTransaction): ReturnType<Engine["price"]> {
    return priceOf(this.#opened().progress, transaction);
  }

  seal(): Promise<ExecutedBlock> {
    assert(this.#sealed === null, "the block before is not committed");
    this.endSlice();
    const open = this.#opened();
    const { context, parent, progress } = open;
    assert(parent.hash !== null, "its parent is committed");
    const layer = this.#state.detach();
    this.#layers.pin(layer);
    this.#open = null;
    const hashing = this.#roots.seal();
    const executing = this.#finish(open, layer, hashing);
    const { number, gasLimit, baseFee: baseFeePerGas } = context;
    const header = { number, gasLimit, baseFeePerGas, gasUsed: progress.gasUsed };
    this.#sealed = { tip: { header, hash: null }, layer, executing, executed: null };
    executing.catch(() => undefined);
    return executing;
  }

  committed(): Promise<void> {
    const executed = this.#sealed?.executed;
    assert(executed !== null && executed !== undefined, "no block is sealed");
    // At once: the next block is being built meanwhile, and reads the same before and after.
    this.#reader.apply(executed.diff);
    this.#layers.pin(null);
    this.#head = executed.block;
    this.#sealed = null;
    return this.#roots.committed();
  }

  discard(): Promise<void> {
    return this.#exclusive(async () => {
      await this.#roots.discard();
      this.#reset();
    });
  }

  rebase(head: BlockHead): Promise<void> {
    return this.#exclusive(async () => {
      await this.#roots.discard();
      this.#reader.clear();
      this.#head = head;
      this.#reset();
    });
  }

  async #start(
    machine: Machine,
    { parentBeaconBlockRoot }: BlockEnvironment,
    { header, hash }: Parent,
  ): Promise<void> {
    await runSystemCalls(machine, parentBeaconBlockRoot, hash ?? UNKNOWN_HASH);
    const slot = historySlot(header.number);
    if (hash === null && this.#state.slot(HISTORY_STORAGE, slot) === BigInt(UNKNOWN_HASH))
      this.#state.defer(HISTORY_STORAGE, slot);
  }

  /** Gives the open block's state its parent's hash as soon as it is there. */
  #settleParent(open: OpenBlock): void {
    const { hash } = open.parent;
    if (open.isSettled || hash === null) return;
    open.isSettled = true;
    this.#state.settleDeferred(BigInt(hash));
  }

  /** The diff and the header of a sealed block, once its roots are there. */
  async #finish(
    open: OpenBlock,
    layer: StateLayer,
    hashing: Promise<SealedRoots>,
  ): Promise<ExecutedBlock> {
    // Whoever awaits it below gets the error; it may come before that.
    hashing.catch(() => undefined);
    // The next block is opened first: until it is, the fast lane stands still.
    await setImmediate();
    const changes = await inTurns(layerChanges(layer, this.#reader));
    const { codes } = await inTurns(toDiff(changes, layer));
    const roots = await hashing;
    const header = this.#header(open, roots);
    const hash = headerHash(header);
    // At once: the open block needs its parent's hash, and nothing else of what follows.
    if (this.#sealed?.layer === layer) this.#sealed.tip.hash = hash;
    const accounts = await inTurns(withStorageRoots(changes, roots));
    const { transactions, receipts } = open;
    const executed = {
      block: { hash, header, transactions },
      receipts,
      diff: { accounts, codes },
      trie: roots.nodes,
    };
    if (this.#sealed?.layer === layer) this.#sealed.executed = executed;
    return executed;
  }

  #createMachine(context: BlockContext): Promise<Machine> {
    const poll = this.#preemption?.poll;
    return createMachine(this.#rollup.chainId, this.#state, context, ISTHMUS, poll);
  }

  #header(open: OpenBlock, roots: SealedRoots): Header {
    const { context, environment, progress } = open;
    const input = {
      parentHash: context.parentHash,
      number: context.number,
      timestamp: context.timestamp,
      gasLimit: context.gasLimit,
      gasUsed: progress.gasUsed,
      baseFeePerGas: context.baseFee,
      prevRandao: context.prevRandao,
      parentBeaconBlockRoot: environment.parentBeaconBlockRoot,
      logsBloom: open.bloom,
      stateRoot: roots.stateRoot,
      withdrawalsRoot:
        roots.storageRoots.get(MESSAGE_PASSER) ??
        this.#reader.account(MESSAGE_PASSER)?.storageRoot ??
        EMPTY_TRIE_ROOT,
      transactionsRoot: roots.transactionsRoot,
      receiptsRoot: roots.receiptsRoot,
    };
    return makeHeader(input, this.#rollup.eip1559);
  }

  #opened(): OpenBlock {
    assert(this.#open !== null, "no block is open");
    return this.#open;
  }

  #reset(): void {
    this.#open = null;
    this.#sealed = null;
    this.#layers.pin(null);
    this.#state.clear();
  }

  async #exclusive<T>(call: () => Promise<T>): Promise<T> {
    assert(!this.#busy, "the engine takes one call at a time");
    this.#busy = true;
    try {
      return await call();
    } finally {
      this.#busy = false;
    }
  }
}

/** Puts an executed transaction into the block. */
function keep(open: OpenBlock, transaction: Transaction, receipt: Receipt): void {
  open.transactions.push(transaction);
  open.receipts.push(receipt);
  open.encodedReceipts.push(encodeReceipt(receipt));
  if (receipt.logs.length > 0) addBloom(open.bloom, receipt.logsBloom);
}

/** The changes as the store keeps them: with the storage roots after the block. */
function* withStorageRoots(
  accounts: readonly AccountChange[],
  { storageRoots }: SealedRoots,
): Steps<AccountChange[]> {
  const rooted: AccountChange[] = [];
  for (const change of accounts) {
    rooted.push(
      change.after === null ? change : withStorageRoot(change, change.after, storageRoots),
    );
    yield ROOT_COST;
  }
  return rooted;
}

/** Written out: spreading the objects takes three times as long. */
function withStorageRoot(
  { address, before, storageCleared, slots }: AccountChange,
  { nonce, balance, codeHash }: AccountRecord,
  storageRoots: SealedRoots["storageRoots"],
): AccountChange {
  const storageRoot = storageRoots.get(address);
  assert(storageRoot !== undefined, "the hasher left an account out");
  const after = { nonce, balance, codeHash, storageRoot };
  return { address, before, after, storageCleared, slots };
}
