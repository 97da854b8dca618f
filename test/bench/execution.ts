/**
 * Rows of a workload: transactions and gas a second of execution alone and of whole blocks, sealing
 * and committing.
 *
 * One block warms up (code, caches, the JIT), then each run is one block; nothing is executed
 * twice.
 */
import type { BenchChain, BlockTimes, StreamTimes } from "./chain.ts";
import type { Profile } from "./profile.ts";
import { figureOf, type Row, type Target } from "./row.ts";
import type { UserTransaction } from "../../node/primitives/transaction.ts";
import type { Workload } from "./workloads.ts";

/** What the issue asks of execution alone, in transactions a second. */
const EXECUTION_TARGETS: Readonly<Record<string, Target>> = {
  transfers: { atLeast: 5_000 },
  "erc-20": { atLeast: 1_300 },
};

/** What the issue asks of a root. */
const ROOT_MS_MAX = 40;
const GAS_PER_MGAS = 1_000_000;
export const PROCESSOR_TIME = "execution, by processor time";
const PROCESSOR_NOTE =
  "of all threads, the collector's and LevelDB's too, as if on one core; other processes do not count";
export const WHOLE_BLOCK = "blocks in a stream";
const ROOTS_NOTE =
  "time of `seal` without slices: diff, state roots and the lists' roots in their thread, both ways";
const STREAM_NOTE =
  "opened, executed, hashed in slices of 50 ms, sealed; committed while the next one executes";

/** Runs of one workload end when they have taken this long, however few they are. */
const RUNS_MS_MAX = 15_000;

export interface WorkloadRun {
  readonly workload: Workload;
  /** Blocks that count. */
  readonly times: readonly BlockTimes[];
  /** Every block, the one that warmed up first. */
  readonly blocks: readonly (readonly UserTransaction[])[];
  readonly gasUsed: readonly bigint[];
}

/** Warms up, then runs `runs` blocks of the workload; the profile, if any, sees only those. */
export async function runWorkload(
  chain: BenchChain,
  workload: Workload,
  runs: number,
  profile: Profile | null = null,
): Promise<WorkloadRun> {
  const { status } = workload;
  const around = profile === null ? {} : { around: profile.around };
  const warmUp = workload.warmUpBlock();
  const warmUpTimes = await chain.block(warmUp, { status });
  const blocks = [warmUp];
  const times: BlockTimes[] = [];
  const startedMs = performance.now();
  while (times.length < runs && performance.now() - startedMs < RUNS_MS_MAX) {
    const transactions = workload.nextBlock();
    times.push(await chain.block(transactions, { status, ...around }));
    blocks.push(transactions);
  }
  const gasUsed = [warmUpTimes, ...times].map((each) => each.gasUsed);
  return { workload, times, blocks, gasUsed };
}

/** Rows of an ordinary workload, block by block. */
export function workloadRows(name: string, blocks: readonly BlockTimes[]): Row[] {
  const target = EXECUTION_TARGETS[name];
  const per = (value: (times: BlockTimes) => number) => figureOf(blocks.map(value));
  return [
    {
      name,
      measure: "execution",
      unit: "tx/s",
      figure: per((times) => perSecond(times.transactions, times.executeMs)),
      ...(target === undefined ? {} : { target }),
    },
    {
      name,
      measure: PROCESSOR_TIME,
      unit: "tx/s",
      figure: per((times) => perSecond(times.transactions, times.executeCpuMs)),
      ...(target === undefined ? {} : { target }),
      note: PROCESSOR_NOTE,
    },
    { name, measure: "execution", unit: "Mgas/s", figure: per(executedMgas) },
    { name, measure: "gas a transaction", unit: "gas", figure: per(gasPerTransaction) },
    { name, measure: "dirty leaves a block", unit: "leaves", figure: per((t) => t.dirtyLeaves) },
    {
      name,
      measure: "roots of 1,000 dirty leaves",
      unit: "ms",
      figure: per((times) => (1000 * times.sealMs) / times.dirtyLeaves),
      target: { atMost: ROOT_MS_MAX },
      note: ROOTS_NOTE,
    },
    { name, measure: "commitBlock", unit: "ms", figure: per((times) => times.commitMs) },
    { name, measure: "committed", unit: "ms", figure: per((times) => times.committedMs) },
  ];
}

/** Rows of the same in a stream of blocks. */
export function streamRows(name: string, blocks: readonly StreamTimes[]): Row[] {
  const per = (value: (times: StreamTimes) => number) => figureOf(blocks.map(value));
  return [
    {
      name,
      measure: WHOLE_BLOCK,
      unit: "tx/s",
      figure: per((times) => perSecond(times.transactions, times.blockMs)),
      note: STREAM_NOTE,
    },
    {
      name,
      measure: "seal of a block hashed in slices",
      unit: "ms",
      figure: per((times) => times.sealMs),
      note: STREAM_NOTE,
    },
  ];
}

/** Rows of a worst-case loop. */
export function loopRows(name: string, blocks: readonly BlockTimes[]): Row[] {
  const per = (value: (times: BlockTimes) => number) => figureOf(blocks.map(value));
  return [
    { name, measure: "execution", unit: "Mgas/s", figure: per(executedMgas) },
    {
      name,
      measure: PROCESSOR_TIME,
      unit: "Mgas/s",
      figure: per(({ gasUsed, executeCpuMs }) =>
        perSecond(Number(gasUsed) / GAS_PER_MGAS, executeCpuMs),
      ),
      note: PROCESSOR_NOTE,
    },
    { name, measure: "one transaction", unit: "ms", figure: per((times) => times.executeMs) },
  ];
}

function executedMgas({ gasUsed, executeMs }: BlockTimes): number {
  return perSecond(Number(gasUsed) / GAS_PER_MGAS, executeMs);
}

function gasPerTransaction({ gasUsed, transactions }: BlockTimes): number {
  return Number(gasUsed) / transactions;
}

function perSecond(count: number, ms: number): number {
  return (1000 * count) / ms;
}
