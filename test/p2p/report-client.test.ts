/** A follower's end of `submit-reports`, with a real sequencer's host and with ones that lie. */
import { join } from "node:path";
import type { Stream } from "@libp2p/interface";
import { peerIdFromPrivateKey } from "@libp2p/peer-id";
import t, { type Test } from "tap";
import { checkAdmissionReceipt } from "../../lanes/admission.ts";
import { concatBytes, ZERO_HASH } from "../../lanes/bytes.ts";
import type { VerifiedReport } from "../../lanes/report-rules.ts";
import { AdmissionReceipts } from "../../node/admission-receipts.ts";
import type { ReportAnswer } from "../../node/api.ts";
import { loadIdentity } from "../../node/p2p/identity.ts";
import type { NodeError } from "../../node/errors.ts";
import { encodeStatus, protocolNames } from "../../node/p2p/messages.ts";
import {
  decodeReportRequest,
  encodeReportAnswer,
  REPORTS_IN_FLIGHT_MAX,
} from "../../node/p2p/report-messages.ts";
import { REPORT_DEADLINE_MS } from "../../node/p2p/report-stream.ts";
import { openFrames } from "../../node/p2p/streams.ts";
import { addressOf } from "../../node/primitives/signature.ts";
import { publisherKey, signedReport } from "../lanes/fixtures/reports.ts";
import { CHAIN_ID, OTHER_KEY } from "./fixtures/blocks.ts";
import { connected, startHost, startRawPeer, type TestHost, until } from "./fixtures/hosts.ts";
import { admitted, POLICY, TRUST } from "./fixtures/receipts.ts";

const NAMES = protocolNames(CHAIN_ID);
const KEY = addressOf(publisherKey(1));
const reportOf = (sequence: number): VerifiedReport =>
  signedReport(POLICY, 1, { sequence: BigInt(sequence), value: 7n });
const report = reportOf(1);
const submit = (host: TestHost, { source, bytes } = report) => host.submitReport(source, bytes);

/** A sequencer and a follower that is connected to it. */
async function startPair(
  t: Test,
  onReport: (report: VerifiedReport) => Promise<ReportAnswer>,
): Promise<{ readonly sequencer: TestHost; readonly follower: TestHost }> {
  const sequencer = await startHost(t, {
    role: "sequencer",
    handlers: { onReport, onKeyUse: async () => ({ sequence: 5n, isSuspended: true }) },
  });
  const follower = await startHost(t, { peers: [sequencer.address] });
  await connected(follower, 1);
  return { sequencer, follower };
}

t.test("a report, its receipt, a refusal and a key's use", async (t) => {
  const seen: VerifiedReport[] = [];
  const { follower } = await startPair(t, async (each) => {
    seen.push(each);
    return each.report.sequence === 1n
      ? admitted(each, { leaves: 100 })
      : { ok: false, code: "REPORT_STALE", data: { timeMs: 5 } };
  });
  const answer = await submit(follower);
  if (!answer.ok) throw new Error(answer.code);
  const direct = admitted(report, { leaves: 100 });
  t.match(answer, { hash: report.hash, accepted: direct.accepted, deadlineBlock: 9 });
  const receipts = new AdmissionReceipts();
  const receipt = receipts.of(answer.admission);
  t.same(receipt, receipts.of(direct.admission), "as the sequencer itself would give it");
  t.same(checkAdmissionReceipt(receipt, TRUST), { ok: true, value: null });
  t.same(await submit(follower, reportOf(2)), {
    ok: false,
    code: "REPORT_STALE",
    data: { timeMs: 5 },
  });
  t.same(await follower.keyUse(KEY), { sequence: 5n, isSuspended: true });
  t.match(seen, [{ hash: report.hash, key: KEY, publisher: 1 }, { hash: reportOf(2).hash }]);
});

t.test("hundreds go over one stream", async (t) => {
  const { sequencer, follower } = await startPair(t, async (each) => admitted(each));
  const all = Array.from({ length: REPORTS_IN_FLIGHT_MAX }, (_, at) => reportOf(at + 1));
  const answers = await Promise.all(all.map((each) => submit(follower, each)));
  t.ok(answers.every((answer, at) => answer.ok && answer.hash === all[at]?.hash));
  t.ok((await sequencer.info()).peers === 1);
  for (let at = 0; at < 50; at++) t.match(await submit(follower, all[at]), { ok: true });
});

