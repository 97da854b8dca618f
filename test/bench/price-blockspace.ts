/**
 * What prices take of blocks: how many epochs a flashblock has, the bytes of LaneData, and the gas
 * of epochs. Read from a node's blocks over RPC: LaneData is put together again, and counts only
 * where it has the hash that the node says.
 */
import { fromHex, type Hex } from "../../lanes/bytes.ts";
import { EPOCH_SENDER } from "../../lanes/epoch-transaction.ts";
import {
  encodeLaneData,
  type LaneData,
  laneDataHash,
  type LaneEpoch,
  type LaneReport,
} from "../../lanes/lane-data.ts";
import type { HttpClient } from "./lanes-rpc.ts";

const BLOCK_MS = 1_000;

interface ReportJson {
  readonly source: number;
  readonly bytes: Hex;
}

interface LaneBlockJson {
  /** Unix seconds. */
  readonly timestamp: Hex;
  readonly policyHash: Hex;
  readonly laneDataHash: Hex;
  readonly flashblocks: readonly {
    readonly txCount: number;
    readonly timestampMs: number;
    readonly leaderEpoch: number;
    readonly conflicts: readonly (readonly [ReportJson, ReportJson])[];
    readonly epoch: { readonly cut: Hex; readonly reports: readonly ReportJson[] } | null;
  }[];
  readonly transactions: readonly {
    readonly rank: number;
    readonly accepted: Hex;
    readonly ready: Hex;
    readonly gasUsed: Hex;
  }[];
}

/** Of one block. */
export interface Blockspace {
  readonly flashblocks: number;
  readonly epochs: number;
  /** The most that one flashblock has. */
  readonly epochsAFlashblock: number;
  /** Reports that its epochs list. */
  readonly reports: number;
  readonly laneDataBytes: number;
  readonly epochGas: number;
}

/** Between two moments, Unix milliseconds. */
export interface Span {
  readonly startMs: number;
  readonly endMs: number;
}

/**
 * Of every block after `before` whose whole second lies in the span. To be asked for afterwards: a
 * node that is flooded answers late.
 */
export async function readBlockspace(
  client: Pick<HttpClient, "call">,
  before: number,
  { startMs, endMs }: Span,
): Promise<Blockspace[]> {
  const blocks: Blockspace[] = [];
  const head = Number(await client.call<Hex>("eth_blockNumber", []));
  for (let number = before + 1; number <= head; number++) {
    const tag = `0x${number.toString(16)}`;
    const lanes = await client.call<LaneBlockJson>("lane_block", [tag]);
    const untilMs = 1000 * Number(lanes.timestamp);
    if (untilMs - BLOCK_MS < startMs || untilMs > endMs) continue;
    const { transactions } = await client.call<{ transactions: readonly { from: Hex }[] }>(
      "eth_getBlockByNumber",
      [tag, true],
    );
    blocks.push(
      blockspaceOf(
        lanes,
        transactions.map(({ from }) => from.toLowerCase() === EPOCH_SENDER),
      ),
    );
  }
  return blocks;
}

/** `isEpoch` of each transaction. Throws where LaneData has another hash. */
function blockspaceOf(lanes: LaneBlockJson, isEpoch: readonly boolean[]): Blockspace {
  const laneData = laneDataOf(lanes);
  if (laneDataHash(laneData) !== lanes.laneDataHash)
    throw new Error("the node's LaneData has another hash");
  let from = 0;
  const epochs = lanes.flashblocks.map(
    ({ txCount }) => isEpoch.slice(from, (from += txCount)).filter(Boolean).length,
  );
  const epochGas = lanes.transactions
    .filter((_, at) => isEpoch[at] === true)
    .reduce((sum, { gasUsed }) => sum + Number(gasUsed), 0);
  return {
    flashblocks: epochs.length,
    epochs: epochs.reduce((sum, count) => sum + count, 0),
    epochsAFlashblock: Math.max(...epochs),
    reports: laneData.flashblocks.reduce((sum, { epoch }) => sum + (epoch?.reports.length ?? 0), 0),
    laneDataBytes: encodeLaneData(laneData).length,
    epochGas,
  };
}

function laneDataOf({ policyHash, flashblocks, transactions }: LaneBlockJson): LaneData {
  return {
    policyHash,
    flashblocks: flashblocks.map(({ conflicts, epoch, ...flashblock }) => ({
      txCount: flashblock.txCount,
      timestampMs: flashblock.timestampMs,
      leaderEpoch: flashblock.leaderEpoch,
      conflicts: conflicts.map(([one, other]) => [reportOf(one), reportOf(other)] as const),
      epoch: epoch === null ? null : epochOf(epoch),
    })),
    numbers: transactions
      .filter(({ rank }) => rank > 0)
      .map(({ accepted, ready }) => ({ accepted: BigInt(accepted), ready: BigInt(ready) })),
  };
}

function epochOf(epoch: { readonly cut: Hex; readonly reports: readonly ReportJson[] }): LaneEpoch {
  return { cut: BigInt(epoch.cut), reports: epoch.reports.map(reportOf) };
}

function reportOf({ source, bytes }: ReportJson): LaneReport {
  return { source, bytes: fromHex(bytes) };
}
