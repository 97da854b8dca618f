/** Who the crowd is, what it calls, and what it offers for its place. */
import { toFunctionSelector } from "viem";
import { z } from "zod";
import type { Hex } from "../../lanes/bytes.ts";
import { loadArtifact } from "../../node/contracts/artifact.ts";
import { Wallet } from "./wallet.ts";

export const CROWDED_LEDGER: Hex = "0xfeed000000000000000000000000000000000004";
export const WORK_CALLDATA: Hex = toFunctionSelector("work()");
/** Slots that are empty cost four times as much as those that are not. */
export const WORK_GAS = 560_000n;

/** Transactions that are on their way at once: four blocks of them. */
const CROWD_ACCOUNTS = 600;

const GWEI = 10n ** 9n;
const TIP_MEAN_GWEI = 1;
const TIP_MAX_GWEI = 20;

/** What half of the crowd offers less than. */
export const MEDIAN_TIP_WEI = BigInt(Math.round(Math.LN2 * TIP_MEAN_GWEI * Number(GWEI)));
/** More than anybody in the crowd offers; those that are in a hurry, in the order of their need. */
export const HIGH_TIPS_WEI = { oracle: 60n * GWEI, keeper: 55n * GWEI, trader: 50n * GWEI };

/** Most offer little, a few much: exponential. */
export function crowdTip(random: () => number): bigint {
  const gwei = Math.min(TIP_MAX_GWEI, -TIP_MEAN_GWEI * Math.log(1 - random()));
  return BigInt(Math.round(gwei * Number(GWEI)));
}

export function crowdWallets(): readonly Wallet[] {
  return Array.from({ length: CROWD_ACCOUNTS }, (_, index) => new Wallet(`crowd ${index + 1}`));
}

/** Code, for the genesis block. */
export function crowdedLedgerGenesis(): { readonly code: Hex } {
  return { code: loadArtifact("CrowdedLedger").deployedBytecode };
}

/** The crowd process's job, as JSON in the environment. */
export const CROWD_JOB_VARIABLE = "DEVNET_CROWD_JOB";
export const crowdJobSchema = z.strictObject({ wsUrl: z.url(), seed: z.int() });
export type CrowdJob = z.infer<typeof crowdJobSchema>;
