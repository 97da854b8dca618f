/**
 * Traders with long positions of different leverage. Some of them watch the market, and add
 * collateral when it comes near the price of their liquidation: that is a rescue.
 */
import { setTimeout as delay } from "node:timers/promises";
import { DevnetError } from "../devnet-error.ts";
import { createRandom } from "../random-walk.ts";
import { type Dealing, execute, marketEvents } from "./exchange.ts";
import type { Book } from "./book.ts";
import type { MarketTick } from "./market-clock.ts";
import {
  closeCalldata,
  DOLLAR,
  isLiquidatable,
  openCalldata,
  PERP_MARKET,
  type Position,
  TOP_UP_GAS,
  topUpCalldata,
  TRADE_GAS,
  worthAt,
} from "../perp-market.ts";
import { Wallet } from "./wallet.ts";

export const TRADERS = 32;
const COLLATERAL = 10_000n * DOLLAR;
const LEVERAGE_MIN = 3;
const LEVERAGE_MAX = 18;
/** Every third watches. */
const RESCUE_EVERY = 3;
/** It acts when the price is so near to its liquidation, after so long. */
const WARN_BPS = 150n;
const REACTION_MIN_MS = 20;
const REACTION_MAX_MS = 200;
/** What it adds, of what its position is worth: it stands whatever the crash does. */
const RESCUE_BPS = 5_000n;
const BPS = 10_000n;

export interface Trader {
  readonly wallet: Wallet;
  /** Of its collateral. */
  readonly leverage: number;
  /** `null`: it does not watch. */
  readonly reactionMs: number | null;
}

export function traderWallets(): readonly Wallet[] {
  return Array.from({ length: TRADERS }, (_, index) => new Wallet(`trader ${index + 1}`));
}

/** Who they are in the run of this seed. */
export function tradersOf(seed: number, wallets: readonly Wallet[]): readonly Trader[] {
  const random = createRandom(seed);
  return wallets.map((wallet, index) => {
    const share = (index + random()) / wallets.length;
    const leverage = LEVERAGE_MIN + share * (LEVERAGE_MAX - LEVERAGE_MIN);
    const reactionMs = REACTION_MIN_MS + random() * (REACTION_MAX_MS - REACTION_MIN_MS);
    return { wallet, leverage, reactionMs: index % RESCUE_EVERY === 0 ? reactionMs : null };
  });
}

/** What a trader buys at a price. */
export function sizeOf({ leverage }: Pick<Trader, "leverage">, price: bigint): bigint {
  return (COLLATERAL * BigInt(Math.round(leverage * 1_000)) * DOLLAR) / (1_000n * price);
}

export interface TradersOptions extends Dealing {
  readonly book: Book;
}

/** Opens all positions at the chain's price. Errors: where one is not opened. */
export async function openAll(
  traders: readonly Trader[],
  price: bigint,
  { client, book, tipWei, signal }: TradersOptions,
): Promise<void> {
  await Promise.all(
    traders.map(async (trader) => {
      const size = sizeOf(trader, price);
      const data = openCalldata(size, COLLATERAL);
      const call = { to: PERP_MARKET, data, gas: TRADE_GAS, tipWei };
      const done = await execute(client, trader.wallet, call, signal);
      const [event] = done.isSuccess ? marketEvents(done) : [];
      if (event?.eventName !== "Opened")
        throw new DevnetError(`a position was not opened: ${done.refusal ?? "revert"}`);
      const { price: entry, collateral } = event.args;
      book.set(trader.wallet.address, { size, entry, collateral });
    }),
  );
}

/** Closes what is still open; what each was worth. Errors: where one is not closed. */
export async function closeAll(
  traders: readonly Trader[],
  { client, book, tipWei, signal }: TradersOptions,
): Promise<readonly bigint[]> {
  return Promise.all(
    traders
      .filter(({ wallet }) => book.has(wallet.address))
      .map(async ({ wallet }) => {
        const call = { to: PERP_MARKET, data: closeCalldata(), gas: TRADE_GAS, tipWei };
        const done = await execute(client, wallet, call, signal);
        const [event] = done.isSuccess ? marketEvents(done) : [];
        if (event?.eventName !== "Closed")
          throw new DevnetError(`a position was not closed: ${done.refusal ?? "revert"}`);
        book.delete(wallet.address);
        return event.args.equity;
      }),
  );
}

/** The traders that watch. */
export class Rescuers {
  readonly #options: TradersOptions;
  #waiting: Trader[];
  readonly #onTheirWay: Promise<void>[] = [];
  tried = 0;
  /** Executed before anybody liquidated the position. */
  inTime = 0;
  /** Refused, dropped or reverted: too late, mostly. */
  failed = 0;
  /** From sending to execution, of each that was in time. */
  readonly tookMs: number[] = [];

  constructor(traders: readonly Trader[], options: TradersOptions) {
    this.#options = options;
    this.#waiting = traders.filter(({ reactionMs }) => reactionMs !== null);
  }

  /** The market has moved; the chain may not know yet. */
  onTick({ price }: MarketTick): void {
    const { book } = this.#options;
    const feared = (price * (BPS - WARN_BPS)) / BPS;
    this.#waiting = this.#waiting.filter((trader) => {
      const position = book.get(trader.wallet.address);
      if (position === undefined) return false;
      if (!isLiquidatable(position, feared)) return true;
      this.#onTheirWay.push(this.#rescue(trader, position, price).catch(this.#options.fail));
      return false;
    });
  }

  async settled(): Promise<void> {
    await Promise.all(this.#onTheirWay);
  }

  async #rescue({ wallet, reactionMs }: Trader, position: Position, price: bigint): Promise<void> {
    const { client, book, tipWei, signal } = this.#options;
    this.tried += 1;
    await delay(reactionMs ?? 0);
    const amount = (worthAt(position.size, price) * RESCUE_BPS) / BPS;
    const call = { to: PERP_MARKET, data: topUpCalldata(amount), gas: TOP_UP_GAS, tipWei };
    const sentMs = performance.now();
    const done = await execute(client, wallet, call, signal);
    if (!done.isSuccess) {
      this.failed += 1;
      return;
    }
    this.tookMs.push(performance.now() - sentMs);
    this.inTime += 1;
    const { collateral } = position;
    if (book.has(wallet.address))
      book.set(wallet.address, { ...position, collateral: collateral + amount });
  }
}
