/** A publisher signs no sequence twice, whatever the node says, and keeps up with the market. */
import t, { type Test } from "tap";
import { privateKeyToAccount } from "viem/accounts";
import { http, createClient } from "viem";
import { fromHex, type Hex, toHex } from "../../../lanes/bytes.ts";
import type { Observation } from "../../../lanes/report.ts";
import { verifyReport, type VerifiedReport } from "../../../lanes/report-rules.ts";
import { recoverSigner } from "../../../node/primitives/signature.ts";
import {
  type LaneActions,
  laneActions,
  type PublisherInfo,
  refusalOf,
} from "../../../rpc/sdk/lane-actions.ts";
import { ReportPublisher } from "../../../rpc/sdk/publisher.ts";
import { signReport, type SubmittableReport } from "../../../rpc/sdk/reports.ts";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { ETH, feedPolicy, publisherKey } from "../../lanes/fixtures/reports.ts";

const policy = feedPolicy();
const { feedSet } = policy.document;
const signer = privateKeyToAccount(toHex(publisherKey(1)));
const key = signer.address.toLowerCase() as Hex;
const said = (value: bigint): Observation[] => [{ feedId: ETH, value, confidence: 1n, session: 2 }];

const read = ({ source, bytes }: SubmittableReport): VerifiedReport => {
  const verified = verifyReport(Number(source), fromHex(bytes), policy, recoverSigner);
  if (!verified.ok) throw new Error(verified.code);
  return verified.value;
};

