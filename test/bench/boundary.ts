/**
 * The sequencer under a flood of token transfers: how long no fast transaction can be executed
 * around the end of a block, and how long fast ones that arrive from another thread wait.
 *
 * A block's stall begins with the end of its last transaction, or where that is later at its time
 * or when the block before is published (until then the builder listens), and ends when the next
 * one has its attributes, the first thing in a block: from then on the builder applies fast ones.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import type { Transaction, UserTransaction } from "../../node/primitives/transaction.ts";
import { createRandom } from "../parity/random.ts";
import { signNext } from "./accounts.ts";
import { processMs, startArrivals } from "./arrivals.ts";
import type { BenchChain } from "./chain.ts";
import { type EngineCall, type LiveSequencer, openLive } from "./live.ts";
import { FEEDS, feedId, ORACLE } from "./population.ts";
import { figureOf, percentile, type Row } from "./row.ts";
import { oracleReport, type SenderSupply, type Workload } from "./workloads.ts";

/** The bound on the stall of the fast lane at a block's end. */
const STALL_MS_MAX = 5;
const SEED = 11;
/** Fast transactions a second, evenly spread at random. */
const FAST_PER_SECOND = 80;
/** Later than any report of the workloads. */
const FIRST_REPORT_MS = 1_800_000_000_000;
const NS_PER_MS = 1e6;

/** One fast transaction on its way, in `processMs`. */
interface FastTimes {
  readonly sentMs: number;
  /** The sequencing thread has it. */
  readonly receivedMs: number;
  /** It is durable and in the pool. */
  readonly acceptedMs: number;
  readonly applyStartMs: number;
  readonly applyEndMs: number;
}

export interface FloodOptions {
  /** Blocks that are built under the flood alone, and as many with fast transactions. */
  readonly blocks: number;
  /** Blocks' worth of transactions in the pool when it begins. */
  readonly flood: Workload;
  readonly floodBlocks: number;
}

/** Rows of the stall, of the fast lane's waits, and of the event loop meanwhile. */
export async function boundaryRows(
  bench: BenchChain,
  reporters: SenderSupply,
  { blocks, flood, floodBlocks }: FloodOptions,
): Promise<Row[]> {
  // The sequencer goes on from a block with attributes.
  await bench.block([]);
  const live = await openLive(bench);
  const pending = Array.from({ length: floodBlocks }, () => flood.nextBlock()).flat();
  await submitAll(live, pending);
  const first = bench.environment().parent.header.number + 1;
  const loop = monitorEventLoopDelay({ resolution: 1 });
  loop.enable();
  const alone = await rateOf(bench, () => live.run(blocks));
  let fast: FastTimes[] = [];
  const mixed = await rateOf(bench, async () => {
    fast = await runWithFast(bench, live, reporters, blocks);
  });
  loop.disable();
  const built = userTransactions(bench, first).filter(({ to }) => to !== ORACLE).length;
  const note =
    built < pending.length
      ? "saturated: the pool had transactions left at the end"
      : "NOT saturated: the pool ran empty before the end";
  const row = (measure: string, unit: Row["unit"], value: number): Row => {
    return { name: "sequencer under flood", measure, unit, figure: figureOf([value]), note };
  };
  return [
    ...stallRows(live, note),
    ...fastRows(fast),
    row("in blocks, no fast ones", "tx/s", alone),
    row(`in blocks, ${FAST_PER_SECOND} fast ones a second among them`, "tx/s", mixed),
    row("event loop delay, 99th percentile", "ms", loop.percentile(99) / NS_PER_MS),
    row("event loop delay, longest", "ms", loop.max / NS_PER_MS),
  ];
}

/** User transactions a second in the blocks that are built meanwhile. */
async function rateOf(bench: BenchChain, build: () => Promise<void>): Promise<number> {
  const first = bench.environment().parent.header.number + 1;
  const startedMs = performance.now();
  await build();
  const seconds = (performance.now() - startedMs) / 1000;
  return userTransactions(bench, first).length / seconds;
}

/** User transactions of the blocks from this number on. */
function userTransactions({ store, environment }: BenchChain, first: number): Transaction[] {
  const found: Transaction[] = [];
  for (let number = first; number <= environment().parent.header.number; number++)
    found.push(...(store.blockByNumber(number)?.block.transactions.slice(1) ?? []));
  return found;
}

/** Submitted together, so that many share one sync of the journal. */
async function submitAll(
  { admission }: LiveSequencer,
  transactions: readonly UserTransaction[],
): Promise<void> {
  const answers = await Promise.all(transactions.map((each) => admission.submit(each)));
  const refused = answers.find((answer) => !answer.ok);
  if (refused?.ok === false) throw new Error(`the flood is refused: ${refused.code}`);
}

