/**
 * The embedded engine: EthereumJS' EVM over journaled flat state in memory.
 *
 * Owns the open block: its machine, transactions, receipts, gas and header. Does not own
 * durability: between `seal` and `committed` the store writes the block.
 * Invariants: one call at a time; the committed head is the parent of the open block; a block built
 * and the same block imported are equal byte for byte. DESIGN 5, PROTOCOL 6.
 */
import assert from "node:assert/strict";
import { fromHex, type Hex } from "../../../lanes/bytes.ts";
import { nextBaseFee } from "../../primitives/base-fee.ts";
import { EMPTY_TRIE_ROOT, type Header, headerHash } from "../../primitives/header.ts";
import { encodeReceipt, mergeBlooms, type Receipt } from "../../primitives/receipt.ts";
import type { Transaction } from "../../primitives/transaction.ts";
import type { RollupConfig } from "../../rollup-config.ts";
import type { StateDiff, StateReader } from "../../storage/state.ts";
import type {
  ApplyResult,
  BlockEnvironment,
  Engine,
  ExecutedBlock,
  RootHasher,
  SealedRoots,
} from "../engine.ts";
import {
  BEACON_ROOTS,
  HISTORY_STORAGE,
  MESSAGE_PASSER,
  SEQUENCER_FEE_VAULT,
  SYSTEM_ADDRESS,
} from "../predeploys.ts";
import { makeHeader } from "./block-header.ts";
import { type CachedReader, createCachedReader } from "./cached-reader.ts";
import { createMachine } from "./evm.ts";
import { runSystemCall } from "./message.ts";
import { type BlockContext, ROLLUP_BLOB_BASE_FEE } from "./rules.ts";
import { createWorkingState, type WorkingState } from "./state.ts";
import { diffToSlice } from "./state-trie.ts";
import { applyTransaction, type BlockProgress } from "./transition.ts";

export interface EmbeddedEngineOptions {
  readonly rollup: RollupConfig;
  /** The committed head that `state` and `roots` stand on. */
  readonly head: BlockHead;
  readonly state: StateReader;
  readonly roots: RootHasher;
}

export interface BlockHead {
  readonly hash: Hex;
  readonly header: Header;
}

/** Source: EIP-4788, EIP-2935. */
const SYSTEM_CALL_GAS = 30_000_000n;

interface OpenBlock {
  readonly environment: BlockEnvironment;
  readonly context: BlockContext;
  readonly progress: BlockProgress;
  readonly transactions: Transaction[];
  readonly receipts: Receipt[];
  sealed: ExecutedBlock | null;
}

/** An engine on the given head. */
export function createEmbeddedEngine(options: EmbeddedEngineOptions): Engine {
  return new EmbeddedEngine(options);
}

class EmbeddedEngine implements Engine {
  readonly #rollup: RollupConfig;
  readonly #reader: CachedReader;
  readonly #state: WorkingState;
  readonly #roots: RootHasher;
  #head: BlockHead;
  #open: OpenBlock | null = null;
  /** Set while a call is under way: a second one at the same time is a fault of the caller. */
  #busy = false;

  constructor({ rollup, head, state, roots }: EmbeddedEngineOptions) {
    this.#rollup = rollup;
    this.#head = head;
    this.#reader = createCachedReader(state);
    this.#state = createWorkingState(this.#reader);
    this.#roots = roots;
  }

  open(environment: BlockEnvironment): Promise<void> {
    return this.#exclusive(async () => {
      assert(this.#open === null, "a block is already open");
      assert.equal(environment.parent.hash, this.#head.hash, "the parent is not the head");
      const parent = this.#head.header;
      const context: BlockContext = {
        number: parent.number + 1,
        timestamp: environment.timestamp,
        gasLimit: environment.gasLimit,
        baseFee: nextBaseFee(parent, this.#rollup.eip1559),
        blobBaseFee: ROLLUP_BLOB_BASE_FEE,
        beneficiary: SEQUENCER_FEE_VAULT,
        prevRandao: environment.prevRandao,
        parentHash: this.#head.hash,
      };
      const machine = await createMachine(this.#rollup.chainId, this.#state, context);
      const progress = { machine, gasUsed: 0n, fees: null };
      for (const [to, data] of [
        [BEACON_ROOTS, environment.parentBeaconBlockRoot],
        [HISTORY_STORAGE, this.#head.hash],
      ] as const)
        await runSystemCall(machine, {
          from: SYSTEM_ADDRESS,
          to,
          data: fromHex(data),
          gasLimit: SYSTEM_CALL_GAS,
        });
      this.#open = {
        environment,
        context,
        progress,
        transactions: [],
        receipts: [],
        sealed: null,
      };
    });
  }

  apply(transaction: Transaction): Promise<ApplyResult> {
    return this.#exclusive(async () => {
      const open = this.#unsealed();
      try {
        const result = await applyTransaction(open.progress, transaction);
        if (result.ok) {
          open.transactions.push(transaction);
          open.receipts.push(result.receipt);
        }
        return result;
      } catch (cause) {
        // The EVM broke off in the middle: its inner stacks are of no use any more.
        open.progress.machine = await createMachine(
          this.#rollup.chainId,
          this.#state,
          open.context,
        );
        throw cause;
      }
    });
  }

