/** The sequencer's end of `submit-reports`, against followers that check nothing. */
import type { Stream } from "@libp2p/interface";
import t, { type Test } from "tap";
import { checkAdmissionReceipt } from "../../lanes/admission.ts";
import { concatBytes, type Hex } from "../../lanes/bytes.ts";
import type { VerifiedReport } from "../../lanes/report-rules.ts";
import type { ReportAnswer } from "../../node/api.ts";
import { protocolNames } from "../../node/p2p/messages.ts";
import {
  decodeReportAnswer,
  encodeReportRequest,
  type ReportAnswerMessage,
  REPORT_ANSWER_BYTES_MAX,
  type ReportRequest,
  REPORTS_IN_FLIGHT_MAX,
  splitReportAnswer,
} from "../../node/p2p/report-messages.ts";
import { REPORTS_SERVED_MAX } from "../../node/p2p/report-server.ts";
import { type Frames, openFrames } from "../../node/p2p/streams.ts";
import { addressOf } from "../../node/primitives/signature.ts";
import { publisherKey, reportBytes, signedReport } from "../lanes/fixtures/reports.ts";
import { CHAIN_ID } from "./fixtures/blocks.ts";
import { type RawPeer, startHost, startRawPeer, until } from "./fixtures/hosts.ts";
import { admitted, POLICY, TRUST } from "./fixtures/receipts.ts";

const NAMES = protocolNames(CHAIN_ID);
const WRITE_MS = 5_000;
const KEY = addressOf(publisherKey(1));

const bytesOf = (sequence: number): Uint8Array =>
  reportBytes(POLICY, 1, { sequence: BigInt(sequence), value: 7n });
const requestOf = (bytes: Uint8Array): ReportRequest => ({ kind: "report", source: 0, bytes });

function prefixed(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(4 + bytes.length);
  new DataView(out.buffer).setUint32(0, bytes.length);
  out.set(bytes, 4);
  return out;
}

interface Follower {
  readonly peer: RawPeer;
  readonly stream: Stream;
  readonly frames: Frames;
  send(number: number, request: ReportRequest): Promise<void>;
  next(): Promise<{ readonly number: number; readonly answer: ReportAnswerMessage }>;
}

async function openStream(peer: RawPeer): Promise<Follower> {
  const [connection] = peer.getConnections();
  if (connection === undefined) throw new Error("not connected");
  const stream = await connection.newStream(NAMES.submitReports);
  const frames = openFrames(stream, WRITE_MS);
  return {
    peer,
    stream,
    frames,
    send: (number, request) => frames.write(encodeReportRequest(number, request)),
    async next() {
      const split = splitReportAnswer(await frames.read(REPORT_ANSWER_BYTES_MAX));
      if (!split.ok) throw new Error(split.code);
      const answer = decodeReportAnswer(split.value.body);
      if (!answer.ok) throw new Error(answer.code);
      return { number: split.value.number, answer: answer.value };
    },
  };
}

interface Desk {
  readonly reports: VerifiedReport[];
  /** Keys that were asked for. */
  readonly asked: Hex[];
  readonly address: string;
}

/** A sequencer; it takes everything in where the test does not say otherwise. */
async function startSequencer(
  t: Test,
  take: (report: VerifiedReport) => Promise<ReportAnswer> = async (report) => admitted(report),
): Promise<Desk> {
  const reports: VerifiedReport[] = [];
  const asked: Hex[] = [];
  const host = await startHost(t, {
    role: "sequencer",
    handlers: {
      onReport(report) {
        reports.push(report);
        return take(report);
      },
      async onKeyUse(key) {
        asked.push(key);
        return { sequence: key === KEY ? 5n : 0n, isSuspended: false };
      },
    },
  });
  return { reports, asked, address: host.address };
}

