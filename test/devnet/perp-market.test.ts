/** The market's contract against the integers of its TypeScript side, on the embedded engine. */
import fc from "fast-check";
import t from "tap";
import { decodeEventLog, decodeFunctionResult, encodeFunctionData } from "viem";
import { deriveAccounts } from "../../devnet/accounts.ts";
import { MEDIAN_TIP_WEI } from "../../devnet/market/crowd-plan.ts";
import { MARKET_FEED } from "../../devnet/market/exchange.ts";
import { marketDesign } from "../../devnet/market/market-design.ts";
import { transmitterWallet } from "../../devnet/market/oracles.ts";
import {
  closeCalldata,
  DOLLAR,
  equityAt,
  feeAt,
  isLiquidatable,
  LIQUIDATE_GAS,
  liquidateCalldata,
  openCalldata,
  PERP_MARKET,
  perpMarketAbi,
  TOP_UP_GAS,
  topUpCalldata,
  TRADE_GAS,
  worthAt,
} from "../../devnet/perp-market.ts";
import { PUSHED_PRICE, TRANSMIT_GAS, transmitCalldata } from "../../devnet/market/pushed-price.ts";
import { traderWallets } from "../../devnet/market/traders.ts";
import type { Wallet } from "../../devnet/market/wallet.ts";
import { readPolicy } from "../../devnet/policy.ts";
import { fromHex, type Hex, toHex } from "../../lanes/bytes.ts";
import { classify, type PricesAt } from "../../lanes/classify.ts";
import { NO_FEED } from "../../lanes/price-state.ts";
import type { Receipt } from "../../node/primitives/receipt.ts";
import { decodeWithSender } from "../../node/primitives/signature.ts";
import { laneTransaction } from "../../node/primitives/transaction.ts";
import { AS_IT_IS, callOn } from "../execution/fixtures/call.ts";
import { attributes, createChain, makeConfig } from "../execution/fixtures/chain.ts";

const PRICE = 2_500n * DOLLAR;
/** What genesis gives everybody. */
const GIVEN = 100_000_000n * DOLLAR;
const [alice, keeper, other] = traderWallets() as [Wallet, Wallet, Wallet];
const transmitter = transmitterWallet();
const accounts = deriveAccounts();

/** One fresh price. */
const PRICED: PricesAt = {
  timeMs: 1_000,
  prices: {
    ...{ graceEndMs: 0, epoch: 1 },
    feeds: new Map([
      [
        MARKET_FEED,
        {
          ...NO_FEED,
          applied: {
            value: PRICE,
            confidence: 0n,
            timeMs: 1_000,
            session: 0,
            status: 0,
            appliedMs: 1_000,
          },
        },
      ],
    ]),
  },
};

type EventName = "Opened" | "Closed" | "ToppedUp" | "Liquidated";

