/**
 * The market's people on one chain: their connections, their accounts, and the clock that they all
 * hear. Owns what outlives a run: nonces above all.
 */
import type { Hex } from "../../lanes/bytes.ts";
import type { ReceiptTrust } from "../../lanes/receipt-trust.ts";
import { trustOf } from "../../rpc/sdk/trust.ts";
import type { Devnet } from "../run.ts";
import { waitFor } from "../wait.ts";
import { arbitrageurWallet } from "./arbitrageur.ts";
import {
  type ChainPrice,
  connect,
  disconnect,
  type ExchangeClient,
  readPrice,
} from "./exchange.ts";
import { keeperWallets } from "./keeper.ts";
import { MarketClock } from "./market-clock.ts";
import { priceSource } from "./market-design.ts";
import { type Oracle, startPublishers, startTransmitter, transmitterWallet } from "./oracles.ts";
import { TRADERS, traderWallets } from "./traders.ts";

const PUBLISHERS_SEED = 7;

export interface Floor {
  /** For reading alone: answers do not wait behind those of transactions. */
  readonly reader: ExchangeClient;
  readonly client: ExchangeClient;
  readonly clock: MarketClock;
  readonly trust: ReceiptTrust;
  /** Where the market's contract reads its price. */
  readonly source: Hex;
  readonly traders: ReturnType<typeof traderWallets>;
  readonly keepers: ReturnType<typeof keeperWallets>;
  readonly arbitrageur: ReturnType<typeof arbitrageurWallet>;
  /** Aborted with the devnet, or when somebody cannot go on. */
  readonly signal: AbortSignal;
  readonly fail: (error: unknown) => void;
  /** Who tells the price from now on, paying so much where that is paid for. */
  startOracle(tipWei: bigint): Oracle;
  close(): Promise<void>;
}

/** On a running chain of `marketDesign`. */
export async function openFloor(
  devnet: Devnet,
  hasLane: boolean,
  signal: AbortSignal,
): Promise<Floor> {
  const { wsUrl } = devnet.sequencer;
  const failing = new AbortController();
  const reader = connect(wsUrl);
  const client = connect(wsUrl);
  const publishers = hasLane ? await startPublishers(wsUrl, PUBLISHERS_SEED) : null;
  const transmitter = transmitterWallet();
  const both = AbortSignal.any([signal, failing.signal]);
  const fail = (error: unknown): void => {
    failing.abort(error);
  };
  return {
    ...{ reader, client, source: priceSource(hasLane) },
    clock: new MarketClock(() => Date.now()),
    trust: trustOf(devnet.topology.rollup),
    traders: traderWallets(),
    keepers: keeperWallets(TRADERS),
    arbitrageur: arbitrageurWallet(),
    ...{ signal: both, fail },
    startOracle: (tipWei) =>
      publishers === null
        ? startTransmitter(client, transmitter, tipWei, { signal: both, fail })
        : { ...publishers, stop: () => Promise.resolve() },
    async close() {
      await publishers?.stop();
      await disconnect(client);
      await disconnect(reader);
    },
  };
}

/** Waits until the chain knows a price of this moment or later. */
export async function awaitPrice(
  { reader, source, signal }: Floor,
  fromMs: number,
  timeoutMs: number,
): Promise<ChainPrice> {
  return waitFor(
    "the chain to know the price",
    async () => {
      const price = await readPrice(reader, source, "pending");
      return price !== null && price.timeMs >= fromMs ? price : null;
    },
    { timeoutMs, signal, intervalMs: 20 },
  );
}