t.test("many requests on one stream, each answer with its number, in any order", async (t) => {
  const release: (() => void)[] = [];
  const desk = await startSequencer(t, async (report) => {
    if (report.report.sequence === 1n) await new Promise<void>((resolve) => release.push(resolve));
    if (report.report.sequence === 3n)
      return { ok: false, code: "REPORT_REPLAYED", data: { last: "4" } };
    return admitted(report);
  });
  const follower = await openStream(await startRawPeer(t, desk.address));
  for (const sequence of [1, 2, 3]) await follower.send(sequence, requestOf(bytesOf(sequence)));
  await follower.send(9, { kind: "key", key: KEY });
  const early = [await follower.next(), await follower.next(), await follower.next()];
  t.same(early.map(({ number }) => number).sort(), [2, 3, 9], "the first one waits");
  const answerOf = (number: number) => early.find((each) => each.number === number)?.answer;
  t.same(answerOf(3), { ok: false, code: "REPORT_REPLAYED", data: { last: "4" } });
  t.same(answerOf(9), { ok: true, use: { sequence: 5n, isSuspended: false } });
  for (const resolve of release) resolve();
  const last = await follower.next();
  t.equal(last.number, 1);
  if (!last.answer.ok || !("receipt" in last.answer)) throw new Error("no receipt");
  const { receipt } = last.answer;
  t.same(checkAdmissionReceipt(receipt, TRUST), { ok: true, value: null });
  t.equal(receipt.leaf.hash, signedReport(POLICY, 1, { sequence: 1n, value: 7n }).hash);
  t.match(desk.reports, [{ publisher: 1, key: KEY, source: 0 }, {}, {}]);
  t.equal(
    desk.reports[0]?.bytes.buffer.byteLength,
    bytesOf(1).length + 6,
    "what is kept of a report does not keep what it came with",
  );
});

t.test(
  "what an honest follower does not hand on costs the stream, then the connection",
  async (t) => {
    const desk = await startSequencer(t);
    const peer = await startRawPeer(t, desk.address);
    const forged = bytesOf(1);
    forged[20] = (forged[20] ?? 0) ^ 1;
    const unsigned = concatBytes(bytesOf(2).subarray(0, -65), new Uint8Array(65));
    const cases: readonly (readonly [string, Uint8Array])[] = [
      ["a feed that nobody knows", encodeReportRequest(1, requestOf(forged))],
      ["no signature", encodeReportRequest(2, requestOf(unsigned))],
      ["no such request", Uint8Array.of(0, 0, 0, 3, 9, 0)],
      ["another source", encodeReportRequest(4, { kind: "report", source: 1, bytes: bytesOf(3) })],
    ];
    for (const [name, frame] of cases) {
      const { frames, stream } = await openStream(peer);
      // What comes with it is not looked at any more.
      const behind = encodeReportRequest(9, requestOf(bytesOf(9)));
      stream.send(concatBytes(prefixed(frame), prefixed(behind)));
      await t.rejects(frames.read(REPORT_ANSWER_BYTES_MAX), name);
      t.not(stream.status, "open");
    }
    await openStream(peer).catch(() => undefined);
    await until("the connection is closed", () => peer.getConnections().length === 0);
    t.same(desk.reports, [], "the sequencing thread has heard of none");
  },
);

t.test("a stranger's key signs nothing that is handed on", async (t) => {
  const desk = await startSequencer(t);
  const { frames, send, stream } = await openStream(await startRawPeer(t, desk.address));
  const { document } = POLICY;
  const elsewhere = { ...POLICY, document: { ...document, feedSet: `0x${"00".repeat(32)}` } };
  await send(1, requestOf(reportBytes(elsewhere as typeof POLICY, 1, { value: 7n })));
  await t.rejects(frames.read(REPORT_ANSWER_BYTES_MAX));
  t.not(stream.status, "open");
  t.same(desk.reports, []);
});

t.test("a frame that announces too much is refused before it is read", async (t) => {
  const desk = await startSequencer(t);
  const { frames, stream } = await openStream(await startRawPeer(t, desk.address));
  stream.send(Uint8Array.of(0xff, 0xff, 0xff, 0xff));
  await t.rejects(frames.read(REPORT_ANSWER_BYTES_MAX));
  t.not(stream.status, "open");
});

/** Asks for a key so many times, no more of them under way than a follower has. */
async function askForKeys({ send, next }: Follower, count: number): Promise<void> {
  for (let sent = 0; sent < count; sent += REPORTS_IN_FLIGHT_MAX) {
    const numbers = Array.from({ length: REPORTS_IN_FLIGHT_MAX }, (_, at) => sent + at);
    for (const number of numbers) await send(number, { kind: "key", key: KEY });
    for (let at = 0; at < numbers.length; at++)
      if (!(await next()).answer.ok) throw new Error("refused");
  }
}

