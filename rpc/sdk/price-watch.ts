/**
 * Prices as they become readable: whenever a flashblock with an epoch is promised, what PriceFeeds
 * says on `pending`.
 *
 * Owns the subscription, and that only what has changed is told. Where epochs come faster than they
 * are read, the newest is read. What is told is what the node has executed, whoever it is: whoever
 * trusts nobody runs a follower and asks that. Bounded: one read of all feeds at a time.
 */
import { BaseError, decodeFunctionResult, encodeFunctionData } from "viem";
import type { Hex } from "../../lanes/bytes.ts";
import { PRICE_FEEDS } from "../../lanes/epoch-transaction.ts";
import { priceFeedsAbi } from "./price-feeds.ts";
import { type AnyRequest, anyRequest, type LaneClient, subscribe } from "./subscribing.ts";

const TRIES = 4;
const RETRY_MS = 20;

/** What PriceFeeds says of a feed. */
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
}

export interface PriceWatchOptions {
  /** Only these. @default all of the policy */
  readonly feedIds?: readonly Hex[];
  readonly onPrice: (price: PriceTold) => void;
  /** What the transport throws. */
  readonly onError?: (error: unknown) => void;
}

interface FlashblockTold {
  readonly transactions: readonly { readonly rank: Hex; readonly ready: Hex }[];
}

/** Resolves when the node has begun to tell; call the result to end it. Errors: as `subscribe`. */
export async function watchPrices(
  client: LaneClient,
  { feedIds, onPrice, onError }: PriceWatchOptions,
): Promise<() => Promise<void>> {
  const request = anyRequest(client);
  /** By feed, what was told last. */
  const told = new Map<Hex, PriceTold | null>();
  let isReading = false;
  let isNewer = false;
  let isEnded = false;
  let wake: () => void = () => undefined;

  /** Whether there was something to tell. */
  const read = async (feedId: Hex): Promise<boolean> => {
    const price = await marketOf(request, feedId);
    const before = told.get(feedId);
    if (isEnded || price === null || (before && isSame(before, price))) return false;
    told.set(feedId, price);
    onPrice(price);
    return true;
  };
  const readOnce = async (): Promise<boolean> => {
    const all = await Promise.allSettled([...told.keys()].map(read));
    for (const each of all) if (each.status === "rejected") onError?.(each.reason);
    return all.some((each) => each.status === "rejected" || each.value);
  };
  /** For a moment, or until there is something newer. */
  const pause = (): Promise<void> =>
    new Promise((resolve) => {
      wake = resolve;
      setTimeout(resolve, isNewer ? 0 : RETRY_MS);
    });
  const readAll = async (): Promise<void> => {
    isNewer = true;
    wake();
    if (isReading) return;
    isReading = true;
    for (let tries = 0; (isNewer || tries > 0) && !isEnded;) {
      if (isNewer) tries = TRIES;
      isNewer = false;
      tries = (await readOnce()) ? 0 : tries - 1;
      // A flashblock may be told a moment before its slice is there to be read.
      if (tries > 0) await pause();
    }
    isReading = false;
  };
  for (const feedId of feedIds ?? (await feedsOf(request))) told.set(feedId, null);
  const end = await subscribe(client, ["newFlashblocks"], {
    onData({ result }) {
      // Of the system's transactions only an epoch has a number.
      const hasEpoch = (result as FlashblockTold).transactions.some(
        ({ rank, ready }) => rank === "0x0" && ready !== "0x0",
      );
      if (hasEpoch) void readAll();
    },
    onError: (error) => onError?.(error),
  });
  return async () => {
    isEnded = true;
    await end();
  };
}

async function feedsOf(request: AnyRequest): Promise<Hex[]> {
  const answer = await request({ method: "lane_feeds", params: [] });
  return (answer as { feeds: readonly { feedId: Hex }[] }).feeds.map(({ feedId }) => feedId);
}

/** `null` for a feed that has never had a value. */
async function marketOf(request: AnyRequest, feedId: Hex): Promise<PriceTold | null> {
  const call = { abi: priceFeedsAbi, functionName: "getMarket", args: [feedId] } as const;
  let data: Hex;
  try {
    const to = { to: PRICE_FEEDS, data: encodeFunctionData(call) };
    data = (await request({ method: "eth_call", params: [to, "pending"] })) as Hex;
  } catch (error) {
    // It reverts, and nothing else does.
    if (error instanceof BaseError && error.walk(isRevert) !== null) return null;
    throw error;
  }
  return { feedId, ...decodeFunctionResult({ ...call, data }) };
}

/** JSON-RPC's code for an execution that reverts. */
function isRevert(error: unknown): boolean {
  return typeof error === "object" && error !== null && "code" in error && error.code === 3;
}

function isSame(a: PriceTold, b: PriceTold): boolean {
  return (
    a.timeMs === b.timeMs &&
    a.value === b.value &&
    a.confidence === b.confidence &&
    a.session === b.session &&
    a.status === b.status
  );
}
