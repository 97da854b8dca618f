/**
 * `npm run bench -- lanes`: a real sequencer process under load from other processes, and the same
 * load on anvil. Each repeat has a new chain; anvil has a new one for every measurement, because
 * what it never includes would stay before the next.
 *
 * Owns the order of measurements. Does not own what is sent, nor what the figures mean.
 */
import { writeFile } from "node:fs/promises";
import { type BenchChild, startChild } from "./lanes-child.ts";
import type { FloodCalls, FloodReport } from "./lanes-flood.ts";
import type { LoadCalls } from "./lanes-load.ts";
import { type AnvilMode, type Network, startNetwork, startPeer } from "./lanes-network.ts";
import type { Condition, LanesOptions } from "./lanes-options.ts";
import { lanesRows, lostIn, type Measurement, OURS, type Threads } from "./lanes-rows.ts";
import { createHttpClient } from "./lanes-rpc.ts";
import { describeMachine, formatNumber, formatRows } from "./report.ts";
import { percentile } from "./row.ts";

const LOAD_MODULE = new URL("./lanes-load.js", import.meta.url);
const FLOOD_MODULE = new URL("./lanes-flood.js", import.meta.url);
const PEER_MODES: readonly AnvilMode[] = ["automine", "block-time 1"];
/** What a second takes at the most, so that enough is signed before. */
const STOCK_PER_SECOND = { transfers: 2_000, heavy: 4 } as const;
/** Parts of the target that lie above it in the pool. */
const STOCK_AHEAD = 3;
const DRAIN_TIMEOUT_MS = 20_000;
/** Code that has not run yet is slow: measured, and thrown away. */
const WARM_UP = { ratePerSecond: 50, seconds: 3 };

interface Stage {
  readonly system: string;
  readonly network: Network;
  readonly load: BenchChild<LoadCalls>;
  readonly flood: BenchChild<FloodCalls>;
}

/** All measurements. `say` gets a line where one ends. */
export async function measureLanes(
  options: LanesOptions,
  say: (line: string) => void,
): Promise<Measurement[]> {
  const measurements: Measurement[] = [];
  for (let run = 0; run < options.repeats; run++) {
    await onStage(OURS, startNetwork, async (stage) => {
      await measureOne(stage, options, "idle", WARM_UP, run);
      let last: Condition = "idle";
      for (const condition of options.conditions) {
        if (last !== "idle") await drain(stage, say);
        for (const ratePerSecond of options.rates) {
          const one = { ratePerSecond, seconds: options.seconds };
          measurements.push(told(await measureOne(stage, options, condition, one, run), say));
        }
        last = condition;
      }
    });
    // Once: it takes as long as both repeats of ours.
    if (options.peers && run === 0) await measurePeers(options, run, measurements, say);
  }
  return measurements;
}

async function measurePeers(
  options: LanesOptions,
  run: number,
  measurements: Measurement[],
  say: (line: string) => void,
): Promise<void> {
  for (const mode of PEER_MODES)
    for (const condition of options.conditions)
      for (const ratePerSecond of options.rates)
        await onStage(
          `anvil ${mode}`,
          () => startPeer(mode),
          async (stage) => {
            const one = { ratePerSecond, seconds: options.seconds };
            measurements.push(told(await measureOne(stage, options, condition, one, run), say));
          },
        );
}

/** With a network and the two processes of the load; stops all of them. */
async function onStage(
  system: string,
  start: () => Promise<Network>,
  measure: (stage: Stage) => Promise<void>,
): Promise<void> {
  const network = await start();
  const load = startChild<LoadCalls>(LOAD_MODULE);
  const flood = startChild<FloodCalls>(FLOOD_MODULE);
  try {
    await measure({ system, network, load, flood });
  } finally {
    await Promise.all([load.stop(), flood.stop()]);
    await network.stop();
  }
}

async function measureOne(
  { system, network, load, flood }: Stage,
  options: LanesOptions,
  condition: Condition,
  { ratePerSecond, seconds }: { readonly ratePerSecond: number; readonly seconds: number },
  run: number,
): Promise<Measurement> {
  const { target, trust } = network;
  if (condition !== "idle") {
    const queued = options.queued[condition];
    const stock = STOCK_AHEAD * queued + STOCK_PER_SECOND[condition] * seconds;
    const isPlugged = condition === "transfers" && target.kind === "pricelane";
    const fill = { url: target.httpUrl, kind: condition, target: queued, stock, isPlugged };
    await flood.request("fill", fill);
  }
  const { normalRatePerSecond, waitMs } = options;
  const job = { target, trust, ratePerSecond, normalRatePerSecond, seconds, waitMs, seed: run };
  await threadsOf(network);
  const report = await load.request("measure", job);
  const threads = await threadsOf(network);
  const floodReport: FloodReport | null =
    condition === "idle" ? null : await flood.request("stop", null);
  return { system, condition, ratePerSecond, load: report, flood: floodReport, threads };
}

async function drain({ flood, network }: Stage, say: (line: string) => void): Promise<void> {
  const job = { url: network.target.httpUrl, timeoutMs: DRAIN_TIMEOUT_MS };
  const left = await flood.request("drain", job);
  if (left > 0) say(`${left} transactions of the flood are still queued`);
}

/** Of the node's threads since it was last asked; `null` of a node that does not say. */
async function threadsOf({ target }: Network): Promise<Threads | null> {
  if (target.kind !== "pricelane") return null;
  const client = createHttpClient(target.httpUrl);
  try {
    const { loopDelayMs, threads } = await client.call<Threads>("lane_status", []);
    return { loopDelayMs, threads };
  } finally {
    client.close();
  }
}

function told(measurement: Measurement, say: (line: string) => void): Measurement {
  const { system, condition, ratePerSecond, load, flood } = measurement;
  const { inclusionMs } = load.fast;
  const share = (part: number): string => formatNumber(percentile(inclusionMs, part));
  const queued = flood === null ? "" : `, least queued ${flood.queuedMin}`;
  say(
    `${system}, ${condition}, ${ratePerSecond}/s: fast inclusion p50 ${share(0.5)}, ` +
      `p99 ${share(0.99)} ms, ${lostIn(load.fast)} lost of ${inclusionMs.length}, ` +
      `${formatNumber(load.txPerSecond ?? 0)} tx/s${queued}, ` +
      `load average ${(load.loadAverage[0] ?? 0).toFixed(1)}`,
  );
  return measurement;
}

/** Measures and prints; writes JSON where asked. */
export async function runLanes(
  options: LanesOptions,
  print: (text: string) => void,
  say: (line: string) => void,
): Promise<void> {
  const before = describeMachine();
  const measurements = await measureLanes(options, say);
  const machine = [before, describeMachine()];
  const rows = lanesRows(measurements);
  print(`before: ${before}\nafter:  ${machine[1] ?? ""}`);
  print("engine: embedded; verifier on, every flashblock re-executed");
  print("times from the intended moment; ∞ for what was lost; receipts checked afterwards");
  print("normal probes pay twice the flood's tip; anvil signs nothing, and has no lanes");
  print(formatRows(rows));
  if (options.json === null) return;
  // JSON has no infinity.
  const plain = (_key: string, value: unknown) => (value === Infinity ? "lost" : value);
  const document = { machine, options, rows, measurements };
  await writeFile(options.json, JSON.stringify(document, plain, 2));
}
