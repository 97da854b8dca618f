/**
 * Ordinary work: blocks of transfers, token transfers, oracle writes and swaps.
 *
 * Owns what the transactions are. Everything is signed and decoded before it is measured. Random
 * choices are seeded: the same population and sizes make the same transactions.
 */
import { encodeFunctionData } from "viem";
import { fromHex, type Hex } from "../../lanes/bytes.ts";
import { loadArtifact } from "../../node/contracts/artifact.ts";
import type { UserTransaction } from "../../node/primitives/transaction.ts";
import { createRandom, type Random } from "../parity/random.ts";
import { type Call, plainAddress, type Sender, signNext } from "./accounts.ts";
import { type Loop, loopData, LOOPS, SINK } from "./loops.ts";
import {
  feedId,
  FEEDS,
  ORACLE,
  plainCount,
  poolAddress,
  POOLS,
  type Population,
  ROUTER,
  TOKEN,
  tokenAddress,
} from "./population.ts";

export interface Workload {
  readonly name: string;
  /** Not a worst case: blocks of many transactions, that all succeed. */
  readonly isOrdinary: boolean;
  /** Status of each receipt. */
  readonly status: 0 | 1;
  /** Contracts that its transactions touch. */
  readonly contracts: readonly Hex[];
  /** Signs the next block's transactions. */
  nextBlock(): UserTransaction[];
  /** The same in less time, to warm up. */
  warmUpBlock(): UserTransaction[];
}

/** Transactions of one block. */
export interface BlockSizes {
  readonly transfers: number;
  readonly tokens: number;
  readonly oracle: number;
  readonly swaps: number;
}

/** Hands out senders in turn, each with its own next nonce. */
export interface SenderSupply {
  next(): Sender;
}

export function createSupply(senders: readonly Sender[]): SenderSupply {
  let used = 0;
  return {
    next() {
      const sender = senders[used % senders.length];
      if (sender === undefined) throw new Error("no senders");
      used += 1;
      return sender;
    },
  };
}

const SEED = 20_260_101;
/** A report takes 50,500; the fast class shares its gas out by limits. */
const REPORT_GAS = 60_000n;
const SWAP_GAS = 4_000_000n;

/** All ordinary workloads. */
export function workloads(
  population: Population,
  sizes: BlockSizes,
  supply: SenderSupply,
): Workload[] {
  const random = createRandom(SEED);
  const workload = (
    name: string,
    size: number,
    contracts: readonly Hex[],
    call: () => Call,
  ): Workload => {
    const nextBlock = () => Array.from({ length: size }, () => signNext(supply.next(), call()));
    return { name, isOrdinary: true, status: 1, contracts, nextBlock, warmUpBlock: nextBlock };
  };
  const transfer = (): Call => ({
    to: plainAddress(random.below(plainCount(population))),
    value: BigInt(1 + random.below(1_000_000)),
    gasLimit: 21_000n,
  });
  const pools = Array.from({ length: POOLS }, (_, index) => poolAddress(index));
  const tokens = Array.from({ length: POOLS + 1 }, (_, index) => tokenAddress(index));
  return [
    workload("transfers", sizes.transfers, [], transfer),
    workload("erc-20", sizes.tokens, [TOKEN], () => tokenTransfer(population, random)),
    workload("oracle", sizes.oracle, [ORACLE], oracleReports(random)),
    workload("swap-20", sizes.swaps, [ROUTER, ...pools, ...tokens], () => swapCall(random)),
  ];
}

function tokenTransfer({ holders }: Population, random: Random): Call {
  const to = plainAddress(random.below(holders));
  const args = [to, BigInt(1 + random.below(1_000_000))];
  return { to: TOKEN, data: call("BenchToken", "transfer", args), gasLimit: 100_000n };
}

/** A report of a random feed; times go up. */
function oracleReports(random: Random): () => Call {
  let timeMs = 1_700_000_000_000;
  return () => {
    timeMs += 1;
    return oracleReport(
      feedId(random.below(FEEDS)),
      BigInt(1_000_000 + random.below(1_000_000)),
      timeMs,
    );
  };
}

/** One write of the oracle. */
export function oracleReport(feed: Hex, price: bigint, publishedMs: number): Call {
  const args = [feed, price, 1_000n, publishedMs];
  return { to: ORACLE, data: call("BenchOracle", "publish", args), gasLimit: REPORT_GAS };
}

function swapCall(random: Random): Call {
  const args = [TOKEN, poolAddress(0), BigInt(1_000_000_000_000 + random.below(1_000_000)), 1n];
  return { to: ROUTER, data: call("BenchRouter", "swap", args), gasLimit: SWAP_GAS };
}

/** Part of a loop's gas that is enough to warm up, and the least that each loop gets round with. */
const WARM_UP_DIVISOR = 8n;
const WARM_UP_GAS_MIN = 100_000n;

/** A call of the loop; numbers tell calls apart. */
export function loopCall(loop: Loop, number: number, gasLimit: bigint): Call {
  return { to: loop.address, data: loopData(loop, number), gasLimit };
}

/** One block with one call of the loop. */
function loopWorkload(loop: Loop, gas: bigint, supply: SenderSupply): Workload {
  let calls = 0;
  const part = gas / WARM_UP_DIVISOR;
  const warmUpGas = part > WARM_UP_GAS_MIN ? part : WARM_UP_GAS_MIN;
  const block = (gasLimit: bigint): UserTransaction[] => [
    signNext(supply.next(), loopCall(loop, calls++, gasLimit)),
  ];
  return {
    name: `loop: ${loop.name}`,
    isOrdinary: false,
    status: loop.status,
    contracts: [loop.address, SINK],
    nextBlock: () => block(gas),
    warmUpBlock: () => block(warmUpGas),
  };
}

/** All worst cases, with this much gas a call. */
export function loopWorkloads(gas: bigint, supply: SenderSupply): Workload[] {
  return LOOPS.map((loop) => loopWorkload(loop, gas, supply));
}

function call(contract: string, functionName: string, args: readonly unknown[]): Uint8Array {
  const { abi } = loadArtifactOnce(contract);
  return fromHex(encodeFunctionData({ abi, functionName, args: [...args] }));
}

const artifacts = new Map<string, ReturnType<typeof loadArtifact>>();

function loadArtifactOnce(name: string): ReturnType<typeof loadArtifact> {
  const known = artifacts.get(name);
  if (known !== undefined) return known;
  const artifact = loadArtifact(name);
  artifacts.set(name, artifact);
  return artifact;
}
