/**
 * The lane rules of a block: one verdict for the builder's own blocks, for gossip and for
 * derivation.
 * Owns what a block is made of (policy, counts, times, system transactions; PROTOCOL 4), and the
 * state after it; where its transactions stand is in `verify-order.ts`. Does not own execution,
 * signatures, L1 origin rules.
 *
 * Everything about the block and its LaneData is untrusted; policy and LaneState are our own.
 */
import { U64_MAX } from "./abi.ts";
import type { PricedFlashblock } from "./block-prices.ts";
import type { BlockGas } from "./budget.ts";
import type { Hex } from "./bytes.ts";
import { classify, SYSTEM_RANK } from "./classify.ts";
import { type FlashblockContext, laneRoot, orderHash } from "./flashblock.ts";
import { EPOCH_SENDER } from "./epoch-transaction.ts";
import type { LaneData } from "./lane-data.ts";
import { leafNumbers } from "./leaf-numbers.ts";
import { comparableBlocks, type LaneState } from "./lane-state.ts";
import { recentBlock } from "./overtaking.ts";
import type { Policy } from "./policy.ts";
import { NO_PRICES } from "./price-state.ts";
import type { Recover } from "./report-rules.ts";
import { DEPOSIT_TYPE, type LaneTransaction } from "./transaction.ts";
import { accept, type Verdict } from "./verdict.ts";
import { deriveEpochs } from "./verify-epochs.ts";
import { checkOrderRules, ordered, type Placed, where } from "./verify-order.ts";
import { type Violation, violation, type ViolationCode } from "./violation.ts";

/** What the lane rules see of a block. */
export interface LaneBlock {
  readonly chainId: number;
  /** In force at the block's origin. */
  readonly term: number;
  readonly number: number;
  /** Unix seconds. */
  readonly timestamp: number;
  readonly gasLimit: bigint;
  readonly l1OriginNumber: number;
  readonly l1OriginHash: Hex;
  readonly transactions: readonly LaneTransaction[];
}

export interface LaneResult {
  /** After the block. */
  readonly laneState: LaneState;
  /** By transaction. */
  readonly ranks: readonly number[];
  /** By transaction; `NO_RULE` where none. */
  readonly rules: readonly number[];
  /** By flashblock. */
  readonly orderHashes: readonly Hex[];
}

/** The state after the block, or the first violation in it. */
export function verifyLanes(
  block: LaneBlock,
  laneData: LaneData,
  policy: Policy,
  laneState: LaneState,
  recover: Recover,
): Verdict<LaneResult, ViolationCode> {
  const malformed =
    checkFrame(block, laneData, policy, laneState) ??
    checkCounts(block, laneData, policy) ??
    checkFlashblocks(block, laneData, laneState);
  if (malformed !== null) return malformed;
  const headCount = systemAtHead(block) - (laneData.flashblocks[0]?.epoch === null ? 0 : 1);
  const priced = deriveEpochs({ ...block, headCount }, laneData, policy, laneState, recover);
  if (!priced.ok) return priced;
  const { flashblocks, prices } = priced.value;
  const misplaced = checkSystem(block, laneData, flashblocks);
  if (misplaced !== null) return misplaced;
  const placed = place(block, laneData, policy, flashblocks);
  const gas = gasOf(block, placed, policy);
  const recent = comparableBlocks(laneState, policy.hash);
  const broken = checkGasLimits(block, placed) ?? checkOrderRules(placed, { policy, gas, recent });
  if (broken !== null) return broken;
  const orderHashes = hashFlashblocks(block, laneData, laneState, placed);
  return accept({
    laneState: nextState(block, laneData, laneState, {
      orderHash: orderHashes.at(-1) ?? laneState.orderHash,
      recent: [...recent, recentBlock(policy.document, gas, placed.map(ordered))].slice(
        -policy.document.ttlBlocks,
      ),
      accepted: laneData.numbers.reduce(
        (highest, { accepted }) => (accepted > highest ? accepted : highest),
        laneState.accepted,
      ),
      prices,
    }),
    ranks: placed.map(({ rank }) => rank),
    rules: placed.map(({ rule }) => rule),
    orderHashes,
  });
}

