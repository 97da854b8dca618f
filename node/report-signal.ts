/**
 * Makes a long normal transaction give way to a report that may be news: as for a fast transaction,
 * before the sequencing thread can say whether it is its turn.
 *
 * Owns that nobody interrupts much with what others have signed: reports are public, and each is
 * announced once a thread, in the order of its key's sequences. Bounded by the policy's keys.
 */
import type { Hex } from "../lanes/bytes.ts";
import { isFresh } from "../lanes/epoch.ts";
import type { Policy } from "../lanes/policy.ts";
import type { VerifiedReport } from "../lanes/report-rules.ts";
import type { Clock } from "./clock.ts";
import type { PreemptionSignal } from "./preemption-signal.ts";

/** Of one thread: what another one has announced it does not know. */
export class ReportSignal {
  readonly #signal: Pick<PreemptionSignal, "raise">;
  readonly #policy: Policy;
  readonly #clock: Pick<Clock, "nowMs">;
  /** The highest sequence announced, by key. */
  readonly #announced = new Map<Hex, bigint>();

  constructor(
    signal: Pick<PreemptionSignal, "raise">,
    policy: Policy,
    clock: Pick<Clock, "nowMs">,
  ) {
    this.#signal = signal;
    this.#policy = policy;
    this.#clock = clock;
  }

  /** To be called after the report was sent to the sequencing thread. */
  announce({ key, report }: VerifiedReport): void {
    const { sequence, publishTimeMs, observations } = report;
    if (sequence <= (this.#announced.get(key) ?? -1n)) return;
    const nowMs = this.#clock.nowMs();
    const isNews = observations.some(({ feedId }) => {
      const feed = this.#policy.feedsById.get(feedId);
      return feed !== undefined && isFresh(feed, publishTimeMs, nowMs);
    });
    if (!isNews) return;
    this.#announced.set(key, sequence);
    this.#signal.raise();
  }
}
