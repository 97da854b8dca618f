/**
 * What a follower hands to the sequencer of the reports that it is given. A report is public once
 * it is in a block, and anybody may hand it in again: it must not use up what the sequencer lets
 * this node ask for.
 *
 * Owns that a report goes once, and none that is too old by any clock. Does not own whose turn a
 * report is, the sequencer's, nor the way there (`report-client.ts`). Bounded: the oldest is
 * forgotten first.
 */
import type { Hex } from "../../lanes/bytes.ts";
import type { Policy } from "../../lanes/policy.ts";
import type { VerifiedReport } from "../../lanes/report-rules.ts";
import type { KeyUse, ReportAnswer } from "../api.ts";
import type { Clock } from "../clock.ts";
import { keepNewest } from "../keep-newest.ts";
import type { NetworkService } from "./network.ts";

/** Reports remembered: what five publishers say fifty times a second in a minute. */
const REMEMBERED_MAX = 16_384;
/** How far this node's clock may be from the sequencer's before it refuses what is good. */
const CLOCK_MARGIN_MS = 60_000;
/** Refusals that stay: for any other one the same report may be taken later. */
const FINAL: readonly string[] = ["REPORT_REPLAYED", "REPORT_CONFLICT", "REPORT_STALE"];

export class ForwardedReports {
  readonly #policy: Policy;
  readonly #network: Pick<NetworkService, "submitReport" | "keyUse">;
  readonly #clock: Pick<Clock, "nowMs">;
  readonly #handed = new Map<Hex, true>();

  constructor(
    policy: Policy,
    network: Pick<NetworkService, "submitReport" | "keyUse">,
    clock: Pick<Clock, "nowMs">,
  ) {
    this.#policy = policy;
    this.#network = network;
    this.#clock = clock;
  }

  /** The sequencer's answer, or the one that it would give. Errors: `SEQUENCER_UNREACHABLE`. */
  async submit(report: VerifiedReport): Promise<ReportAnswer> {
    const { hash, source, bytes } = report;
    const { sequence, publishTimeMs } = report.report;
    const timeMs = this.#clock.nowMs();
    if (this.#isOld(report, timeMs))
      return { ok: false, code: "REPORT_STALE", data: { timeMs, publishTimeMs } };
    if (this.#handed.has(hash))
      return { ok: false, code: "REPORT_REPLAYED", data: { last: sequence.toString() } };
    this.#handed.set(hash, true);
    keepNewest(this.#handed, REMEMBERED_MAX);
    let isOver = false;
    try {
      const answer = await this.#network.submitReport(source, bytes);
      isOver = answer.ok || FINAL.includes(answer.code);
      return answer;
    } finally {
      if (!isOver) this.#handed.delete(hash);
    }
  }

  /** What the sequencer has heard from a key. Errors: `SEQUENCER_UNREACHABLE`. */
  keyUse(key: Hex): Promise<KeyUse | null> {
    return this.#network.keyUse(key);
  }

  #isOld({ report }: VerifiedReport, timeMs: number): boolean {
    const { feedsById } = this.#policy;
    return report.observations.every(({ feedId }) => {
      const { maxAgeMs = 0 } = feedsById.get(feedId) ?? {};
      return report.publishTimeMs + maxAgeMs + CLOCK_MARGIN_MS < timeMs;
    });
  }
}