function checkFrame(
  block: LaneBlock,
  laneData: LaneData,
  policy: Policy,
  laneState: LaneState,
): Violation | null {
  if (laneData.policyHash !== policy.hash) {
    return violation("POLICY_HASH_WRONG", { expected: policy.hash, found: laneData.policyHash });
  }
  const number = laneState.blockNumber + 1;
  if (block.number !== number) {
    return violation("BLOCK_NUMBER_WRONG", { expected: number, found: block.number });
  }
  const earliest = laneState.timestamp + policy.document.blockTimeMs / 1000;
  if (block.timestamp < earliest) {
    return violation("BLOCK_TIME_TOO_EARLY", { earliest, found: block.timestamp });
  }
  return null;
}

function checkCounts(block: LaneBlock, laneData: LaneData, policy: Policy): Violation | null {
  const count = laneData.flashblocks.length;
  const max = policy.document.maxFlashblocks;
  if (count < 1 || count > max) {
    return violation("FLASHBLOCK_COUNT_OUT_OF_RANGE", { max, found: count });
  }
  const placed = laneData.flashblocks.reduce((sum, { txCount }) => sum + txCount, 0);
  const transactions = block.transactions.length;
  if (placed !== transactions) {
    return violation("TX_COUNT_WRONG", { expected: transactions, found: placed });
  }
  const numbered = block.transactions.filter(({ type }) => type !== DEPOSIT_TYPE).length;
  if (laneData.numbers.length !== numbered) {
    return violation("NUMBER_COUNT_WRONG", { expected: numbered, found: laneData.numbers.length });
  }
  return null;
}

function checkFlashblocks(
  block: LaneBlock,
  laneData: LaneData,
  laneState: LaneState,
): Violation | null {
  let { timestampMs, leaderEpoch } = laneState;
  for (const [flashblock, entry] of laneData.flashblocks.entries()) {
    const { timestampMs: timeMs } = entry;
    if (timeMs <= 1000 * laneState.timestamp || timeMs > 1000 * block.timestamp) {
      return violation("FLASHBLOCK_TIME_OUT_OF_RANGE", { flashblock, found: timeMs });
    }
    if (timeMs < timestampMs) {
      return violation("FLASHBLOCK_TIME_DECREASES", { flashblock, found: timeMs });
    }
    if (entry.leaderEpoch < leaderEpoch) {
      return violation("LEADER_EPOCH_DECREASES", { flashblock, found: entry.leaderEpoch });
    }
    ({ timestampMs, leaderEpoch } = entry);
  }
  return null;
}

/** System transactions that the block begins with. */
function systemAtHead({ transactions }: LaneBlock): number {
  const end = transactions.findIndex(({ type }) => type !== DEPOSIT_TYPE);
  return end === -1 ? transactions.length : end;
}

/** Attributes and deposits begin the block, an epoch its flashblock; no other is a system one. */
function checkSystem(
  block: LaneBlock,
  laneData: LaneData,
  priced: readonly PricedFlashblock[],
): Violation | null {
  const firstSize = laneData.flashblocks[0]?.txCount ?? 0;
  if (firstSize === 0 || block.transactions[0]?.type !== DEPOSIT_TYPE)
    return violation("ATTRIBUTES_MISSING", { flashblock: 0, index: 0 });
  let start = 0;
  for (const [flashblock, { txCount }] of laneData.flashblocks.entries()) {
    const end = start + txCount;
    const head = flashblock === 0 ? Math.min(end, systemAtHead(block)) : start;
    const epoch = priced[flashblock]?.transaction ?? null;
    // In the first flashblock the epoch is the last of the head.
    const epochAt = flashblock === 0 ? head - 1 : start;
    if (epoch !== null && (epochAt >= end || block.transactions[epochAt]?.hash !== epoch.hash))
      return violation("EPOCH_TX_WRONG", { flashblock, index: epochAt });
    const users = flashblock === 0 ? head : start + (epoch === null ? 0 : 1);
    const index = block.transactions
      .slice(users, end)
      .findIndex(({ type }) => type === DEPOSIT_TYPE);
    if (index !== -1) return violation("SYSTEM_TX_MISPLACED", { index: users + index });
    start = end;
  }
  return null;
}

