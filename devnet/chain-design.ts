/**
 * What a new chain is made of: the accounts and contracts of its genesis, and its policy. Does not
 * own how it is written down (`topology.ts`).
 */
import type { Hex } from "../lanes/bytes.ts";
import { PRICE_FEEDS } from "../lanes/epoch-transaction.ts";
import type { Policy } from "../lanes/policy.ts";
import { predeployAlloc } from "../node/chain/genesis.ts";
import { loadArtifact } from "../node/contracts/artifact.ts";
import type { RollupConfigFile } from "../node/rollup-config.ts";
import type { DevnetAccounts } from "./accounts.ts";
import { DEMO_FEED, demoFeedGenesis } from "./demo-feed.ts";
import { PERP_MARKET, perpMarketGenesis } from "./perp-market.ts";
import { devnetPolicy, parseDesigned } from "./policy.ts";

export const BLOCK_TIME_DEFAULT_MS = 1000;
const ETHER = 10_000n;
const WEI = 10n ** 18n;
const GAS_LIMIT = 60_000_000n;
const POOL_DOLLARS = 1_000_000_000n;
const TRADER_DOLLARS = 1_000_000n;

export type Alloc = RollupConfigFile["genesis"]["alloc"];

export interface ChainDesign {
  /** The policy document. */
  readonly policy: Record<string, unknown>;
  readonly alloc: Alloc;
  /** Of every block. */
  readonly gasLimit: bigint;
}

/** The devnet's own. */
export function standardDesign(accounts: DevnetAccounts, blockTimeMs: number): ChainDesign {
  const publishers = fastSenders(accounts);
  const policy = devnetPolicy(publishers, blockTimeMs);
  const alloc = foundation(accounts, parseDesigned(policy));
  alloc[DEMO_FEED] = demoFeedGenesis(publishers);
  alloc[PERP_MARKET] = perpMarketGenesis({
    source: PRICE_FEEDS,
    poolDollars: POOL_DOLLARS,
    dollars: TRADER_DOLLARS,
    accounts: accounts.printed.map(({ address }) => address),
  });
  return { policy, alloc, gasLimit: GAS_LIMIT };
}

/**
 * Who may publish in the fast lane: every publisher account, started or not, the smoke run's, the
 * example's.
 */
export function fastSenders(accounts: DevnetAccounts): readonly Hex[] {
  return [...accounts.publishers, ...accounts.smokePublishers, accounts.example].map(
    ({ address }) => address,
  );
}

/** What every chain here has: predeploys, and ether for the devnet's accounts. */
export function foundation(accounts: DevnetAccounts, policy: Policy): Alloc {
  const codeOf = (name: Parameters<typeof loadArtifact>[0]) => loadArtifact(name).deployedBytecode;
  const alloc: Alloc = { ...predeployAlloc(codeOf, policy.document.feeds) };
  fund(
    alloc,
    accounts.all.map(({ address }) => address),
    ETHER,
  );
  return alloc;
}

/** So much ether for each of these. */
export function fund(alloc: Alloc, addresses: readonly Hex[], ether: bigint): void {
  for (const address of addresses)
    alloc[address.toLowerCase() as Hex] = { balance: (ether * WEI).toString() };
}