class Market {
  readonly #chain = createChain(
    makeConfig({ gasLimit: "60000000", alloc: marketDesign(accounts, false).alloc }),
  );

  constructor() {
    for (const wallet of [alice, keeper, other, transmitter]) wallet.nonce = 0;
  }

  async send(wallet: Wallet, to: Hex, data: Hex, gas: bigint): Promise<Receipt> {
    const { raw } = wallet.sign({ to, data, gas, tipWei: MEDIAN_TIP_WEI });
    const decoded = decodeWithSender(fromHex(raw));
    if (!decoded.ok) throw new Error(decoded.code);
    wallet.nonce += 1;
    const all = [attributes(this.#chain.rollup), decoded.value];
    const { receipts } = await this.#chain.block(all);
    const [, receipt] = receipts as [Receipt, Receipt];
    // A revert for want of gas would pass for a refusal.
    if (receipt.gasUsed > (8n * gas) / 10n) throw new Error(`${receipt.gasUsed} of ${gas} gas`);
    return receipt;
  }

  async say(price: bigint, timeMs = this.nextMs, sender = transmitter): Promise<Receipt> {
    const data = transmitCalldata(MARKET_FEED, price, timeMs);
    return this.send(sender, PUSHED_PRICE, data, TRANSMIT_GAS);
  }

  get nextMs(): number {
    return 1000 * (this.#chain.head().header.timestamp + 1);
  }

  /** Blocks in which nothing happens. */
  async wait(blocks: number): Promise<void> {
    for (let at = 0; at < blocks; at++) await this.#chain.block([attributes(this.#chain.rollup)]);
  }

  async ask(functionName: "pool" | "badDebt"): Promise<bigint>;
  async ask(functionName: "balanceOf", args: readonly [Hex]): Promise<bigint>;
  async ask(functionName: "pool" | "badDebt" | "balanceOf", args: readonly unknown[] = []) {
    const call = { abi: perpMarketAbi, functionName, args } as Parameters<
      typeof encodeFunctionData
    >[0];
    const data = fromHex(encodeFunctionData(call));
    const { output } = await callOn(this.#chain, { to: PERP_MARKET, data }, AS_IT_IS);
    return decodeFunctionResult({ abi: perpMarketAbi, functionName, data: toHex(output) });
  }

  /** All dollars that are in no position. */
  async dollars(): Promise<bigint> {
    let sum = await this.ask("pool");
    for (const { address } of [alice, keeper, other]) sum += await this.ask("balanceOf", [address]);
    return sum;
  }
}

function eventOf(receipt: Receipt, name: EventName): Record<string, unknown> {
  for (const { topics, data } of receipt.logs) {
    const [signature = "0x", ...rest] = topics;
    const event = decodeEventLog({
      abi: perpMarketAbi,
      data: toHex(data),
      topics: [signature, ...rest],
    });
    if (event.eventName === name) return event.args;
  }
  throw new Error(`no event ${name}`);
}

const open = (market: Market, size: bigint, collateral: bigint, wallet = alice) =>
  market.send(wallet, PERP_MARKET, openCalldata(size, collateral), TRADE_GAS);
const close = (market: Market, wallet = alice) =>
  market.send(wallet, PERP_MARKET, closeCalldata(), TRADE_GAS);
const topUp = (market: Market, amount: bigint) =>
  market.send(alice, PERP_MARKET, topUpCalldata(amount), TOP_UP_GAS);
const liquidate = (market: Market, wallet = keeper) =>
  market.send(wallet, PERP_MARKET, liquidateCalldata(alice.address), LIQUIDATE_GAS);

t.test("positions are worth what TypeScript says, and no dollar is made or lost", async (t) => {
  const thousandths = fc.integer({ min: 300, max: 1_900 });
  await fc.assert(
    fc.asyncProperty(
      fc.bigInt({ min: 10n ** 6n, max: 100n * DOLLAR }),
      fc.boolean(),
      fc.integer({ min: 500, max: 4_000 }),
      thousandths,
      fc.boolean(),
      async (amount, isShort, collateralBps, moved, isToppedUp) => {
        const market = new Market();
        const all = await market.dollars();
        await market.say(PRICE);
        const size = isShort ? -amount : amount;
        const collateral = (worthAt(size, PRICE) * BigInt(collateralBps)) / 10_000n + 1n;
        eventOf(await open(market, size, collateral), "Opened");
        t.equal(await market.dollars(), all - collateral, "the collateral is in the position");
        const added = isToppedUp ? 7n * DOLLAR : 0n;
        if (isToppedUp) eventOf(await topUp(market, added), "ToppedUp");
        const price = (PRICE * BigInt(moved)) / 1_000n;
        await market.say(price);
        const position = { size, entry: PRICE, collateral: collateral + added };
        const equity = equityAt(position, price);
        const doomed = isLiquidatable(position, price);
        const receipt = await liquidate(market);
        t.equal(receipt.status === 1, doomed);
        const closed = doomed
          ? eventOf(receipt, "Liquidated")
          : eventOf(await close(market), "Closed");
        t.equal(closed["equity"], equity);
        t.equal(closed["price"], price);
        const debt = equity < 0n ? -equity : 0n;
        t.equal(await market.ask("badDebt"), debt);
        t.equal(await market.dollars(), all);
        const reward = doomed && equity > 0n ? min(worthAt(size, price) / 200n, equity) : 0n;
        t.equal(await market.ask("balanceOf", [keeper.address]), GIVEN + reward);
      },
    ),
    { numRuns: 25 },
  );
});

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

t.test("what the market refuses", async (t) => {
  const market = new Market();
  const refused = async (sending: Promise<Receipt>, why: string) => {
    t.equal((await sending).status, 0, why);
  };
  await refused(open(market, DOLLAR, 200n * DOLLAR), "no price yet");
  await refused(market.say(PRICE, market.nextMs, other), "not the transmitter");
  const saidMs = market.nextMs;
  await market.say(PRICE);
  await refused(open(market, 0n, 200n * DOLLAR), "nothing");
  await refused(open(market, DOLLAR, 124n * DOLLAR), "twenty times is the most");
  await refused(open(market, DOLLAR, 200_000_000n * DOLLAR), "more than it has");
  await refused(close(market), "no position to close");
  await refused(topUp(market, 1n), "nor to rescue");
  await refused(liquidate(market), "nor to liquidate");
  t.equal((await open(market, DOLLAR, 125n * DOLLAR)).status, 1);
  await refused(open(market, DOLLAR, 200n * DOLLAR), "one position an account");
  await refused(topUp(market, 0n), "a rescue with nothing");
  await refused(liquidate(market), "it stands");
  await market.say(PRICE / 2n, saidMs - 1);
  await refused(liquidate(market), "a price that is older than the newest is none");
  await market.wait(60);
  await refused(close(market), "nobody trades on a price of a minute ago");
  t.equal((await topUp(market, DOLLAR)).status, 1, "a rescue needs no price");
  await market.say(PRICE);
  const fee = feeAt(DOLLAR, PRICE);
  const before = await market.ask("balanceOf", [alice.address]);
  t.equal((await close(market)).status, 1);
  t.equal(await market.ask("balanceOf", [alice.address]), before + 126n * DOLLAR - fee);
});

t.test("with the lane, rescues go before liquidations, and closing is neither", async (t) => {
  const policy = readPolicy(marketDesign(accounts, true).policy, "test");
  const without = readPolicy(marketDesign(accounts, false).policy, "test");
  const rank = (data: Hex, gas: bigint, which = policy): number => {
    const { raw } = alice.sign({ to: PERP_MARKET, data, gas, tipWei: 1n });
    const decoded = decodeWithSender(fromHex(raw));
    if (!decoded.ok) throw new Error(decoded.code);
    return classify(laneTransaction(decoded.value), which, PRICED).rank;
  };
  const rescue = rank(topUpCalldata(1n), TOP_UP_GAS);
  const liquidation = rank(liquidateCalldata(alice.address), LIQUIDATE_GAS);
  t.same([rescue, liquidation], [2, 3]);
  const normal = rank(closeCalldata(), TRADE_GAS);
  t.equal(normal, 255);
  for (const data of [topUpCalldata(1n), liquidateCalldata(alice.address)])
    t.equal(rank(data, TOP_UP_GAS, without), normal, "nothing is fast without the lane");
});
