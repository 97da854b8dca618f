/** What a follower asks of its sequencer, whoever asks it. */
import t from "tap";
import type { VerifiedReport } from "../../lanes/report-rules.ts";
import type { KeyUse, ReportAnswer } from "../../node/api.ts";
import { NodeError } from "../../node/errors.ts";
import { ForwardedReports } from "../../node/p2p/forwarded-reports.ts";
import { heard } from "../lanes/fixtures/reports.ts";
import { admitted, POLICY } from "./fixtures/receipts.ts";

const NOW_MS = 1_800_000_000_000;
const USE: KeyUse = { sequence: 7n, isSuspended: false };
const { burst, ratePerSecond } = POLICY.document.fast.perSender;
/** Of 256 requests under way: five publishers, and the questions about keys. */
const SHARE = 42;

const reportOf = (publisher: number, sequence: number, hot = 0): VerifiedReport =>
  heard(publisher, { sequence: BigInt(sequence), publishTimeMs: NOW_MS, hot });

/** A follower whose sequencer answers as it is told, and counts. */
function open() {
  const time = { ms: 0 };
  const sequencer = {
    reports: 0,
    keys: 0,
    answer: (): Promise<ReportAnswer> => Promise.resolve(admitted(reportOf(1, 1))),
    use: (): Promise<KeyUse | null> => Promise.resolve(USE),
  };
  const network = {
    submitReport: () => {
      sequencer.reports++;
      return sequencer.answer();
    },
    keyUse: () => {
      sequencer.keys++;
      return sequencer.use();
    },
  };
  const forwarded = new ForwardedReports(POLICY, network, {
    nowMs: () => NOW_MS + time.ms,
    monotonicMs: () => time.ms,
    after: () => () => undefined,
  });
  return { time, sequencer, forwarded };
}

t.test("a report goes once", async (t) => {
  const { sequencer, forwarded } = open();
  t.match(await forwarded.submit(reportOf(1, 1)), { ok: true });
  t.match(await forwarded.submit(reportOf(1, 1)), { ok: false, code: "REPORT_REPLAYED" });
  t.equal(sequencer.reports, 1);
});

t.test("a publisher that says too much, with any key, is held up alone", async (t) => {
  const { time, sequencer, forwarded } = open();
  let taken = 0;
  for (let sequence = 1; sequence <= 2 * burst; sequence++) {
    const answer = await forwarded.submit(reportOf(1, sequence, sequence % 2));
    if (answer.ok) taken++;
    else t.strictSame(answer, { ok: false, code: "RATE_LIMITED", data: { publisher: 1 } });
  }
  t.equal(taken, burst);
  t.equal(sequencer.reports, burst, "the others do not go");
  t.match(await forwarded.submit(reportOf(2, 1)), { ok: true }, "another publisher is heard");
  time.ms = 1000;
  const later = Array.from({ length: 2 * ratePerSecond }, (_, at) =>
    forwarded.submit(reportOf(1, 10_000 + at)).then(async (answer) => answer.ok),
  );
  t.equal((await Promise.all(later)).filter(Boolean).length, SHARE, "no more than its share");
  for (let at = 0; at < ratePerSecond; at++) await forwarded.submit(reportOf(1, 20_000 + at));
  t.equal(sequencer.reports, burst + 1 + ratePerSecond, "it is heard again, at its rate");
});

t.test("a publisher has no more than its share of what is under way", async (t) => {
  const { sequencer, forwarded } = open();
  const release: (() => void)[] = [];
  sequencer.answer = () =>
    new Promise((resolve) => {
      release.push(() => {
        resolve(admitted(reportOf(1, 1)));
      });
    });
  const answers = Array.from({ length: SHARE }, (_, at) => forwarded.submit(reportOf(1, at)));
  t.match(await forwarded.submit(reportOf(1, SHARE)), { ok: false, code: "RATE_LIMITED" });
  answers.push(forwarded.submit(reportOf(2, 1)));
  t.equal(sequencer.reports, SHARE + 1, "another publisher's goes");
  for (const resolve of release) resolve();
  for (const answer of await Promise.all(answers)) t.ok(answer.ok);
  const again = forwarded.submit(reportOf(1, SHARE));
  release.at(-1)?.();
  t.match(await again, { ok: true }, "when they are answered there is room again");
});

t.test("a key is asked about now and then, however many want to know", async (t) => {
  const { time, sequencer, forwarded } = open();
  const { key } = reportOf(1, 1);
  const ask = () => forwarded.keyUse(key);
  t.same(await Promise.all([ask(), ask()]), [USE, USE]);
  time.ms = 249;
  t.same(await ask(), USE);
  t.equal(sequencer.keys, 1);
  await forwarded.keyUse(reportOf(1, 1, 1).key);
  t.equal(sequencer.keys, 2, "each key for itself");
  sequencer.use = () => Promise.reject(new NodeError("SEQUENCER_UNREACHABLE"));
  time.ms = 250;
  await t.rejects(ask(), { code: "SEQUENCER_UNREACHABLE" });
  sequencer.use = () => Promise.resolve(null);
  t.equal(await ask(), null, "a failure is not kept");
  t.equal(sequencer.keys, 4);
  t.throws(() => forwarded.keyUse(`0x${"99".repeat(20)}`), { code: "ERR_ASSERTION" });
});
