/**
 * Reports that were handed on. A report is public once it is in a block, and anybody may hand it in
 * again: it must not use up what a follower may ask for, nor the sequencing thread's time.
 *
 * Owns that a report goes once, and none that is too old by any clock. Does not own whose turn a
 * report is, the sequencing thread's. Bounded: the oldest is forgotten first.
 */
import type { Hex } from "../../lanes/bytes.ts";
import type { Policy } from "../../lanes/policy.ts";
import type { VerifiedReport } from "../../lanes/report-rules.ts";
import type { ReportAnswer } from "../api.ts";
import type { Clock } from "../clock.ts";
import { keepNewest } from "../keep-newest.ts";

/** Reports remembered: what five publishers say fifty times a second in a minute. */
const REMEMBERED_MAX = 16_384;
/** How far this node's clock may be from the sequencer's before it refuses what is good. */
const CLOCK_MARGIN_MS = 60_000;
/** Refusals that stay: for any other one the same report may be taken later. */
const FINAL: readonly string[] = [
  "REPORT_REPLAYED",
  "REPORT_CONFLICT",
  "REPORT_STALE",
  "REPORT_KEY_SUSPENDED",
];

export class KnownReports {
  readonly #policy: Policy;
  readonly #clock: Pick<Clock, "nowMs">;
  /** What to answer, by report. */
  readonly #answers = new Map<Hex, Promise<ReportAnswer>>();

  constructor(policy: Policy, clock: Pick<Clock, "nowMs">) {
    this.#policy = policy;
    this.#clock = clock;
  }

  /**
   * Hands a report on, or gives the answer that it would get. Whoever hands in what is on its way
   * hears the same as who was first. Errors: those of `handOn`.
   */
  once(report: VerifiedReport, handOn: () => Promise<ReportAnswer>): Promise<ReportAnswer> {
    const { hash } = report;
    const { publishTimeMs } = report.report;
    const timeMs = this.#clock.nowMs();
    if (this.#isOld(report, timeMs))
      return Promise.resolve({ ok: false, code: "REPORT_STALE", data: { timeMs, publishTimeMs } });
    const known = this.#answers.get(hash);
    if (known !== undefined) return known;
    const answer = handOn();
    this.#keep(hash, answer);
    const forget = (): void => {
      if (this.#answers.get(hash) === answer) this.#answers.delete(hash);
    };
    answer.then((given) => {
      const later = answerLater(report, given);
      if (later === null) forget();
      else this.#keep(hash, Promise.resolve(later));
    }, forget);
    return answer;
  }

  #keep(hash: Hex, answer: Promise<ReportAnswer>): void {
    this.#answers.set(hash, answer);
    keepNewest(this.#answers, REMEMBERED_MAX);
  }

  #isOld({ report }: VerifiedReport, timeMs: number): boolean {
    const { feedsById } = this.#policy;
    return report.observations.every(({ feedId }) => {
      const { maxAgeMs = 0 } = feedsById.get(feedId) ?? {};
      return report.publishTimeMs + maxAgeMs + CLOCK_MARGIN_MS < timeMs;
    });
  }
}

/** What the same report hears from then on; `null` where it may be taken in. */
function answerLater({ report }: VerifiedReport, given: ReportAnswer): ReportAnswer | null {
  if (given.ok)
    return { ok: false, code: "REPORT_REPLAYED", data: { last: report.sequence.toString() } };
  return FINAL.includes(given.code) ? given : null;
}
