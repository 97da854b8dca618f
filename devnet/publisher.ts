/**
 * One oracle publisher as a process of its own: a seeded random walk around a start price, written
 * to the demo feed with a plain transaction every interval. The policy makes it fast.
 */
import { runClient } from "./client-process.ts";
import { DEMO_FEED, feedId, PUBLISH_GAS, publishCalldata } from "./demo-feed.ts";
import { createRandom, nextPrice } from "./random-walk.ts";

/** Feeds and start prices with 8 decimals; a publisher walks the one of its seed. */
const FEEDS = [
  { name: "ETH/USD", start: 2_500_00000000n },
  { name: "BTC/USD", start: 95_000_00000000n },
  { name: "SOL/USD", start: 150_00000000n },
] as const;

await runClient((seed) => {
  const random = createRandom(seed);
  const { name, start } = FEEDS[seed % FEEDS.length] ?? FEEDS[0];
  const feed = feedId(name);
  let price: bigint = start;
  return async (sender) => {
    price = nextPrice(price, random);
    await sender.send({
      to: DEMO_FEED,
      data: publishCalldata(feed, price),
      gas: BigInt(PUBLISH_GAS),
    });
  };
});