/**
 * Counts have been checked: every transaction has a flashblock, every non-system one its numbers.
 */
function place(
  block: LaneBlock,
  laneData: LaneData,
  policy: Policy,
  priced: readonly PricedFlashblock[],
): Placed[] {
  const placed: Placed[] = [];
  const numbers = leafNumbers(block.transactions, laneData);
  let index = 0;
  for (const [flashblock, { txCount, timestampMs: timeMs }] of laneData.flashblocks.entries()) {
    const prices = priced[flashblock]?.prices ?? NO_PRICES;
    for (const transaction of block.transactions.slice(index, index + txCount)) {
      const { rank, rule } = classify(transaction, policy, { prices, timeMs });
      const { accepted, ready } = numbers[index] ?? { accepted: 0n, ready: 0n };
      placed.push({ transaction, flashblock, index: index++, rank, rule, accepted, ready });
    }
  }
  return placed;
}

function checkGasLimits(block: LaneBlock, placed: readonly Placed[]): Violation | null {
  if (block.gasLimit > U64_MAX) {
    return violation("GAS_LIMIT_OUT_OF_RANGE", { found: block.gasLimit.toString() });
  }
  const broken = placed.find(({ transaction }) => transaction.gasLimit > block.gasLimit);
  if (broken === undefined) return null;
  const found = broken.transaction.gasLimit.toString();
  return violation("GAS_LIMIT_OUT_OF_RANGE", { ...where(broken), found });
}

/** Epochs come out of the reserve, whatever their number. */
function gasOf(block: LaneBlock, placed: readonly Placed[], policy: Policy): BlockGas {
  const systemGas = placed
    .filter(({ rank, transaction }) => rank === SYSTEM_RANK && transaction.sender !== EPOCH_SENDER)
    .reduce((sum, { transaction }) => sum + transaction.gasLimit, 0n);
  const { systemReserveGas } = policy.document;
  return { gasLimit: block.gasLimit, systemGas, systemReserveGas };
}

function hashFlashblocks(
  block: LaneBlock,
  laneData: LaneData,
  laneState: LaneState,
  placed: readonly Placed[],
): Hex[] {
  const context: FlashblockContext = {
    chainId: block.chainId,
    term: block.term,
    lastForced: laneState.lastForced,
    blockNumber: block.number,
    l1OriginNumber: block.l1OriginNumber,
    l1OriginHash: block.l1OriginHash,
    timestamp: block.timestamp,
    policyHash: laneData.policyHash,
  };
  const hashes: Hex[] = [];
  let start = 0;
  for (const [index, { txCount, timestampMs, leaderEpoch }] of laneData.flashblocks.entries()) {
    const leaves = placed.slice(start, start + txCount).map(({ transaction, ...leaf }) => ({
      ...leaf,
      txHash: transaction.hash,
      gasLimit: transaction.gasLimit,
    }));
    const parentOrderHash = hashes[index - 1] ?? laneState.orderHash;
    const header = { ...context, index, leaderEpoch, parentOrderHash, txCount, timestampMs };
    hashes.push(orderHash({ ...header, laneRoot: laneRoot(leaves) }));
    start += txCount;
  }
  return hashes;
}

function nextState(
  block: LaneBlock,
  laneData: LaneData,
  before: LaneState,
  order: Pick<LaneState, "orderHash" | "recent" | "accepted" | "prices">,
): LaneState {
  const last = laneData.flashblocks.at(-1);
  return {
    ...order,
    blockNumber: block.number,
    timestamp: block.timestamp,
    timestampMs: last?.timestampMs ?? before.timestampMs,
    lastForced: before.lastForced,
    leaderEpoch: last?.leaderEpoch ?? before.leaderEpoch,
    policyHash: laneData.policyHash,
  };
}
