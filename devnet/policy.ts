/**
 * The devnet's lane policies. Its own: publishers of the demo feed are fast, and rescues and
 * liquidations of the market; the first publishers report three feeds.
 */
import assert from "node:assert/strict";
import { encodeAbiParameters, keccak256 } from "viem";
import type { Hex } from "../lanes/bytes.ts";
import { type Policy, parsePolicy } from "../lanes/policy.ts";
import { L2_CHAIN_ID } from "./chains.ts";
import { DEMO_FEED, PUBLISH_SELECTOR } from "./demo-feed.ts";
import { DevnetError } from "./devnet-error.ts";
import { liquidationRule, rescueRule } from "./perp-market.ts";
import { MARKET_DECIMALS, MARKET_FEEDS } from "./market-path.ts";

/** Above what a wallet's estimate of `publish` may come to. */
const PUBLISH_GAS_MAX = 150_000;

const SYSTEM_RESERVE_GAS = 6_000_000;
/** When a feed is told anew: after so long, or so far away. */
export const HEARTBEAT_MS = 1_000;
export const DEVIATION_BPS = 5;

/** What a policy asks of a feed at least: all three have to say something (PROTOCOL 2). */
export const REPORTERS = 3;

/** A rule of the policy document. */
type Rule = Readonly<Record<string, unknown>>;

/** What is fast on a chain, and who reports which feeds. */
export interface LanePlan {
  readonly oracle: readonly Rule[];
  readonly rescue: readonly Rule[];
  readonly liquidation: readonly Rule[];
  /** A key for each publisher; without any there are no feeds. */
  readonly reporters: readonly Hex[];
  readonly feedIds: readonly string[];
  /** Of every block, for epochs alone. */
  readonly systemReserveGas: number;
  /** Between two epochs of a feed, at least. */
  readonly minEpochMs: number;
  /** Publishers that a price needs, and a price that jumps. */
  readonly quorum: number;
  readonly jumpQuorum: number;
}

/** The policy document of a plan. */
export function lanePolicy(plan: LanePlan, blockTimeMs: number): Record<string, unknown> {
  return {
    version: 1,
    chainId: L2_CHAIN_ID,
    feedSet: keccak256(encodeAbiParameters([{ type: "uint256" }], [BigInt(L2_CHAIN_ID)])),
    blockTimeMs,
    ttlBlocks: 5,
    policyDelay: 16,
    maxFlashblocks: 256,
    systemReserveGas: plan.systemReserveGas,
    graceMs: 10_000,
    fast: {
      classes: [
        { name: "oracle", gasShareBps: 2000, order: "ready", rules: plan.oracle },
        { name: "rescue", gasShareBps: 1000, order: "ready", rules: plan.rescue },
        { name: "liquidation", gasShareBps: 2000, order: "tip", rules: plan.liquidation },
      ],
      queueLimit: 4096,
      perSender: { ratePerSecond: 200, burst: 400, maxPending: 64 },
    },
    normal: { order: "tip", maxTxGas: 16_777_216, heavyGas: 30_000_000 },
    ...prices(plan),
  };
}

/**
 * The devnet's own: `publishers` may write the demo feed in the fast lane, and the first of them
 * report prices; the market's rescues and liquidations are fast.
 */
export function devnetPolicy(
  publishers: readonly Hex[],
  blockTimeMs: number,
): Record<string, unknown> {
  const reporters = publishers.slice(0, REPORTERS);
  const demoFeed = {
    to: DEMO_FEED,
    selectors: [PUBLISH_SELECTOR],
    senders: publishers.map((address) => address.toLowerCase()),
    maxGas: PUBLISH_GAS_MAX,
    value: false,
  };
  const isPriced = reporters.length === REPORTERS;
  return lanePolicy(
    {
      oracle: [demoFeed],
      rescue: isPriced ? [rescueRule] : [],
      liquidation: isPriced ? [liquidationRule] : [],
      reporters: isPriced ? reporters : [],
      feedIds: MARKET_FEEDS.map(({ id }) => id),
      systemReserveGas: SYSTEM_RESERVE_GAS,
      minEpochMs: 50,
      quorum: REPORTERS,
      jumpQuorum: REPORTERS,
    },
    blockTimeMs,
  );
}

/** Feeds, where there is somebody to report them. */
function prices({
  reporters,
  feedIds,
  minEpochMs,
  quorum,
  jumpQuorum,
}: LanePlan): Record<"publishers" | "feeds", unknown[]> {
  if (reporters.length === 0) return { publishers: [], feeds: [] };
  const ids = reporters.map((_, index) => index + 1);
  return {
    publishers: reporters.map((address, index) => ({
      id: index + 1,
      name: `publisher ${index + 1}`,
      keys: [address.toLowerCase()],
    })),
    feeds: feedIds.map((id) => ({
      id,
      kind: "price",
      decimals: MARKET_DECIMALS,
      publishers: ids,
      quorum,
      group: 0,
      maxAgeMs: 2_000,
      heartbeatMs: HEARTBEAT_MS,
      deviationBps: DEVIATION_BPS,
      deviationFloor: "0",
      minEpochMs,
      maxJumpBps: 1_000,
      jumpQuorum,
      jumpWindowMs: 5_000,
      jumpHoldMs: 1_500,
      min: "1",
      max: "100000000000000000",
      readableAgeMs: 3_000,
    })),
  };
}

/** Parses a policy that was made here: an invalid one is a bug. */
export function parseDesigned(document: unknown): Policy {
  const policy = parsePolicy(document);
  assert(policy.ok, "a policy of the devnet's own is valid");
  return policy.value;
}

/** Parses the policy of a rollup config; one that does not parse means a damaged folder. */
export function readPolicy(document: unknown, file: string): Policy {
  const policy = parsePolicy(document);
  if (policy.ok) return policy.value;
  throw new DevnetError(
    `damaged folder: the policy in ${file} is invalid (${JSON.stringify(policy.data)}); delete the folder to start anew`,
  );
}
