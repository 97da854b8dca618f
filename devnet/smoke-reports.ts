/**
 * The check of signed reports: prices that publishers have signed stand in PriceFeeds, the same at
 * every node, and the node says so itself.
 */
import type { Hex } from "../lanes/bytes.ts";
import { PRICE_FEEDS } from "../lanes/epoch-transaction.ts";
import { priceFeedsAbi } from "../rpc/sdk/price-feeds.ts";
import { type Client, l2Client } from "./chains.ts";
import { feedId } from "./demo-feed.ts";
import { MARKET_FEEDS } from "./market-path.ts";
import { headNumber } from "./ready.ts";
import { type CheckContext, reach } from "./smoke-checks.ts";
import { waitFor } from "./wait.ts";

const PRICED_TIMEOUT_MS = 30_000;

/** Every feed has a fresh price, and every node reads the same one at the same block. */
export async function checkReports({ devnet, report, signal }: CheckContext): Promise<void> {
  const sequencer = l2Client(devnet.sequencer.rpcUrl);
  const ids = MARKET_FEEDS.map(({ id }) => feedId(id));
  const told = await waitFor("a price of every feed", () => freshFeeds(sequencer), {
    timeoutMs: PRICED_TIMEOUT_MS,
    signal,
  });
  const height = await headNumber(sequencer);
  const expected = await marketsAt(sequencer, ids, height);
  const different: string[] = [];
  for (const { name, rpcUrl } of devnet.followers) {
    const follower = l2Client(rpcUrl);
    await reach(follower, height, `${name} at block ${height}`, signal);
    if ((await marketsAt(follower, ids, height)) !== expected) different.push(name);
  }
  report.check(
    "signed reports become prices",
    different.length === 0 && told.feeds === ids.length,
    different.length > 0
      ? `other prices at ${different.join(", ")}`
      : `${told.feeds} feeds of ${told.publishers} publishers in PriceFeeds at every node, epoch ${told.epoch}`,
  );
}

interface FeedsAnswer {
  readonly epoch: Hex;
  readonly feeds: readonly {
    readonly applied: object | null;
    readonly isStale: boolean;
    readonly publishers: readonly unknown[];
  }[];
}

/** `null` until every feed has a price that is not stale. */
async function freshFeeds(
  client: Client,
): Promise<{ feeds: number; publishers: number; epoch: number } | null> {
  const request = client.request as (call: object) => Promise<unknown>;
  const answer = (await request({ method: "lane_feeds", params: [] })) as FeedsAnswer;
  const fresh = answer.feeds.filter(({ applied, isStale }) => applied !== null && !isStale);
  if (fresh.length < MARKET_FEEDS.length) return null;
  const publishers = Math.min(...fresh.map((feed) => feed.publishers.length));
  return { feeds: fresh.length, publishers, epoch: Number(answer.epoch) };
}

/** As text, to be compared. */
async function marketsAt(client: Client, ids: readonly Hex[], height: number): Promise<string> {
  const markets = await Promise.all(
    ids.map((id) =>
      client.readContract({
        ...{ address: PRICE_FEEDS, abi: priceFeedsAbi, functionName: "getMarket", args: [id] },
        blockNumber: BigInt(height),
      }),
    ),
  );
  return JSON.stringify(markets, (_key, value: unknown) =>
    typeof value === "bigint" ? value.toString() : value,
  );
}
