/**
 * The chain that the benchmarks measure: the real store on disk, the real worker pool with the
 * roots, the real embedded engine, wired as `node/core.ts` wires them; and one block after another
 * through the `Engine` port with the time of each step.
 *
 * Owns the head and the stopwatch. Does not own the state, nor what is in the blocks.
 */
import { encodeLaneState, genesisLaneState } from "../../lanes/lane-state.ts";
import { attributesTransaction } from "../../node/chain/attributes.ts";
import { systemClock } from "../../node/clock.ts";
import { type BlockHead, createEmbeddedEngine } from "../../node/execution/embedded/engine.ts";
import { createPreemption } from "../../node/execution/embedded/preemption.ts";
import type { BlockEnvironment, Engine, ExecutedBlock } from "../../node/execution/engine.ts";
import { silentLogger } from "../../node/log.ts";
import { PreemptionSignal } from "../../node/preemption-signal.ts";
import type { UserTransaction } from "../../node/primitives/transaction.ts";
import { createStore } from "../../node/storage/chain-store.ts";
import type { StateDiff } from "../../node/storage/state.ts";
import type { BlockCommit, Store } from "../../node/storage/store.ts";
import { createWorkerPool, type WorkerPool } from "../../node/workers/pool.ts";
import { GENESIS_ORIGIN, POLICY, ROLLUP } from "./rollup.ts";

/** As the node's own default on two cores. */
const WORKERS = 2;
/** Threads that re-execute what the sequencer builds: the node's own default. */
const VERIFIERS = 1;

/** One block and what its steps took. */
export interface BlockTimes {
  readonly transactions: number;
  /** Of the user transactions. */
  readonly gasUsed: bigint;
  /** Changed accounts and slots. */
  readonly dirtyLeaves: number;
  /** Opening, system calls, and the attributes transaction. */
  readonly openMs: number;
  /** All user transactions, one after another. */
  readonly executeMs: number;
  /** Roots and header; the roots are hashed in another thread. */
  readonly sealMs: number;
  /** `Store.commitBlock`. */
  readonly commitMs: number;
  /** `Engine.committed`. */
  readonly committedMs: number;
}

/** Whole time of the block's steps. */
export function blockMs(times: BlockTimes): number {
  const { openMs, executeMs, sealMs, commitMs, committedMs } = times;
  return openMs + executeMs + sealMs + commitMs + committedMs;
}

/** Runs the execution of a block's transactions, and whatever is to happen around it. */
export type Around = (execute: () => Promise<void>) => Promise<void>;

export interface BlockOptions {
  /** Status of each receipt. @default 1 */
  readonly status?: 0 | 1;
  readonly around?: Around;
}

export interface BenchChain {
  readonly store: Store;
  readonly pool: WorkerPool;
  readonly engine: Engine;
  /** Makes a transaction that is applied as preemptible give way. */
  readonly signal: PreemptionSignal;
  head(): BlockHead;
  /** The environment of a block on the head. */
  environment(): BlockEnvironment;
  /**
   * Executes, seals and commits a block. Throws where a transaction is refused or its receipt has
   * another status.
   */
  block(transactions: readonly UserTransaction[], options?: BlockOptions): Promise<BlockTimes>;
  close(): Promise<void>;
}

