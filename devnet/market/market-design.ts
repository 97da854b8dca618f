/**
 * The chain that the crash scenario runs on: genesis and policy, with the lane or without.
 *
 * They differ in one thing: with the lane, reports become epochs, and rescues and liquidations have
 * classes; without, nothing is fast, and the same market reads a price that transactions write.
 */
import { PRICE_FEEDS } from "../../lanes/epoch-transaction.ts";
import type { Hex } from "../../lanes/bytes.ts";
import type { DevnetAccounts } from "../accounts.ts";
import { BLOCK_TIME_DEFAULT_MS, type ChainDesign, foundation, fund } from "../chain-design.ts";
import { type LanePlan, lanePolicy, parseDesigned } from "../policy.ts";
import { arbitrageurWallet } from "./arbitrageur.ts";
import { CROWDED_LEDGER, crowdedLedgerGenesis, crowdWallets } from "./crowd-plan.ts";
import { keeperWallets } from "./keeper.ts";
import { publisherKeys, transmitterWallet } from "./oracles.ts";
import { liquidationRule, PERP_MARKET, perpMarketGenesis, rescueRule } from "../perp-market.ts";
import { PUSHED_PRICE, pushedPriceGenesis } from "./pushed-price.ts";
import { TRADERS, traderWallets } from "./traders.ts";

/** Twenty million a second is what large rollups have, and what this machine executes with ease. */
const GAS_LIMIT = 20_000_000n;
/** Less than a tick of the market: each has an epoch of its own, as it has a transaction. */
const MIN_EPOCH_MS = 20;
/** More than an epoch of one feed every 50 ms. */
const SYSTEM_RESERVE_GAS = 2_000_000;
/** Full blocks raise the base fee without end, and everybody offers more (`wallet.ts`). */
const ETHER = 10n ** 12n;
const POOL_DOLLARS = 1_000_000_000n;
const TRADER_DOLLARS = 100_000_000n;

const WITHOUT_LANE: LanePlan = {
  ...{ oracle: [], rescue: [], liquidation: [], reporters: [], feedIds: [] },
  ...{ systemReserveGas: SYSTEM_RESERVE_GAS, minEpochMs: MIN_EPOCH_MS },
  ...{ quorum: 0, jumpQuorum: 0 },
};

/** Of five publishers four make a price, and all of them a jump. */
function withLane(): LanePlan {
  const reporters = publisherKeys();
  return {
    ...{ oracle: [], rescue: [rescueRule], liquidation: [liquidationRule] },
    ...{ reporters, feedIds: ["ETH/USD"], systemReserveGas: SYSTEM_RESERVE_GAS },
    ...{ minEpochMs: MIN_EPOCH_MS, quorum: 4, jumpQuorum: reporters.length },
  };
}

/** Where the market reads its price. */
export function priceSource(hasLane: boolean): Hex {
  return hasLane ? PRICE_FEEDS : PUSHED_PRICE;
}

/** The chain of one scenario; `hasLane` is all that may differ. */
export function marketDesign(accounts: DevnetAccounts, hasLane: boolean): ChainDesign {
  const policy = lanePolicy(hasLane ? withLane() : WITHOUT_LANE, BLOCK_TIME_DEFAULT_MS);
  const alloc = foundation(accounts, parseDesigned(policy));
  const transmitter = transmitterWallet().address;
  const people = [...traderWallets(), arbitrageurWallet()].map(({ address }) => address);
  const others = [...keeperWallets(TRADERS), ...crowdWallets()].map(({ address }) => address);
  fund(alloc, [transmitter, ...people, ...others], ETHER);
  alloc[CROWDED_LEDGER] = crowdedLedgerGenesis();
  alloc[PUSHED_PRICE] = pushedPriceGenesis(transmitter);
  alloc[PERP_MARKET] = perpMarketGenesis({
    source: priceSource(hasLane),
    poolDollars: POOL_DOLLARS,
    dollars: TRADER_DOLLARS,
    accounts: people,
  });
  return { policy, alloc, gasLimit: GAS_LIMIT };
}
