/**
 * The process that probes both lanes: signs first, sends by a schedule, writes down when each
 * receipt arrived, checks the receipts afterwards.
 *
 * A time is counted from the moment a transaction was meant to be sent. What is refused or dropped,
 * has no receipt within the wait, or has one that does not hold, is lost: its time is infinite.
 */
import { loadavg } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import type { Hex } from "../../lanes/bytes.ts";
import { parsePolicy } from "../../lanes/policy.ts";
import type { SigningDomain } from "../../lanes/signed.ts";
import { recoverSigner } from "../../node/primitives/signature.ts";
import { serve } from "./lanes-child.ts";
import { createSigner, type Signed } from "./lanes-population.ts";
import { type ReceiptCheck, receiptCheck } from "./lanes-receipts.ts";
import { arrivals, runSchedule } from "./lanes-schedule.ts";
import { openTarget, type Outcomes, type Target, type TargetAddress } from "./lanes-target.ts";
import { GENESIS_TERM } from "../../node/rollup-config.ts";

const LEAD_MS = 200;
const LOOK_MS = 20;
/** Blocks whose transactions are counted: automine makes one for each. */
const BLOCKS_MAX = 4096;
const FAST_SEED = 101;
const NORMAL_SEED = 202;

export interface LoadJob {
  readonly target: TargetAddress;
  /** Whose receipts count; `null` where nobody signs. */
  readonly trust: {
    readonly domain: SigningDomain;
    readonly sequencer: Hex;
    /** The policy's document. */
    readonly policy: unknown;
  } | null;
  readonly ratePerSecond: number;
  readonly normalRatePerSecond: number;
  readonly seconds: number;
  /** After the last transaction. */
  readonly waitMs: number;
  readonly seed: number;
}

export interface LaneTimes {
  /** Each in milliseconds, infinite for what was lost. */
  readonly admissionMs: readonly number[];
  readonly inclusionMs: readonly number[];
  /** How many of each reason, the wait's end included. */
  readonly lost: Readonly<Record<string, number>>;
  /** Receipts of either kind whose signature and path hold. */
  readonly checked: number;
}

export interface LoadReport {
  readonly fast: LaneTimes;
  readonly normal: LaneTimes;
  /** How late each transaction was really sent: the load's own delay, which is in the times. */
  readonly lagMs: readonly number[];
  readonly txPerSecond: number | null;
  readonly gasPerSecond: number | null;
  readonly loadAverage: readonly number[];
}

export interface LoadCalls extends Record<string, readonly [unknown, unknown]> {
  measure: readonly [LoadJob, LoadReport];
}

interface Probe extends Signed {
  intendedMs: number;
  admittedMs: number | null;
  admission: unknown;
  includedMs: number | null;
  inclusion: unknown;
  failure: string | null;
}

const signers = { fast: createSigner("fast"), normal: createSigner("normal") };

function sign(lane: "fast" | "normal", count: number): Probe[] {
  return Array.from({ length: count }, () => ({
    ...signers[lane](),
    intendedMs: 0,
    admittedMs: null,
    admission: null,
    includedMs: null,
    inclusion: null,
    failure: null,
  }));
}

interface Head {
  readonly number: number;
  readonly gasUsed: bigint;
  readonly atMs: number;
}

function listenTo(probes: ReadonlyMap<Hex, Probe>, heads: Head[]): Outcomes {
  return {
    included(hash, atMs, receipt) {
      const probe = probes.get(hash);
      if (probe === undefined || probe.includedMs !== null) return;
      probe.includedMs = atMs;
      probe.inclusion = receipt;
    },
    dropped(hash, code) {
      const probe = probes.get(hash);
      if (probe !== undefined) probe.failure ??= code;
    },
    head(number, gasUsed, atMs) {
      if (heads.length < BLOCKS_MAX) heads.push({ number, gasUsed, atMs });
    },
  };
}