  baseFee(): bigint {
    assert(this.#open !== null, "no block is open");
    return this.#open.context.baseFee;
  }

  gasUsed(): bigint {
    assert(this.#open !== null, "no block is open");
    return this.#open.progress.gasUsed;
  }

  account(address: Hex): { nonce: bigint; balance: bigint } {
    const account = this.#state.account(address);
    return { nonce: account?.nonce ?? 0n, balance: account?.balance ?? 0n };
  }

  seal(): Promise<ExecutedBlock> {
    return this.#exclusive(async () => {
      const open = this.#unsealed();
      const diff = this.#state.diff();
      await this.#roots.extend(diffToSlice(diff));
      const roots = await this.#roots.seal([
        open.transactions.map(({ raw }) => raw),
        open.receipts.map(encodeReceipt),
      ]);
      const header = this.#header(open, roots);
      const { transactions, receipts } = open;
      open.sealed = {
        block: { hash: headerHash(header), header, transactions },
        receipts,
        diff: withStorageRoots(diff, roots),
        trie: roots.nodes,
      };
      return open.sealed;
    });
  }

  committed(): Promise<void> {
    return this.#exclusive(async () => {
      const sealed = this.#open?.sealed;
      assert(sealed !== null && sealed !== undefined, "no block is sealed");
      await this.#roots.committed();
      this.#reader.apply(sealed.diff);
      this.#head = sealed.block;
      this.#close();
    });
  }

  discard(): Promise<void> {
    return this.#exclusive(async () => {
      await this.#roots.discard();
      this.#close();
    });
  }

  rebase(head: BlockHead): Promise<void> {
    return this.#exclusive(async () => {
      await this.#roots.discard();
      this.#reader.clear();
      this.#head = head;
      this.#close();
    });
  }

  #header(open: OpenBlock, roots: SealedRoots): Header {
    const { context, environment, progress, receipts } = open;
    const [transactionsRoot, receiptsRoot] = roots.listRoots;
    assert(transactionsRoot !== undefined && receiptsRoot !== undefined, "a list root is missing");
    const input = {
      parentHash: context.parentHash,
      number: context.number,
      timestamp: context.timestamp,
      gasLimit: context.gasLimit,
      gasUsed: progress.gasUsed,
      baseFeePerGas: context.baseFee,
      prevRandao: context.prevRandao,
      parentBeaconBlockRoot: environment.parentBeaconBlockRoot,
      logsBloom: mergeBlooms(receipts.map(({ logsBloom }) => logsBloom)),
      stateRoot: roots.stateRoot,
      withdrawalsRoot:
        roots.storageRoots.get(MESSAGE_PASSER) ??
        this.#state.account(MESSAGE_PASSER)?.storageRoot ??
        EMPTY_TRIE_ROOT,
      transactionsRoot,
      receiptsRoot,
    };
    return makeHeader(input, this.#rollup.eip1559);
  }

  #unsealed(): OpenBlock {
    assert(this.#open !== null, "no block is open");
    assert(this.#open.sealed === null, "the block is sealed");
    return this.#open;
  }

  #close(): void {
    this.#open = null;
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

/** The diff as the store keeps it: with the storage roots after the block. */
function withStorageRoots(diff: StateDiff, roots: SealedRoots): StateDiff {
  const accounts = diff.accounts.map((change) => {
    if (change.after === null) return change;
    const storageRoot = roots.storageRoots.get(change.address);
    assert(storageRoot !== undefined, "the hasher left an account out");
    return { ...change, after: { ...change.after, storageRoot } };
  });
  return { ...diff, accounts };
}
