/**
 * A process that floods one feed with reports: five publishers with four keys each sign, in turn,
 * as many valid reports as are asked for, each with its own connection, as publishers have. In a
 * process of its own, so that its work is not in the rounds' times; it takes a processor all the
 * same, which is why everything is signed before, for the moment at which it will be sent.
 *
 * The value goes up and down by more than the feed's deviation with every interval that the feed
 * allows, so that an epoch is due as often as there may be one. What is sent late is sent all the
 * same, and what has no answer in the end is counted.
 */
import { setTimeout as delay } from "node:timers/promises";
import { type Hex, toHex } from "../../lanes/bytes.ts";
import { serve } from "./lanes-child.ts";
import { openSocket, type RpcSocket } from "./lanes-rpc.ts";
import {
  FLOODED_FEED_ID,
  FLOODED_MIN_EPOCH_MS,
  FLOODER_IDS,
  FLOODER_KEYS,
  publisherKey,
  signedBytes,
} from "./prices-policy.ts";

const VALUE = 1_000_000n;
const STEP = 2_000n;
/** Signed to learn how long one takes. */
const TRIAL = 500;
/** Part of the time that signing is reckoned with, beside what the trial took. */
const SPARE = 1.5;
const TRIES_MAX = 3;
const SPARE_MS = 500;
const TICK_MS = 1;
/** After the last report, until what has no answer has none. */
const SETTLE_MS = 2_000;

export interface ReportFloodJob {
  readonly wsUrl: string;
  readonly feedSet: Hex;
  readonly ratePerSecond: number;
  readonly seconds: number;
}

export interface ReportFloodReport {
  /** From the first to the last that was sent: at the rate that was asked for, or below it. */
  readonly seconds: number;
  readonly sent: number;
  readonly accepted: number;
  /** How many of each code. */
  readonly refused: Readonly<Record<string, number>>;
  readonly unanswered: number;
}

export interface ReportFloodCalls extends Record<string, readonly [unknown, unknown]> {
  /** Signs everything; when it begins to send, Unix milliseconds. */
  prepare: readonly [ReportFloodJob, number];
  /** Sends at the time that was said. */
  run: readonly [null, ReportFloodReport];
}

const KEYS = FLOODER_IDS.length * FLOODER_KEYS;

interface Prepared {
  readonly job: ReportFloodJob;
  readonly startMs: number;
  /** In the order in which they are sent; each key in turn. */
  readonly reports: readonly Hex[];
}

let prepared: Prepared | null = null;

/** The report with this number, as it will be due. */
function sign({ feedSet, ratePerSecond }: ReportFloodJob, at: number, startMs: number): Hex {
  const publisher = FLOODER_IDS[at % FLOODER_IDS.length] ?? 0;
  const hot = Math.floor(at / FLOODER_IDS.length) % FLOODER_KEYS;
  const publishTimeMs = Math.floor(startMs + (1000 * at) / ratePerSecond);
  const isUp = Math.floor(publishTimeMs / FLOODED_MIN_EPOCH_MS) % 2 === 0;
  const value = isUp ? VALUE + STEP : VALUE;
  const observations = [{ feedId: FLOODED_FEED_ID, value, confidence: 100n, session: 0 }];
  const report = { sequence: BigInt(Math.floor(at / KEYS) + 1), publishTimeMs, observations };
  return toHex(signedBytes(feedSet, report, publisherKey(publisher, hot)));
}

function prepare(job: ReportFloodJob): Prepared {
  const count = job.ratePerSecond * job.seconds;
  const trialMs = performance.now();
  for (let at = 0; at < TRIAL; at++) sign(job, at, Date.now());
  let signingMs = ((performance.now() - trialMs) / TRIAL) * count;
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    signingMs *= SPARE;
    const startMs = Date.now() + signingMs + SPARE_MS;
    const reports = Array.from({ length: count }, (_, at) => sign(job, at, startMs));
    if (Date.now() < startMs) return { job, startMs, reports };
  }
  throw new Error("signing takes longer each time");
}

async function run({ job, startMs, reports }: Prepared): Promise<ReportFloodReport> {
  const sockets = await Promise.all(Array.from({ length: KEYS }, () => openSocket(job.wsUrl)));
  const counts = { accepted: 0, sent: 0, answered: 0 };
  const refused: Record<string, number> = {};
  const send = (socket: RpcSocket | undefined, bytes: Hex): void => {
    counts.sent += 1;
    socket
      ?.call("lane_submitReport", [{ source: "0x0", bytes, feedSet: job.feedSet }])
      .then(() => (counts.accepted += 1))
      .catch((error: unknown) => {
        const code = error instanceof Error ? error.message : String(error);
        refused[code] = (refused[code] ?? 0) + 1;
      })
      .finally(() => (counts.answered += 1));
  };
  await delay(startMs - Date.now());
  while (counts.sent < reports.length) {
    const dueMs = Date.now() - startMs;
    const due = Math.min(reports.length, Math.floor((dueMs * job.ratePerSecond) / 1000));
    for (const bytes of reports.slice(counts.sent, due)) send(sockets[counts.sent % KEYS], bytes);
    await delay(TICK_MS);
  }
  const seconds = (Date.now() - startMs) / 1000;
  const untilMs = performance.now() + SETTLE_MS;
  while (counts.answered < counts.sent && performance.now() < untilMs) await delay(TICK_MS);
  const { sent, accepted, answered } = counts;
  const report = { seconds, sent, accepted, refused: { ...refused }, unanswered: sent - answered };
  for (const socket of sockets) socket.close();
  return report;
}

serve({
  prepare(job: ReportFloodJob) {
    prepared = prepare(job);
    return Promise.resolve(prepared.startMs);
  },
  run() {
    if (prepared === null) return Promise.reject(new Error("nothing is signed"));
    return run(prepared);
  },
});
