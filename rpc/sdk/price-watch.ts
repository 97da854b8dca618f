/**
 * Prices as they become readable: of each epoch, at the moment in which its flashblock is promised.
 *
 * Owns the subscription, and that prices are told in their order. What is told is what the node has
 * executed, whoever it is: whoever trusts nobody runs a follower and asks that. Bounded: of epochs
 * that wait to be read the newest are kept, because each says all that it changed.
 */
import { type Client, decodeEventLog } from "viem";
import type { Hex } from "../../lanes/bytes.ts";
import { PRICE_FEEDS } from "../../lanes/epoch-transaction.ts";
import { priceFeedsAbi } from "./price-feeds.ts";
import { anyRequest, subscribe } from "./subscribing.ts";

/** Epochs that wait to be read. */
const WAITING_MAX = 64;
/** A flashblock is told a moment before its receipts are there. */
const RECEIPT_TRIES = 25;
const RECEIPT_RETRY_MS = 20;

/** What an epoch has written of a feed. */
export interface PriceTold {
  readonly feedId: Hex;
  /** In the feed's smallest unit. */
  readonly value: bigint;
  readonly confidence: bigint;
  /** When it held, Unix milliseconds. */
  readonly timeMs: number;
  /** 0 continuous, 1 pre, 2 regular, 3 post, 4 overnight, 5 closed, 6 halted, 7 auction. */
  readonly session: number;
  /** 1: the value before a jump that has to be confirmed. */
  readonly status: number;
  /** Of the block that it stands in, which may be open. */
  readonly blockNumber: number;
}

export interface PriceWatchOptions {
  /** Only these. @default all */
  readonly feedIds?: readonly Hex[];
  readonly onPrice: (price: PriceTold) => void;
  /** What the transport throws; or an epoch whose receipt the node does not have. */
  readonly onError?: (error: unknown) => void;
}

interface FlashblockTold {
  readonly transactions: readonly {
    readonly hash: Hex;
    readonly rank: Hex;
    readonly ready: Hex;
  }[];
}

interface ReceiptTold {
  readonly blockNumber: Hex;
  readonly logs: readonly {
    readonly address: Hex;
    readonly topics: [Hex, ...Hex[]];
    readonly data: Hex;
  }[];
}

/** Resolves when the node has begun to tell; call the result to end it. */
export async function watchPrices(
  client: Client,
  { feedIds, onPrice, onError }: PriceWatchOptions,
): Promise<() => Promise<void>> {
  const wanted = feedIds === undefined ? null : new Set(feedIds.map((id) => id.toLowerCase()));
  const request = anyRequest(client);
  const epochs: Hex[] = [];
  let isReading = false;
  let isEnded = false;

  const read = async (hash: Hex): Promise<void> => {
    for (let tries = 0; tries < RECEIPT_TRIES && !isEnded; tries++) {
      const receipt = await request({ method: "eth_getTransactionReceipt", params: [hash] });
      if (receipt !== null) {
        for (const price of pricesOf(receipt as ReceiptTold))
          if (wanted === null || wanted.has(price.feedId)) onPrice(price);
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, RECEIPT_RETRY_MS));
    }
    if (!isEnded) throw new Error(`no receipt of epoch ${hash}`);
  };
  const readAll = async (): Promise<void> => {
    if (isReading) return;
    isReading = true;
    for (let hash = epochs.shift(); hash !== undefined; hash = epochs.shift())
      await read(hash).catch((error: unknown) => onError?.(error));
    isReading = false;
  };
  const onData = ({ result }: { readonly result: unknown }): void => {
    const { transactions } = result as FlashblockTold;
    // Of the system's transactions only an epoch has a number.
    const epoch = transactions.find(({ rank, ready }) => rank === "0x0" && ready !== "0x0");
    if (epoch === undefined) return;
    epochs.push(epoch.hash);
    if (epochs.length > WAITING_MAX) epochs.shift();
    void readAll();
  };
  const end = await subscribe(client, ["newFlashblocks"], {
    onData,
    onError: (error) => onError?.(error),
  });
  return async () => {
    isEnded = true;
    await end();
  };
}

function pricesOf({ blockNumber, logs }: ReceiptTold): PriceTold[] {
  return logs.flatMap(({ address, topics, data }) => {
    if (address !== PRICE_FEEDS) return [];
    const event = decodeEventLog({ abi: priceFeedsAbi, topics, data, strict: false });
    if (event.eventName !== "PriceUpdated") return [];
    const {
      feedId,
      value = 0n,
      confidence = 0n,
      timeMs = 0n,
      session = 0,
      status = 0,
    } = event.args;
    if (feedId === undefined) return [];
    const at = { timeMs: Number(timeMs), blockNumber: Number(blockNumber) };
    return { feedId, value, confidence, session, status, ...at };
  });
}
