/**
 * The market contract as TypeScript sees it: address, ABI, genesis account, calldata, and what a
 * position is worth, in the contract's own integers. A test compares the two.
 *
 * Dollars, sizes and prices have eight decimals.
 */
import { encodeFunctionData, numberToHex, pad, parseAbi, toFunctionSelector } from "viem";
import type { Hex } from "../lanes/bytes.ts";
import { loadArtifact } from "../node/contracts/artifact.ts";
import { mappingSlot } from "./storage-slot.ts";

export const PERP_MARKET: Hex = "0xfeed000000000000000000000000000000000002";

export const perpMarketAbi = parseAbi([
  "struct Position { int128 size; uint128 entry; uint128 collateral; }",
  "function open(int128 size, uint128 collateral)",
  "function close()",
  "function topUp(uint128 amount)",
  "function liquidate(address trader)",
  "function positionOf(address trader) view returns (Position)",
  "function equityAt(Position position, uint256 price) pure returns (int256)",
  "function usablePrice() view returns (uint256)",
  "function balanceOf(address account) view returns (uint256)",
  "function pool() view returns (int256)",
  "function badDebt() view returns (uint256)",
  "event Opened(address indexed trader, int128 size, uint256 price, uint256 collateral)",
  "event Closed(address indexed trader, int128 size, uint256 price, int256 equity)",
  "event ToppedUp(address indexed trader, uint256 collateral)",
  "event Liquidated(address indexed trader, address indexed keeper, int128 size, uint256 price, int256 equity)",
]);

/** Gas limits that each call is sent with: above what a test has seen it use. */
export const TRADE_GAS = 130_000n;
export const TOP_UP_GAS = 60_000n;
export const LIQUIDATE_GAS = 110_000n;

/**
 * What a policy says of the market: who adds collateral rescues, and goes before liquidations.
 * Closing is no rescue: who sees the market before the chain does would close at the old price, and
 * before the new one.
 */
export const rescueRule = {
  to: PERP_MARKET,
  selectors: [toFunctionSelector("topUp(uint128)")],
  maxGas: 120_000,
  value: false,
};
export const liquidationRule = {
  to: PERP_MARKET,
  selectors: [toFunctionSelector("liquidate(address)")],
  maxGas: 250_000,
  value: false,
  feeds: ["ETH/USD"],
};

export const DOLLAR = 10n ** 8n;
/** Of a position's worth, as the contract has them. */
export const MAINTENANCE_BPS = 250n;
export const FEE_BPS = 10n;
const BPS = 10_000n;

export interface Position {
  /** Below zero: short. */
  readonly size: bigint;
  /** Dollars for one ether, when it was opened. */
  readonly entry: bigint;
  readonly collateral: bigint;
}

/** What a position is worth to its owner at a price; below zero it is bad debt. */
export function equityAt({ size, entry, collateral }: Position, price: bigint): bigint {
  return collateral + (size * (price - entry)) / DOLLAR;
}

/** What was bought or sold, in dollars. */
export function worthAt(size: bigint, price: bigint): bigint {
  return ((size < 0n ? -size : size) * price) / DOLLAR;
}

/** What a trade of so much costs at a price. */
export function feeAt(size: bigint, price: bigint): bigint {
  return (worthAt(size, price) * FEE_BPS) / BPS;
}

/** Whether anybody may liquidate it at this price. */
export function isLiquidatable(position: Position, price: bigint): boolean {
  return equityAt(position, price) < (worthAt(position.size, price) * MAINTENANCE_BPS) / BPS;
}

export function openCalldata(size: bigint, collateral: bigint): Hex {
  return encodeFunctionData({
    abi: perpMarketAbi,
    functionName: "open",
    args: [size, collateral],
  });
}

export function closeCalldata(): Hex {
  return encodeFunctionData({ abi: perpMarketAbi, functionName: "close" });
}

export function topUpCalldata(amount: bigint): Hex {
  return encodeFunctionData({ abi: perpMarketAbi, functionName: "topUp", args: [amount] });
}

export function liquidateCalldata(trader: Hex): Hex {
  return encodeFunctionData({ abi: perpMarketAbi, functionName: "liquidate", args: [trader] });
}

export interface MarketGenesis {
  /** Who knows the price: an `IPriceSource`. */
  readonly source: Hex;
  /** Dollars of the pool, and of each of these accounts. */
  readonly poolDollars: bigint;
  readonly dollars: bigint;
  readonly accounts: readonly Hex[];
}

/** Slots of PerpMarket.sol that genesis writes. */
const SOURCE_SLOT = 0n;
const POOL_SLOT = 1n;
const BALANCES_SLOT = 3n;

/** Code, price source and balances, for the genesis block. */
export function perpMarketGenesis({ source, poolDollars, dollars, accounts }: MarketGenesis): {
  readonly code: Hex;
  readonly storage: Record<Hex, Hex>;
} {
  const storage: Record<Hex, Hex> = {
    [numberToHex(SOURCE_SLOT, { size: 32 })]: pad(source, { size: 32 }),
    [numberToHex(POOL_SLOT, { size: 32 })]: numberToHex(poolDollars * DOLLAR, { size: 32 }),
  };
  for (const account of accounts)
    storage[mappingSlot(account, BALANCES_SLOT)] = numberToHex(dollars * DOLLAR, { size: 32 });
  return { code: loadArtifact("PerpMarket").deployedBytecode, storage };
}