/** A JSON-RPC node that answers what it is told to; `null` breaks the connection. */
async function serve(t: Test, answers: ((method: string, params: unknown[]) => unknown)[]) {
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (data: Buffer) => (body += data.toString()));
    request.on("end", () => {
      const { id, method, params } = JSON.parse(body) as {
        id: number;
        method: string;
        params: unknown[];
      };
      const answer = answers.shift()?.(method, params) ?? null;
      if (answer === null) request.socket.destroy();
      else response.end(JSON.stringify({ jsonrpc: "2.0", id, ...answer }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return createClient({ transport: http(url, { retryCount: 0 }) }).extend(laneActions());
}

const info = (sequence: number): PublisherInfo => ({
  ...{ id: 1, name: "one", feedSet, sequence: `0x${sequence.toString(16)}`, isSuspended: false },
  feeds: [{ id: "ETH/USD", feedId: ETH, decimals: 8 }],
});

/** With actions that answer in turn; waits take no time. */
function open(actions: Partial<LaneActions>) {
  const waits: number[] = [];
  let isStopped = false;
  const publisher = new ReportPublisher({
    actions: {
      getPublisher: () => Promise.resolve(info(7)),
      submitReport: () => Promise.reject(new Error("nobody there")),
      ...actions,
    },
    ...{ signer, key, nowMs: () => 1_000, isStopped: () => isStopped },
    wait: (ms) => {
      waits.push(ms);
      return Promise.resolve();
    },
  });
  const stop = () => {
    isStopped = true;
  };
  return { publisher, waits, stop };
}

const taken = (report: SubmittableReport) =>
  Promise.resolve({
    hash: report.hash,
    accepted: "0x1",
    deadlineBlock: "0x6",
    receipt: null,
  } as const);

t.test("a signed report is what a node verifies", async (t) => {
  const content = { sequence: 3n, publishTimeMs: 5, observations: said(9n) };
  const report = await signReport(signer, feedSet, content);
  t.match(read(report), { key, publisher: 1, hash: report.hash });
  t.match(read(report).report, content);
  const tooLarge = { ...content, observations: said(2n ** 127n) };
  await t.rejects(signReport(signer, feedSet, tooLarge), RangeError);
});

t.test("sequences begin far above what is known, and go up", async (t) => {
  const reports: VerifiedReport[] = [];
  const { publisher } = open({
    submitReport(report) {
      reports.push(read(report));
      return taken(report);
    },
  });
  t.throws(() => {
    publisher.publish(said(1n));
  }, RangeError);
  t.match(await publisher.open(), { name: "one" });
  for (const value of [1n, 2n, 3n]) {
    publisher.publish(said(value));
    await publisher.settled();
  }
  t.same(
    reports.map(({ report }) => report.sequence),
    [1008n, 1009n, 1010n],
  );
  t.match(publisher.counts, { taken: 3, overtaken: 0, refused: {}, lastMs: 0 });
});

t.test("while one is on its way, only the newest waits", async (t) => {
  const values: bigint[] = [];
  let answer: () => void = () => undefined;
  const { publisher } = open({
    submitReport(report) {
      values.push(read(report).report.observations[0]!.value);
      return new Promise((resolve) => {
        answer = () => {
          resolve(taken(report));
        };
      });
    },
  });
  await publisher.open();
  for (const value of [1n, 2n, 3n, 4n]) publisher.publish(said(value));
  const settled = publisher.settled();
  while (values.length < 1) await new Promise(setImmediate);
  answer();
  while (values.length < 2) await new Promise(setImmediate);
  answer();
  await settled;
  // The first was taken when it came; of the others the last.
  t.same(values, [1n, 4n]);
  t.match(publisher.counts, { taken: 2, overtaken: 2 });
});

t.test("what a node refuses is counted, and what has to wait waits", async (t) => {
  const refused = (code: string) => () => ({
    error: { code: -32003, message: "no", data: { code, last: "5000" } },
  });
  const bare = await serve(t, [
    () => ({ result: null }),
    refused("REPORT_STALE"),
    () => ({ error: { code: -32000, message: "without a code" } }),
  ]);
  t.equal(await bare.getPublisher(key), null);
  const report = await signReport(signer, feedSet, {
    ...{ sequence: 1n, publishTimeMs: 1, observations: said(1n) },
  });
  const failure = await bare.submitReport(report).catch((error: unknown) => error);
  t.match(refusalOf(failure), { code: "REPORT_STALE", data: { last: "5000" } });
  const uncoded = await bare.submitReport(report).catch((error: unknown) => error);
  t.equal(refusalOf(uncoded), null);
  t.equal(refusalOf(new Error("x")), null);

  const seen: (readonly [string, unknown])[] = [];
  const note = (answer: object | null) => (method: string, params: unknown[]) => {
    seen.push([method, params[0]]);
    return answer;
  };
  const actions = await serve(t, [
    note({ result: info(7) }),
    note(refused("RATE_LIMITED")()),
    note(refused("PEER_LIMIT")()),
    note(refused("SEQUENCER_UNREACHABLE")()),
    note(refused("REPORT_REPLAYED")()),
    note(null),
    note({ result: info(90_000) }),
    note({ result: { accepted: "0x1" } }),
  ]);
  const { publisher, waits } = open(actions);
  await publisher.open();
  for (const value of [1n, 2n, 3n, 4n, 5n]) {
    publisher.publish(said(value));
    await publisher.settled();
  }
  t.same(
    seen.map(([method]) => method.slice("lane_".length)),
    [
      "publisher",
      ...Array.from({ length: 4 }, () => "submitReport"),
      ...["publisher", "publisher", "submitReport"],
    ],
  );
  t.same(waits, [100, 100, 100, 250], "nothing is asked again for what passes");
  t.match(publisher.counts, {
    taken: 1,
    refused: {
      ...{ RATE_LIMITED: 1, PEER_LIMIT: 1, SEQUENCER_UNREACHABLE: 1 },
      ...{ REPORT_REPLAYED: 1, UNREACHABLE: 1 },
    },
  });
  const sequences = seen
    .filter(([method]) => method === "lane_submitReport")
    .map(([, report]) => read(report as SubmittableReport).report.sequence);
  t.same(sequences, [1008n, 1009n, 1010n, 1011n, 91_001n]);
});

t.test("nobody is waited for for ever", async (t) => {
  let asked = 0;
  const { publisher, waits, stop } = open({
    getPublisher() {
      asked += 1;
      if (asked === 8) stop();
      return Promise.reject(new Error("not there"));
    },
  });
  t.equal(await publisher.open(), null);
  t.same(waits, [250, 500, 1000, 2000, 4000, 8000, 8000, 8000]);
  t.match(publisher.counts.refused, { UNREACHABLE: 8 });
});
