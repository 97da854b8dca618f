/**
 * What the smoke run reads back: the chain as each node serves it, and the pure judgements over it.
 * Classes are recomputed here from the transactions themselves, not taken from the node.
 */
import type { Hex } from "../lanes/bytes.ts";
import { classify, hangsOnPrices, NO_PRICES_YET, SYSTEM_RANK } from "../lanes/classify.ts";
import type { Policy } from "../lanes/policy.ts";
import type { LaneTransaction } from "../lanes/transaction.ts";
import type { Client } from "./chains.ts";
import { fetchLaneBlock, type LaneBlock } from "./lane-block.ts";

/** Requests in flight at one node. */
const CONCURRENCY = 8;

export interface ScannedBlock {
  readonly number: number;
  readonly hash: Hex;
  readonly parentHash: Hex;
  readonly transactions: readonly LaneTransaction[];
}

/** Blocks `from … to` with their transactions. */
export function scanBlocks(
  client: Client,
  from: number,
  to: number,
): Promise<readonly ScannedBlock[]> {
  return eachHeight(from, to, async (number) => {
    const block = await client.getBlock({ blockNumber: BigInt(number), includeTransactions: true });
    return {
      number,
      hash: block.hash,
      parentHash: block.parentHash,
      transactions: block.transactions.map((transaction) => ({
        hash: transaction.hash,
        type: Number(transaction.typeHex ?? 0),
        sender: lower(transaction.from),
        to: transaction.to === null ? null : lower(transaction.to),
        nonce: BigInt(transaction.nonce),
        value: transaction.value,
        gasLimit: transaction.gas,
        selector: transaction.input.length < 10 ? null : lower(transaction.input.slice(0, 10)),
      })),
    };
  });
}

/** Block hashes at heights `from … to`. */
export function scanHashes(client: Client, from: number, to: number): Promise<readonly Hex[]> {
  return eachHeight(
    from,
    to,
    async (number) => (await client.getBlock({ blockNumber: BigInt(number) })).hash,
  );
}

export function scanLanes(client: Client, from: number, to: number): Promise<readonly LaneBlock[]> {
  return eachHeight(from, to, (number) => fetchLaneBlock(client, number));
}

async function eachHeight<T>(
  from: number,
  to: number,
  read: (number: number) => Promise<T>,
): Promise<readonly T[]> {
  const results: T[] = [];
  for (let start = from; start <= to; start += CONCURRENCY) {
    const count = Math.min(CONCURRENCY, to - start + 1);
    results.push(
      ...(await Promise.all(Array.from({ length: count }, (_, index) => read(start + index)))),
    );
  }
  return results;
}

export interface Inclusion {
  readonly once: number;
  readonly missing: readonly Hex[];
  readonly repeated: readonly Hex[];
  /** Of the newest block that includes one of them; 0 without any. */
  readonly lastBlock: number;
}

/** How often each of the hashes stands in the blocks. */
export function countInclusions(
  hashes: readonly Hex[],
  blocks: readonly ScannedBlock[],
): Inclusion {
  const counts = new Map(hashes.map((hash) => [hash, 0]));
  let lastBlock = 0;
  for (const { number, transactions } of blocks)
    for (const { hash } of transactions) {
      const count = counts.get(hash);
      if (count === undefined) continue;
      counts.set(hash, count + 1);
      lastBlock = Math.max(lastBlock, number);
    }
  const withCount = (wanted: (count: number) => boolean): Hex[] =>
    [...counts].filter(([, count]) => wanted(count)).map(([hash]) => hash);
  return {
    once: withCount((count) => count === 1).length,
    missing: withCount((count) => count === 0),
    repeated: withCount((count) => count > 1),
    lastBlock,
  };
}

/**
 * Why a block's lane order does not hold; `null` where it does: every transaction placed once, its
 * rank the recomputed one (I3), ranks never falling inside a flashblock (I1), ready above accepted,
 * unique, and rising inside the fast class.
 */
export function laneViolation(
  block: ScannedBlock,
  lanes: LaneBlock,
  policy: Policy,
): string | null {
  if (lanes.hash !== block.hash) return "lane_block describes another block";
  if (lanes.transactions.length !== block.transactions.length) return "a transaction has no place";
  const readies = new Set<bigint>();
  let previous = { flashblock: -1, rank: 0, ready: 0n };
  for (const [index, place] of lanes.transactions.entries()) {
    const transaction = block.transactions[index];
    if (transaction?.hash !== place.hash) return `place ${index} is another transaction's`;
    const { rank } = classify(transaction, policy, NO_PRICES_YET);
    if (rank !== place.rank && !hangsOnPrices(transaction, policy)) return `rank of ${place.hash}`;
    const same = place.flashblock === previous.flashblock;
    if (same && place.rank < previous.rank) return `rank falls at ${place.hash}`;
    if (place.rank !== SYSTEM_RANK) {
      if (place.ready <= place.accepted) return `ready before accepted at ${place.hash}`;
      if (readies.has(place.ready)) return `ready repeated at ${place.hash}`;
      readies.add(place.ready);
      const className = policy.document.fast.classes[place.rank - 1];
      const ordered = same && place.rank === previous.rank && className?.order === "ready";
      if (ordered && place.ready <= previous.ready) return `ready falls at ${place.hash}`;
    }
    previous = place;
  }
  return null;
}

/** Heights at which two lists of hashes from the same start differ. */
export function differingHeights(a: readonly Hex[], b: readonly Hex[]): readonly number[] {
  const heights: number[] = [];
  for (let height = 0; height < Math.max(a.length, b.length); height++)
    if (a[height] !== b[height]) heights.push(height);
  return heights;
}

function lower(hex: string): Hex {
  return hex.toLowerCase() as Hex;
}