t.test("a peer over its rate waits, and is refused nothing", async (t) => {
  const desk = await startSequencer(t);
  const follower = await openStream(await startRawPeer(t, desk.address));
  // A megabyte at once, and half of one a second: the smallest request counts for 512 bytes.
  const beganMs = performance.now();
  await askForKeys(follower, 2048);
  await askForKeys(follower, 1024);
  const tookMs = performance.now() - beganMs;
  t.ok(tookMs > 950, `${Math.round(tookMs)} ms`);
  t.equal(desk.asked.length, 3072);
});

t.test("what a peer sends over its rate is not read: its own window fills", async (t) => {
  const desk = await startSequencer(t);
  const peer = await startRawPeer(t, desk.address);
  const follower = await openStream(peer);
  await askForKeys(follower, 2048);
  const beganMs = performance.now();
  const asked = desk.asked.length;
  const frame = prefixed(encodeReportRequest(1, { kind: "key", key: KEY }));
  // More than the window takes.
  const count = 250_000;
  follower.stream.send(Buffer.alloc(count * frame.length, frame));
  await until("some are answered", () => desk.asked.length > asked + 300);
  const seconds = (performance.now() - beganMs) / 1000;
  const answered = desk.asked.length - asked;
  t.ok(answered < 256 + 1200 * seconds, `${answered} in ${seconds.toFixed(2)} s`);
  const { writeBufferLength } = follower.stream;
  t.ok(writeBufferLength > (count / 4) * frame.length, `${writeBufferLength} bytes wait there`);
  t.equal(follower.stream.status, "open");
  const calm = await openStream(await startRawPeer(t, desk.address));
  await calm.send(1, requestOf(bytesOf(1)));
  t.match(await calm.next(), { answer: { ok: true } }, "others are served");
  follower.stream.abort(new Error("enough"));
  const atEnd = desk.asked.length;
  await until("its tokens come back", async () => {
    const again = await openStream(peer);
    await askForKeys(again, REPORTS_IN_FLIGHT_MAX);
    return true;
  });
  const later = desk.asked.length - atEnd;
  t.ok(later < REPORTS_IN_FLIGHT_MAX + 64, `${later}: no more of the stream that has ended`);
});

t.test("a forged report is the peer's fault where it sends no more behind it", async (t) => {
  const desk = await startSequencer(t);
  const peer = await startRawPeer(t, desk.address);
  const unsigned = concatBytes(bytesOf(2).subarray(0, -65), new Uint8Array(65));
  for (let tries = 0; tries < 4; tries++) {
    const { stream } = await openStream(peer);
    // The end comes before the report has its turn.
    const keys = Array.from({ length: 8 }, () => encodeReportRequest(1, { kind: "key", key: KEY }));
    const requests = [...keys, encodeReportRequest(2, requestOf(unsigned))];
    stream.send(concatBytes(...requests.map(prefixed)));
    await stream.close();
    await until("it is over", () => stream.status !== "open");
  }
  await until("the connection is closed", async () => {
    await openStream(peer).catch(() => undefined);
    return peer.getConnections().length === 0;
  });
  t.same(desk.reports, []);
});

t.test("a peer that only sends no more is answered", async (t) => {
  const release: (() => void)[] = [];
  const desk = await startSequencer(t, async (report) => {
    await new Promise<void>((resolve) => release.push(resolve));
    return admitted(report);
  });
  const { stream, send, next } = await openStream(await startRawPeer(t, desk.address));
  await send(1, requestOf(bytesOf(1)));
  await stream.close();
  await until("it is taken in", () => release.length === 1);
  for (const resolve of release) resolve();
  t.match(await next(), { number: 1, answer: { ok: true } });
});

t.test("a peer that does not read its answers loses the stream after ten seconds", async (t) => {
  const data = { text: "a".repeat(4000) };
  const desk = await startSequencer(t, async () => ({ ok: false, code: "RATE_LIMITED", data }));
  const { stream, send } = await openStream(await startRawPeer(t, desk.address));
  let sent = 0;
  let come = 0;
  do {
    for (let at = 0; at < 128; at++) await send(sent++, requestOf(bytesOf(1)));
    await until("they are taken in", () => desk.reports.length === sent);
    await until("no more answers come", () => {
      const isSettled = stream.readBufferLength === come;
      come = stream.readBufferLength;
      return isSettled;
    });
  } while (come >= sent * data.text.length && sent < 2048);
  const beganMs = performance.now();
  t.equal(stream.status, "open");
  await until("it is reset", () => stream.status === "reset");
  const seconds = (performance.now() - beganMs) / 1000;
  t.ok(seconds > 8 && seconds < 12, `after ${seconds.toFixed(1)} s`);
});