t.test("no more than so many wait, and the rest hears so at once", async (t) => {
  let taken = 0;
  const release: (() => void)[] = [];
  const { follower } = await startPair(t, async (each) => {
    taken++;
    await new Promise<void>((resolve) => release.push(resolve));
    return admitted(each);
  });
  const waiting = Array.from({ length: REPORTS_IN_FLIGHT_MAX }, () => submit(follower));
  await t.rejects(submit(follower), {
    code: "SEQUENCER_UNREACHABLE",
    data: { inFlight: REPORTS_IN_FLIGHT_MAX },
  });
  await until("all of them", () => taken === REPORTS_IN_FLIGHT_MAX);
  for (const resolve of release) resolve();
  for (const answer of await Promise.all(waiting)) t.match(answer, { ok: true });
  const after = submit(follower);
  await until("one more", () => release.length > REPORTS_IN_FLIGHT_MAX);
  release.at(-1)?.();
  t.match(await after, { ok: true });
});

t.test("a stream that fails is opened again, and not so often that it is a fault", async (t) => {
  let failing = true;
  const { sequencer, follower } = await startPair(t, async (each) => {
    if (failing) throw new Error("the sequencing thread is gone");
    return Promise.resolve(admitted(each));
  });
  let refusedHere = 0;
  for (let tries = 0; tries < 60; tries++)
    await submit(follower).catch((error: unknown) => {
      const { code, data } = error as NodeError;
      t.equal(code, "SEQUENCER_UNREACHABLE");
      if (data["reason"] === "streams") refusedHere++;
    });
  t.ok(refusedHere > 30, `${refusedHere} did not go`);
  failing = false;
  await until("it is taken in", () =>
    submit(follower)
      .then(({ ok }) => ok)
      .catch(() => false),
  );
  t.equal((await sequencer.info()).peers, 1);
});

let liars = 0;

/**
 * A peer that is configured and says it sequences; it answers each request with what the test makes
 * of its number; `null` for no answer.
 */
async function startLiar(
  t: Test,
  answer: (number: number) => Uint8Array | null,
): Promise<{ readonly follower: TestHost; readonly streams: Stream[] }> {
  const streams: Stream[] = [];
  const key = await loadIdentity(join(t.testdirName, `liar-${++liars}`));
  // Nobody listens there: the follower keeps a peer of that identity, and the peer comes by itself.
  const kept = `/ip4/127.0.0.1/tcp/1/p2p/${peerIdFromPrivateKey(key).toString()}`;
  const follower = await startHost(t, { peers: [kept] });
  const liar = await startRawPeer(t, follower.address, key);
  const status = { chainId: CHAIN_ID, genesisHash: ZERO_HASH, unsafe: 1000, safe: 0 } as const;
  await liar.handle(NAMES.status, (stream) => {
    const bytes = encodeStatus({ ...status, role: "sequencer" });
    stream.send(concatBytes(Uint8Array.of(0, 0, 0, bytes.length), bytes));
  });
  await liar.handle(NAMES.submitReports, async (stream) => {
    streams.push(stream);
    const frames = openFrames(stream, 5_000);
    try {
      for (;;) {
        const request = decodeReportRequest(await frames.read(20_000));
        if (!request.ok) throw new Error(request.code);
        const bytes = answer(request.value.number);
        if (bytes !== null) await frames.write(bytes);
      }
    } catch {
      // The follower has ended the stream: that is what is tested.
    }
  });
  return { follower, streams };
}

t.test(
  "a receipt that does not hold is the sequencer's fault, and nobody is told it",
  async (t) => {
    const receipts = new AdmissionReceipts();
    const good = receipts.of(admitted(report).admission);
    const forged = receipts.of(admitted(report, { key: OTHER_KEY }).admission);
    const foreign = receipts.of(admitted(reportOf(2)).admission);
    const { leaf, group } = good;
    const cases = [
      ["signed by another key", "signature", forged],
      ["a later deadline", "path", { ...good, leaf: { ...leaf, deadlineBlock: 10 } }],
      ["half a path", "path", { ...good, path: good.path.slice(1) }],
      ["a changed group", "signature", { ...good, group: { ...group, issuedAtMs: 6 } }],
      ["another term", "term", { ...good, group: { ...group, term: 2 } }],
      ["of another report", "hash", foreign],
    ] as const;
    for (const [name, part, receipt] of cases) {
      const { follower } = await startLiar(t, (number) =>
        encodeReportAnswer(number, { ok: true, receipt }),
      );
      const refused = { code: "SEQUENCER_UNREACHABLE", data: { reason: "PEER_FAULT", part } };
      for (let tries = 0; tries < 4; tries++) await t.rejects(submit(follower), refused, name);
      const error = await submit(follower).catch((cause: unknown) => cause);
      t.match(error, { code: "SEQUENCER_UNREACHABLE" });
      t.same((error as NodeError).data, {}, `${name}: banned`);
    }
    const { follower, streams } = await startLiar(t, (number) =>
      encodeReportAnswer(number, { ok: true, receipt: good }),
    );
    for (const answer of await Promise.all(Array.from({ length: 50 }, () => submit(follower))))
      t.match(answer, { ok: true }, "and one that holds is taken");
    t.match(await submit(follower), { ok: true });
    t.equal(streams.length, 1, "all over one stream");
  },
);