async function runWithFast(
  bench: BenchChain,
  live: LiveSequencer,
  reporters: SenderSupply,
  blocks: number,
): Promise<FastTimes[]> {
  const count = FAST_PER_SECOND * blocks;
  const reports = Array.from({ length: count }, (_, index) =>
    signNext(
      reporters.next(),
      oracleReport(feedId(index % FEEDS), 1_000_000n, FIRST_REPORT_MS + index),
    ),
  );
  const received: (Pick<FastTimes, "sentMs" | "receivedMs"> | undefined)[] = [];
  const failures: unknown[] = [];
  const source = await startArrivals(bench.signal, ({ index, sentMs }) => {
    const report = reports[index];
    if (report === undefined) return;
    received[index] = { sentMs, receivedMs: processMs() };
    live.admission.submit(report).then(
      (answer) => {
        if (!answer.ok) failures.push(new Error(`a report is refused: ${answer.code}`));
      },
      (error: unknown) => failures.push(error),
    );
  });
  try {
    const random = createRandom(SEED);
    const meanMs = 1000 / FAST_PER_SECOND;
    source.want(reports.map(() => meanMs / 2 + (meanMs * random.below(1000)) / 1000));
    await live.run(blocks);
  } finally {
    await source.stop();
  }
  if (failures.length > 0) throw failures[0];
  return reports.flatMap(({ hash }, index) => {
    const times = received[index];
    const acceptedMs = live.acceptedMs.get(hash);
    const call = live.calls.find((each) => each.hash === hash);
    // Those at the end were not executed before the run ended.
    if (times === undefined || acceptedMs === undefined || call === undefined) return [];
    return [{ ...times, acceptedMs, applyStartMs: call.startMs, applyEndMs: call.endMs }];
  });
}

/** From each block's end to the next one's attributes, and its parts. */
function stallRows(live: LiveSequencer, note: string): Row[] {
  const stalls = stallsOf(live);
  const name = "block boundary under flood";
  const row = (measure: string, value: (stall: Stall) => number): Row => {
    return { name, measure, unit: "ms", figure: figureOf(stalls.map(value)), note };
  };
  return [
    {
      ...row("stall of the fast lane", ({ wholeMs }) => wholeMs),
      target: { atMost: STALL_MS_MAX },
    },
    row("of it: until the block is sealed", ({ untilSealMs }) => untilSealMs),
    row("of it: until the next one is opened", ({ untilOpenMs }) => untilOpenMs),
    row("of it: open", ({ openMs }) => openMs),
    row("of it: the pool's new order", ({ poolMs }) => poolMs),
    row("of it: attributes", ({ attributesMs }) => attributesMs),
    row("seal to roots, not in the stall", ({ sealMs }) => sealMs),
    row("seal to committed, not in the stall", ({ commitMs }) => commitMs),
  ];
}

interface Stall {
  readonly wholeMs: number;
  readonly untilSealMs: number;
  readonly untilOpenMs: number;
  readonly openMs: number;
  readonly poolMs: number;
  readonly attributesMs: number;
  readonly sealMs: number;
  readonly commitMs: number;
}

function stallsOf({ calls, publishedMs, sealAtMs }: LiveSequencer): Stall[] {
  const of = (kind: EngineCall["kind"]): EngineCall[] =>
    calls.filter((call) => call.kind === kind).sort((a, b) => a.startMs - b.startMs);
  const kinds = { open: of("open"), attributes: of("attributes"), committed: of("committed") };
  const applies = of("apply");
  const stalls: Stall[] = [];
  for (const [index, seal] of of("seal").entries()) {
    const after = (kind: keyof typeof kinds): EngineCall | undefined =>
      kinds[kind].find(({ startMs }) => startMs >= seal.startMs);
    const [open, ready, commit] = [after("open"), after("attributes"), after("committed")];
    if (open === undefined || ready === undefined || commit === undefined) continue;
    const lastMs = Math.max(
      ...applies.filter(({ endMs }) => endMs <= seal.startMs).map(({ endMs }) => endMs),
    );
    // Until the block before was published, this one was open to the fast lane.
    const freedMs = publishedMs.findLast((at) => at <= seal.startMs) ?? 0;
    const endedMs = Math.min(seal.startMs, Math.max(lastMs, sealAtMs(index), freedMs));
    stalls.push({
      wholeMs: ready.endMs - endedMs,
      untilSealMs: seal.startMs - endedMs,
      untilOpenMs: open.startMs - seal.startMs,
      openMs: open.endMs - open.startMs,
      poolMs: ready.startMs - open.endMs,
      attributesMs: ready.endMs - ready.startMs,
      sealMs: seal.endMs - seal.startMs,
      commitMs: commit.endMs - seal.startMs,
    });
  }
  return stalls;
}

/** What fast transactions wait for the sequencing thread, and their whole way. */
function fastRows(fast: readonly FastTimes[]): Row[] {
  const name = "fast lane under flood";
  const note =
    "waiting for the sequencing thread to listen and to execute; the journal's sync is left out";
  const waits = fast.map(
    ({ sentMs, receivedMs, acceptedMs, applyStartMs }) =>
      receivedMs - sentMs + (applyStartMs - acceptedMs),
  );
  const whole = fast.map(({ sentMs, applyEndMs }) => applyEndMs - sentMs);
  const row = (measure: string, values: readonly number[]): Row[] => [
    { name, measure, unit: "ms", figure: figureOf(values) },
    {
      name,
      measure: `${measure}, 99th percentile`,
      unit: "ms",
      figure: figureOf([percentile(values, 0.99)]),
    },
  ];
  return [
    ...row("wait", waits).map((each) => ({ ...each, note })),
    ...row("arrival to executed", whole),
  ];
}
