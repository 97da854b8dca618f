import fc from "fast-check";
import t from "tap";
import { concatBytes, toHex } from "../../lanes/bytes.ts";
import { AdmissionReceipts } from "../../node/admission-receipts.ts";
import { OBSERVATIONS_MAX, reportBytes } from "../../lanes/report.ts";
import {
  decodeReportAnswer,
  decodeReportRequest,
  encodeReportAnswer,
  encodeReportRequest,
  type ReportAnswerMessage,
  REPORT_ANSWER_BYTES_MAX,
  REPORT_REQUEST_BYTES_MAX,
  splitReportAnswer,
} from "../../node/p2p/report-messages.ts";
import { signedReport } from "../lanes/fixtures/reports.ts";
import { admitted, POLICY } from "./fixtures/receipts.ts";

const number = fc.nat({ max: 2 ** 32 - 1 });
const receipt = new AdmissionReceipts().of(
  admitted(signedReport(POLICY, 1, { value: 7n }), { leaves: 4096 }).admission,
);
const bytesOf = (json: unknown) => new TextEncoder().encode(JSON.stringify(json));

/** As it comes back. */
function afterwards(of: number, answer: ReportAnswerMessage) {
  const split = splitReportAnswer(encodeReportAnswer(of, answer));
  if (!split.ok) throw new Error(split.code);
  return { number: split.value.number, answer: decodeReportAnswer(split.value.body) };
}

t.test("requests: round trip, and nothing but the two kinds", async (t) => {
  fc.assert(
    fc.property(
      number,
      fc.nat({ max: 255 }),
      fc.uint8Array({ maxLength: 300 }),
      (of, source, bytes) => {
        const request = { kind: "report", source, bytes } as const;
        const back = decodeReportRequest(encodeReportRequest(of, request));
        return (
          back.ok &&
          back.value.number === of &&
          back.value.request.kind === "report" &&
          back.value.request.source === source &&
          toHex(back.value.request.bytes) === toHex(bytes)
        );
      },
    ),
  );
  const key = { kind: "key", key: `0x${"ab".repeat(20)}` } as const;
  t.same(decodeReportRequest(encodeReportRequest(5, key)), {
    ok: true,
    value: { number: 5, request: key },
  });
  const largest = new Uint8Array(reportBytes(OBSERVATIONS_MAX));
  const full = encodeReportRequest(1, { kind: "report", source: 0, bytes: largest });
  t.equal(full.length, REPORT_REQUEST_BYTES_MAX, "the largest report fits");
  for (const bytes of [
    new Uint8Array(0),
    new Uint8Array(3),
    new Uint8Array(5),
    Uint8Array.of(0, 0, 0, 1, 2, 0),
    encodeReportRequest(1, key).subarray(0, -1),
    concatBytes(encodeReportRequest(1, key), Uint8Array.of(0)),
  ])
    t.match(decodeReportRequest(bytes), { ok: false, code: "PEER_FAULT" });
});

t.test("answers: the receipt of the largest group, a key's use, and refusals", async (t) => {
  const taken = { ok: true, receipt } as const;
  t.equal(receipt.path.length, 12);
  t.ok(encodeReportAnswer(1, taken).length <= REPORT_ANSWER_BYTES_MAX);
  t.same(afterwards(2 ** 32 - 1, taken), {
    number: 2 ** 32 - 1,
    answer: { ok: true, value: taken },
  });
  const used = { ok: true, use: { sequence: 2n ** 64n - 1n, isSuspended: true } } as const;
  const refused = { ok: false, code: "REPORT_REPLAYED", data: { last: "7" } } as const;
  for (const answer of [used, { ok: true, use: null } as const, refused])
    t.same(afterwards(1, answer).answer, { ok: true, value: answer });
  const large = { ok: false, code: "REPORT_STALE", data: { x: "y".repeat(5000) } } as const;
  t.ok(encodeReportAnswer(1, large).length <= REPORT_ANSWER_BYTES_MAX);
  t.same(afterwards(1, large).answer, { ok: true, value: { ...large, data: {} } });
});

t.test("answers that are none are the peer's fault", async (t) => {
  const { group } = receipt;
  const json = (
    JSON.parse(
      new TextDecoder().decode(encodeReportAnswer(1, { ok: true, receipt }).subarray(4)),
    ) as { receipt: Record<string, unknown> }
  ).receipt;
  t.match(decodeReportAnswer(bytesOf({ ok: true, receipt: json })), { ok: true });
  const wrong = [
    "",
    null,
    {},
    { ok: true },
    { ok: true, receipt: null },
    { ok: true, receipt: {} },
    { ok: true, receipt: { ...json, type: "inclusion" } },
    { ok: true, receipt: { ...json, more: 1 } },
    { ok: true, receipt: { ...json, signature: "0x00" } },
    { ok: true, receipt: { ...json, path: Array(65).fill(group.root) } },
    { ok: true, receipt: json, use: null },
    { ok: true, use: { sequence: 7, isSuspended: false } },
    { ok: true, use: { sequence: "-1", isSuspended: false } },
    { ok: true, use: { sequence: "1" } },
    { ok: false, code: "NO_SUCH_CODE", data: {} },
    { ok: false, code: "__proto__", data: {} },
    { ok: false, code: "REPORT_STALE", data: { nested: {} } },
  ];
  for (const each of wrong)
    t.match(
      decodeReportAnswer(bytesOf(each)),
      { ok: false, code: "PEER_FAULT" },
      JSON.stringify(each),
    );
  t.match(decodeReportAnswer(Uint8Array.of(0xff, 0xfe)), { ok: false, code: "PEER_FAULT" });
  t.match(splitReportAnswer(new Uint8Array(3)), { ok: false, code: "PEER_FAULT" });
});

t.test("whatever comes is an answer or the peer's fault, and nothing throws", async (t) => {
  const verdicts = new Set<string>();
  const note = (verdict: { readonly ok: boolean; readonly code?: string }) =>
    verdicts.add(verdict.ok ? "ok" : (verdict.code ?? ""));
  const whole = encodeReportAnswer(1, { ok: true, receipt });
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 64 }),
      fc.nat(),
      fc.nat({ max: 255 }),
      (bytes, at, byte) => {
        note(decodeReportRequest(bytes));
        note(decodeReportAnswer(bytes));
        const bent = whole.slice();
        bent[at % bent.length] = byte;
        note(decodeReportAnswer(bent.subarray(4)));
      },
    ),
    { numRuns: 500 },
  );
  fc.assert(
    fc.property(fc.jsonValue(), (json) => {
      note(decodeReportAnswer(bytesOf(json)));
      note(decodeReportAnswer(bytesOf({ ok: true, receipt: json })));
    }),
  );
  t.same([...verdicts].sort(), ["PEER_FAULT", "ok"]);
});
