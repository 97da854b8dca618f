/**
 * Prices for contracts that were written for other oracles: their own checks must hold in the cases
 * that break naive adapters.
 */
import t from "tap";
import {
  decodeErrorResult,
  decodeEventLog,
  decodeFunctionResult,
  encodeDeployData,
  encodeFunctionData,
  getContractAddress,
  parseAbi,
} from "viem";
import { fromHex, type Hex, toHex } from "../../lanes/bytes.ts";
import { type FeedUpdate } from "../../lanes/epoch.ts";
import { epochTransaction, PRICE_FEEDS } from "../../lanes/epoch-transaction.ts";
import { epochDeposit } from "../../node/chain/epochs.ts";
import { loadArtifact } from "../../node/contracts/artifact.ts";
import type { BlockOverrides } from "../../node/execution/call.ts";
import type { Receipt } from "../../node/primitives/receipt.ts";
import { AS_IT_IS, callOn } from "../execution/fixtures/call.ts";
import {
  ALICE,
  attributes,
  createChain,
  GENESIS_TIME,
  lower,
  makeConfig,
  receiptOf,
  sign,
} from "../execution/fixtures/chain.ts";
import { feedIdOf } from "../lanes/fixtures/reports.ts";

const ETH = feedIdOf("ETH/USD");
/** As other networks name feeds. */
const RAW: Hex = `0x${"5a".repeat(32)}`;
const SHARE = feedIdOf("ACME/USD");
const MULTIPLIER = feedIdOf("ACME/multiplier");
const UPTIME: Hex = "0x5200000000000000000000000000000000000002";
const ONE = 10n ** 8n;
const [CLOSED, HALTED, REGULAR] = [5, 6, 2];
const PHASE = 1n << 64n;

const UNCHANGED: Omit<BlockOverrides, "timestamp"> = {
  ...{ number: null, gasLimit: null, beneficiary: null, prevRandao: null, baseFee: null },
  blobBaseFee: null,
};

type Abi = ReturnType<typeof loadArtifact>["abi"];

class Market {
  readonly chain = createChain(
    makeConfig({
      gasLimit: "60000000",
      feeds: [
        { id: RAW, feedId: RAW, decimals: 4 },
        { id: "ETH/USD", feedId: ETH, decimals: 8 },
        { id: "ACME/USD", feedId: SHARE, decimals: 2 },
        { id: "ACME/multiplier", feedId: MULTIPLIER, decimals: 0 },
      ],
    }),
  );
  #epoch = 0;
  #nonce = 0;

  /** Unix milliseconds of the block that comes next. */
  get nextMs(): number {
    return 1000 * (this.chain.head().header.timestamp + 1);
  }

