/**
 * The chain that the benchmarks measure: the real store on disk, the real worker pool with the
 * roots, the real embedded engine, wired as `node/core.ts` wires them. Blocks go through the
 * `Engine` port in two ways: step by step, each step timed alone, or in a stream as the sequencer
 * builds them, where a block is hashed in slices and committed while the next one executes.
 *
 * Owns the stopwatch. Does not own the state, nor what is in the blocks.
 */
import { setImmediate } from "node:timers/promises";
import { encodeLaneState, genesisLaneState } from "../../lanes/lane-state.ts";
import { attributesTransaction } from "../../node/chain/attributes.ts";
import { systemClock } from "../../node/clock.ts";
import { createEmbeddedEngine } from "../../node/execution/embedded/engine.ts";
import { createPreemption } from "../../node/execution/embedded/preemption.ts";
import type { BlockEnvironment, Engine, ExecutedBlock } from "../../node/execution/engine.ts";
import { silentLogger } from "../../node/log.ts";
import { PreemptionSignal } from "../../node/preemption-signal.ts";
import type { UserTransaction } from "../../node/primitives/transaction.ts";
import { createStore } from "../../node/storage/chain-store.ts";
import type { StateDiff } from "../../node/storage/state.ts";
import { type BlockCommit, NO_ADMISSIONS, type Store } from "../../node/storage/store.ts";
import { ThreadLoad } from "../../node/thread-load.ts";
import { createWorkerPool, type WorkerPool } from "../../node/workers/pool.ts";
import { GENESIS_ORIGIN, POLICY, ROLLUP } from "./rollup.ts";
import { NO_LANE_PRICES } from "../../lanes/lane-data.ts";

/** As a node has by default: threads of the pool, and those of the independent check. */
const WORKERS = 2;
const VERIFIERS = 1;
/** As `node/sequencer/builder.ts` has them: a turn for the event loop, a slice for the hasher. */
const TURN_MS = 2;
const SLICE_MS = 50;

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
  /** The same in time of the processor, which other processes do not stretch. */
  readonly executeCpuMs: number;
  /** Diff, roots and header of the whole block; the roots are hashed in another thread. */
  readonly sealMs: number;
  /** `Store.commitBlock`. */
  readonly commitMs: number;
  /** `Engine.committed`. */
  readonly committedMs: number;
}

/** A block of a stream. */
export interface StreamTimes {
  readonly transactions: number;
  /** From its opening to that of the next one. */
  readonly blockMs: number;
  /** From its end to its roots, most of which were hashed before. */
  readonly sealMs: number;
}

/** Runs the execution of a block's transactions, and whatever is to happen around it. */
export type Around = (execute: () => Promise<void>) => Promise<void>;

export interface BlockOptions {
  /** Status of each receipt. @default 1 */
  readonly status?: 0 | 1;
  readonly around?: Around;
}

/** An environment whose parent is committed. */
export interface HeadEnvironment extends BlockEnvironment {
  readonly parent: NonNullable<BlockEnvironment["parent"]>;
}

export interface BenchChain {
  readonly store: Store;
  readonly pool: WorkerPool;
  readonly engine: Engine;
  /** Makes a transaction that is applied as preemptible give way. */
  readonly signal: PreemptionSignal;
  /** The environment of a block on the head. */
  environment(): HeadEnvironment;
  /**
   * Executes, seals and commits a block. Throws where a transaction is refused or its receipt has
   * another status.
   */
  block(transactions: readonly UserTransaction[], options?: BlockOptions): Promise<BlockTimes>;
  /** Builds blocks one on the other without waiting for roots and disk. */
  stream(blocks: readonly (readonly UserTransaction[])[]): Promise<StreamTimes[]>;
  close(): Promise<void>;
}

/** A chain on the state in a folder. */
export async function openBenchChain(dataDir: string): Promise<BenchChain> {
  const store = await createStore({ dataDir });
  const head = (): HeadEnvironment["parent"] => {
    const stored = store.headerByNumber(store.heads().unsafe.number);
    if (stored === null) throw new Error("the store has no head");
    return stored;
  };
  const failures: Error[] = [];
  const pool = await createWorkerPool(
    {
      ...{ size: WORKERS, verifiers: VERIFIERS, speculates: true, dataDir, rollup: ROLLUP },
      load: new ThreadLoad("bench"),
    },
    silentLogger,
    (error) => {
      failures.push(error);
    },
  );
  const signal = PreemptionSignal.create();
  const engine = createEmbeddedEngine({
    rollup: ROLLUP,
    head: head(),
    state: store.state,
    roots: pool.roots,
    preemption: createPreemption(signal, () => systemClock.monotonicMs()),
  });
  const environment = (): HeadEnvironment => {
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
    environment,
    async block(transactions, options = {}) {
      const [failure] = failures;
      if (failure !== undefined) throw failure;
      return runBlock({ store, engine, environment: environment() }, transactions, options);
    },
    stream: (blocks) => runStream({ store, engine, environment: environment() }, blocks),
    async close() {
      await pool.stop();
      await store.close();
    },
  };
}

