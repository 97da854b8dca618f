/**
 * The arbitrageur: trades against the pool whenever the chain's price is not the market's, and pays
 * more than anybody for its place. What it gains is what a late price costs the pool.
 */
import type { ReceiptTrust } from "../../lanes/receipt-trust.ts";
import { DevnetError } from "../devnet-error.ts";
import { type Dealing, type Done, execute, marketEvents } from "./exchange.ts";
import type { MarketClock } from "./market-clock.ts";
import { bpsApart } from "./distance.ts";
import {
  closeCalldata,
  DOLLAR,
  feeAt,
  openCalldata,
  PERP_MARKET,
  TRADE_GAS,
} from "../perp-market.ts";
import { Wallet } from "./wallet.ts";

/** Of ether: a quarter of a million dollars. */
const SIZE = 100n * DOLLAR;
const COLLATERAL = 50_000n * DOLLAR;
/** It opens at a gap that pays both fees and more, and closes when the gap is gone. */
const OPEN_BPS = 30n;
const CLOSE_BPS = 10n;

export function arbitrageurWallet(): Wallet {
  return new Wallet("arbitrageur");
}

export interface ArbitrageurOptions extends Dealing {
  readonly wallet: Wallet;
  readonly clock: MarketClock;
  readonly trust: ReceiptTrust;
}

export class Arbitrageur {
  readonly #options: ArbitrageurOptions;
  #running: Promise<void> | null = null;
  /** Of the open position; 0: none. */
  #size = 0n;
  /** What its trades were worth at the market's price when they were executed, less fees. */
  gained = 0n;
  trades = 0;
  /** Refused or reverted. */
  failed = 0;

  constructor(options: ArbitrageurOptions) {
    this.#options = options;
  }

  /** This is the price that a contract reads now. */
  onChainPrice(price: bigint): void {
    if (this.#running !== null) return;
    const market = this.#options.clock.price;
    const gapBps = bpsApart(price, market);
    if (this.#size === 0n && gapBps < OPEN_BPS) return;
    if (this.#size !== 0n && gapBps > CLOSE_BPS) return;
    const size = market > price ? SIZE : -SIZE;
    this.#begin(this.#size === 0n ? this.#trade(size) : this.#close());
  }

  /** Closes what is open, when nobody tells it a price any more. Errors: where that is refused. */
  async finish(): Promise<void> {
    await this.#running;
    if (this.#size !== 0n) {
      this.#begin(this.#close());
      await this.#running;
    }
    this.#options.signal.throwIfAborted();
    if (this.#size !== 0n) throw new DevnetError("the arbitrageur's position was not closed");
  }

  #begin(trading: Promise<void>): void {
    this.#running = trading.catch(this.#options.fail).finally(() => {
      this.#running = null;
    });
  }

  async #trade(size: bigint): Promise<void> {
    const done = await this.#execute(openCalldata(size, COLLATERAL));
    if (!done.isSuccess) {
      this.failed += 1;
      return;
    }
    this.#size = size;
    await this.#judge(done, size);
  }

  async #close(): Promise<void> {
    const done = await this.#execute(closeCalldata());
    if (!done.isSuccess) {
      this.failed += 1;
      return;
    }
    const size = -this.#size;
    this.#size = 0n;
    await this.#judge(done, size);
  }

  #execute(data: ReturnType<typeof closeCalldata>): Promise<Done> {
    const { client, wallet, tipWei, signal } = this.#options;
    return execute(client, wallet, { to: PERP_MARKET, data, gas: TRADE_GAS, tipWei }, signal);
  }

  /** Its own price against the market's at the time of its flashblock, which is signed. */
  async #judge(done: Done, size: bigint): Promise<void> {
    const { client, clock, trust } = this.#options;
    const verdict = await client.verifyInclusion(done.hash, trust);
    if (!verdict.ok || verdict.value === null) throw new Error("an inclusion that does not hold");
    const market = clock.priceAt(verdict.value.header.timestampMs);
    for (const event of marketEvents(done)) {
      if (event.eventName !== "Opened" && event.eventName !== "Closed") continue;
      const { price } = event.args;
      this.gained += (size * (market - price)) / DOLLAR - feeAt(size, price);
      this.trades += 1;
    }
  }
}
