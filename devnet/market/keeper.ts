/**
 * The keeper: liquidates whatever the chain's own price allows to be liquidated, as soon as that
 * can be read. Owns which positions are open, as far as events of this run say it.
 */
import type { Hex } from "../../lanes/bytes.ts";
import { execute, type ExchangeClient, marketEvents } from "./exchange.ts";
import {
  isLiquidatable,
  LIQUIDATE_GAS,
  liquidateCalldata,
  PERP_MARKET,
  type Position,
} from "../perp-market.ts";
import { Wallet } from "./wallet.ts";

/** Accounts that it sends from: each has one transaction on its way. */
export const KEEPER_ACCOUNTS = 16;

/** Positions that are open, by trader. */
export type Book = Map<Hex, Position>;

export function keeperWallets(): readonly Wallet[] {
  return Array.from({ length: KEEPER_ACCOUNTS }, (_, index) => new Wallet(`keeper ${index + 1}`));
}

export interface Liquidated {
  readonly trader: Hex;
  /** Below zero: bad debt. */
  readonly equity: bigint;
}

export interface KeeperOptions {
  readonly client: ExchangeClient;
  readonly wallets: readonly Wallet[];
  readonly book: Book;
  readonly tipWei: bigint;
  readonly signal: AbortSignal;
  /** The node cannot be reached any more. */
  readonly fail: (error: unknown) => void;
}

export class Keeper {
  readonly #options: KeeperOptions;
  readonly #free: Wallet[];
  readonly #onTheirWay = new Map<Hex, Promise<void>>();
  readonly liquidated: Liquidated[] = [];
  /** From sending to execution, of each that was executed. */
  readonly tookMs: number[] = [];

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#free = [...options.wallets];
  }

  /** This is the price that a contract reads now. */
  onChainPrice(price: bigint): void {
    for (const [trader, position] of this.#options.book) {
      if (this.#onTheirWay.has(trader) || !isLiquidatable(position, price)) continue;
      const wallet = this.#free.shift();
      if (wallet === undefined) return;
      const sending = this.#liquidate(trader, wallet)
        .catch(this.#options.fail)
        .finally(() => {
          this.#onTheirWay.delete(trader);
          this.#free.push(wallet);
        });
      this.#onTheirWay.set(trader, sending);
    }
  }

  /** Resolves when nothing is on its way. */
  async settled(): Promise<void> {
    await Promise.all(this.#onTheirWay.values());
  }

  async #liquidate(trader: Hex, wallet: Wallet): Promise<void> {
    const { client, book, tipWei, signal } = this.#options;
    const data = liquidateCalldata(trader);
    const call = { to: PERP_MARKET, data, gas: LIQUIDATE_GAS, tipWei };
    const sentMs = performance.now();
    const done = await execute(client, wallet, call, signal);
    if (!done.isSuccess) return;
    this.tookMs.push(performance.now() - sentMs);
    book.delete(trader);
    for (const event of marketEvents(done))
      if (event.eventName === "Liquidated")
        this.liquidated.push({ trader, equity: event.args.equity });
  }
}
