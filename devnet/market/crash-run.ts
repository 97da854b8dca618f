/**
 * One run of the crash: positions are opened, the path is played, keeper, traders and arbitrageur
 * do what they do, and everything is closed again. Owns what is measured, and when.
 */
import { setTimeout as delay } from "node:timers/promises";
import { Arbitrageur } from "./arbitrageur.ts";
import { HIGH_TIPS_WEI } from "./crowd-plan.ts";
import { readPrice } from "./exchange.ts";
import { awaitPrice, type Floor } from "./floor.ts";
import type { Book } from "./book.ts";
import { Keeper } from "./keeper.ts";
import { priceLags, type Reading, type Sealed, sealedAges } from "./meter.ts";
import { fetchLaneBlock } from "../lane-block.ts";
import { DOLLAR } from "../perp-market.ts";
import { waitFor } from "../wait.ts";
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
  /** Of all people: reports and transactions without effect. */
  readonly failed: number;
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
    const refusedBefore = oracle.refused();
    await holding(floor, START_PRICE, async (fromMs) => {
      const { value } = await awaitPrice(floor, fromMs, PRICE_TIMEOUT_MS);
      await openAll(traders, value, hurried);
    });
    const measured = await playPath(floor, { book, traders, path, tips });
    const closed = await holding(floor, clock.price, async (fromMs) => {
      await awaitPrice(floor, fromMs, PRICE_TIMEOUT_MS);
      return closeAll(traders, hurried);
    });
    const { equities, failed, ...rest } = measured;
    return {
      ...rest,
      liquidations: equities.length,
      failed: failed + oracle.refused() - refusedBefore,
      badDebt: dollars(debtOf([...equities, ...closed])),
    };
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

/** Of a path, before what is still open is closed. */
interface Measured extends Omit<CrashOutcome, "badDebt" | "liquidations"> {
  /** Of the positions that were liquidated. */
  readonly equities: readonly bigint[];
}

interface Play {
  readonly book: Book;
  readonly traders: readonly Trader[];
  readonly path: readonly Tick[];
  readonly tips: Tips;
}

async function playPath(floor: Floor, { book, traders, path, tips }: Play): Promise<Measured> {
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
      const { value } = await looking.until(fromMs);
      await rescuers.settled();
      // From here on nobody begins anything by itself.
      await looking.stop();
      await keeper.finish(value);
      await arbitrageur.finish();
    });
    signal.throwIfAborted();
    return {
      lagsMs: priceLags(ticks, looking.readings),
      sealedAgesMs: sealedAges(blocks.sealed),
      equities: keeper.equities,
      ...{ liquidationMs: keeper.tookMs, rescueMs: rescuers.tookMs },
      rescuesTried: rescuers.tried,
      rescuesInTime: rescuers.inTime,
      arbitrageLoss: dollars(arbitrageur.gained),
      trades: arbitrageur.trades,
      failed: keeper.failed + rescuers.failed + arbitrageur.failed,
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
  { reader, source, signal, fail }: Floor,
  see: (reading: Reading) => void,
): {
  readonly readings: Reading[];
  /** Resolves with the first reading of a price of this moment or later. */
  until(fromMs: number): Promise<Reading>;
  stop(): Promise<void>;
} {
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
    until: (fromMs) =>
      waitFor(
        "the chain to know the last price",
        () => Promise.resolve(readings.find(({ timeMs }) => timeMs >= fromMs) ?? null),
        { timeoutMs: PRICE_TIMEOUT_MS, signal, intervalMs: READ_INTERVAL_MS },
      ),
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
      Promise.all([
        readPrice(reader, source, block.number),
        fetchLaneBlock(reader, Number(block.number)),
      ])
        .then(([price, { endMs }]) => {
          if (price !== null) sealed.push({ sealedMs: endMs, timeMs: price.timeMs });
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

/** What positions owe beyond their collateral, by what they were worth when they ended. */
function debtOf(equities: readonly bigint[]): bigint {
  return equities.reduce((sum, equity) => (equity < 0n ? sum - equity : sum), 0n);
}

function dollars(amount: bigint): number {
  return Number(amount) / Number(DOLLAR);
}