t.test("no more than so many of one peer are under way, on all its streams", async (t) => {
  const desk = await startSequencer(t, () => new Promise(() => undefined));
  const peer = await startRawPeer(t, desk.address);
  const first = await openStream(peer);
  const second = await openStream(peer);
  const third = openStream(peer).then(({ frames }) => frames.read(REPORT_ANSWER_BYTES_MAX));
  await t.rejects(third, "no more than two streams");
  const half = REPORTS_SERVED_MAX / 2;
  for (let at = 0; at < half; at++) {
    await first.send(at, requestOf(bytesOf(1)));
    await second.send(at, requestOf(bytesOf(1)));
  }
  await until("all of them", () => desk.reports.length === REPORTS_SERVED_MAX);
  t.equal(first.stream.status, "open");
  await first.send(half, requestOf(bytesOf(1)));
  const other = await openStream(await startRawPeer(t, desk.address));
  await other.send(1, { kind: "key", key: KEY });
  t.match(await other.next(), { number: 1, answer: { ok: true } }, "others are served");
  t.equal(desk.reports.length, REPORTS_SERVED_MAX, "one more is not read");
  t.equal(first.stream.status, "open");
});

t.test("who opens stream after stream loses the connection", async (t) => {
  const desk = await startSequencer(t);
  const peer = await startRawPeer(t, desk.address);
  const calm = await openStream(await startRawPeer(t, desk.address));
  let opened = 0;
  await until("the connection is closed", async () => {
    const follower = await openStream(peer).catch(() => null);
    if (follower !== null) {
      await follower.send(1, { kind: "key", key: KEY }).catch(() => undefined);
      if ((await follower.next().catch(() => null)) !== null) opened++;
      follower.stream.abort(new Error("another one"));
    }
    return peer.getConnections().length === 0;
  });
  t.ok(opened >= 16 && opened < 40, `${opened} streams were served`);
  await calm.send(1, { kind: "key", key: KEY });
  t.match(await calm.next(), { answer: { ok: true } }, "others are served");
});

t.test("a flood of one follower does not keep another one waiting", async (t) => {
  const order: number[] = [];
  const desk = await startSequencer(t, async (report) => {
    order.push(report.publisher);
    return admitted(report);
  });
  const flood = await openStream(await startRawPeer(t, desk.address));
  const calm = await openStream(await startRawPeer(t, desk.address));
  const count = 400;
  const bytes = bytesOf(1);
  const frames = Array.from({ length: count }, (_, at) =>
    prefixed(encodeReportRequest(at, requestOf(bytes))),
  );
  flood.stream.send(concatBytes(...frames));
  await until("the flood has begun", () => order.length > 0);
  const before = order.length;
  await calm.send(1, requestOf(reportBytes(POLICY, 2, { value: 7n })));
  t.match(await calm.next(), { number: 1, answer: { ok: true } });
  const at = order.indexOf(2);
  await until("the rest", () => order.length === count + 1);
  t.ok(at < count / 2, `after ${at} of ${count}, ${before} of them before it was sent`);
});

t.test("a follower takes none", async (t) => {
  const host = await startHost(t);
  const peer = await startRawPeer(t, host.address);
  const [connection] = peer.getConnections();
  await t.rejects(connection!.newStream(NAMES.submitReports));
});

t.test("a sequencing thread that fails ends the stream, not the node", async (t) => {
  const desk = await startSequencer(t, () => Promise.reject(new Error("gone")));
  const peer = await startRawPeer(t, desk.address);
  for (let tries = 0; tries < 6; tries++) {
    const { send, frames } = await openStream(peer);
    await send(1, requestOf(bytesOf(1)));
    await t.rejects(frames.read(REPORT_ANSWER_BYTES_MAX));
  }
  t.equal(peer.getConnections().length, 1, "which is no fault of the peer's");
});