interface BlockParts {
  readonly store: Store;
  readonly engine: Engine;
  readonly environment: HeadEnvironment;
}

async function runBlock(
  { store, engine, environment }: BlockParts,
  transactions: readonly UserTransaction[],
  { status = 1, around = (execute) => execute() }: BlockOptions,
): Promise<BlockTimes> {
  const watch = stopwatch();
  await openBlock(engine, environment, environment.parent.header.number + 1);
  const gasBefore = engine.gasUsed();
  const openMs = watch();
  let executeMs = 0;
  let executeCpuMs = 0;
  await around(async () => {
    const startedCpuMs = cpuMs();
    watch();
    for (const transaction of transactions) await applyOne(engine, transaction, status);
    executeMs = watch();
    executeCpuMs = cpuMs() - startedCpuMs;
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
    executeCpuMs,
    sealMs,
    commitMs,
    committedMs,
  };
}

async function runStream(
  { store, engine, environment }: BlockParts,
  blocks: readonly (readonly UserTransaction[])[],
): Promise<StreamTimes[]> {
  const starts: number[] = [];
  const sealMs: number[] = [];
  const first = environment.parent.header;
  let finishing: Promise<void> = Promise.resolve();
  const finish = async (sealing: Promise<ExecutedBlock>): Promise<void> => {
    const endedMs = performance.now();
    const executed = await sealing;
    sealMs.push(performance.now() - endedMs);
    await store.commitBlock(commitOf(store, executed));
    await engine.committed();
  };
  try {
    for (const [index, transactions] of blocks.entries()) {
      starts.push(performance.now());
      const parent = index === 0 ? environment.parent : null;
      const timestamp = first.timestamp + 1 + index;
      await openBlock(engine, { ...environment, parent, timestamp }, first.number + 1 + index);
      await executeInTurns(engine, transactions);
      await finishing;
      finishing = finish(engine.seal());
    }
  } finally {
    // Whatever went wrong, nothing of it is under way when the store closes.
    await Promise.allSettled([finishing]);
  }
  await finishing;
  starts.push(performance.now());
  return blocks.map((transactions, index) => ({
    transactions: transactions.length,
    blockMs: (starts[index + 1] ?? 0) - (starts[index] ?? 0),
    sealMs: sealMs[index] ?? 0,
  }));
}

/** Opens a block and applies what comes before user transactions. */
async function openBlock(
  engine: Engine,
  environment: BlockEnvironment,
  number: number,
): Promise<void> {
  await engine.open(environment);
  const attributes = attributesTransaction(ROLLUP, GENESIS_ORIGIN, BigInt(number));
  const applied = await engine.apply(attributes);
  if (!applied.ok) throw new Error(`attributes: ${applied.code}`);
}

/** As the builder applies normal transactions; nobody raises the signal. */
async function applyOne(
  engine: Engine,
  transaction: UserTransaction,
  status: 0 | 1,
): Promise<void> {
  const result = await engine.apply(transaction, { preemptible: true });
  if (!result.ok) throw new Error(`refused: ${result.code}`);
  if (result.receipt.status !== status) throw new Error(`status ${result.receipt.status}`);
}

async function executeInTurns(
  engine: Engine,
  transactions: readonly UserTransaction[],
): Promise<void> {
  let turnMs = performance.now();
  let sliceMs = turnMs;
  for (const transaction of transactions) {
    await applyOne(engine, transaction, 1);
    const nowMs = performance.now();
    if (nowMs - sliceMs >= SLICE_MS) {
      engine.endSlice();
      sliceMs = nowMs;
    }
    if (nowMs - turnMs < TURN_MS) continue;
    await setImmediate();
    turnMs = performance.now();
  }
}

/** Of all threads: while one executes, the others of this process have nothing to do. */
export function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
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
        flashblocks: [
          { txCount, timestampMs: timestamp * 1000, leaderEpoch: 1, ...NO_LANE_PRICES },
        ],
        numbers: Array.from({ length: txCount - 1 }, (_, index) => ({
          accepted: first + BigInt(index),
          ready: first + BigInt(index),
        })),
      },
      orderHashes: [block.hash],
      flashblockSignatures: [],
      laneState: encodeLaneState({ ...genesisLaneState(timestamp), blockNumber: number }),
      signature: null,
    },
    receipts,
    diff,
    trie,
    settled: [],
    admissions: NO_ADMISSIONS,
    heads: { ...store.heads(), unsafe: { number, hash: block.hash } },
  };
}
