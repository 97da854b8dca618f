/** `lane_submitReport`: every refusal has its code, and what is taken its receipt. */
import t from "tap";
import type { AdmissionLeaf } from "../../../lanes/admission.ts";
import { toHex, ZERO_HASH } from "../../../lanes/bytes.ts";
import { parseReceipt } from "../../../lanes/receipt-json.ts";
import { reportHash } from "../../../lanes/report.ts";
import { AdmissionReceipts } from "../../../node/admission-receipts.ts";
import type { ErrorCode } from "../../../node/errors.ts";
import { systemClock } from "../../../node/clock.ts";
import { ReportSignal } from "../../../node/report-signal.ts";
import { createLaneMethods } from "../../../rpc/methods/lane.ts";
import {
  ETH,
  feedIdOf,
  feedPolicy,
  publisherKey,
  reportBytes,
} from "../../lanes/fixtures/reports.ts";
import { addressOf } from "../../../node/primitives/signature.ts";
import { createFakeChain } from "../fixture-chain.ts";
import { createContext, createFakeNode, deadNode } from "../fixture-node.ts";

const policy = feedPolicy();
const good = reportBytes(policy, 1, { sequence: 5n, publishTimeMs: Date.now(), value: 9n });
/** The same signature with the other s. */
const highS = (() => {
  const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;
  const bytes = Buffer.from(good);
  const s = BigInt(`0x${bytes.subarray(-33, -1).toString("hex")}`);
  bytes.set(Buffer.from((order - s).toString(16).padStart(64, "0"), "hex"), bytes.length - 33);
  bytes[bytes.length - 1] = bytes.at(-1) === 27 ? 28 : 27;
  return bytes;
})();
const elsewhere = reportBytes(
  { ...policy, document: { ...policy.document, feedSet: ZERO_HASH } },
  ...([1, { value: 9n }] as const),
);

async function open() {
  const node = createFakeNode();
  const created = createContext(await createFakeChain(), node);
  const reportSignal = new ReportSignal(created.signal, policy, systemClock);
  const context = { ...created, policy, reportSignal };
  const methods = createLaneMethods(context);
  const submit = async (report: unknown): Promise<unknown> => {
    const verdict = methods["lane_submitReport"]?.call([report], null);
    if (verdict?.ok !== true) throw new Error(JSON.stringify(verdict));
    return verdict.value;
  };
  return { node, context, submit };
}

t.test("what is no report is refused before it reaches the sequencing thread", async (t) => {
  const { node, submit } = await open();
  const cases: readonly (readonly [string, object, ErrorCode])[] = [
    ["another source", { source: "0x1", bytes: toHex(good) }, "REPORT_SOURCE_UNKNOWN"],
    ["cut short", { bytes: toHex(good.subarray(0, -1)) }, "REPORT_MALFORMED"],
    ["nothing", { bytes: "0x" }, "REPORT_MALFORMED"],
    ["high s", { bytes: toHex(highS) }, "REPORT_SIGNATURE_INVALID"],
    ["for another feed set", { bytes: toHex(elsewhere) }, "REPORT_KEY_UNKNOWN"],
    ["and it says so", { bytes: toHex(elsewhere), feedSet: ZERO_HASH }, "REPORT_FEED_SET_FOREIGN"],
    [
      "another feed",
      {
        bytes: toHex(
          reportBytes(policy, 1, { observations: [{ feedId: feedIdOf("X"), value: 1n }] }),
        ),
      },
      "REPORT_FEED_UNKNOWN",
    ],
    [
      "a price of nothing",
      { bytes: toHex(reportBytes(policy, 1, { value: 0n })) },
      "REPORT_VALUE_OUT_OF_RANGE",
    ],
  ];
  for (const [name, report, code] of cases)
    await t.rejects(submit(report), { code }, `${name}: ${code}`);
  for (const [name, report] of [
    ["no object", "0x"],
    ["no bytes", {}],
    ["no hex", { bytes: "hello" }],
    ["too long", { bytes: `0x${"00".repeat(128 * 255 + 1)}` }],
    ["a short feed set", { bytes: toHex(good), feedSet: "0x00" }],
    ["a source that is no quantity", { bytes: toHex(good), source: 0 }],
  ] as const)
    await t.rejects(submit(report), /PARAMS_INVALID/, name);
  t.same(node.reports, []);
});

t.test("what is taken has a receipt; what gives way knows at once", async (t) => {
  const { node, context, submit } = await open();
  const hash = reportHash(0, good);
  const leaf: AdmissionLeaf = {
    ...{ hash, accepted: 7n, rank: 0, policyHash: policy.hash, deadlineBlock: 9 },
    lane: "fast",
  };
  const group = {
    ...{ term: 1, leaderEpoch: 0, firstAccepted: 7n, count: 1, root: ZERO_HASH },
    ...{ previousRoot: ZERO_HASH, issuedAtMs: 5 },
  };
  const signature = new Uint8Array(65).fill(1);
  const admission = { group, signature, leafHashes: new Uint8Array(32), index: 0, leaf };
  node.reportAnswer = { ok: true, hash, accepted: 7n, deadlineBlock: 9, admission };
  t.notOk(context.signal.isRaised());
  const answer = (await submit({ bytes: toHex(good), feedSet: policy.document.feedSet })) as {
    receipt: unknown;
  };
  t.ok(context.signal.isRaised());
  t.match(answer, { hash, accepted: "0x7", deadlineBlock: "0x9" });
  t.match(parseReceipt(answer.receipt), { ok: true, value: { type: "admission" } });
  const receipt = new AdmissionReceipts().of(admission);
  node.reportAnswer = { ...node.reportAnswer, admission: receipt };
  t.same(await submit({ bytes: toHex(good) }), answer, "a follower's answer is the same");
});

t.test("the sequencing thread gets it verified, and its refusal comes back", async (t) => {
  const { node, context, submit } = await open();
  await t.rejects(submit({ bytes: toHex(good) }), { code: "NOT_ACCEPTING" });
  const key = addressOf(publisherKey(1));
  t.match(node.reports, [{ key, publisher: 1, source: 0, hash: reportHash(0, good) }]);
  t.match(node.reports[0]?.report.observations, [{ feedId: ETH, value: 9n }]);
  const data = { last: "5" };
  node.reportAnswer = { ok: false, code: "REPORT_REPLAYED", data };
  await t.rejects(submit({ bytes: toHex(good) }), { code: "REPORT_REPLAYED", data });
  const dead = createLaneMethods({ ...context, node: deadNode });
  const verdict = dead["lane_submitReport"]?.call([{ bytes: toHex(good) }], null);
  if (verdict?.ok !== true) throw new Error("refused");
  await t.rejects(verdict.value as Promise<unknown>, { code: "WORKER_FAILED" });
});
