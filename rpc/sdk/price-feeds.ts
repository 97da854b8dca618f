/**
 * How the prices that epochs apply are read: the ABI of the PriceFeeds predeploy, which stands at
 * `PRICE_FEEDS` of `lanes/epoch-transaction.ts`. A test runs the contract through it.
 */
import { parseAbi } from "viem";

export const priceFeedsAbi = parseAbi([
  "struct Market { int128 value; uint64 confidence; uint48 timeMs; uint8 session; uint8 status; }",
  "struct Epoch { uint64 number; uint64 timeMs; uint64 downSinceMs; uint64 upSinceMs; }",
  "function getMarket(bytes32 feedId) view returns (Market)",
  "function newestEpoch() view returns (Epoch)",
]);
