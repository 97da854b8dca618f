/**
 * The rollup that the benchmarks run: one block a second, 60M gas, one fast class for calls of the
 * bench oracle. Owns nothing but the config: the
 * genesis is empty, and the state comes from `state.ts`.
 */
import { fromHex, type Hex, ZERO_HASH } from "../../lanes/bytes.ts";
import { parsePolicy, type Policy } from "../../lanes/policy.ts";
import type { L1Origin } from "../../node/primitives/l1-origin.ts";
import { addressOf } from "../../node/primitives/signature.ts";
import { type RollupConfig, rollupConfigSchema } from "../../node/rollup-config.ts";
import { CHAIN_ID } from "./accounts.ts";
import { HEAVY_GAS } from "./loops.ts";
import { ORACLE } from "./population.ts";

export const BLOCK_GAS_LIMIT = 60_000_000n;
export const SEQUENCER_KEY: Hex = `0x${"5e9".padStart(64, "0")}`;
export const L1_CHAIN_ID = 900;

const FIRST_L1_BLOCK = 10;
const L1_BLOCK_S = 2;
/** Fixed, so that the same population makes the same state. */
export const GENESIS_TIME = 1_700_000_000;

/** `publish(bytes32,int128,uint64,uint48)`: the oracle class allows nothing else. */
export const PUBLISH_SELECTOR: Hex = "0x0b839f34";

export function policyDocument(): Record<string, unknown> {
  const rule = { to: ORACLE, selectors: [PUBLISH_SELECTOR], maxGas: 200_000, value: false };
  return {
    version: 1,
    chainId: CHAIN_ID,
    blockTimeMs: 1000,
    ttlBlocks: 5,
    policyDelay: 16,
    maxFlashblocks: 250,
    systemReserveGas: 6_000_000,
    graceMs: 10_000,
    fast: {
      classes: [{ name: "oracle", gasShareBps: 2000, order: "ready", rules: [rule] }],
      queueLimit: 1000,
      perSender: { ratePerSecond: 200, burst: 400, maxPending: 64 },
    },
    normal: { order: "tip", maxTxGas: Number(HEAVY_GAS), heavyGas: 30_000_000 },
    publishers: [],
    feeds: [],
  };
}

/** L1 as the rollup sees it: a block every two seconds from the genesis on. */
export function l1Block(number: number): L1Origin {
  return {
    number,
    hash: l1Hash(number),
    parentHash: l1Hash(number - 1),
    timestamp: GENESIS_TIME + L1_BLOCK_S * (number - FIRST_L1_BLOCK),
    baseFee: 7n,
    blobBaseFee: 1n,
    prevRandao: l1Hash(number + 500_000),
    parentBeaconBlockRoot: ZERO_HASH,
  };
}

function l1Hash(number: number): Hex {
  return `0x${(0xaa0000 + number).toString(16).padStart(64, "0")}`;
}

/** Number of the newest L1 block at this time. */
export function l1Head(nowMs: number): number {
  return FIRST_L1_BLOCK + Math.floor((nowMs / 1000 - GENESIS_TIME) / L1_BLOCK_S);
}

export const GENESIS_ORIGIN: L1Origin = l1Block(FIRST_L1_BLOCK);

export const ROLLUP: RollupConfig = rollupConfigSchema.parse({
  version: 1,
  chainId: CHAIN_ID,
  l1ChainId: L1_CHAIN_ID,
  settlement: `0x${"5e".repeat(20)}`,
  genesis: {
    timestamp: GENESIS_TIME,
    l1Origin: { number: GENESIS_ORIGIN.number, hash: GENESIS_ORIGIN.hash },
    gasLimit: String(BLOCK_GAS_LIMIT),
    baseFee: "1000000000",
    alloc: {},
  },
  eip1559: { denominator: 250, elasticity: 6 },
  system: {
    batcher: `0x${"ba".repeat(20)}`,
    baseFeeScalar: 0,
    blobBaseFeeScalar: 0,
    operatorFeeScalar: 0,
    operatorFeeConstant: "0",
  },
  sequencer: addressOf(fromHex(SEQUENCER_KEY)),
  policy: policyDocument(),
  originConfirmations: 0,
  sequencingWindow: 60,
  challengeWindow: 60,
  l1BlobSchedule: [{ timestamp: 0, baseFeeUpdateFraction: 5_007_716 }],
});

export const POLICY: Policy = parsed();

function parsed(): Policy {
  const policy = parsePolicy(ROLLUP.policy);
  if (!policy.ok) throw new Error(JSON.stringify(policy));
  return policy.value;
}
