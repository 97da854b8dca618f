/**
 * Rows of the lanes' report: medians over the repeats, beside idle, anvil and the targets.
 *
 * Owns what is shown and the targets (DESIGN 13). A lost transaction counts as infinitely late, so
 * that a percentile is infinite once more than its share is lost.
 */
import type { FloodReport } from "./lanes-flood.ts";
import type { LaneTimes, LoadReport } from "./lanes-load.ts";
import type { Condition } from "./lanes-options.ts";
import type { NodeStatus } from "../../node/api.ts";
import { comparedTo, figureOf, percentile, type Row, type Target, type Unit } from "./row.ts";

export const OURS = "pricelane";

/** One measurement. */
export interface Measurement {
  readonly system: string;
  readonly condition: Condition;
  readonly ratePerSecond: number;
  readonly load: LoadReport;
  readonly flood: FloodReport | null;
  readonly threads: Threads | null;
}

/** Of `lane_status`. */
export type Threads = Pick<NodeStatus, "loopDelayMs" | "threads">;

interface Share {
  readonly name: string;
  of(times: readonly number[]): number;
}

const SHARES: readonly Share[] = [
  { name: "p50", of: (times) => percentile(times, 0.5) },
  { name: "p99", of: (times) => percentile(times, 0.99) },
  { name: "max", of: (times) => percentile(times, 1) },
];
const FAST_IDLE_TARGETS: Readonly<Record<string, number>> = { p50: 3, p99: 10 };
/** How much later than idle the fast lane may be. */
const RATIO_TARGETS: Readonly<Record<Condition, number | null>> = {
  idle: null,
  transfers: 2,
  heavy: 3,
};
/** A flood that lets the pool run dry is none. */
const QUEUED_TARGET = 5_000;
const LANES = ["fast", "normal"] as const;
type Lane = (typeof LANES)[number];

/** All rows, in the order of the measurements. */
export function lanesRows(measurements: readonly Measurement[]): Row[] {
  const ours = measurements.filter(({ system }) => system === OURS);
  const kinds = new Map(ours.map((each) => [nameOf(each), each]));
  return [...kinds.values()].flatMap((kind) => {
    const table = new Table(measurements, kind);
    return [
      ...LANES.flatMap((lane) => table.laneRows(lane)),
      ...table.ratioRow(),
      ...table.throughputRows(),
      ...table.threadRows(),
      ...table.generatorRows(),
    ];
  });
}

function nameOf({ condition, ratePerSecond }: Pick<Measurement, "condition" | "ratePerSecond">) {
  return `${ratePerSecond}/s ${condition}`;
}

class Table {
  readonly #all: readonly Measurement[];
  readonly #kind: Measurement;

  constructor(all: readonly Measurement[], kind: Measurement) {
    this.#all = all;
    this.#kind = kind;
  }

