/**
 * One run of the crash: positions are opened, the path is played, keeper, traders and arbitrageur
 * do what they do, and everything is closed again. Owns what is measured, and when.
 */
import { setTimeout as delay } from "node:timers/promises";
import { Arbitrageur } from "./arbitrageur.ts";
import { HIGH_TIPS_WEI } from "./crowd-plan.ts";
import { readPrice } from "./exchange.ts";
import { awaitPrice, type Floor } from "./floor.ts";
import { type Book, Keeper } from "./keeper.ts";
import { priceLags, type Reading, type Sealed, sealedAges } from "./meter.ts";
import { DOLLAR, PERP_MARKET, perpMarketAbi } from "../perp-market.ts";
import { START_PRICE, type Tick } from "./price-path.ts";
import { closeAll, openAll, Rescuers, type Trader, tradersOf } from "./traders.ts";

/** Between two looks at the chain's price. */
const READ_INTERVAL_MS = 5;
/** Before everything is opened, and until the last price of a path is readable. */
const PRICE_TIMEOUT_MS = 60_000;

/** What those that are in a hurry pay. */
export interface Tips {
  readonly oracle: bigint;
  readonly keeper: bigint;
  readonly trader: bigint;
}

export interface CrashOutcome {
  /** From a tick of the market to a price as new on `pending`: one for each tick that counts. */
  readonly lagsMs: readonly number[];
  readonly sealedAgesMs: readonly number[];
  readonly liquidations: number;
  /** From sending to execution, of each. */
  readonly liquidationMs: readonly number[];
  readonly rescueMs: readonly number[];
  readonly rescuesTried: number;
  readonly rescuesInTime: number;
  /** Dollars. */
  readonly badDebt: number;
  readonly arbitrageLoss: number;
  /** Of the arbitrageur. */
  readonly trades: number;
  /** Share of blocks' gas that was used, and transactions a block. */
  readonly fullness: number;
  readonly transactionsABlock: number;
}

/** Plays the path once. Errors: `DevnetError` for what does not come; the floor's failure. */
export async function runCrash(
  floor: Floor,
  {
    seed,
    path,
    tips,
  }: { readonly seed: number; readonly path: readonly Tick[]; readonly tips: Tips },
): Promise<CrashOutcome> {
  const { clock, client, signal, fail } = floor;
  const oracle = floor.startOracle(tips.oracle);
  const deaf = clock.onTick((tick) => {
    oracle.tell(tick);
  });
  const book: Book = new Map();
  const traders = tradersOf(seed, floor.traders);
  // Opening and closing are not what is measured.
  const hurried = { client, book, tipWei: HIGH_TIPS_WEI.trader, signal, fail };
  try {
    const debtBefore = await badDebt(floor);
    await holding(floor, START_PRICE, async (fromMs) => {
      const { value } = await awaitPrice(floor, fromMs, PRICE_TIMEOUT_MS);
      await openAll(traders, value, hurried);
    });
    const measured = await playPath(floor, { book, traders, path, tips });
    await holding(floor, path.at(-1)?.price ?? START_PRICE, async (fromMs) => {
      await awaitPrice(floor, fromMs, PRICE_TIMEOUT_MS);
      await closeAll(traders, hurried);
    });
    return { ...measured, badDebt: dollars((await badDebt(floor)) - debtBefore) };
  } finally {
    deaf();
    await oracle.stop();
  }
}

/** The price stands while this is done. */
async function holding<T>(
  { clock }: Floor,
  price: bigint,
  action: (fromMs: number) => Promise<T>,
): Promise<T> {
  const ending = new AbortController();
  const held = clock.hold(price, ending.signal);
  try {
    return await action(Date.now());
  } finally {
    ending.abort();
    await held;
  }
}

interface Play {
  readonly book: Book;
  readonly traders: readonly Trader[];
  readonly path: readonly Tick[];
  readonly tips: Tips;
}

async function playPath(
  floor: Floor,
  { book, traders, path, tips }: Play,
): Promise<Omit<CrashOutcome, "badDebt">> {
  const { client, clock, trust, signal, fail } = floor;
  const common = { client, book, signal, fail };
  const keeper = new Keeper({ ...common, wallets: floor.keepers, tipWei: tips.keeper });
  const rescuers = new Rescuers(traders, { ...common, tipWei: tips.trader });
  const arbitrageur = new Arbitrageur({
    ...{ client, clock, trust, signal, fail, wallet: floor.arbitrageur },
    tipWei: HIGH_TIPS_WEI.trader,
  });
  const deaf = clock.onTick((tick) => {
    rescuers.onTick(tick);
  });
  const blocks = watchBlocks(floor);
  const looking = look(floor, ({ value }) => {
    keeper.onChainPrice(value);
    arbitrageur.onChainPrice(value);
  });
  try {
    const ticks = await clock.play(path, signal);
    await holding(floor, clock.price, async (fromMs) => {
      await awaitPrice(floor, fromMs, PRICE_TIMEOUT_MS);
      await Promise.all([keeper.settled(), rescuers.settled(), arbitrageur.settled()]);
    });
    await looking.stop();
    signal.throwIfAborted();
    return {
      lagsMs: priceLags(ticks, looking.readings),
      sealedAgesMs: sealedAges(blocks.sealed),
      liquidations: keeper.liquidated.length,
      ...{ liquidationMs: keeper.tookMs, rescueMs: rescuers.tookMs },
      rescuesTried: rescuers.tried,
      rescuesInTime: rescuers.inTime,
      arbitrageLoss: dollars(arbitrageur.gained),
      trades: arbitrageur.trades,
      ...blocks.load(),
    };
  } finally {
    deaf();
    blocks.stop();
    await looking.stop();
  }
}

/** Looks at the chain's price again and again until it is stopped. */
function look(
  { reader, source, fail }: Floor,
  see: (reading: Reading) => void,
): { readonly readings: Reading[]; stop(): Promise<void> } {
  const readings: Reading[] = [];
  let isStopped = false;
  const looking = (async () => {
    while (!isStopped) {
      const price = await readPrice(reader, source, "pending");
      if (price !== null) {
        const reading = { ...price, atMs: Date.now() };
        readings.push(reading);
        see(reading);
      }
      await delay(READ_INTERVAL_MS);
    }
  })().catch(fail);
  return {
    readings,
    async stop() {
      isStopped = true;
      await looking;
    },
  };
}

/** What blocks hold while a path is played. */
function watchBlocks({ reader, source, fail }: Floor) {
  const sealed: Sealed[] = [];
  let transactions = 0;
  let gasUsed = 0n;
  let gasLimit = 0n;
  let count = 0;
  const stop = reader.watchBlocks({
    onBlock: (block) => {
      count += 1;
      transactions += block.transactions.length;
      gasUsed += block.gasUsed;
      gasLimit += block.gasLimit;
      readPrice(reader, source, block.number)
        .then((price) => {
          if (price !== null)
            sealed.push({ timestamp: Number(block.timestamp), timeMs: price.timeMs });
        })
        .catch(fail);
    },
    onError: fail,
  });
  return {
    sealed,
    stop,
    load: () => ({
      fullness: gasLimit === 0n ? 0 : Number((1_000n * gasUsed) / gasLimit) / 1_000,
      transactionsABlock: count === 0 ? 0 : transactions / count,
    }),
  };
}

function badDebt({ reader }: Floor): Promise<bigint> {
  return reader.readContract({
    address: PERP_MARKET,
    abi: perpMarketAbi,
    functionName: "badDebt",
    blockTag: "pending",
  });
}

function dollars(amount: bigint): number {
  return Number(amount) / Number(DOLLAR);
}
