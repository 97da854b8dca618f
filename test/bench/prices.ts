/**
 * `npm run bench -- prices`: from the moment at which publishers report to the one at which a call
 * on `pending` reads it, on a real sequencer process: idle, under a flood of reports of another
 * feed, and under a flood of transfers; and the same for a plain transaction of one feed on anvil.
 * And what prices cost on L1, which is counted.
 *
 * Owns the order of measurements. Does not own what is sent (`price-rounds.ts`, `report-flood.ts`),
 * nor what the figures mean (`prices-rows.ts`).
 */
import { writeFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { parsePolicy } from "../../lanes/policy.ts";
import type { Hex } from "../../lanes/bytes.ts";
import { type BenchChild, startChild } from "./lanes-child.ts";
import type { FloodCalls } from "./lanes-flood.ts";
import { type Network, startNetwork, startPeer } from "./lanes-network.ts";
import { createHttpClient, type HttpClient } from "./lanes-rpc.ts";
import { readBlockspace, type Span } from "./price-blockspace.ts";
import { formatPriceCosts, measurePriceBytes } from "./price-bytes.ts";
import { reporting, ROUND_MS, type Subject, timeRounds, transacting } from "./price-rounds.ts";
import type { PricesCondition, PricesOptions } from "./prices-options.ts";
import { FEED_IDS, LATENCY_RULES, pricesDocument, PUBLISHER_IDS } from "./prices-policy.ts";
import { type Measured, OURS, rowsOf } from "./prices-rows.ts";
import { describeMachine, formatNumber, formatRows } from "./report.ts";
import type { ReportFloodCalls, ReportFloodReport } from "./report-flood.ts";
import { percentile } from "./row.ts";

/** Rounds before the measurement: code that has not run yet is slow. */
const WARM_UP_S = 2;
const TRANSFERS_QUEUED = 5_000;
const TRANSFERS_A_SECOND = 2_000;
/** The flood of reports begins before the rounds: what may come at once is used up then. */
const FLOOD_LEAD_S = 1;
const FLOOD_MODULE = new URL("./lanes-flood.js", import.meta.url);
const REPORT_FLOOD_MODULE = new URL("./report-flood.js", import.meta.url);

type Say = (line: string) => void;

/** When rounds were sent, Unix milliseconds, and how soon each was readable. */
interface Rounds extends Span {
  readonly readableMs: readonly number[];
}

interface Timed extends Rounds, Pick<Measured, "flood"> {}

/** A sequencer, and the processes that flood it. */
class Stage {
  readonly #network: Network;
  readonly #options: PricesOptions;
  readonly #say: Say;
  readonly #feedSet: Hex;
  readonly #http: HttpClient;
  readonly #transfers: BenchChild<FloodCalls>;
  readonly #reports: BenchChild<ReportFloodCalls>;
  readonly #subject: Promise<Subject>;
  #refused = 0;
  #round = 0;

  constructor(network: Network, options: PricesOptions, say: Say) {
    this.#network = network;
    this.#options = options;
    this.#say = say;
    this.#feedSet = feedSetOf(network);
    this.#http = createHttpClient(network.target.httpUrl);
    this.#transfers = startChild<FloodCalls>(FLOOD_MODULE);
    this.#reports = startChild<ReportFloodCalls>(REPORT_FLOOD_MODULE);
    this.#subject = reporting(network.target.wsUrl, this.#feedSet, () => (this.#refused += 1));
  }

  async measure(): Promise<Measured[]> {
    await this.#rounds(WARM_UP_S);
    const measured: Measured[] = [];
    for (const condition of this.#options.conditions)
      measured.push(told(await this.#measureUnder(condition), this.#say));
    return measured;
  }

  /** Rounds are timed while the flood lasts; blocks are read when it is over. */
  async #measureUnder(condition: PricesCondition): Promise<Measured> {
    const before = Number(await this.#http.call<Hex>("eth_blockNumber", []));
    this.#refused = 0;
    const { flood, startMs, endMs, readableMs } = await this.#timed(condition);
    const blocks = await readBlockspace(this.#http, before, { startMs, endMs });
    return { system: OURS, condition, readableMs, refused: this.#refused, blocks, flood };
  }

  async #timed(condition: PricesCondition): Promise<Timed> {
    switch (condition) {
      case "idle":
        return { ...(await this.#rounds(this.#options.seconds)), flood: null };
      case "reports":
        return this.#underReports();
      case "transfers":
        return { ...(await this.#underTransfers()), flood: null };
    }
  }

  async #underReports(): Promise<Timed> {
    const { seconds, reportsPerSecond: ratePerSecond } = this.#options;
    const { wsUrl } = this.#network.target;
    const startMs = await this.#reports.request("prepare", {
      ...{ wsUrl, feedSet: this.#feedSet, ratePerSecond },
      seconds: FLOOD_LEAD_S + seconds,
    });
    const flooding = this.#reports.request("run", null);
    await Promise.race([flooding, delay(startMs - Date.now() + 1000 * FLOOD_LEAD_S)]);
    return { ...(await this.#rounds(seconds)), flood: await flooding };
  }

  async #underTransfers(): Promise<Rounds> {
    const stock = 4 * TRANSFERS_QUEUED + TRANSFERS_A_SECOND * this.#options.seconds;
    const { httpUrl: url } = this.#network.target;
    const fill = { url, target: TRANSFERS_QUEUED, stock, isPlugged: true };
    await this.#transfers.request("fill", { ...fill, kind: "transfers" });
    const rounds = await this.#rounds(this.#options.seconds);
    const { queuedMin } = await this.#transfers.request("stop", null);
    this.#say(`least queued ${queuedMin}`);
    return rounds;
  }

  async #rounds(seconds: number): Promise<Rounds> {
    const startMs = Date.now();
    const readableMs = await timeRounds(await this.#subject, seconds, this.#round);
    this.#round += readableMs.length;
    return { readableMs, startMs, endMs: Date.now() };
  }

  async stop(): Promise<void> {
    this.#http.close();
    await Promise.all([this.#transfers.stop(), this.#reports.stop()]);
    (await this.#subject).close();
  }
}

function feedSetOf({ trust }: Network): Hex {
  const policy = parsePolicy(trust?.policy);
  if (!policy.ok) throw new Error(JSON.stringify(policy));
  return policy.value.document.feedSet;
}

/** On a new chain, under each of the conditions. */
export async function measurePrices(options: PricesOptions, say: Say): Promise<Measured[]> {
  const network = await startNetwork(pricesDocument(LATENCY_RULES));
  try {
    const stage = new Stage(network, options, say);
    try {
      return await stage.measure();
    } finally {
      await stage.stop();
    }
  } finally {
    await network.stop();
  }
}

async function measureAnvil(options: PricesOptions, say: Say): Promise<Measured> {
  const network = await startPeer("automine");
  let refused = 0;
  try {
    const subject = await transacting(network.target.wsUrl, () => (refused += 1));
    await timeRounds(subject, WARM_UP_S, 0);
    const readableMs = await timeRounds(subject, options.seconds, 1_000);
    subject.close();
    const measured = { system: "anvil automine", condition: "idle", readableMs, refused } as const;
    return told({ ...measured, blocks: [], flood: null }, say);
  } finally {
    await network.stop();
  }
}

function told(measured: Measured, say: Say): Measured {
  const { system, condition, readableMs, refused, flood } = measured;
  const share = (part: number): string => formatNumber(percentile(readableMs, part));
  const lost = readableMs.filter((ms) => ms === Infinity).length;
  say(
    `${system}, ${condition}: readable p50 ${share(0.5)}, p99 ${share(0.99)} ms, ` +
      `${lost} lost of ${readableMs.length}, ${refused} refused` +
      (flood === null ? "" : `; ${describeFlood(flood)}`),
  );
  return measured;
}

function describeFlood({ seconds, sent, accepted, refused, unanswered }: ReportFloodReport) {
  const codes = Object.entries(refused).map(([code, count]) => `${count} ${code}`);
  const ends = [`${accepted} accepted`, ...codes, `${unanswered} without an answer`];
  return `flood of ${sent} reports in ${seconds.toFixed(1)} s: ${ends.join(", ")}`;
}

/** Measures and prints; writes JSON where asked. */
export async function runPrices(
  options: PricesOptions,
  print: (text: string) => void,
  say: Say,
): Promise<void> {
  const before = describeMachine();
  const costs = options.bytes ? await measurePriceBytes(say) : [];
  if (costs.length > 0) print(formatPriceCosts(costs));
  const measured: Measured[] = [];
  const repeats = options.conditions.length === 0 ? 0 : options.repeats;
  for (let run = 0; run < repeats; run++) {
    measured.push(...(await measurePrices(options, say)));
    if (options.peers) measured.push(await measureAnvil(options, say));
  }
  const rows = rowsOf(measured);
  if (rows.length > 0) {
    print(`before: ${before}\nafter:  ${describeMachine()}`);
    const rate = `${1000 / ROUND_MS} reports a second each`;
    print(`${PUBLISHER_IDS.length} publishers × ${FEED_IDS.length} feeds, ${rate}`);
    print(
      `flood of reports: ${options.reportsPerSecond} a second of one more feed, of other publishers`,
    );
    print("anvil: one transaction of one feed a round; it signs nothing, and has no flood");
    print(formatRows(rows));
  }
  if (options.json === null) return;
  // JSON has no infinity.
  const plain = (_key: string, value: unknown) => (value === Infinity ? "lost" : value);
  await writeFile(options.json, JSON.stringify({ options, rows, measured, costs }, plain, 2));
}