  laneRows(lane: Lane): Row[] {
    const kinds = ["admission", "inclusion"] as const;
    const times = kinds.flatMap((kind) =>
      SHARES.map((share) => {
        const of = ({ load }: Measurement) => share.of(timesIn(load[lane], kind));
        const limit = this.#isFastIdle(lane, kind) ? FAST_IDLE_TARGETS[share.name] : undefined;
        const target = limit === undefined ? undefined : { atMost: limit };
        return this.#row(`${lane}: ${kind} ${share.name}`, "ms", of, target);
      }),
    );
    const lost = ({ load }: Measurement): number => lostIn(load[lane]);
    const target = lane === "fast" ? { atMost: 0 } : undefined;
    return [
      ...times,
      { ...this.#row(`${lane}: lost`, "tx", lost, target), ...this.#reasons(lane) },
    ];
  }

  /** The fast lane's p99 over that of the idle chain in the same repeat's place. */
  ratioRow(): Row[] {
    const limit = RATIO_TARGETS[this.#kind.condition];
    if (limit === null) return [];
    const p99 = (each: Measurement): number => percentile(each.load.fast.inclusionMs, 0.99);
    const idle = this.#of(OURS, "idle").map(p99);
    const loaded = this.#of(OURS).map(p99);
    if (idle.length === 0) return [];
    const figure = figureOf(loaded.map((value, run) => value / (idle[run] ?? NaN)));
    const measure = "fast: inclusion p99 / idle p99";
    return [{ name: nameOf(this.#kind), measure, unit: "×", figure, target: { atMost: limit } }];
  }

  throughputRows(): Row[] {
    // What a chain without a flood includes is what it was sent.
    if (this.#kind.condition === "idle") return [];
    const transactions = ({ load }: Measurement): number => load.txPerSecond ?? 0;
    const gas = ({ load }: Measurement): number => (load.gasPerSecond ?? 0) / 1e6;
    const best = Math.max(
      ...this.#peers().map((peer) => figureOf(this.#of(peer).map(transactions)).median),
    );
    const isCompared = this.#kind.condition === "transfers" && Number.isFinite(best);
    return [
      this.#row("included", "tx/s", transactions, isCompared ? { atLeast: best } : undefined),
      this.#row("included", "Mgas/s", gas),
      this.#row("least queued", "tx", ({ flood }) => flood?.queuedMin ?? 0, this.#leastQueued()),
      this.#row("flood refused", "tx", ({ flood }) =>
        Object.values(flood?.refused ?? {}).reduce((sum, count) => sum + count, 0),
      ),
    ];
  }

  /** While the EVM runs, the loop has no turn: preemption is what the fast lane does not wait. */
  threadRows(): Row[] {
    const delays = (["p50", "p99", "max"] as const).map((share) =>
      this.#row(
        `event-loop delay ${share}`,
        "ms",
        ({ threads }) => threads?.loopDelayMs[share] ?? NaN,
      ),
    );
    const names = new Set(
      this.#of(OURS).flatMap(({ threads }) => Object.keys(threads?.threads ?? {})),
    );
    const busy = [...names].map((name) =>
      this.#row(`busy: ${name}`, "%", ({ threads }) => 100 * (threads?.threads[name] ?? NaN)),
    );
    return [...delays, ...busy];
  }

  generatorRows(): Row[] {
    const lag = ({ load }: Measurement): number => percentile(load.lagMs, 0.99);
    const loads = this.#of(OURS).map(({ load }) => (load.loadAverage[0] ?? 0).toFixed(1));
    const note = `load average after each run of ${nameOf(this.#kind)}: ${loads.join(", ")}`;
    return [{ ...this.#row("load sent late p99", "ms", lag), note }];
  }

  #isFastIdle(lane: Lane, kind: string): boolean {
    return lane === "fast" && kind === "inclusion" && this.#kind.condition === "idle";
  }

  #leastQueued(): Target | undefined {
    return this.#kind.condition === "transfers" ? { atLeast: QUEUED_TARGET } : undefined;
  }

  #of(system: string, condition = this.#kind.condition): Measurement[] {
    return this.#all.filter(
      (each) =>
        each.system === system &&
        each.condition === condition &&
        each.ratePerSecond === this.#kind.ratePerSecond,
    );
  }

  #peers(): string[] {
    const systems = new Set(this.#all.map(({ system }) => system));
    return [...systems].filter((system) => system !== OURS && this.#of(system).length > 0);
  }

  #row(measure: string, unit: Unit, of: (each: Measurement) => number, target?: Target): Row {
    const figure = figureOf(this.#of(OURS).map(of));
    const peers = this.#peers()
      .map((peer) => comparedTo(figure, peer, this.#of(peer).map(of)))
      .filter(({ ratio }) => !Number.isNaN(ratio));
    const name = nameOf(this.#kind);
    return { name, measure, unit, figure, peers, ...(target === undefined ? {} : { target }) };
  }

  /** Of everybody: a ratio to nothing lost says nothing. */
  #reasons(lane: Lane): { note?: string } {
    const told = [OURS, ...this.#peers()].flatMap((system) =>
      this.#of(system).flatMap(({ load }) => {
        const { lost, inclusionMs } = load[lane];
        const of = inclusionMs.length;
        return Object.entries(lost).map(([why, n]) => `${system} ${n} of ${of} (${why})`);
      }),
    );
    const at = `${lane} at ${nameOf(this.#kind)}`;
    return told.length === 0 ? {} : { note: `lost, ${at}: ${told.join(", ")}` };
  }
}

function timesIn(times: LaneTimes, kind: "admission" | "inclusion"): readonly number[] {
  return kind === "admission" ? times.admissionMs : times.inclusionMs;
}

/** Transactions without a receipt of either kind that holds. */
export function lostIn({ admissionMs, inclusionMs }: LaneTimes): number {
  return inclusionMs.filter((ms, at) => ms === Infinity || admissionMs[at] === Infinity).length;
}
