/** What is handed on of reports that anybody may hand in again, and how often. */
import t from "tap";
import type { VerifiedReport } from "../../lanes/report-rules.ts";
import type { ReportAnswer } from "../../node/api.ts";
import { NodeError } from "../../node/errors.ts";
import { KnownReports } from "../../node/p2p/known-reports.ts";
import { heard } from "../lanes/fixtures/reports.ts";
import { admitted, POLICY } from "./fixtures/receipts.ts";

const NOW_MS = 1_800_000_000_000;
const reportOf = (sequence: number, ageMs = 0): VerifiedReport =>
  heard(1, { sequence: BigInt(sequence), publishTimeMs: NOW_MS - ageMs });

/** Hands on to a sequencer that answers as it is told, and counts. */
function open() {
  const known = new KnownReports(POLICY, { nowMs: () => NOW_MS });
  const sequencer = {
    asked: 0,
    answer: (): Promise<ReportAnswer> => Promise.resolve(admitted(reportOf(1))),
  };
  const submit = (report: VerifiedReport): Promise<ReportAnswer> =>
    known.once(report, () => {
      sequencer.asked++;
      return sequencer.answer();
    });
  return { sequencer, submit };
}

t.test("a report goes once, however often it is handed in", async (t) => {
  const { sequencer, submit } = open();
  const report = reportOf(1);
  const answer = admitted(report);
  let release = (): void => undefined;
  sequencer.answer = () =>
    new Promise((resolve) => {
      release = () => {
        resolve(answer);
      };
    });
  const both = [submit(report), submit(report)];
  release();
  t.same(await Promise.all(both), [answer, answer], "the same while it is on its way");
  const replayed = { ok: false, code: "REPORT_REPLAYED", data: { last: "1" } };
  t.same(await submit(report), replayed, "and later");
  t.equal(sequencer.asked, 1);
  const other = submit(heard(1, { sequence: 1n, publishTimeMs: NOW_MS, value: 2n }));
  release();
  await other;
  t.equal(sequencer.asked, 2, "another one of that sequence is the sequencer's to judge");
});

t.test("a refusal that stays is remembered, one that may pass is not", async (t) => {
  for (const [code, asked] of [
    ["REPORT_REPLAYED", 1],
    ["REPORT_CONFLICT", 1],
    ["REPORT_STALE", 1],
    ["REPORT_KEY_SUSPENDED", 1],
    ["REPORT_FROM_FUTURE", 2],
    ["RATE_LIMITED", 2],
    ["PEER_LIMIT", 2],
    ["NOT_ACCEPTING", 2],
  ] as const) {
    const { sequencer, submit } = open();
    const refusal = { ok: false, code, data: { at: "sequencer" } } as const;
    sequencer.answer = () => Promise.resolve(refusal);
    t.same(await submit(reportOf(1)), refusal);
    t.same(await submit(reportOf(1)), refusal, "with what the sequencer said");
    t.equal(sequencer.asked, asked, code);
  }
  const { sequencer, submit } = open();
  sequencer.answer = () => Promise.reject(new NodeError("SEQUENCER_UNREACHABLE"));
  await t.rejects(submit(reportOf(1)), { code: "SEQUENCER_UNREACHABLE" });
  sequencer.answer = () => Promise.resolve(admitted(reportOf(1)));
  t.match(await submit(reportOf(1)), { ok: true }, "it may not have come there");
});

t.test("what is too old by any clock does not go", async (t) => {
  const { sequencer, submit } = open();
  const oldest = 2_000 + 60_000;
  t.match(await submit(reportOf(1, oldest)), { ok: true }, "the sequencer's to judge");
  t.match(await submit(reportOf(2, oldest + 1)), { ok: false, code: "REPORT_STALE" });
  t.equal(sequencer.asked, 1);
});

t.test("only so many are remembered", async (t) => {
  const { sequencer, submit } = open();
  const report = reportOf(1);
  const hashOf = (at: number) => `0x${at.toString(16).padStart(64, "0")}` as const;
  for (let at = 0; at <= 16_384; at++) await submit({ ...report, hash: hashOf(at) });
  t.match(await submit({ ...report, hash: hashOf(1) }), { ok: false });
  t.match(await submit({ ...report, hash: hashOf(0) }), { ok: true });
  t.equal(sequencer.asked, 16_386);
});
