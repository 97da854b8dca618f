/**
 * What a follower hands to the sequencer of the reports that it is given, and what it asks about
 * keys.
 *
 * Owns that nobody uses up what the sequencer lets this node ask for: a report goes once
 * (`known-reports.ts`), a publisher has the policy's rate and a share of the requests under way, and
 * a key is asked about now and then only, whoever wants to know. Does not own whose turn a report
 * is, the sequencer's, nor the way there (`report-client.ts`). Bounded by the policy's publishers.
 */
import assert from "node:assert/strict";
import type { Hex } from "../../lanes/bytes.ts";
import type { Policy } from "../../lanes/policy.ts";
import type { VerifiedReport } from "../../lanes/report-rules.ts";
import type { KeyUse, ReportAnswer } from "../api.ts";
import type { Clock } from "../clock.ts";
import { keptFor } from "../kept-for.ts";
import { KnownReports } from "./known-reports.ts";
import type { NetworkService } from "./network.ts";
import { createRateLimit, type RateLimit } from "./rate.ts";
import { REPORTS_IN_FLIGHT_MAX } from "./report-messages.ts";

/** How old a key's last sequence may be: publishers leave far more out than they sign meanwhile. */
const KEY_USE_KEPT_MS = 250;

export class ForwardedReports {
  readonly #network: Pick<NetworkService, "submitReport" | "keyUse">;
  readonly #known: KnownReports;
  readonly #limit: RateLimit;
  /** Reports of one publisher under way; a share as large is left for questions about keys. */
  readonly #shareMax: number;
  /** By publisher. */
  readonly #underWay = new Map<number, number>();
  readonly #keyUses: ReadonlyMap<Hex, () => Promise<KeyUse | null>>;

  constructor(
    policy: Policy,
    network: Pick<NetworkService, "submitReport" | "keyUse">,
    clock: Clock,
  ) {
    const { fast, publishers } = policy.document;
    const { ratePerSecond: perSecond, burst } = fast.perSender;
    this.#network = network;
    this.#known = new KnownReports(policy, clock);
    this.#limit = createRateLimit({ perSecond, burst }, clock);
    this.#shareMax = Math.max(1, Math.floor(REPORTS_IN_FLIGHT_MAX / (publishers.length + 1)));
    this.#keyUses = new Map(
      Array.from(policy.publisherOfKey.keys(), (key) => [
        key,
        keptFor(KEY_USE_KEPT_MS, clock, () => network.keyUse(key)),
      ]),
    );
  }

  /** The sequencer's answer, or the one that it would give. Errors: `SEQUENCER_UNREACHABLE`. */
  submit(report: VerifiedReport): Promise<ReportAnswer> {
    return this.#known.once(report, () => this.#handOn(report));
  }

  /** What the sequencer has heard from a key of the policy. Errors: `SEQUENCER_UNREACHABLE`. */
  keyUse(key: Hex): Promise<KeyUse | null> {
    const ask = this.#keyUses.get(key);
    assert(ask !== undefined, "a key of the policy");
    return ask();
  }

  async #handOn({ publisher, source, bytes }: VerifiedReport): Promise<ReportAnswer> {
    const others = this.#underWay.get(publisher) ?? 0;
    if (others >= this.#shareMax || !this.#limit.take(String(publisher)))
      return { ok: false, code: "RATE_LIMITED", data: { publisher } };
    this.#count(publisher, 1);
    try {
      return await this.#network.submitReport(source, bytes);
    } finally {
      this.#count(publisher, -1);
    }
  }

  #count(publisher: number, change: 1 | -1): void {
    this.#underWay.set(publisher, (this.#underWay.get(publisher) ?? 0) + change);
  }
}
