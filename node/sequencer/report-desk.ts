/**
 * Takes reports in: number, journal, signature, then answer (I7), as `admission.ts` does with
 * transactions. PROTOCOL 3, 5.
 *
 * Owns the way from a verified report to an acknowledged one, and back from the journal. Does not
 * own which reports wait (`report-book.ts`), numbers, nor signatures.
 */
import type { Hex } from "../../lanes/bytes.ts";
import { SYSTEM_RANK } from "../../lanes/classify.ts";
import type { Policy } from "../../lanes/policy.ts";
import type { PriceState } from "../../lanes/price-state.ts";
import { type VerifiedReport, verifyReport } from "../../lanes/report-rules.ts";
import type { KeyUse, ReportAnswer } from "../api.ts";
import type { Clock } from "../clock.ts";
import { recoverSigner } from "../primitives/signature.ts";
import { type JournalContent, reportRecord } from "./journal-records.ts";
import type { PromiseLog } from "./promises.ts";
import { ReportBook } from "./report-book.ts";

/** Bytes of the journal that are of no more use: only a block that is stored lets them go. */
const LEFT_BYTES_MAX = 64 * 1024 * 1024;

export interface ReportDeskDeps {
  readonly policy: Policy;
  readonly promises: Pick<PromiseLog, "admit">;
  readonly clock: Clock;
  nextNumber(): bigint;
  /** Whether anything is taken in; the number of the open block. */
  openBlock(): number | null;
  /** Time of the newest flashblock that is stored, Unix milliseconds. */
  chainTimeMs(): number;
  /** Keys that the chain does not hear any more. */
  suspended(): readonly Hex[];
  /** An epoch may be due. */
  onReady(): void;
  /** What is to be promised could not be made durable. */
  onFailed(error: unknown): void;
}

export class ReportDesk {
  readonly book: ReportBook;
  readonly #deps: ReportDeskDeps;
  /** Records of the journal that no report was made of. */
  #settled: bigint[] = [];

  constructor(deps: ReportDeskDeps) {
    this.#deps = deps;
    this.book = new ReportBook(deps.policy, () => deps.clock.monotonicMs());
  }

  /** Resolves when the report is durable and its group signed, or refused. */
  async submit(report: VerifiedReport): Promise<ReportAnswer> {
    const { policy, promises, clock } = this.#deps;
    const blockNumber = this.#deps.openBlock();
    if (blockNumber === null) return { ok: false, code: "NOT_ACCEPTING", data: {} };
    if (this.book.leftBytes >= LEFT_BYTES_MAX)
      return { ok: false, code: "NOT_ACCEPTING", data: { reason: "no block is stored" } };
    // As flashblocks have it: where the clock was set back, what it says is stale already.
    const timeMs = Math.max(clock.nowMs(), this.#deps.chainTimeMs());
    const turn = this.book.check(report, this.#deps.suspended(), timeMs);
    if (!turn.ok) return turn;
    const { hash, source, bytes } = report;
    const accepted = this.#deps.nextNumber();
    const deadlineBlock = blockNumber + policy.document.ttlBlocks;
    const place = { lane: "fast", rank: SYSTEM_RANK, policyHash: policy.hash } as const;
    const leaf = { hash, accepted, ...place, deadlineBlock };
    const admitting = promises.admit(leaf, reportRecord(accepted, { timeMs, source, bytes }));
    // As with a fast transaction: what lists it is signed after it is durable.
    const onDurable = this.book.put(report, accepted);
    this.#deps.onReady();
    try {
      const admission = await admitting;
      onDurable();
      return { ok: true, hash, accepted, deadlineBlock, admission };
    } catch (error) {
      this.#deps.onFailed(error);
      throw error;
    }
  }

  /** What was heard from a key. */
  useOf(key: Hex): KeyUse {
    const isSuspended = this.#deps.suspended().includes(key) || this.book.isSuspended(key);
    return { sequence: this.book.sequenceOf(key), isSuspended };
  }

  /**
   * Reports of earlier runs wait again; whoever has signed what the chain holds, or a promised
   * flashblock, goes on from there.
   */
  restore(
    { reports, flashblocks }: Pick<JournalContent, "reports" | "flashblocks">,
    prices: PriceState,
  ): void {
    for (const { entries } of prices.feeds.values())
      for (const { key, sequence } of entries) this.book.used(key, sequence);
    for (const { epoch } of flashblocks.map((flashblock) => flashblock.prices))
      for (const { source, bytes } of epoch?.reports ?? []) {
        const listed = verifyReport(source, bytes, this.#deps.policy, recoverSigner);
        if (listed.ok) this.book.used(listed.value.key, listed.value.report.sequence);
      }
    for (const { accepted, source, bytes } of reports) {
      const report = verifyReport(source, bytes, this.#deps.policy, recoverSigner);
      if (report.ok) this.book.put(report.value, accepted)();
      else this.#settled.push(accepted);
    }
  }

  /**
   * Numbers of reports that the journal need not hold any more, each once; to be called when a
   * block is sealed, and settled when everything in it is durable: an epoch may have listed them.
   */
  takeSettled(): bigint[] {
    const taken = [...this.#settled, ...this.book.takeLeft()];
    this.#settled = [];
    return taken;
  }
}
