/**
 * How long a fast transaction waits for a heavy one: it arrives from another thread while a worst
 * case runs in the engine, and its time ends when it is executed.
 *
 * The loop around the engine is the builder's: apply as preemptible, give the event loop its turn,
 * apply what has arrived. No journal and no pool: the figure is the engine's alone. Every probe has
 * a block of its own that is forgotten, so that the same two transactions serve all of them.
 */
import { setImmediate } from "node:timers/promises";
import type { UserTransaction } from "../../node/primitives/transaction.ts";
import { createRandom } from "../parity/random.ts";
import { type ArrivalSource, processMs, startArrivals } from "./arrivals.ts";
import type { BenchChain } from "./chain.ts";
import { figureOf, percentile, type Row } from "./row.ts";

/** DESIGN 4, and the issue: a heavy transaction delays the fast lane by no more. */
const DELAY_MS_MAX = 4;
const SEED = 7;
/** Age of the heavy transaction when the fast one arrives: beyond its fair start. */
const AGE_MS_MIN = 3;
const AGE_MS_MAX = 20;
/** Of the heavy transaction's whole time: it has to be running still. */
const AGE_SHARE_MAX = 0.7;
/** Probes that may come too late for each that counts. */
const TRIES_PER_PROBE = 3;

/** What fast transactions meet. */
export interface HeavyCase {
  readonly name: string;
  /** `null` for an idle engine. */
  readonly heavy: UserTransaction | null;
  /** What it takes when nothing interrupts it. */
  readonly durationMs: number;
}

/** What the others are compared with. */
const IDLE: HeavyCase = { name: "nothing", heavy: null, durationMs: Infinity };

/** Rows of an idle engine and of all cases, `count` fast transactions each. */
export async function heavyRows(
  chain: BenchChain,
  cases: readonly HeavyCase[],
  fast: UserTransaction,
  count: number,
): Promise<Row[]> {
  const random = createRandom(SEED);
  const sent: number[] = [];
  const source = await startArrivals(chain.signal, ({ sentMs }) => {
    sent.push(sentMs);
  });
  try {
    const rows: Row[] = [];
    let idleMs: number | null = null;
    for (const each of [IDLE, ...cases]) {
      const ageMsMax = Math.min(AGE_MS_MAX, AGE_SHARE_MAX * each.durationMs);
      const delays: number[] = [];
      for (let tries = 0; delays.length < count && tries < TRIES_PER_PROBE * count; tries++) {
        const spreadUs = Math.max(1, Math.round(1000 * (ageMsMax - AGE_MS_MIN)));
        const ageMs = Math.min(ageMsMax, AGE_MS_MIN + random.below(spreadUs) / 1000);
        const delayMs = await probe({ chain, source, sent }, each.heavy, fast, ageMs);
        if (delayMs !== null) delays.push(delayMs);
      }
      if (delays.length === 0) continue;
      rows.push(...delayRows(each, delays, idleMs));
      idleMs ??= figureOf(delays).median;
    }
    return rows;
  } finally {
    await source.stop();
  }
}

interface Probing {
  readonly chain: BenchChain;
  readonly source: ArrivalSource;
  /** When each arrival was sent, as they come in. */
  readonly sent: number[];
}

/** Delay of one fast transaction; `null` where the heavy one had ended before it was sent. */
async function probe(
  { chain, source, sent }: Probing,
  heavy: UserTransaction | null,
  fast: UserTransaction,
  ageMs: number,
): Promise<number | null> {
  const { engine, signal } = chain;
  signal.lower();
  sent.length = 0;
  await engine.open(chain.environment());
  source.want([ageMs]);
  if (heavy !== null) await engine.apply(heavy, { preemptible: true });
  const endedMs = heavy === null ? Infinity : processMs();
  while (sent.length === 0) await setImmediate();
  signal.lower();
  const result = await engine.apply(fast);
  const executedMs = processMs();
  if (!result.ok) throw new Error(`the fast transaction is refused: ${result.code}`);
  await engine.discard();
  const sentMs = sent[0] ?? Infinity;
  return sentMs > endedMs ? null : executedMs - sentMs;
}

/** `idleMs`: the median with nothing in the way, `null` for that case itself. */
function delayRows({ name }: HeavyCase, delays: readonly number[], idleMs: number | null): Row[] {
  const shared = { name: `fast behind ${name}`, unit: "ms" } as const;
  const whole = { ...shared, measure: "arrival to executed", figure: figureOf(delays) };
  if (idleMs === null) return [whole];
  const added = delays.map((delay) => Math.max(0, delay - idleMs));
  const target = { atMost: DELAY_MS_MAX };
  const note = "above the median of what a fast transaction takes behind nothing";
  return [
    whole,
    { ...shared, measure: "delay by it", figure: figureOf(added), target, note },
    {
      ...shared,
      measure: "delay by it, 95th percentile",
      figure: figureOf([percentile(added, 0.95)]),
      target,
      note,
    },
  ];
}
