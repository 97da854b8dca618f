/**
 * One oracle publisher as a process of its own. Every interval it writes a seeded random walk to
 * the demo feed with a plain transaction, which the policy makes fast; and it signs what the market
 * says of three feeds as one report, where the policy knows its key as a publisher's.
 */
import { setTimeout as delay } from "node:timers/promises";
import { createClient, http } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import type { Hex } from "../lanes/bytes.ts";
import { laneActions } from "../rpc/sdk/lane-actions.ts";
import { ReportPublisher } from "../rpc/sdk/publisher.ts";
import { runClient } from "./client-process.ts";
import { DEMO_FEED, feedId, PUBLISH_GAS, publishCalldata } from "./demo-feed.ts";
import { MARKET_FEEDS, marketValue } from "./market-path.ts";
import { createRandom, nextPrice } from "./random-walk.ts";

await runClient(({ seed, rpcUrl, privateKeys: [key] }) => {
  const random = createRandom(seed);
  const { id, start } = MARKET_FEEDS[seed % MARKET_FEEDS.length] ?? MARKET_FEEDS[0];
  const feed = feedId(id);
  let price: bigint = start;
  const report = createReporter(rpcUrl, key, random);
  return async (sender) => {
    price = nextPrice(price, random);
    const told = report();
    await sender.send({
      to: DEMO_FEED,
      data: publishCalldata(feed, price),
      gas: BigInt(PUBLISH_GAS),
    });
    await told;
  };
});

/** Signs and hands in what the market says now; does nothing for a key that is no publisher's. */
function createReporter(
  rpcUrl: string,
  key: Hex | undefined,
  random: () => number,
): () => Promise<void> {
  if (key === undefined) return () => Promise.resolve();
  const signer = privateKeyToAccount(key);
  const client = createClient({ transport: http(rpcUrl, { retryCount: 0 }) });
  const publisher = new ReportPublisher({
    actions: laneActions()(client),
    signer,
    key: signer.address,
    nowMs: () => Date.now(),
    wait: (ms) => delay(ms),
    isStopped: () => false,
  });
  const opened = publisher.open();
  return async () => {
    if ((await opened) === null) return;
    const nowMs = Date.now();
    publisher.publish(
      MARKET_FEEDS.map(({ id, start }) => ({
        feedId: feedId(id),
        value: marketValue(start, nowMs, random()),
        confidence: start / 10_000n,
        session: 0,
      })),
    );
  };
}
