/**
 * What prices cost on L1, by how often and how far a feed must move before it is written: counted,
 * not timed, so that every machine gives the same figures. Reports are really signed, epochs chosen
 * as a sequencer chooses them, batches encoded as they are posted, and decoded again before they
 * count. An epoch's transaction is rebuilt from LaneData and is not in a batch (PROTOCOL 8).
 */
import { bytesEqual } from "../../lanes/bytes.ts";
import {
  BLOBS_MAX,
  blobsToPayload,
  PAYLOAD_BYTES_MAX,
  payloadToBlobs,
} from "../../node/settlement/blob.ts";
import {
  decodePayload,
  encodeColumns,
  encodePayload,
  type PayloadBlock,
} from "../../node/settlement/codec.ts";
import { createCompressService } from "../../node/workers/compress.ts";
import { buildPricedBlocks, CHAIN_STARTS_MS, type PricedBlock } from "./price-chain.ts";
import { NOISE_BPS, REPORT_INTERVAL_MS, reportsOfPath } from "./price-path.ts";
import {
  FEED_IDS,
  LATENCY_RULES,
  pricesPolicy,
  type PricesRules,
  PUBLISHER_IDS,
} from "./prices-policy.ts";
import { align, formatNumber } from "./report.ts";

/** A year's: of ether in most years, and of a day on which everything falls. */
const VOLATILITIES = [0.6, 3];
const MIN_EPOCH_MS = [0, 50, 200, 1_000, 5_000];
const DEVIATION_BPS = [1, 5, 25, 100];
/** A second, which a price has to move in, would hide what the two others do. */
const HEARTBEAT_MS = 10_000;
const SEED = 5;
/** Blocks that count, a second each; before them a heartbeat, in which every feed is new. */
const SECONDS = 60;
const LEAD_SECONDS = HEARTBEAT_MS / 1000;
/** A batch every six seconds: the default of `batcher.intervalMs`. */
const BATCH_BLOCKS = 6;
const DAY_S = 86_400;
const MEGABYTE = 1e6;
/** What a full blob carries. */
const BLOB_PAYLOAD_BYTES = PAYLOAD_BYTES_MAX / BLOBS_MAX;

/** What one pair of rules costs. */
export interface PriceCost extends PricesRules {
  readonly volatility: number;
  /** That count. */
  readonly seconds: number;
  readonly epochs: number;
  /** Feeds written by them. */
  readonly updates: number;
  /** As they go into blobs, compressed. */
  readonly payloadBytes: number;
  readonly blobs: number;
}

/** The grid's figures, row by row. `say` gets a line where one is done. */
export async function measurePriceBytes(say: (line: string) => void): Promise<PriceCost[]> {
  const costs: PriceCost[] = [];
  const grid = MIN_EPOCH_MS.flatMap((minEpochMs) =>
    DEVIATION_BPS.map((deviationBps) => {
      const rules = { minEpochMs, deviationBps, heartbeatMs: HEARTBEAT_MS };
      return { rules, policy: pricesPolicy(rules) };
    }),
  );
  for (const volatility of VOLATILITIES) {
    // Signed once: what is said does not depend on the rules, and all of these have the same keys.
    const seconds = LEAD_SECONDS + SECONDS;
    const path = { seed: SEED, volatility, fromMs: CHAIN_STARTS_MS, seconds };
    const coming = reportsOfPath(pricesPolicy(LATENCY_RULES), path);
    for (const { rules, policy } of grid) {
      const blocks = buildPricedBlocks(policy, coming).slice(LEAD_SECONDS);
      const cost = { ...rules, volatility, ...(await costOf(blocks)) };
      costs.push(cost);
      say(`bytes on L1, ${nameOf(cost)}: ${cost.payloadBytes} for ${cost.updates} updates`);
    }
  }
  return costs;
}

/** What posting these blocks costs, a second each. */
async function costOf(
  blocks: readonly PricedBlock[],
): Promise<Omit<PriceCost, "volatility" | keyof PricesRules>> {
  let payloadBytes = 0;
  let blobs = 0;
  for (let from = 0; from < blocks.length; from += BATCH_BLOCKS) {
    const batch = await postBlocks(blocks.slice(from, from + BATCH_BLOCKS));
    payloadBytes += batch.payload.length;
    blobs += batch.blobs;
  }
  const sum = (of: (block: PricedBlock) => number): number =>
    blocks.reduce((total, block) => total + of(block), 0);
  return {
    seconds: blocks.length,
    epochs: sum(({ epochs }) => epochs),
    updates: sum(({ updates }) => updates),
    payloadBytes,
    blobs,
  };
}

/** A batch as it is posted, and the blocks that are derived from it. Throws where they differ. */
export async function postBlocks(priced: readonly PricedBlock[]): Promise<{
  readonly payload: Uint8Array;
  readonly blobs: number;
  readonly derived: readonly PayloadBlock[];
}> {
  const blocks = priced.map(({ timestamp, originAdvances, laneData }, at): PayloadBlock => {
    return { timestamp, originAdvances: originAdvances && at > 0, laneData, transactions: [] };
  });
  const { compress, decompress } = createCompressService();
  const payload = await encodePayload(blocks, compress);
  const blobs = payloadToBlobs(payload);
  const posted = blobsToPayload(blobs);
  const decoded = posted.ok ? await decodePayload(posted.value, decompress) : posted;
  if (!decoded.ok) throw new Error(JSON.stringify(decoded));
  if (!bytesEqual(encodeColumns(decoded.value), encodeColumns(blocks)))
    throw new Error("what is derived is not what was posted");
  return { payload, blobs: blobs.length, derived: decoded.value };
}

function nameOf({ volatility, minEpochMs, deviationBps }: PriceCost): string {
  return `volatility ${100 * volatility} %, minEpochMs ${minEpochMs}, deviationBps ${deviationBps}`;
}

/** A table of the figures, and what they are of. */
export function formatPriceCosts(costs: readonly PriceCost[]): string {
  const head = [
    ...["volatility", "minEpochMs", "deviationBps", "epochs/s", "updates/s", "bytes/update"],
    ...["MB/day", "blobs/day", "blobs/day if full"],
  ];
  const body = costs.map((cost) => {
    const { volatility, minEpochMs, deviationBps, seconds, epochs, updates } = cost;
    const { payloadBytes, blobs } = cost;
    const days = seconds / DAY_S;
    return [
      ...[`${100 * volatility} %`, String(minEpochMs), String(deviationBps)],
      ...[epochs / seconds, updates / seconds, payloadBytes / updates].map(formatNumber),
      ...[payloadBytes / MEGABYTE, blobs, payloadBytes / BLOB_PAYLOAD_BYTES].map((count) =>
        formatNumber(count / days),
      ),
    ];
  });
  return [
    `bytes on L1: ${PUBLISHER_IDS.length} publishers × ${FEED_IDS.length} feeds in one report each, ` +
      `${1000 / REPORT_INTERVAL_MS} a second, not at once, each within ${NOISE_BPS} bps of the ` +
      `price; heartbeat ${HEARTBEAT_MS / 1000} s; volatility a year`,
    `${SECONDS} blocks of a second, a batch for every ${BATCH_BLOCKS}, reckoned up to a day`,
    ...align(
      [head, ...body],
      head.map((_, column) => column),
    ),
  ].join("\n");
}
