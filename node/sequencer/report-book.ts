/**
 * Reports that wait for an epoch: the newest of every publisher for every feed.
 *
 * Owns whose turn a report is (sequences of a key, a publisher's rate), that a key which signs two
 * reports for one sequence is not heard again, and which reports are of no more use. Does not own
 * numbers, the journal, nor what an epoch is made of. PROTOCOL 5.
 *
 * Bounded by the policy: one report a publisher and feed, and `waitingBytesMax` bytes of a publisher;
 * `RECENT_MAX` a key, a pair of them for each key that has to be suspended; and by whoever takes in
 * no more while `leftBytes` is high.
 */
import assert from "node:assert/strict";
import type { Hex } from "../../lanes/bytes.ts";
import { AHEAD_MAX_MS, isFresh, isReportNewer, isUseful } from "../../lanes/epoch.ts";
import { listedBytes, waitingBytesMax } from "../../lanes/epoch-size.ts";
import type { LaneReport } from "../../lanes/lane-data.ts";
import type { Policy } from "../../lanes/policy.ts";
import { feedsOfPublisher, type PolicyFeed } from "../../lanes/policy-feeds.ts";
import type { PriceState } from "../../lanes/price-state.ts";
import { areConflicting, laneReportOf, type VerifiedReport } from "../../lanes/report-rules.ts";
import { accept, refuse, type Verdict } from "../../lanes/verdict.ts";
import { SenderLimits } from "../txpool/sender-limits.ts";

/** How far a sequence may be above the last of its key. */
const SEQUENCE_AHEAD_MAX = 2n ** 32n;
/** Reports of a key that another one for the same sequence is compared with. */
const RECENT_MAX = 16;

export type ReportTurn =
  | "REPORT_KEY_SUSPENDED"
  | "REPORT_CONFLICT"
  | "REPORT_REPLAYED"
  | "REPORT_SEQUENCE_TOO_HIGH"
  | "REPORT_STALE"
  | "REPORT_FROM_FUTURE"
  | "RATE_LIMITED";

/** Two reports that one key signed for one sequence. */
export type ConflictPair = readonly [LaneReport, LaneReport];

interface Key {
  /** The highest sequence taken in. */
  last: bigint;
  /** By sequence, the oldest first. */
  readonly recent: Map<bigint, VerifiedReport>;
}

/** A report's record in the journal. */
interface Held {
  readonly accepted: bigint;
  readonly key: Hex;
  readonly sequence: bigint;
  readonly bytes: number;
  isDurable: boolean;
}

interface Waiting {
  readonly report: VerifiedReport;
  readonly held: Held;
  /** Feeds that it is the newest for. */
  feeds: number;
  /** What it took the place of. The journal keeps that until it holds this one. */
  readonly replaced: Held[];
}

/** What a publisher may ask for. */
interface Voice {
  /** All keys of a publisher share one rate: that of its first. */
  readonly key: Hex;
  readonly waitingBytesMax: number;
}

export class ReportBook {
  readonly #policy: Policy;
  readonly #limits: SenderLimits;
  /** By publisher. */
  readonly #voices: ReadonlyMap<number, Voice>;
  readonly #keys = new Map<Hex, Key>();
  /** By publisher, then by feed. */
  readonly #newest = new Map<number, Map<Hex, Waiting>>();
  readonly #waiting = new Set<Waiting>();
  readonly #conflicts = new Map<Hex, ConflictPair>();
  /** Not waiting any more; the journal need not hold them. */
  #left: Held[] = [];
  #leftBytes = 0;
  #version = 0;

