/**
 * `npm run bench -- prices`: from the moment at which publishers report to the one at which a call
 * on `pending` reads it, on a real sequencer process, idle and under a flood of transfers; and the
 * same for a plain transaction of one feed on anvil.
 *
 * Five publishers sign twenty feeds in one report each, twenty times a second, all at once: that is
 * a round.
 * A round is readable when the median of a feed is of its time, so when three have come through.
 * Owns what is sent and how it is timed. Rounds that are never readable count as infinitely late.
 */
import { writeFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { decodeFunctionResult, encodeFunctionData, type Hex, parseAbi } from "viem";
import { priceFeedsAbi } from "../../rpc/sdk/price-feeds.ts";
import { fromHex, toHex } from "../../lanes/bytes.ts";
import { PRICE_FEEDS } from "../../lanes/epoch-transaction.ts";
import { parsePolicy } from "../../lanes/policy.ts";
import { keccakText } from "../../lanes/keccak.ts";
import { addressOf, signDigest } from "../../node/primitives/signature.ts";
import { type ReportSigner, signReport } from "../../rpc/sdk/reports.ts";
import { makeSender, signNext } from "./accounts.ts";
import { startChild } from "./lanes-child.ts";
import type { FloodCalls } from "./lanes-flood.ts";
import { type Network, startNetwork, startPeer } from "./lanes-network.ts";
import { openSocket, type RpcSocket } from "./lanes-rpc.ts";
import { UsageError } from "./options.ts";
import { feedId, ORACLE } from "./population.ts";
import { describeMachine, formatNumber, formatRows } from "./report.ts";
import { policyDocument } from "./rollup.ts";
import { comparedTo, figureOf, percentile, type Row } from "./row.ts";
import { oracleReport } from "./workloads.ts";

const PUBLISHERS = 5;
const FEEDS = 20;
const ROUND_MS = 50;
/** After the last round, until what is not readable is lost. */
const SETTLE_MS = 2_000;
/** Rounds before the measurement: code that has not run yet is slow. */
const WARM_UP_S = 2;
const TRANSFERS_QUEUED = 5_000;
const TRANSFERS_A_SECOND = 2_000;
const TARGET_MS = 8;
const FLOOD_MODULE = new URL("./lanes-flood.js", import.meta.url);

const USAGE = `usage: npm run bench -- prices [options]
  --repeats N     runs, each on a new chain   (3)
  --seconds N     length of one measurement   (8)
  --json FILE     write rows and raw times there too
  --no-peers      leave anvil out
  --no-flood      idle alone`;

export interface PricesOptions {
  readonly repeats: number;
  readonly seconds: number;
  readonly json: string | null;
  readonly peers: boolean;
  readonly flood: boolean;
}

/** Options from what follows `prices` on the command line. Throws `UsageError`. */
export function parsePricesOptions(args: readonly string[]): PricesOptions {
  const names = { repeats: { type: "string" }, seconds: { type: "string" } } as const;
  const more = { json: { type: "string" } } as const;
  const switches = { "no-peers": { type: "boolean" }, "no-flood": { type: "boolean" } } as const;
  try {
    const { values } = parseArgs({ args: [...args], options: { ...names, ...more, ...switches } });
    return {
      repeats: wholeNumber(values.repeats ?? "3"),
      seconds: wholeNumber(values.seconds ?? "8"),
      json: values.json ?? null,
      peers: values["no-peers"] !== true,
      flood: values["no-flood"] !== true,
    };
  } catch (cause) {
    throw new UsageError(USAGE, { cause });
  }
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new UsageError(USAGE);
  return value;
}

/** Twenty feeds of five publishers. No least time between epochs: it would be the latency. */
function pricesPolicy(): Record<string, unknown> {
  const ids = Array.from({ length: PUBLISHERS }, (_, at) => at + 1);
  return {
    ...policyDocument(),
    publishers: ids.map((id) => ({ id, name: `publisher ${id}`, keys: [signerOf(id).address] })),
    feeds: Array.from({ length: FEEDS }, (_, at) => ({
      ...{ id: feedName(at), kind: "price", decimals: 8, publishers: ids, quorum: 4, group: 0 },
      ...{ maxAgeMs: 2_000, heartbeatMs: 1_000, deviationBps: 5, deviationFloor: "0" },
      ...{ minEpochMs: 0, maxJumpBps: 5_000, jumpQuorum: 5, jumpWindowMs: 5_000 },
      ...{ jumpHoldMs: 1_500, min: "1", max: "1000000000000", readableAgeMs: 3_000 },
    })),
  };
}

const feedName = (at: number): string => `FEED${at}/USD`;

/** Signs natively: what a publisher's own machine takes is no part of the time. */
function signerOf(id: number): ReportSigner & { readonly address: Hex } {
  const key = new Uint8Array(32).fill(0x70 + id);
  const sign: ReportSigner["sign"] = ({ hash }) =>
    Promise.resolve(toHex(signDigest(fromHex(hash), key)));
  return { address: addressOf(key), sign };
}

/** What a round does, and what shows that it has come through. */
interface Subject {
  send(round: number, publishedMs: number): void;
  /** Publish time of what can be read now; 0 for nothing. */
  read(): Promise<number>;
  close(): void;
}

export interface Measured {
  readonly system: string;
  readonly condition: "idle" | "transfers";
  /** Milliseconds from the moment a round was meant to be sent; infinite where it was lost. */
  readonly readableMs: readonly number[];
  /** Of calls that send. */
  readonly refused: number;
}

const ORACLE_ABI = parseAbi([
  "function latest(bytes32) view returns (int128, uint64, uint48, uint16)",
]);

/** Reports in twenty feeds, over one connection for each publisher. */
async function reporting(url: string, feedSet: Hex, onRefused: () => void): Promise<Subject> {
  const publishers = Array.from({ length: PUBLISHERS }, (_, at) => signerOf(at + 1));
  const sockets = await Promise.all(publishers.map(() => openSocket(url)));
  const reader = await openSocket(url);
  const ids = Array.from({ length: FEEDS }, (_, at) => toHex(keccakText(feedName(at))));
  const [first = "0x"] = ids;
  const data = encodeFunctionData({ abi: priceFeedsAbi, functionName: "getMarket", args: [first] });
  return {
    send(round, publishTimeMs) {
      const value = 1_000_000n + (round % 2 === 0 ? 2_000n : 0n);
      const observations = ids.map((id) => ({ feedId: id, value, confidence: 100n, session: 0 }));
      const report = { sequence: BigInt(round + 1), publishTimeMs, observations };
      for (const [at, signer] of publishers.entries())
        void signReport(signer, feedSet, report)
          .then(({ source, bytes }) =>
            sockets[at]?.call("lane_submitReport", [{ source, bytes, feedSet }]),
          )
          .catch(onRefused);
    },
    read: () =>
      reader
        .call<Hex>("eth_call", [{ to: PRICE_FEEDS, data }, "pending"])
        .then(({ value }) => {
          const market = { abi: priceFeedsAbi, functionName: "getMarket", data: value } as const;
          return decodeFunctionResult(market).timeMs;
        })
        .catch(() => 0),
    close: () => {
      for (const socket of [...sockets, reader]) socket.close();
    },
  };
}

/** One plain transaction of one feed a round, as an oracle without reports sends it. */
async function transacting(url: string, onRefused: () => void): Promise<Subject> {
  const sender = makeSender(0);
  const writer: RpcSocket = await openSocket(url);
  const reader = await openSocket(url);
  const feed = feedId(0);
  const data = encodeFunctionData({ abi: ORACLE_ABI, functionName: "latest", args: [feed] });
  return {
    send(round, publishedMs) {
      const { raw } = signNext(sender, oracleReport(feed, BigInt(1_000_000 + round), publishedMs));
      writer.call("eth_sendRawTransaction", [toHex(raw)]).catch(onRefused);
    },
    read: () =>
      reader.call<Hex>("eth_call", [{ to: ORACLE, data }, "latest"]).then(({ value }) => {
        const latest = { abi: ORACLE_ABI, functionName: "latest", data: value } as const;
        return decodeFunctionResult(latest)[2];
      }),
    close: () => {
      writer.close();
      reader.close();
    },
  };
}

/** Rounds by a schedule, whatever is answered, and a reader that asks again and again. */
async function timeRounds(
  subject: Subject,
  seconds: number,
  firstRound: number,
): Promise<readonly number[]> {
  const rounds = Array.from({ length: Math.round((1000 * seconds) / ROUND_MS) }, () => ({
    ...{ startMs: Infinity, publishedMs: Infinity, readableMs: Infinity },
  }));
  const startMs = performance.now() + ROUND_MS;
  const untilMs = startMs + 1000 * seconds + SETTLE_MS;
  let sent = 0;
  let seen = 0;
  const sending = (async () => {
    for (const [at, round] of rounds.entries()) {
      round.startMs = startMs + at * ROUND_MS;
      await delay(Math.max(0, round.startMs - performance.now()));
      round.publishedMs = Date.now();
      sent = at + 1;
      subject.send(firstRound + at, round.publishedMs);
    }
  })();
  while (seen < rounds.length && performance.now() < untilMs) {
    const newestMs = await subject.read();
    const atMs = performance.now();
    for (; seen < sent; seen++) {
      const round = rounds[seen];
      if (round === undefined || round.publishedMs > newestMs) break;
      round.readableMs = atMs - round.startMs;
    }
    await delay(1);
  }
  await sending;
  return rounds.map(({ readableMs }) => readableMs);
}

async function measureOurs(options: PricesOptions, say: Say): Promise<Measured[]> {
  const network = await startNetwork(pricesPolicy());
  const flood = startChild<FloodCalls>(FLOOD_MODULE);
  const measured: Measured[] = [];
  let refused = 0;
  try {
    const feedSet = feedSetOf(network);
    const subject = await reporting(wsUrlOf(network), feedSet, () => (refused += 1));
    let round = 0;
    const run = async (seconds: number) => {
      const times = await timeRounds(subject, seconds, round);
      round += times.length;
      return times;
    };
    await run(WARM_UP_S);
    const add = (condition: Measured["condition"], readableMs: readonly number[]) => {
      measured.push(told({ system: "pricelane", condition, readableMs, refused }, say));
      refused = 0;
    };
    add("idle", await run(options.seconds));
    if (options.flood) {
      const stock = 4 * TRANSFERS_QUEUED + TRANSFERS_A_SECOND * options.seconds;
      const { httpUrl: url } = network.target;
      const fill = { url, kind: "transfers", target: TRANSFERS_QUEUED, stock, isPlugged: true };
      await flood.request("fill", { ...fill, kind: "transfers" });
      add("transfers", await run(options.seconds));
      const { queuedMin } = await flood.request("stop", null);
      say(`least queued ${queuedMin}`);
    }
    subject.close();
  } finally {
    await flood.stop();
    await network.stop();
  }
  return measured;
}

async function measureAnvil(options: PricesOptions, say: Say): Promise<Measured> {
  const network = await startPeer("automine");
  let refused = 0;
  try {
    const subject = await transacting(wsUrlOf(network), () => (refused += 1));
    await timeRounds(subject, WARM_UP_S, 0);
    const readableMs = await timeRounds(subject, options.seconds, 1_000);
    subject.close();
    return told({ system: "anvil automine", condition: "idle", readableMs, refused }, say);
  } finally {
    await network.stop();
  }
}

type Say = (line: string) => void;

function told(measured: Measured, say: Say): Measured {
  const { system, condition, readableMs, refused } = measured;
  const share = (part: number): string => formatNumber(percentile(readableMs, part));
  const lost = readableMs.filter((ms) => ms === Infinity).length;
  say(
    `${system}, ${condition}: readable p50 ${share(0.5)}, p99 ${share(0.99)} ms, ` +
      `${lost} lost of ${readableMs.length}, ${refused} refused`,
  );
  return measured;
}

function wsUrlOf({ target }: Network): string {
  return target.wsUrl;
}

function feedSetOf({ trust }: Network): Hex {
  const policy = parsePolicy(trust?.policy);
  if (!policy.ok) throw new Error(JSON.stringify(policy));
  return policy.value.document.feedSet;
}

/** Medians over the runs, ours beside the peer. */
export function rowsOf(measured: readonly Measured[]): Row[] {
  const conditions = ["idle", "transfers"] as const;
  return conditions.flatMap((condition) => {
    const of = (system: string) =>
      measured.filter((each) => each.system === system && each.condition === condition);
    const ours = of("pricelane");
    if (ours.length === 0) return [];
    return [
      ["p50", 0.5],
      ["p99", 0.99],
      ["max", 1],
    ].map(([name, part]): Row => {
      const times = (runs: readonly Measured[]) =>
        runs.map(({ readableMs }) => percentile(readableMs, Number(part)));
      const figure = figureOf(times(ours));
      const peer = of("anvil automine");
      const peers = peer.length === 0 ? [] : [comparedTo(figure, "anvil automine", times(peer))];
      const row = { name: condition, measure: `round readable ${name}`, unit: "ms" } as const;
      return {
        ...row,
        figure,
        peers,
        ...(name === "p50" ? { target: { atMost: TARGET_MS } } : {}),
      };
    });
  });
}

/** Measures and prints; writes JSON where asked. */
export async function runPrices(
  options: PricesOptions,
  print: (text: string) => void,
  say: Say,
): Promise<void> {
  const before = describeMachine();
  const measured: Measured[] = [];
  for (let run = 0; run < options.repeats; run++) {
    measured.push(...(await measureOurs(options, say)));
    if (options.peers) measured.push(await measureAnvil(options, say));
  }
  const rows = rowsOf(measured);
  print(`before: ${before}\nafter:  ${describeMachine()}`);
  print(`${PUBLISHERS} publishers × ${FEEDS} feeds, ${1000 / ROUND_MS} reports a second each`);
  print("anvil: one transaction of one feed a round; it signs nothing, and has no flood");
  print(formatRows(rows));
  if (options.json === null) return;
  // JSON has no infinity.
  const plain = (_key: string, value: unknown) => (value === Infinity ? "lost" : value);
  await writeFile(options.json, JSON.stringify({ options, rows, measured }, plain, 2));
}
