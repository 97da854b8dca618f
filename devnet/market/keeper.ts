/**
 * The keeper: liquidates whatever the chain's own price allows to be liquidated, as soon as that
 * can be read.
 */
import type { Hex } from "../../lanes/bytes.ts";
import { DevnetError } from "../devnet-error.ts";
import type { Book } from "./book.ts";
import { type Dealing, execute, marketEvents } from "./exchange.ts";
import { isLiquidatable, LIQUIDATE_GAS, liquidateCalldata, PERP_MARKET } from "../perp-market.ts";
import { Wallet } from "./wallet.ts";

/** With a price that does not move any more, every position is liquidated in the first of them. */
const ROUNDS_MAX = 8;

/** An account for each that may be liquidated: each has one transaction on its way. */
export function keeperWallets(count: number): readonly Wallet[] {
  return Array.from({ length: count }, (_, index) => new Wallet(`keeper ${index + 1}`));
}

export interface KeeperOptions extends Dealing {
  readonly wallets: readonly Wallet[];
  readonly book: Book;
}

export class Keeper {
  readonly #options: KeeperOptions;
  readonly #free: Wallet[];
  readonly #onTheirWay = new Map<Hex, Promise<void>>();
  /** Of each position: below zero it is bad debt. */
  readonly equities: bigint[] = [];
  /** Refused, dropped or reverted: too early, or it was saved meanwhile. */
  failed = 0;
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

  /** Liquidates what is left at a price that stands. Errors: where something is left for ever. */
  async finish(price: bigint): Promise<void> {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      this.onChainPrice(price);
      if (this.#onTheirWay.size === 0) return;
      await Promise.all(this.#onTheirWay.values());
      this.#options.signal.throwIfAborted();
    }
    throw new DevnetError("the keeper cannot liquidate what the chain's price allows");
  }

  async #liquidate(trader: Hex, wallet: Wallet): Promise<void> {
    const { client, book, tipWei, signal } = this.#options;
    const data = liquidateCalldata(trader);
    const call = { to: PERP_MARKET, data, gas: LIQUIDATE_GAS, tipWei };
    const sentMs = performance.now();
    const done = await execute(client, wallet, call, signal);
    if (!done.isSuccess) {
      this.failed += 1;
      return;
    }
    this.tookMs.push(performance.now() - sentMs);
    book.delete(trader);
    for (const event of marketEvents(done))
      if (event.eventName === "Liquidated") this.equities.push(event.args.equity);
  }
}