  /** `nowMs` is monotonic. */
  constructor(policy: Policy, nowMs: () => number) {
    this.#policy = policy;
    const { fast, publishers, feeds } = policy.document;
    this.#limits = new SenderLimits(fast.perSender, nowMs);
    this.#voices = new Map(
      publishers.flatMap(({ id, keys: [key] }) =>
        key === undefined
          ? []
          : [[id, { key, waitingBytesMax: waitingBytesMax(feedsOfPublisher(feeds, id).length) }]],
      ),
    );
  }

  /** Changes whenever there is something new to make an epoch of. */
  get version(): number {
    return this.#version;
  }

  /** What an epoch may list, in no order. */
  reports(): VerifiedReport[] {
    return [...this.#waiting].map(({ report }) => report);
  }

  /** What suspends the keys that `suspended` does not hold yet. */
  conflicts(suspended: readonly Hex[]): ConflictPair[] {
    return [...this.#conflicts].filter(([key]) => !suspended.includes(key)).map(([, pair]) => pair);
  }

  /** The highest sequence that a key has used; 0 before the first. */
  sequenceOf(key: Hex): bigint {
    return this.#keys.get(key)?.last ?? 0n;
  }

  /** Whether the key has signed two reports for one sequence here. */
  isSuspended(key: Hex): boolean {
    return this.#conflicts.has(key);
  }

  /**
   * Whether it is this report's turn at a time. A report that contradicts another of its key is
   * kept as a proof, and refused.
   */
  check(
    report: VerifiedReport,
    suspended: readonly Hex[],
    timeMs: number,
  ): Verdict<null, ReportTurn> {
    const { key, publisher } = report;
    const { sequence, publishTimeMs } = report.report;
    if (suspended.includes(key) || this.isSuspended(key))
      return refuse("REPORT_KEY_SUSPENDED", { key });
    const { last = 0n, recent } = this.#keys.get(key) ?? {};
    const known = recent?.get(sequence);
    if (known !== undefined && areConflicting(known, report)) {
      this.#suspend(key, [laneReportOf(known), laneReportOf(report)]);
      return refuse("REPORT_CONFLICT", { key, sequence: sequence.toString() });
    }
    if (sequence <= last) return refuse("REPORT_REPLAYED", { last: last.toString() });
    if (sequence > last + SEQUENCE_AHEAD_MAX)
      return refuse("REPORT_SEQUENCE_TOO_HIGH", { last: last.toString() });
    if (publishTimeMs > timeMs + AHEAD_MAX_MS)
      return refuse("REPORT_FROM_FUTURE", { timeMs, publishTimeMs });
    if (!this.#feedsOf(report).some((feed) => isFresh(feed, publishTimeMs, timeMs)))
      return refuse("REPORT_STALE", { timeMs, publishTimeMs });
    const voice = this.#voices.get(publisher);
    assert(voice !== undefined, "a publisher of the policy");
    const bytes = this.#bytesBeside(report) + listedBytes(report.bytes.length);
    if (bytes > voice.waitingBytesMax)
      return refuse("RATE_LIMITED", { publisher, bytes, bytesMax: voice.waitingBytesMax });
    if (!this.#limits.takeFast(voice.key)) return refuse("RATE_LIMITED", { publisher });
    return accept(null);
  }

  /** Bytes that the journal still has to let go of. */
  get leftBytes(): number {
    return this.#leftBytes;
  }

  /**
   * A report taken in under this number; what it makes useless waits no more. Returns what to call
   * when the journal holds it.
   */
  put(report: VerifiedReport, accepted: bigint): () => void {
    const { publisher, key } = report;
    const { sequence, observations } = report.report;
    this.#heard(report);
    const held = { accepted, key, sequence, bytes: report.bytes.length, isDurable: false };
    const waiting: Waiting = { report, held, feeds: 0, replaced: [] };
    const own = this.#newest.get(publisher) ?? new Map<Hex, Waiting>();
    this.#newest.set(publisher, own);
    this.#waiting.add(waiting);
    for (const { feedId } of observations) {
      const before = own.get(feedId);
      if (before !== undefined && !isNewerThan(report, before)) continue;
      own.set(feedId, waiting);
      waiting.feeds += 1;
      if (before !== undefined) this.#lose(before, waiting);
    }
    if (waiting.feeds === 0) this.#leave(waiting);
    else this.#version += 1;
    return () => {
      held.isDurable = true;
      this.#left.push(...waiting.replaced.splice(0));
    };
  }

  /** A key has used this sequence: lower ones are no news. */
  used(key: Hex, sequence: bigint): void {
    const known = this.#keys.get(key);
    if (known === undefined) this.#keys.set(key, { last: sequence, recent: new Map() });
    else if (sequence > known.last) known.last = sequence;
  }

  /** Lets go of what can be in no later epoch: stale, or not newer than what `prices` holds. */
  prune(prices: PriceState, timeMs: number): void {
    const { feeds, suspended } = prices;
    for (const waiting of this.#waiting) {
      const { report } = waiting;
      const isKept =
        !suspended.includes(report.key) &&
        (report.report.publishTimeMs > timeMs || isUseful(this.#policy, feeds, report, timeMs));
      if (!isKept) this.#forget(waiting);
    }
  }

  /**
   * Numbers of durable reports that wait no more, each once. The last of a key stays in the
   * journal: after a restart nothing else may know how far the key has come.
   */
  takeLeft(): bigint[] {
    const isLast = ({ key, sequence }: Held): boolean => this.#keys.get(key)?.last === sequence;
    const taken: bigint[] = [];
    this.#left = this.#left.filter((held) => {
      if (!held.isDurable || isLast(held)) return true;
      taken.push(held.accepted);
      this.#leftBytes -= held.bytes;
      return false;
    });
    return taken;
  }

  /** What would wait of its publisher beside a report: bytes in a block. */
  #bytesBeside(report: VerifiedReport): number {
    const covered = new Set(report.report.observations.map(({ feedId }) => feedId));
    const beside = new Set<Waiting>();
    for (const [feedId, waiting] of this.#newest.get(report.publisher) ?? [])
      if (!covered.has(feedId) || !isNewerThan(report, waiting)) beside.add(waiting);
    let bytes = 0;
    for (const { held } of beside) bytes += listedBytes(held.bytes);
    return bytes;
  }

  #heard(report: VerifiedReport): void {
    const { key } = report;
    const { sequence } = report.report;
    this.used(key, sequence);
    const recent = this.#keys.get(key)?.recent;
    recent?.set(sequence, report);
    const [oldest] = recent?.keys() ?? [];
    if (recent !== undefined && recent.size > RECENT_MAX && oldest !== undefined)
      recent.delete(oldest);
  }

  #suspend(key: Hex, pair: ConflictPair): void {
    this.#conflicts.set(key, pair);
    for (const waiting of this.#waiting) if (waiting.report.key === key) this.#forget(waiting);
    this.#version += 1;
  }

  #forget(waiting: Waiting): void {
    const own = this.#newest.get(waiting.report.publisher);
    for (const { feedId } of waiting.report.report.observations)
      if (own?.get(feedId) === waiting) own.delete(feedId);
    this.#leave(waiting);
  }

  /** It is not the newest of a feed any more; a newer one is, which may not be durable yet. */
  #lose(waiting: Waiting, by: Waiting): void {
    waiting.feeds -= 1;
    if (waiting.feeds > 0) return;
    this.#waiting.delete(waiting);
    this.#leftBytes += waiting.held.bytes;
    by.replaced.push(waiting.held);
  }

  #leave(waiting: Waiting): void {
    this.#waiting.delete(waiting);
    this.#leftBytes += waiting.held.bytes;
    this.#left.push(waiting.held);
  }

  #feedsOf({ report }: VerifiedReport): PolicyFeed[] {
    return report.observations.flatMap(({ feedId }) => this.#policy.feedsById.get(feedId) ?? []);
  }
}

function isNewerThan(report: VerifiedReport, { report: before }: Waiting): boolean {
  const { publishTimeMs, sequence } = before.report;
  return isReportNewer(report, { publishTimeMs, sequence, reportHash: before.hash });
}
