/**
 * What the market's people do at the sequencer's RPC: read the price that contracts would see now,
 * and send a transaction and learn what became of it.
 */
import {
  BaseError,
  createPublicClient,
  decodeEventLog,
  decodeFunctionResult,
  encodeFunctionData,
  type Log,
  RpcRequestError,
  webSocket,
} from "viem";
import type { Hex } from "../../lanes/bytes.ts";
import { anyRequest } from "../../rpc/sdk/subscribing.ts";
import { laneActions, refusalOf } from "../../rpc/sdk/lane-actions.ts";
import { priceFeedsAbi } from "../../rpc/sdk/price-feeds.ts";
import { l2Chain } from "../chains.ts";
import { feedId } from "../demo-feed.ts";
import { perpMarketAbi } from "../perp-market.ts";
import { waitFor } from "../wait.ts";
import type { Wallet, WalletCall } from "./wallet.ts";

export const MARKET_FEED: Hex = feedId("ETH/USD");

/** As `eth_sendRawTransactionSync` allows. */
const SYNC_TIMEOUT_MS = 30_000;
const SOCKET_TIMEOUT_MS = 40_000;
const RECEIPT_POLL_MS = 250;
/** One that is not executed by then was dropped: the run cannot go on. */
const RECEIPT_TIMEOUT_MS = 120_000;

/** Of PriceFeeds; PushedPrice has it too. */
const getMarket = { abi: priceFeedsAbi, functionName: "getMarket" } as const;
const GET_MARKET = encodeFunctionData({ ...getMarket, args: [MARKET_FEED] });

export interface ChainPrice {
  readonly value: bigint;
  /** When it held, Unix milliseconds. */
  readonly timeMs: number;
}

/** What everybody needs who sends transactions in a run. */
export interface Dealing {
  readonly client: ExchangeClient;
  /** What is offered for a place. */
  readonly tipWei: bigint;
  readonly signal: AbortSignal;
  /** The node cannot be reached any more, or has signed what does not hold. */
  readonly fail: (error: unknown) => void;
}

/** What became of a transaction. */
export interface Done {
  readonly hash: Hex;
  readonly isSuccess: boolean;
  /** Why it is in no block, where it is in none. */
  readonly refusal: string | null;
  readonly logs: readonly Pick<Log, "data" | "topics">[];
}

export type ExchangeClient = ReturnType<typeof connect>;

/** A connection of its own, with the lane's actions. */
export function connect(wsUrl: string) {
  const transport = webSocket(wsUrl, {
    ...{ retryCount: 0, timeout: SOCKET_TIMEOUT_MS, reconnect: false },
  });
  return createPublicClient({ chain: l2Chain(wsUrl), transport }).extend(laneActions());
}

/** Ends a connection. */
export async function disconnect(client: ExchangeClient): Promise<void> {
  (await client.transport.getRpcClient()).close();
}

/** What a contract of the block would read; `null` before the first price. */
export async function readPrice(
  client: ExchangeClient,
  source: Hex,
  at: "pending" | bigint,
): Promise<ChainPrice | null> {
  const block = at === "pending" ? { blockTag: at } : { blockNumber: at };
  try {
    const { data = "0x" } = await client.call({ to: source, data: GET_MARKET, ...block });
    return decodeFunctionResult({ ...getMarket, data });
  } catch (error) {
    // It reverts where there is no price, and only there.
    if (isRevert(error)) return null;
    throw error;
  }
}

/** geth's number for it. */
const REVERTED = 3;

function isRevert(error: unknown): boolean {
  const found =
    error instanceof BaseError &&
    error.walk((each) => each instanceof RpcRequestError && each.code === REVERTED);
  return found instanceof RpcRequestError;
}

interface ReceiptJson {
  readonly transactionHash: Hex;
  readonly status: Hex;
  readonly logs: Done["logs"];
}

/**
 * Sends the wallet's next transaction, and waits until it is executed or dropped. Only one of a
 * wallet's at a time. Errors: the signal's reason; `DevnetError` for one that is never executed.
 */
export async function execute(
  client: ExchangeClient,
  wallet: Wallet,
  call: WalletCall,
  signal: AbortSignal,
): Promise<Done> {
  const { raw, hash } = wallet.sign(call);
  const request = anyRequest(client);
  try {
    const params = [raw, SYNC_TIMEOUT_MS];
    const receipt = await request({ method: "eth_sendRawTransactionSync", params });
    wallet.nonce += 1;
    return doneOf(receipt as ReceiptJson);
  } catch (error) {
    const refusal = refusalOf(error);
    if (refusal === null) throw error;
    if (refusal.code !== "SYNC_TIMEOUT")
      return { hash, isSuccess: false, refusal: refusal.code, logs: [] };
  }
  // Taken in, and late.
  wallet.nonce += 1;
  const receipt = await waitFor(
    `transaction ${hash}`,
    () => request({ method: "eth_getTransactionReceipt", params: [hash] }),
    { timeoutMs: RECEIPT_TIMEOUT_MS, signal, intervalMs: RECEIPT_POLL_MS },
  );
  return doneOf(receipt as ReceiptJson);
}

function doneOf({ transactionHash, status, logs }: ReceiptJson): Done {
  return { hash: transactionHash, isSuccess: status === "0x1", refusal: null, logs };
}

/** The market's own events of a transaction, decoded. */
export function marketEvents({ logs }: Done) {
  return logs.map(({ data, topics }) => decodeEventLog({ abi: perpMarketAbi, data, topics }));
}