t.test("answers that are none end the stream", async (t) => {
  const use = { sequence: 1n, isSuspended: false };
  const cases = {
    "to nobody": (number: number) => encodeReportAnswer(number + 1, { ok: true, use }),
    "to another question": (number: number) => encodeReportAnswer(number, { ok: true, use }),
    garbage: () => new Uint8Array(100).fill(7),
    "too short": () => new Uint8Array(3),
    "too long": () => new Uint8Array(4097),
  };
  for (const [name, answer] of Object.entries(cases)) {
    const { follower, streams } = await startLiar(t, answer);
    const refused = { code: "SEQUENCER_UNREACHABLE", data: { reason: "PEER_FAULT" } };
    await t.rejects(submit(follower), refused, name);
    await t.rejects(submit(follower), refused, name);
    t.equal(streams.length, 2, "the next one opens another");
  }
  const { follower } = await startLiar(t, (number) =>
    encodeReportAnswer(number, {
      ok: true,
      receipt: new AdmissionReceipts().of(admitted(report).admission),
    }),
  );
  await t.rejects(follower.keyUse(KEY), { code: "SEQUENCER_UNREACHABLE" }, "a receipt is no use");
});

t.test(
  "an answer that does not come in time ends the stream; the next opens another",
  async (t) => {
    let isMute = true;
    const { follower, streams } = await startLiar(t, (number) =>
      isMute ? null : encodeReportAnswer(number, { ok: true, use: null }),
    );
    const beganMs = Date.now();
    const refused = { code: "SEQUENCER_UNREACHABLE", data: { reason: "TIMEOUT" } };
    const using = follower.keyUse(KEY);
    using.catch(() => undefined);
    await t.rejects(submit(follower), refused);
    await t.rejects(using, refused, "all that was under way");
    const tookMs = Date.now() - beganMs;
    t.ok(tookMs >= REPORT_DEADLINE_MS - 5 && tookMs < 2 * REPORT_DEADLINE_MS, `${tookMs} ms`);
    isMute = false;
    t.equal(await follower.keyUse(KEY), null, "being slow is no fault");
    t.equal(streams.length, 2);
  },
);

t.test("without a configured sequencer, and while it is away", async (t) => {
  const alone = await startHost(t);
  await t.rejects(submit(alone), { code: "SEQUENCER_UNREACHABLE" });
  const stranger = await startHost(t, { role: "sequencer" });
  const first = await startHost(t);
  const follower = await startHost(t, { peers: [first.address] });
  await connected(follower, 1);
  await t.rejects(
    submit(follower),
    { code: "SEQUENCER_UNREACHABLE" },
    "another follower takes none",
  );
  t.equal((await stranger.info()).peers, 0);

  const never = new Promise<ReportAnswer>(() => undefined);
  const identityFile = join(t.testdirName, "sequencer");
  const listening = await startHost(t, {
    role: "sequencer",
    identityFile,
    handlers: { onReport: () => never },
  });
  const other = await startHost(t, { peers: [listening.address] });
  await connected(other, 1);
  const pending = submit(other);
  pending.catch(() => undefined);
  t.equal(await other.keyUse(KEY), null);
  await listening.stop();
  await t.rejects(pending, { code: "SEQUENCER_UNREACHABLE" });
  await startHost(t, {
    role: "sequencer",
    identityFile,
    listen: listening.address.slice(0, listening.address.indexOf("/p2p/")),
    handlers: { onReport: async (each) => admitted(each) },
  });
  await until("it is back", () =>
    submit(other).then(
      ({ ok }) => ok,
      () => false,
    ),
  );
});