/** A chain on the state in a folder. */
export async function openBenchChain(dataDir: string): Promise<BenchChain> {
  const store = await createStore({ dataDir });
  const head = (): BlockHead => {
    const stored = store.headerByNumber(store.heads().unsafe.number);
    if (stored === null) throw new Error("the store has no head");
    return stored;
  };
  const failures: Error[] = [];
  const options = { size: WORKERS, dataDir, rollup: ROLLUP, verifiers: VERIFIERS };
  const pool = await createWorkerPool(options, silentLogger, (error) => {
    failures.push(error);
  });
  const signal = PreemptionSignal.create();
  const engine = createEmbeddedEngine({
    rollup: ROLLUP,
    head: head(),
    state: store.state,
    roots: pool.roots,
    preemption: createPreemption(signal, () => systemClock.monotonicMs()),
  });
  const environment = (): BlockEnvironment => {
    const parent = head();
    return {
      parent,
      timestamp: parent.header.timestamp + 1,
      prevRandao: GENESIS_ORIGIN.prevRandao,
      parentBeaconBlockRoot: GENESIS_ORIGIN.parentBeaconBlockRoot,
      gasLimit: ROLLUP.genesis.gasLimit,
    };
  };
  return {
    store,
    pool,
    engine,
    signal,
    head,
    environment,
    async block(transactions, options = {}) {
      const [failure] = failures;
      if (failure !== undefined) throw failure;
      const { number } = head().header;
      return runBlock({ store, engine, environment: environment(), number }, transactions, options);
    },
    async close() {
      await pool.stop();
      await store.close();
    },
  };
}

interface BlockParts {
  readonly store: Store;
  readonly engine: Engine;
  readonly environment: BlockEnvironment;
  /** Of the parent. */
  readonly number: number;
}

async function runBlock(
  { store, engine, environment, number }: BlockParts,
  transactions: readonly UserTransaction[],
  { status = 1, around = (execute) => execute() }: BlockOptions,
): Promise<BlockTimes> {
  const watch = stopwatch();
  await engine.open(environment);
  const sequenceNumber = BigInt(number + 1);
  const attributes = attributesTransaction(ROLLUP, GENESIS_ORIGIN, sequenceNumber);
  const applied = await engine.apply(attributes);
  if (!applied.ok) throw new Error(`attributes: ${applied.code}`);
  const gasBefore = engine.gasUsed();
  const openMs = watch();
  let executeMs = 0;
  await around(async () => {
    watch();
    for (const transaction of transactions) {
      // As the builder applies normal transactions; nobody raises the signal.
      const result = await engine.apply(transaction, { preemptible: true });
      if (!result.ok) throw new Error(`refused: ${result.code}`);
      if (result.receipt.status !== status) throw new Error(`status ${result.receipt.status}`);
    }
    executeMs = watch();
  });
  watch();
  const gasUsed = engine.gasUsed() - gasBefore;
  const executed = await engine.seal();
  const sealMs = watch();
  await store.commitBlock(commitOf(store, executed));
  const commitMs = watch();
  await engine.committed();
  const committedMs = watch();
  return {
    transactions: transactions.length,
    gasUsed,
    dirtyLeaves: countLeaves(executed.diff),
    openMs,
    executeMs,
    sealMs,
    commitMs,
    committedMs,
  };
}

/** Milliseconds since the call before. */
function stopwatch(): () => number {
  let last = performance.now();
  return () => {
    const now = performance.now();
    const elapsed = now - last;
    last = now;
    return elapsed;
  };
}

function countLeaves({ accounts }: StateDiff): number {
  return accounts.reduce((sum, { slots }) => sum + 1 + slots.length, 0);
}

/** A block in one flashblock, with admission numbers for each transaction as the node has them. */
function commitOf(store: Store, executed: ExecutedBlock): BlockCommit {
  const { block, receipts, diff, trie } = executed;
  const { number, timestamp } = block.header;
  const txCount = block.transactions.length;
  const first = BigInt(number) << 16n;
  return {
    stored: {
      block,
      laneData: {
        policyHash: POLICY.hash,
        flashblocks: [{ txCount, timestampMs: timestamp * 1000, leaderEpoch: 1 }],
        numbers: Array.from({ length: txCount - 1 }, (_, index) => ({
          accepted: first + BigInt(index),
          ready: first + BigInt(index),
        })),
      },
      orderHashes: [block.hash],
      laneState: encodeLaneState({ ...genesisLaneState(timestamp), blockNumber: number }),
      signature: null,
    },
    receipts,
    diff,
    trie,
    settled: [],
    heads: { ...store.heads(), unsafe: { number, hash: block.hash } },
  };
}
