/**
 * Who tells the chain what the market says. With the lane: five publishers sign reports, and epochs
 * are made of them. Without: one transmitter sends what they have agreed on as a plain transaction.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Hex } from "../../lanes/bytes.ts";
import { ReportPublisher } from "../../rpc/sdk/publisher.ts";
import { DevnetError } from "../devnet-error.ts";
import { DEVIATION_BPS, HEARTBEAT_MS } from "../policy.ts";
import { createRandom } from "../random-walk.ts";
import { bpsApart } from "./distance.ts";
import { connect, disconnect, execute, type ExchangeClient, MARKET_FEED } from "./exchange.ts";
import type { MarketTick } from "./market-clock.ts";
import { PUSHED_PRICE, TRANSMIT_GAS, transmitCalldata } from "./pushed-price.ts";
import { Wallet } from "./wallet.ts";

export const PUBLISHERS = 5;
/** What publishers hear differently, at most, in parts of a million. */
const NOISE_PPM = 20;
const PPM = 1_000_000n;

export interface Oracle {
  /** The market has moved, or a tick has gone by. */
  readonly tell: (tick: MarketTick) => void;
  /** Reports or transactions that were refused. */
  refused(): number;
  /** Resolves when nothing is on its way. */
  stop(): Promise<void>;
}

export function publisherWallet(index: number): Wallet {
  return new Wallet(`publisher ${index + 1}`);
}

export function transmitterWallet(): Wallet {
  return new Wallet("transmitter");
}

/** Five publishers, a connection each; all report every tick. Errors: where one is unknown. */
export async function startPublishers(wsUrl: string, seed: number): Promise<Oracle> {
  const random = createRandom(seed);
  const clients: ExchangeClient[] = [];
  const publishers: ReportPublisher[] = [];
  for (let index = 0; index < PUBLISHERS; index++) {
    const wallet = publisherWallet(index);
    const client = connect(wsUrl);
    clients.push(client);
    const publisher = new ReportPublisher({
      actions: client,
      signer: { sign: ({ hash }) => Promise.resolve(wallet.signHash(hash)) },
      key: wallet.address,
      nowMs: () => Date.now(),
      wait: (ms) => delay(ms),
      isStopped: () => false,
    });
    if ((await publisher.open()) === null) throw new Error("the policy does not know a publisher");
    publishers.push(publisher);
  }
  return {
    tell({ price }) {
      for (const publisher of publishers) {
        const ppm = BigInt(Math.round((2 * random() - 1) * NOISE_PPM));
        const value = price + (price * ppm) / PPM;
        publisher.publish([{ feedId: MARKET_FEED, value, confidence: 0n, session: 0 }]);
      }
    },
    refused: () =>
      publishers
        .flatMap(({ counts }) => Object.values(counts.refused))
        .reduce((sum, count) => sum + count, 0),
    async stop() {
      await Promise.all(publishers.map((publisher) => publisher.settled()));
      await Promise.all(clients.map(disconnect));
    },
  };
}

/**
 * One transmitter, which sends when a feed of the policy would be due. It has one transaction on
 * its way: what comes meanwhile waits, and the newest of it goes next, so that old prices never
 * queue before new ones.
 */
export function startTransmitter(
  client: ExchangeClient,
  wallet: Wallet,
  tipWei: bigint,
  { signal, fail }: { readonly signal: AbortSignal; readonly fail: (error: unknown) => void },
): Oracle {
  let newest: MarketTick | null = null;
  let sent: MarketTick | null = null;
  let running: Promise<void> | null = null;

  const isDue = (tick: MarketTick): boolean =>
    sent === null ||
    tick.timeMs - sent.timeMs >= HEARTBEAT_MS ||
    bpsApart(sent.price, tick.price) >= BigInt(DEVIATION_BPS);

  const run = async (): Promise<void> => {
    while (newest !== null && isDue(newest)) {
      const { price, timeMs } = newest;
      sent = newest;
      const data = transmitCalldata(MARKET_FEED, price, timeMs);
      const call = { to: PUSHED_PRICE, data, gas: TRANSMIT_GAS, tipWei };
      const done = await execute(client, wallet, call, signal);
      // Nothing but this writes the price: the run would compare nothing.
      if (!done.isSuccess)
        throw new DevnetError(`a price was not transmitted: ${done.refusal ?? "revert"}`);
    }
  };
  return {
    tell(tick) {
      newest = tick;
      running ??= run()
        .catch(fail)
        .finally(() => {
          running = null;
        });
    },
    refused: () => 0,
    async stop() {
      await running;
    },
  };
}

/** What keys the policy must know. */
export function publisherKeys(): readonly Hex[] {
  return Array.from({ length: PUBLISHERS }, (_, index) => publisherWallet(index).address);
}
