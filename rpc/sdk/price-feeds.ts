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
  "event PriceUpdated(bytes32 indexed feedId, int128 value, uint128 confidence, uint64 timeMs, uint8 session, uint8 status)",
  "event EpochApplied(uint64 indexed epoch, uint64 timeMs, uint72 cut, bytes32 reportsHash)",
  "event SequencerUp(uint64 downSinceMs, uint64 upSinceMs)",
  "event AdapterCreated(bytes32 indexed feedId, address adapter)",
  "function decimalsOf(bytes32 feedId) view returns (uint8)",
  "function createAdapter(string id) returns (address)",
  "function adapterOf(bytes32 feedId) view returns (address)",
]);
