/** The checks of the smoke run: each reads real values from the nodes and prints one line. */
import type { Hex } from "../lanes/bytes.ts";
import { type Client, l1Client, l2Client } from "./chains.ts";
import { DEMO_FEED, demoFeedAbi } from "./demo-feed.ts";
import { ORACLE_RANK } from "./lane-block.ts";
import type { DevnetNode } from "./nodes.ts";
import { headNumber } from "./ready.ts";
import type { Devnet } from "./run.ts";
import { postedBatches } from "./settlement-events.ts";
import {
  countInclusions,
  differingHeights,
  type Inclusion,
  laneViolation,
  scanBlocks,
  scanHashes,
  scanLanes,
} from "./smoke-chain.ts";
import { PRICE_UPDATES, type Stream, TRANSFERS } from "./smoke-load.ts";
import type { Report } from "./smoke-report.ts";
import { waitFor } from "./wait.ts";

const INCLUDE_TIMEOUT_MS = 30_000;
const FOLLOW_TIMEOUT_MS = 30_000;
const BLOB_TRANSACTION = "0x3";

export interface CheckContext {
  readonly devnet: Devnet;
  readonly report: Report;
  readonly signal: AbortSignal;
}

/** Hashes acknowledged on all streams, in no order across them. */
export function acknowledgedOf(streams: readonly Stream[]): readonly Hex[] {
  return streams.flatMap(({ acknowledged }) => acknowledged);
}

/**
 * Waits until every hash stands in a block, at most the named time; returns where they stand then.
 */
export async function waitIncluded(
  hashes: readonly Hex[],
  { devnet, signal }: CheckContext,
): Promise<Inclusion> {
  const client = l2Client(devnet.sequencer.rpcUrl);
  const open = new Set(hashes);
  let next = 0;
  try {
    await waitFor(
      "every acknowledged transaction in a block",
      async () => {
        const head = await headNumber(client);
        for (const block of await scanBlocks(client, next, head))
          for (const { hash } of block.transactions) open.delete(hash);
        next = head + 1;
        return open.size === 0 ? true : null;
      },
      { timeoutMs: INCLUDE_TIMEOUT_MS, signal },
    );
  } catch (error) {
    signal.throwIfAborted();
    if (open.size === 0) throw error;
  }
  return countInclusions(hashes, await scanBlocks(client, 0, await headNumber(client)));
}

/** The 200 transfers: each in one block, and the recipients hold what was sent. */
export async function checkTransfers(
  streams: readonly Stream[],
  context: CheckContext,
): Promise<void> {
  const hashes = acknowledgedOf(streams);
  const { once } = await waitIncluded(hashes, context);
  const client = l2Client(context.devnet.sequencer.rpcUrl);
  let sent = 0n;
  let received = 0n;
  for (const stream of streams) {
    sent += stream.sent;
    received += await client.getBalance({ address: stream.recipient });
  }
  context.report.check(
    "transfers included once",
    hashes.length === TRANSFERS && once === TRANSFERS && received === sent,
    `${once} of ${TRANSFERS}; recipients hold ${received} wei of ${sent} sent`,
  );
}

/** The 50 price updates: each in one block, and each feed has the last value and as many rounds. */
export async function checkPrices(
  streams: readonly Stream[],
  example: Stream,
  context: CheckContext,
): Promise<void> {
  const hashes = acknowledgedOf([...streams, example]);
  const { once } = await waitIncluded(hashes, context);
  const client = l2Client(context.devnet.sequencer.rpcUrl);
  let right = 0;
  for (const stream of streams) {
    const price = await client.readContract({
      address: DEMO_FEED,
      abi: demoFeedAbi,
      functionName: "latest",
      args: [stream.feed],
    });
    const rounds = BigInt(stream.acknowledged.length);
    if (price.value === stream.lastValue && price.round === rounds) right++;
  }
  context.report.check(
    "price updates included once",
    hashes.length === PRICE_UPDATES && once === PRICE_UPDATES && right === streams.length,
    `${once} of ${PRICE_UPDATES}; ${right} of ${streams.length} feeds at the last value and round`,
  );
}