async function measure(job: LoadJob): Promise<LoadReport> {
  const fastTimes = arrivals(job.ratePerSecond, job.seconds, FAST_SEED + job.seed);
  const normalTimes = arrivals(job.normalRatePerSecond, job.seconds, NORMAL_SEED + job.seed);
  const fast = sign("fast", fastTimes.length);
  const normal = sign("normal", normalTimes.length);
  const probes = new Map([...fast, ...normal].map((probe) => [probe.hash, probe]));
  const heads: Head[] = [];
  const hashes = normal.map(({ hash }) => hash);
  const target = await openTarget(job.target, hashes, listenTo(probes, heads));
  try {
    const lagMs: number[] = [];
    const startMs = performance.now() + LEAD_MS;
    const send =
      (lane: "fast" | "normal", sent: readonly Probe[]) => (index: number, at: number) => {
        submit(target, lane, index, sent[index], at, lagMs);
      };
    await Promise.all([
      runSchedule(startMs, fastTimes, send("fast", fast)),
      runSchedule(startMs, normalTimes, send("normal", normal)),
    ]);
    const endMs = performance.now();
    await settled([...probes.values()], endMs + job.waitMs);
    return {
      fast: timesOf(fast, job),
      normal: timesOf(normal, job),
      lagMs,
      ...(await throughput(target, heads, startMs, endMs)),
      loadAverage: loadavg(),
    };
  } finally {
    target.close();
  }
}

function submit(
  target: Target,
  lane: "fast" | "normal",
  index: number,
  probe: Probe | undefined,
  intendedMs: number,
  lagMs: number[],
): void {
  if (probe === undefined) throw new Error("an arrival without a transaction");
  probe.intendedMs = intendedMs;
  lagMs.push(performance.now() - intendedMs);
  target.send(lane, index, probe.raw).then(
    ({ value, atMs }) => {
      probe.admittedMs = atMs;
      probe.admission = value;
    },
    (error: unknown) => {
      probe.failure ??= (error as Error).message;
    },
  );
}

async function settled(probes: readonly Probe[], untilMs: number): Promise<void> {
  const isOpen = ({ includedMs, admittedMs, failure }: Probe): boolean =>
    failure === null && (includedMs === null || admittedMs === null);
  while (performance.now() < untilMs && probes.some(isOpen)) await delay(LOOK_MS);
}

function checkOf(trust: NonNullable<LoadJob["trust"]>): ReceiptCheck {
  const policy = parsePolicy(trust.policy);
  if (!policy.ok) throw new Error(`the policy is invalid at ${policy.data["path"]}`);
  return receiptCheck({
    ...trust,
    term: GENESIS_TERM,
    policy: policy.value,
    recover: recoverSigner,
  });
}

function timesOf(probes: readonly Probe[], { trust }: LoadJob): LaneTimes {
  const check = trust === null ? null : checkOf(trust);
  const lost: Record<string, number> = {};
  let checked = 0;
  const lose = (reason: string): number => {
    lost[reason] = (lost[reason] ?? 0) + 1;
    return Infinity;
  };
  const holds = (receipt: unknown, hash: Hex, type: "admission" | "inclusion"): boolean => {
    if (check === null) return true;
    if (!check(receipt, hash, type)) return false;
    checked += 1;
    return true;
  };
  const admissionMs = probes.map(({ hash, admittedMs, admission, intendedMs, failure }) => {
    if (admittedMs === null) return failure === null ? lose("no answer") : Infinity;
    return holds(admission, hash, "admission") ? admittedMs - intendedMs : lose("bad admission");
  });
  const inclusionMs = probes.map(({ hash, includedMs, inclusion, intendedMs, failure }) => {
    if (includedMs === null) return lose(failure ?? "no receipt in time");
    return holds(inclusion, hash, "inclusion") ? includedMs - intendedMs : lose("bad inclusion");
  });
  return { admissionMs, inclusionMs, lost, checked };
}

/** From the first to the last head within the measurement; `null` with fewer than two. */
async function throughput(
  target: Target,
  heads: readonly Head[],
  startMs: number,
  endMs: number,
): Promise<Pick<LoadReport, "txPerSecond" | "gasPerSecond">> {
  const within = heads.filter(({ atMs }) => startMs <= atMs && atMs <= endMs);
  const [first, ...rest] = within;
  const last = rest.at(-1);
  if (first === undefined || last === undefined) return { txPerSecond: null, gasPerSecond: null };
  const seconds = (last.atMs - first.atMs) / 1000;
  let transactions = 0;
  for (const { number } of rest) transactions += await target.transactionsIn(number);
  const gas = rest.reduce((sum, { gasUsed }) => sum + Number(gasUsed), 0);
  return { txPerSecond: transactions / seconds, gasPerSecond: gas / seconds };
}

serve({ measure });