  /** An epoch in a block of its own. */
  async apply(updates: readonly FeedUpdate[], downSinceMs = 0): Promise<Receipt> {
    const { chain } = this;
    this.#epoch += 1;
    const write = {
      ...{ blockNumber: this.#epoch, flashblock: 0, epoch: this.#epoch, timeMs: this.nextMs },
      ...{ cut: 9n, reportHashes: [], downSinceMs, updates },
    };
    await chain.engine.open(chain.environment());
    receiptOf(await chain.engine.apply(attributes(chain.rollup)));
    const receipt = receiptOf(await chain.engine.apply(epochDeposit(epochTransaction(write))));
    await chain.close();
    if (receipt.status !== 1) throw new Error("the epoch failed");
    return receipt;
  }

  async say(value: bigint, change: Partial<FeedUpdate> = {}): Promise<Receipt> {
    return this.apply([update(ETH, value, this.nextMs, change)]);
  }

  async send(fields: { to: Hex | null; data: Hex; value?: bigint }): Promise<Receipt> {
    const transaction = await sign(ALICE, { ...fields, nonce: this.#nonce++, gas: 5_000_000n });
    const { receipts } = await this.chain.block([attributes(this.chain.rollup), transaction]);
    return receipts[1]!;
  }

  async deploy(name: string, args: readonly unknown[]): Promise<{ address: Hex; abi: Abi }> {
    const { abi, bytecode } = loadArtifact(name);
    const address = getContractAddress({ from: ALICE.address, nonce: BigInt(this.#nonce) });
    const data = encodeDeployData({ abi, bytecode, args });
    const { status } = await this.send({ to: null, data });
    if (status !== 1) throw new Error(`${name} is not deployed`);
    return { address: lower(address), abi };
  }

  /** What a view answers so many seconds after the newest block; the reason where it reverts. */
  async ask(
    { address, abi }: { address: Hex; abi: Abi },
    functionName: string,
    args: readonly unknown[] = [],
    later = 0,
  ): Promise<unknown> {
    const data = fromHex(encodeFunctionData({ abi, functionName, args }));
    const timestamp = this.chain.head().header.timestamp + later;
    const overrides = { ...AS_IT_IS, block: { ...UNCHANGED, timestamp } };
    const { success, output } = await callOn(this.chain, { to: address, data }, overrides);
    if (success) return decodeFunctionResult({ abi, functionName, data: toHex(output) });
    const { errorName, args: said } = decodeErrorResult({
      // A consumer passes on what PriceFeeds says.
      abi: [...abi, ...FEEDS.abi],
      data: toHex(output),
    });
    return errorName === "Error" || errorName === "Panic" ? said?.[0] : errorName;
  }

  /** The Chainlink-shaped reads of ETH/USD. */
  async adapter(): Promise<{ address: Hex; abi: Abi }> {
    const request = { abi: FEEDS.abi, functionName: "createAdapter", args: ["ETH/USD"] };
    const { status } = await this.send({ to: PRICE_FEEDS, data: encodeFunctionData(request) });
    if (status !== 1) throw new Error("no adapter");
    const address = (await this.ask(FEEDS, "adapterOf", [ETH])) as Hex;
    return { address: lower(address), abi: loadArtifact("PriceFeedAdapter").abi };
  }
}

const FEEDS = { address: PRICE_FEEDS, abi: loadArtifact("PriceFeeds").abi };

function update(
  feedId: Hex,
  value: bigint,
  timeMs: number,
  change: Partial<FeedUpdate> = {},
): FeedUpdate {
  return { feedId, value, confidence: 5n, timeMs, session: 0, status: 0, ...change };
}

t.test("a Chainlink consumer reads what it expects to read", async (t) => {
  const market = new Market();
  await market.say(2500n * ONE);
  const adapter = await market.adapter();
  t.same(await market.ask(adapter, "decimals"), 8);
  t.same(await market.ask(adapter, "description"), "ETH/USD");
  const lender = await market.deploy("Lender", [adapter.address, UPTIME]);
  t.equal(await market.ask(lender, "collateralPrice"), 2500n * 10n ** 18n);
  t.equal(await market.ask(lender, "collateralPrice", [], 100), "stale");
  const receipt = await market.say(2600n * ONE);
  t.equal(await market.ask(lender, "lastMoveBps"), 400n);
  const at = BigInt(market.chain.head().header.timestamp);
  const round = [PHASE | 2n, 2600n * ONE, at, at, PHASE | 2n];
  t.same(await market.ask(adapter, "latestRoundData"), round);
  t.same(await market.ask(adapter, "getRoundData", [PHASE | 2n]), round);
  t.equal(await market.ask(adapter, "latestAnswer"), 2600n * ONE);
  t.equal(await market.ask(adapter, "latestRound"), PHASE | 2n);
  t.equal(await market.ask(adapter, "getAnswer", [PHASE | 1n]), 2500n * ONE);
  t.equal(await market.ask(adapter, "getTimestamp", [PHASE | 2n]), at);
  const events = parseAbi([
    "event AnswerUpdated(int256 indexed current, uint256 indexed roundId, uint256 updatedAt)",
    "event NewRound(uint256 indexed roundId, address indexed startedBy, uint256 startedAt)",
  ]);
  const told = receipt.logs
    .filter(({ address }) => address === adapter.address)
    .map(({ topics, data }) =>
      decodeEventLog({ abi: events, topics: topics as [Hex, ...Hex[]], data: toHex(data) }),
    );
  t.match(told, [
    { eventName: "NewRound", args: { roundId: PHASE | 2n } },
    {
      eventName: "AnswerUpdated",
      args: { current: 2600n * ONE, roundId: PHASE | 2n, updatedAt: at },
    },
  ]);
});

t.test("rounds: none before the first, 256 are kept, and no stranger makes one", async (t) => {
  const market = new Market();
  const adapter = await market.adapter();
  t.equal(await market.ask(adapter, "latestRoundData"), "No data present");
  t.equal(await market.ask(adapter, "latestAnswer"), 0n);
  await market.say(1n);
  t.equal(await market.ask(adapter, "getRoundData", [1n]), "No data present", "of no phase");
  t.equal(await market.ask(adapter, "getRoundData", [PHASE]), "No data present");
  t.equal(await market.ask(adapter, "getRoundData", [PHASE | 2n]), "No data present");
  for (let round = 2; round <= 257; round++) await market.say(BigInt(round));
  const { gasUsed } = await market.say(258n);
  t.comment(`applyEpoch, one feed with an adapter, when all rounds are kept: ${gasUsed} gas`);
  for (const [read, from, args] of [
    ["latestRoundData", adapter, []],
    ["getPriceNoOlderThan", FEEDS, [ETH, 60n]],
  ] as const) {
    const data = fromHex(encodeFunctionData({ abi: from.abi, functionName: read, args }));
    const answer = await callOn(market.chain, { to: from.address, data });
    t.comment(`${read}: ${answer.gasUsed - 21_000n} gas without the transaction`);
  }
  t.equal(await market.ask(adapter, "getRoundData", [PHASE | 2n]), "No data present");
  t.match(await market.ask(adapter, "getRoundData", [PHASE | 3n]), [PHASE | 3n, 3n]);
  t.match(await market.ask(adapter, "latestRoundData"), [PHASE | 258n, 258n]);
  t.equal(await market.ask(adapter, "announce", [5n, 1n, 1n]), "NotPriceFeeds");
  t.equal(await market.ask(FEEDS, "createAdapter", ["ETH/USD"]), "AdapterExists");
  t.equal(await market.ask(FEEDS, "createAdapter", ["DOGE/USD"]), "FeedUnknown");
});

t.test("a feed whose id is its hash has an adapter too", async (t) => {
  const market = new Market();
  const request = { abi: FEEDS.abi, functionName: "createAdapter", args: [RAW] };
  const { status } = await market.send({ to: PRICE_FEEDS, data: encodeFunctionData(request) });
  t.equal(status, 1);
  const address = lower((await market.ask(FEEDS, "adapterOf", [RAW])) as Hex);
  const { abi } = loadArtifact("PriceFeedAdapter");
  t.equal(await market.ask({ address, abi }, "description"), RAW);
  t.equal(await market.ask({ address, abi }, "decimals"), 4);
  t.equal(await market.ask(FEEDS, "createAdapter", [ETH]), "FeedUnknown", "no name of another");
});

t.test("the price is never from the future, and seconds are rounded down", async (t) => {
  const market = new Market();
  const adapter = await market.adapter();
  const lender = await market.deploy("Lender", [adapter.address, UPTIME]);
  await market.say(2501n * ONE, { timeMs: market.nextMs - 1 });
  const second = BigInt(market.chain.head().header.timestamp) - 1n;
  t.equal(await market.ask(adapter, "latestTimestamp"), second, "59.999 is 59");
  // A publisher's clock may be ahead of the block.
  await market.say(2500n * ONE, { timeMs: market.nextMs + 2_250 });
  const at = BigInt(market.chain.head().header.timestamp);
  t.equal(await market.ask(adapter, "latestTimestamp"), at);
  t.equal(await market.ask(lender, "collateralPrice"), 2500n * 10n ** 18n);
  await market.say(2500n * ONE, { timeMs: market.nextMs - 1_000 });
  t.equal(await market.ask(adapter, "latestTimestamp"), at + 1n, "rounds never go back in time");
});

t.test(
  "in a closed or halted session, and while a jump is held, the price grows old",
  async (t) => {
    const market = new Market();
    const adapter = await market.adapter();
    const lender = await market.deploy("Lender", [adapter.address, UPTIME]);
    await market.say(2500n * ONE, { session: REGULAR });
    const before = await market.ask(adapter, "latestRoundData");
    for (const change of [{ session: CLOSED }, { session: HALTED }, { status: 1 as const }]) {
      await market.say(2000n * ONE, change);
      t.match(await market.ask(FEEDS, "getMarket", [ETH]), { value: 2000n * ONE, ...change });
      t.same(await market.ask(adapter, "latestRoundData"), before);
      t.match(await market.ask(FEEDS, "getPriceUnsafe", [ETH]), { price: 2500n * ONE });
    }
    t.equal(await market.ask(lender, "collateralPrice", [], 60), "stale");
    t.equal(await market.ask(FEEDS, "getPriceNoOlderThan", [ETH, 60n], 60), "StalePrice");
    await market.say(2400n * ONE, { session: REGULAR });
    t.equal(await market.ask(lender, "collateralPrice"), 2400n * 10n ** 18n);
  },
);

t.test("after an outage a Chainlink consumer has its time of grace", async (t) => {
  const market = new Market();
  const adapter = await market.adapter();
  const lender = await market.deploy("Lender", [adapter.address, UPTIME]);
  const uptime = { address: UPTIME, abi: loadArtifact("SequencerUptimeFeed").abi };
  t.same(await market.ask(uptime, "latestRoundData"), [1n, 0n, 1n, 1n, 1n], "never down");
  const upMs = market.nextMs;
  await market.apply([update(ETH, 2500n * ONE, upMs)], 1000 * GENESIS_TIME);
  const at = BigInt(market.chain.head().header.timestamp);
  const round = [BigInt(upMs), 0n, at, at, BigInt(upMs)];
  t.same(await market.ask(uptime, "latestRoundData"), round);
  t.same(await market.ask(uptime, "getRoundData", [BigInt(upMs)]), round);
  t.equal(await market.ask(uptime, "getRoundData", [1n]), "No data present");
  t.equal(await market.ask(lender, "collateralPrice"), "grace");
  t.equal(await market.ask(lender, "collateralPrice", [], 3600), "grace");
  t.equal(await market.ask(lender, "collateralPrice", [], 3601), "stale", "and then as ever");
});

t.test("a Pyth consumer pays nothing, reads its price, and what it does not trust", async (t) => {
  const market = new Market();
  const perpetuals = await market.deploy("Perpetuals", [PRICE_FEEDS, ETH]);
  t.equal(await market.ask(perpetuals, "trade", [["0x01"]]), "PriceFeedNotFound");
  await market.say(2500n * ONE, { confidence: ONE });
  const request = { abi: perpetuals.abi, functionName: "trade", args: [["0x01", "0x02"]] };
  t.match(await market.send({ to: perpetuals.address, data: encodeFunctionData(request) }), {
    status: 1,
  });
  t.equal(await market.ask(perpetuals, "mark"), 2500n * 10n ** 18n);
  t.equal(await market.ask(perpetuals, "trade", [[]], 12), "StalePrice");
  t.same(await market.ask(FEEDS, "getPriceUnsafe", [ETH]), {
    ...{ price: 2500n * ONE, conf: ONE, expo: -8 },
    publishTime: BigInt(market.chain.head().header.timestamp - 1),
  });
  await market.say(2500n * ONE, { confidence: 26n * ONE });
  t.equal(await market.ask(perpetuals, "trade", [[]]), "confidence");
  const paid = { abi: FEEDS.abi, functionName: "updatePriceFeeds", args: [[]] };
  const { status } = await market.send({
    ...{ to: PRICE_FEEDS, data: encodeFunctionData(paid), value: 1n },
  });
  t.equal(status, 0, "what is paid would be lost");
  t.equal(await market.ask(FEEDS, "getUpdateFee", [["0x01"]]), 0n);
  await market.say(2n ** 63n);
  t.equal(await market.ask(FEEDS, "getPriceUnsafe", [ETH]), "PriceTooLarge");
  await market.say(-(2n ** 63n));
  t.match(await market.ask(FEEDS, "getPriceUnsafe", [ETH]), { price: -(2n ** 63n) });
  t.equal(await market.ask(FEEDS, "priceFeedExists", [ETH]), true);
  t.equal(await market.ask(FEEDS, "priceFeedExists", [SHARE]), false);
});

t.test("the average follows in its time, by small steps as by one", async (t) => {
  const HOUR_MS = 3_600_000;
  const ema = async (market: Market): Promise<bigint> => {
    const { price } = (await market.ask(FEEDS, "getEmaPriceUnsafe", [ETH])) as { price: bigint };
    return price;
  };
  const one = new Market();
  const startMs = one.nextMs;
  await one.say(1000n * ONE, { timeMs: startMs });
  t.equal(await ema(one), 1000n * ONE);
  await one.say(2000n * ONE, { timeMs: startMs + HOUR_MS });
  t.equal(await ema(one), 1000n * ONE, "what held until now is the value before");
  await one.say(9000n * ONE, { timeMs: startMs + 2 * HOUR_MS });
  t.equal(await ema(one), 1500n * ONE, "one step of its time constant");
  await one.say(1n, { timeMs: startMs });
  t.equal(await ema(one), 1500n * ONE, "an earlier time moves nothing");
  const many = new Market();
  await many.say(1000n, { timeMs: startMs });
  await many.say(1010n, { timeMs: startMs });
  const STEPS = 200;
  for (let step = 1; step <= STEPS; step++)
    await many.say(1010n, { timeMs: startMs + (step * HOUR_MS) / STEPS });
  // 1 - 1/e of 10 units, although no step is one unit.
  t.equal(await ema(many), 1006n);
  const query = await many.ask(FEEDS, "queryPriceFeed", [ETH]);
  t.match(query, { id: ETH, price: { price: 1010n }, emaPrice: { price: 1006n, expo: -8 } });
});

t.test("a 10:1 split with its multiplier in one epoch liquidates nobody", async (t) => {
  const market = new Market();
  const [shares, debt] = [100n, 4_000_000n];
  const args = [PRICE_FEEDS, SHARE, MULTIPLIER, shares, debt];
  const vault = await market.deploy("ShareVault", args);
  const say = (price: bigint, multiplier: bigint, session = REGULAR) =>
    market.apply([
      update(SHARE, price, market.nextMs, { session }),
      update(MULTIPLIER, multiplier, market.nextMs, { session }),
    ]);
  await say(50_000n, 1n);
  t.equal(await market.ask(vault, "worth"), 5_000_000n);
  await say(5_000n, 10n);
  t.equal(await market.ask(vault, "worth"), 5_000_000n);
  t.equal(await market.ask(vault, "isLiquidatable"), false);
  await market.apply([update(SHARE, 500n, market.nextMs, { session: REGULAR })]);
  t.equal(await market.ask(vault, "isLiquidatable"), true, "without its multiplier it would be");
  await say(3_000n, 10n, HALTED);
  t.equal(await market.ask(vault, "isLiquidatable"), false, "nobody may sell in a halt");
});
