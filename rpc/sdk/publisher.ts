/**
 * A publisher with one key: signs what it is told with the next sequence, and hands it in.
 *
 * Owns that no sequence is used twice: it begins far above what the sequencer knows, goes up with
 * every signature, and a report whose fate is unknown is not sent again. Bounded: one report is on
 * its way, one waits, and a newer one takes the place of the one that waits.
 */
import type { Hex } from "../../lanes/bytes.ts";
import type { Observation } from "../../lanes/report.ts";
import { type LaneActions, type PublisherInfo, type Refusal, refusalOf } from "./lane-actions.ts";
import { type ReportSigner, signReport } from "./reports.ts";

/**
 * Sequences left out at the start: a report that another run has sent may still be on its way, and
 * a different one with its sequence would end the key.
 */
const START_GAP = 1_000n;
/** After a refusal that is about the moment only, and between tries to reach a node. */
const RATE_WAIT_MS = 100;
const MOMENTARY: readonly string[] = ["RATE_LIMITED", "PEER_LIMIT", "SEQUENCER_UNREACHABLE"];
const RETRY_MIN_MS = 250;
const RETRY_MAX_MS = 8_000;

export interface PublisherOptions {
  readonly actions: Pick<LaneActions, "getPublisher" | "submitReport">;
  readonly signer: ReportSigner;
  /** Address of the key. */
  readonly key: Hex;
  /** Unix milliseconds. */
  readonly nowMs: () => number;
  readonly wait: (ms: number) => Promise<void>;
  /** Whether no node is waited for any more. */
  readonly isStopped: () => boolean;
}

/** What has become of reports so far. */
export interface PublisherCounts {
  readonly taken: number;
  /** A newer one took their place before they were sent. */
  readonly overtaken: number;
  /** By code; `UNREACHABLE` where no node has answered. */
  readonly refused: Readonly<Record<string, number>>;
  /** Of the last report taken, from signing to the receipt: milliseconds. */
  readonly lastMs: number | null;
}

export class ReportPublisher {
  readonly #options: PublisherOptions;
  #info: PublisherInfo | null = null;
  #sequence = 0n;
  #waiting: readonly Observation[] | null = null;
  #running: Promise<void> | null = null;
  #taken = 0;
  #overtaken = 0;
  readonly #refused: Record<string, number> = {};
  #lastMs: number | null = null;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  get counts(): PublisherCounts {
    return {
      taken: this.#taken,
      overtaken: this.#overtaken,
      refused: { ...this.#refused },
      lastMs: this.#lastMs,
    };
  }

  /**
   * Asks the node who the key is; waits for a node that does not answer. `null` where the policy
   * has no such key, or it was stopped first.
   */
  async open(): Promise<PublisherInfo | null> {
    const { actions, key, wait, isStopped } = this.#options;
    let waitMs = RETRY_MIN_MS;
    while (!isStopped()) {
      try {
        const info = await actions.getPublisher(key);
        if (info !== null) this.#begin(info);
        return info;
      } catch (error) {
        this.#count(refusalOf(error));
        await wait(waitMs);
        waitMs = Math.min(2 * waitMs, RETRY_MAX_MS);
      }
    }
    return null;
  }

  /** Reports this now, or as soon as the one before is answered. Errors: where it is not open. */
  publish(observations: readonly Observation[]): void {
    if (this.#info === null) throw new RangeError("not open");
    if (this.#waiting !== null) this.#overtaken += 1;
    this.#waiting = observations;
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
    });
  }

  /** Resolves when nothing is on its way any more. */
  async settled(): Promise<void> {
    while (this.#running !== null) await this.#running;
  }

  #begin(info: PublisherInfo): void {
    this.#info = info;
    const known = BigInt(info.sequence) + START_GAP;
    if (known > this.#sequence) this.#sequence = known;
  }

  async #run(): Promise<void> {
    for (let next = this.#take(); next !== null; next = this.#take()) await this.#send(next);
  }

  #take(): readonly Observation[] | null {
    const next = this.#waiting;
    this.#waiting = null;
    return next;
  }

  async #send(observations: readonly Observation[]): Promise<void> {
    const { actions, signer, nowMs } = this.#options;
    const { feedSet = "0x" } = this.#info ?? {};
    this.#sequence += 1n;
    const publishTimeMs = nowMs();
    const content = { sequence: this.#sequence, publishTimeMs, observations };
    const report = await signReport(signer, feedSet, content);
    try {
      await actions.submitReport(report);
      this.#taken += 1;
      this.#lastMs = nowMs() - publishTimeMs;
    } catch (error) {
      await this.#afterFailure(refusalOf(error));
    }
  }

  async #afterFailure(refusal: Refusal | null): Promise<void> {
    this.#count(refusal);
    // Another node, another sequence, or none that answers: it is asked again.
    if (refusal === null || refusal.code === "REPORT_REPLAYED") await this.open();
    else if (MOMENTARY.includes(refusal.code)) await this.#options.wait(RATE_WAIT_MS);
  }

  #count(refusal: Refusal | null): void {
    const code = refusal?.code ?? "UNREACHABLE";
    this.#refused[code] = (this.#refused[code] ?? 0) + 1;
  }
}
