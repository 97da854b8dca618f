/**
 * What the smoke run sends: an ordinary viem client for each account, one transaction at a time,
 * with whatever viem asks the node for (nonce, fees, gas) and nothing set by hand.
 */
import { createWalletClient } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { type Hex, toHex } from "../lanes/bytes.ts";
import type { DevnetAccount, DevnetAccounts } from "./accounts.ts";
import { httpTransport, l2Chain } from "./chains.ts";
import { DEMO_FEED, demoFeedAbi, feedId } from "./demo-feed.ts";
import type { DevnetFile } from "./devnet-file.ts";
import { firstLine } from "./devnet-error.ts";

export const TRANSFERS = 200;
export const PRICE_UPDATES = 50;
/** Of the price updates, how many are `examples.fastTransaction` of `devnet.json`. */
const EXAMPLE_UPDATES = 10;
const FIRST_PRICE = 1_000_00000000n;

/** What one account has had acknowledged. */
export interface Stream {
  readonly kind: "transfer" | "price";
  /** Receives the transfers; distinct for each stream. */
  readonly recipient: Hex;
  /** Written by the price updates; distinct for each stream. */
  readonly feed: Hex;
  /** Hashes that `eth_sendRawTransaction` returned, in order. */
  readonly acknowledged: Hex[];
  /** wei sent with the acknowledged transfers. */
  sent: bigint;
  /** Of the last acknowledged price update. */
  lastValue: bigint;
  /** Sends the next one and waits for the acknowledgement. */
  next(): Promise<void>;
}

/** Five accounts that send transfers. */
export function transferStreams(accounts: DevnetAccounts, rpcUrl: string): readonly Stream[] {
  return accounts.smoke.map((account, index) => {
    const wallet = walletOf(account, rpcUrl);
    const stream = emptyStream("transfer", index);
    return Object.assign(stream, {
      async next() {
        const value = BigInt(1_000_000 + stream.acknowledged.length);
        stream.acknowledged.push(await wallet.sendTransaction({ to: stream.recipient, value }));
        stream.sent += value;
      },
    });
  });
}

/** Two accounts that publish rising prices. */
export function priceStreams(accounts: DevnetAccounts, rpcUrl: string): readonly Stream[] {
  return accounts.smokePublishers.map((account, index) => {
    const wallet = walletOf(account, rpcUrl);
    const stream = emptyStream("price", index);
    return Object.assign(stream, {
      async next() {
        const value = FIRST_PRICE + BigInt(stream.acknowledged.length);
        const hash = await wallet.writeContract({
          address: DEMO_FEED,
          abi: demoFeedAbi,
          functionName: "publish",
          args: [stream.feed, value],
        });
        stream.acknowledged.push(hash);
        stream.lastValue = value;
      },
    });
  });
}

/** The example of `devnet.json`, exactly as a script would send it. */
export function exampleStream(file: DevnetFile): Stream {
  const { privateKey, to, data, gas } = file.examples.fastTransaction;
  const wallet = walletOf({ privateKey }, file.sequencer.rpcUrl);
  const stream = emptyStream("price", EXAMPLE_STREAM);
  return Object.assign(stream, {
    async next() {
      stream.acknowledged.push(await wallet.sendTransaction({ to, data, gas: BigInt(gas) }));
    },
  });
}

const EXAMPLE_STREAM = 99;

function emptyStream(kind: Stream["kind"], index: number): Omit<Stream, "next"> {
  return {
    kind,
    recipient: toHex(Uint8Array.from({ length: 20 }, () => 0xa0 + index)),
    feed: feedId(`SMOKE-${index}/USD`),
    acknowledged: [],
    sent: 0n,
    lastValue: 0n,
  };
}

function walletOf({ privateKey }: Pick<DevnetAccount, "privateKey">, rpcUrl: string) {
  return createWalletClient({
    account: privateKeyToAccount(privateKey),
    chain: l2Chain(rpcUrl),
    transport: httpTransport(rpcUrl),
  });
}

/** Sends the whole load, all streams side by side. Rejects with the first refusal. */
export async function sendLoad(
  transfers: readonly Stream[],
  prices: readonly Stream[],
  example: Stream,
): Promise<void> {
  const share = (total: number, streams: readonly Stream[]) =>
    streams.map((stream, index) => {
      const rest = total % streams.length;
      return sendMany(stream, Math.floor(total / streams.length) + (index < rest ? 1 : 0));
    });
  await Promise.all([
    ...share(TRANSFERS, transfers),
    ...share(PRICE_UPDATES - EXAMPLE_UPDATES, prices),
    sendMany(example, EXAMPLE_UPDATES),
  ]);
}

async function sendMany(stream: Stream, count: number): Promise<void> {
  for (let sent = 0; sent < count; sent++) await stream.next();
}

/**
 * Sends on every stream until it is refused; returns what the refusals said. For a node that is
 * killed.
 */
export async function sendUntilRefused(
  streams: readonly Stream[],
  countMax: number,
): Promise<readonly string[]> {
  return Promise.all(
    streams.map(async (stream) => {
      for (let sent = 0; sent < countMax; sent++)
        try {
          await stream.next();
        } catch (error) {
          return firstLine(error);
        }
      return "";
    }),
  );
}
