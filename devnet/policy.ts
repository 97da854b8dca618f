/**
 * The devnet's lane policy: publishers of the demo feed are fast, rescues and liquidations are
 * empty.
 */
import { encodeAbiParameters, keccak256 } from "viem";
import type { Hex } from "../lanes/bytes.ts";
import { type Policy, parsePolicy } from "../lanes/policy.ts";
import { L2_CHAIN_ID } from "./chains.ts";
import { DEMO_FEED, PUBLISH_SELECTOR } from "./demo-feed.ts";
import { DevnetError } from "./devnet-error.ts";

/** Above what a wallet's estimate of `publish` may come to. */
const PUBLISH_GAS_MAX = 150_000;

/**
 * The policy document for this block time; `publishers` may write the demo feed in the fast lane.
 */
export function devnetPolicy(
  publishers: readonly Hex[],
  blockTimeMs: number,
): Record<string, unknown> {
  return {
    version: 1,
    chainId: L2_CHAIN_ID,
    feedSet: keccak256(encodeAbiParameters([{ type: "uint256" }], [BigInt(L2_CHAIN_ID)])),
    blockTimeMs,
    ttlBlocks: 5,
    policyDelay: 16,
    maxFlashblocks: 256,
    systemReserveGas: 6_000_000,
    graceMs: 10_000,
    fast: {
      classes: [
        {
          name: "oracle",
          gasShareBps: 2000,
          order: "ready",
          rules: [
            {
              to: DEMO_FEED,
              selectors: [PUBLISH_SELECTOR],
              senders: publishers.map((address) => address.toLowerCase()),
              maxGas: PUBLISH_GAS_MAX,
              value: false,
            },
          ],
        },
        { name: "rescue", gasShareBps: 1000, order: "ready", rules: [] },
        { name: "liquidation", gasShareBps: 2000, order: "tip", rules: [] },
      ],
      queueLimit: 4096,
      perSender: { ratePerSecond: 200, burst: 400, maxPending: 64 },
    },
    normal: { order: "tip", maxTxGas: 16_777_216, heavyGas: 30_000_000 },
    publishers: [],
    feeds: [],
  };
}

/** Parses the policy of a rollup config; one that does not parse means a damaged folder. */
export function readPolicy(document: unknown, file: string): Policy {
  const policy = parsePolicy(document);
  if (policy.ok) return policy.value;
  throw new DevnetError(
    `damaged folder: the policy in ${file} is invalid (${JSON.stringify(policy.data)}); delete the folder to start anew`,
  );
}