/** Every price update has the oracle's rank, and the lane order of every block holds. */
export async function checkLanes(prices: readonly Hex[], context: CheckContext): Promise<void> {
  const client = l2Client(context.devnet.sequencer.rpcUrl);
  const head = await headNumber(client);
  const blocks = await scanBlocks(client, 0, head);
  const lanes = await scanLanes(client, 0, head);
  const wanted = new Set(prices);
  let fast = 0;
  let flashblocks = 0;
  let transactions = 0;
  const violations: string[] = [];
  for (const [index, block] of blocks.entries()) {
    const lane = lanes[index];
    if (lane === undefined) throw new RangeError("one lane_block for each block");
    flashblocks += lane.flashblockCount;
    transactions += lane.transactions.length;
    for (const { hash, rank } of lane.transactions)
      if (wanted.has(hash) && rank === ORACLE_RANK) fast++;
    const violation = laneViolation(block, lane, context.devnet.topology.policy);
    if (violation !== null) violations.push(`block ${block.number}: ${violation}`);
  }
  context.report.check(
    "price updates in the fast lane",
    fast === prices.length,
    `${fast} of ${prices.length} with rank ${ORACLE_RANK}`,
  );
  context.report.check(
    "lane order",
    violations.length === 0,
    violations[0] ??
      `holds in ${blocks.length} blocks, ${flashblocks} flashblocks, ${transactions} transactions`,
  );
}

/** Same hashes at the sequencer and every follower, at every height up to one they all reach. */
export async function checkSameHashes(context: CheckContext): Promise<void> {
  const { devnet, report, signal } = context;
  const sequencer = l2Client(devnet.sequencer.rpcUrl);
  const height = await headNumber(sequencer);
  const expected = await scanHashes(sequencer, 0, height);
  const different: string[] = [];
  for (const follower of devnet.followers) {
    const client = l2Client(follower.rpcUrl);
    await reach(client, height, `${follower.name} at block ${height}`, signal);
    const [first] = differingHeights(expected, await scanHashes(client, 0, height));
    if (first !== undefined) different.push(`${follower.name} differs from block ${first} on`);
  }
  report.check(
    "same block hashes at all nodes",
    different.length === 0 && devnet.followers.length > 0,
    different[0] ??
      `heights 0 to ${height} at the sequencer and ${devnet.followers.length} followers`,
  );
}

/** Waits until a node has this height, at most so long as a follower may take. */
export async function reach(
  client: Client,
  height: number,
  what: string,
  signal: AbortSignal,
): Promise<void> {
  await waitFor(what, async () => ((await headNumber(client)) >= height ? true : null), {
    timeoutMs: FOLLOW_TIMEOUT_MS,
    signal,
  });
}

/** What a follower held before a crash it still holds: no height has two hashes. */
export async function checkUnchanged(
  before: ReadonlyMap<DevnetNode, readonly Hex[]>,
  context: CheckContext,
): Promise<void> {
  const changed: string[] = [];
  let heights = 0;
  for (const [follower, hashes] of before) {
    const now = await scanHashes(l2Client(follower.rpcUrl), 0, hashes.length - 1);
    const [first] = differingHeights(hashes, now);
    if (first !== undefined) changed.push(`${follower.name} replaced block ${first}`);
    heights = Math.max(heights, hashes.length);
  }
  context.report.check(
    "no height with two hashes",
    changed.length === 0,
    changed[0] ?? `${before.size} followers kept all of ${heights} blocks over the crash`,
  );
}

/** A batch with this block stands on L1, carried by a blob transaction that succeeded. */
export async function checkBlobBatch(block: number, context: CheckContext): Promise<void> {
  const { devnet, report } = context;
  const l1 = l1Client(devnet.file.l1.rpcUrl);
  const settlement = devnet.topology.rollup.settlement;
  const batches = await postedBatches(l1, settlement, 0n);
  const batch = batches.find(
    ({ firstBlock, lastBlock }) => firstBlock <= block && block <= lastBlock,
  );
  if (batch === undefined) {
    report.check("batch on L1 in a blob", false, `no batch on L1 carries block ${block}`);
    return;
  }
  const hash = batch.transactionHash;
  const transaction = await l1.getTransaction({ hash });
  const receipt = await l1.getTransactionReceipt({ hash });
  const blobs = transaction.blobVersionedHashes ?? [];
  report.check(
    "batch on L1 in a blob",
    transaction.typeHex === BLOB_TRANSACTION &&
      transaction.to?.toLowerCase() === settlement &&
      receipt.status === "success" &&
      blobs.length > 0 &&
      blobs.every((blob) => blob.startsWith("0x01")),
    `batch ${batch.index} of ${batches.length}, blocks ${batch.firstBlock} to ${batch.lastBlock}, ` +
      `${blobs.length} blob in ${hash}`,
  );
}
