/** What a follower hands on of the reports it is given, and how often. */
import t from "tap";
import type { VerifiedReport } from "../../lanes/report-rules.ts";
import type { ReportAnswer } from "../../node/api.ts";
import { NodeError } from "../../node/errors.ts";
import { ForwardedReports } from "../../node/p2p/forwarded-reports.ts";
import { heard } from "../lanes/fixtures/reports.ts";
import { admitted, POLICY } from "./fixtures/receipts.ts";

const NOW_MS = 1_800_000_000_000;
const reportOf = (sequence: number, ageMs = 0): VerifiedReport =>
  heard(1, { sequence: BigInt(sequence), publishTimeMs: NOW_MS - ageMs });

/** A follower whose sequencer answers as it is told, and counts. */
function open() {
  const sequencer = {
    asked: 0,
    answer: (): ReportAnswer => admitted(reportOf(1)),
  };
  const network = {
    submitReport: async () => {
      sequencer.asked++;
      return Promise.resolve(sequencer.answer());
    },
    keyUse: async () => Promise.resolve({ sequence: 7n, isSuspended: false }),
  };
  const forwarded = new ForwardedReports(POLICY, network, { nowMs: () => NOW_MS });
  return { sequencer, forwarded };
}

t.test("a report goes once, however often it is handed in", async (t) => {
  const { sequencer, forwarded } = open();
  const report = reportOf(1);
  const [first, second] = await Promise.all([forwarded.submit(report), forwarded.submit(report)]);
  t.match(first, { ok: true });
  const replayed = { ok: false, code: "REPORT_REPLAYED", data: { last: "1" } };
  t.same(second, replayed, "while it is on its way");
  t.same(await forwarded.submit(report), replayed, "and later");
  t.equal(sequencer.asked, 1);
  const other = heard(1, { sequence: 1n, publishTimeMs: NOW_MS, value: 2n });
  await forwarded.submit(other);
  t.equal(sequencer.asked, 2, "another one of that sequence is the sequencer's to judge");
  t.same(await forwarded.keyUse(report.key), { sequence: 7n, isSuspended: false });
});

t.test("a refusal that stays is remembered, one that may pass is not", async (t) => {
  for (const [code, asked] of [
    ["REPORT_REPLAYED", 1],
    ["REPORT_CONFLICT", 1],
    ["REPORT_STALE", 1],
    ["REPORT_FROM_FUTURE", 2],
    ["RATE_LIMITED", 2],
    ["PEER_LIMIT", 2],
    ["NOT_ACCEPTING", 2],
  ] as const) {
    const { sequencer, forwarded } = open();
    sequencer.answer = () => ({ ok: false, code, data: {} });
    t.match(await forwarded.submit(reportOf(1)), { ok: false, code });
    await forwarded.submit(reportOf(1));
    t.equal(sequencer.asked, asked, code);
  }
  const { sequencer, forwarded } = open();
  sequencer.answer = () => {
    throw new NodeError("SEQUENCER_UNREACHABLE");
  };
  await t.rejects(forwarded.submit(reportOf(1)), { code: "SEQUENCER_UNREACHABLE" });
  sequencer.answer = () => admitted(reportOf(1));
  t.match(await forwarded.submit(reportOf(1)), { ok: true }, "it may not have come there");
});

t.test("what is too old by any clock does not go", async (t) => {
  const { sequencer, forwarded } = open();
  const oldest = 2_000 + 60_000;
  t.match(await forwarded.submit(reportOf(1, oldest)), { ok: true }, "the sequencer's to judge");
  t.match(await forwarded.submit(reportOf(2, oldest + 1)), { ok: false, code: "REPORT_STALE" });
  t.equal(sequencer.asked, 1);
});

t.test("only so many are remembered", async (t) => {
  const { sequencer, forwarded } = open();
  const report = reportOf(1);
  const hashOf = (at: number) => `0x${at.toString(16).padStart(64, "0")}` as const;
  for (let at = 0; at <= 16_384; at++) await forwarded.submit({ ...report, hash: hashOf(at) });
  t.match(await forwarded.submit({ ...report, hash: hashOf(1) }), { ok: false });
  t.match(await forwarded.submit({ ...report, hash: hashOf(0) }), { ok: true });
  t.equal(sequencer.asked, 16_386);
});
