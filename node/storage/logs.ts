/**
 * Log queries over stored blocks: header blooms first, receipts only of blocks that may match.
 *
 * Owns the limits of a query, all but the number of results checked before the first read: the scan
 * is synchronous and holds its thread. Source: execution-apis eth_getLogs; yellow paper 4.4.1.
 */
import { fromHex, type Hex } from "../../lanes/bytes.ts";
import { accept, refuse, type Verdict } from "../../lanes/verdict.ts";
import { addToBloom, BLOOM_BYTES, type Log } from "../primitives/receipt.ts";
import type { ChainReader } from "./store.ts";

export const LOG_BLOCKS_MAX = 10_000;
export const LOG_RESULTS_MAX = 10_000;
export const LOG_TOPICS_MAX = 4;
/** Addresses and topics of a filter together. */
export const LOG_ALTERNATIVES_MAX = 1000;

interface LogConditions {
  /** Empty for any. */
  readonly addresses: readonly Hex[];
  /** By position: one topic, alternatives, or `null` (also an empty list) for any. */
  readonly topics: readonly (Hex | readonly Hex[] | null)[];
}

/** Which logs: a range of blocks, both ends included, or one block by its hash. */
export type LogFilter = LogConditions &
  (
    | { readonly fromBlock: number; readonly toBlock: number; readonly blockHash?: undefined }
    | { readonly blockHash: Hex }
  );

/** A log and its place in the chain. */
export interface LogEntry {
  readonly log: Log;
  readonly blockNumber: number;
  readonly blockHash: Hex;
  readonly transactionHash: Hex;
  readonly transactionIndex: number;
  /** Index in the block. */
  readonly logIndex: number;
}

export type LogVerdict = Verdict<LogEntry[], "LIMIT_EXCEEDED" | "BLOCK_NOT_FOUND">;

/** One bit of a bloom. */
interface BloomBit {
  readonly index: number;
  readonly mask: number;
}

/** Alternatives of one condition, as bits for blooms and as words for logs. */
interface Condition {
  readonly words: ReadonlySet<Hex>;
  readonly bits: readonly (readonly BloomBit[])[];
}

function bloomBits(word: Hex): BloomBit[] {
  const bloom = new Uint8Array(BLOOM_BYTES);
  addToBloom(bloom, fromHex(word));
  return [...bloom.entries()]
    .filter(([, mask]) => mask !== 0)
    .map(([index, mask]) => ({ index, mask }));
}

/** `null` where everything passes. */
function toCondition(alternatives: Hex | readonly Hex[] | null): Condition | null {
  const words = typeof alternatives === "string" ? [alternatives] : (alternatives ?? []);
  return words.length === 0 ? null : { words: new Set(words), bits: words.map(bloomBits) };
}

function mayHold(bloom: Uint8Array, condition: Condition | null): boolean {
  if (condition === null) return true;
  return condition.bits.some((bits) =>
    bits.every(({ index, mask }) => ((bloom[index] ?? 0) & mask) === mask),
  );
}

function isMatch(log: Log, address: Condition | null, topics: readonly (Condition | null)[]) {
  if (address !== null && !address.words.has(log.address)) return false;
  return topics.every((condition, position) => {
    const topic = log.topics[position];
    return topic !== undefined && (condition === null || condition.words.has(topic));
  });
}

function alternativesOf(filter: LogConditions): number {
  let count = filter.addresses.length;
  for (const topic of filter.topics)
    count += topic === null ? 0 : typeof topic === "string" ? 1 : topic.length;
  return count;
}

type Refusal = Extract<LogVerdict, { ok: false }>;

function exceeded(limit: string, max: number, found: number): Refusal {
  return refuse("LIMIT_EXCEEDED", { limit, max, found });
}

function resolveRange(
  chain: ChainReader,
  filter: LogFilter,
): Verdict<{ from: number; to: number }, "LIMIT_EXCEEDED" | "BLOCK_NOT_FOUND"> {
  if (filter.blockHash !== undefined) {
    const number = chain.numberByHash(filter.blockHash);
    return number === null
      ? refuse("BLOCK_NOT_FOUND", { hash: filter.blockHash })
      : accept({ from: number, to: number });
  }
  const to = Math.min(filter.toBlock, chain.heads().unsafe.number);
  const blocks = to - filter.fromBlock + 1;
  if (blocks > LOG_BLOCKS_MAX) return exceeded("blocks", LOG_BLOCKS_MAX, blocks);
  return accept({ from: filter.fromBlock, to });
}

/**
 * Logs that match, in chain order. Blocks above the head hold none.
 *
 * `chain` must not change meanwhile: a snapshot.
 * Errors: verdict `LIMIT_EXCEEDED` with `limit` (`topics`, `alternatives`, `blocks`, `results`),
 * `max` and what was found; `BLOCK_NOT_FOUND` for an unknown hash.
 */
export function findLogs(chain: ChainReader, filter: LogFilter): LogVerdict {
  if (filter.topics.length > LOG_TOPICS_MAX)
    return exceeded("topics", LOG_TOPICS_MAX, filter.topics.length);
  const alternatives = alternativesOf(filter);
  if (alternatives > LOG_ALTERNATIVES_MAX)
    return exceeded("alternatives", LOG_ALTERNATIVES_MAX, alternatives);
  const range = resolveRange(chain, filter);
  if (!range.ok) return range;
  const address = toCondition(filter.addresses);
  const topics = filter.topics.map(toCondition);
  const found: LogEntry[] = [];
  for (let number = range.value.from; number <= range.value.to; number++) {
    const bloom = chain.logsBloom(number);
    if (bloom === null || !mayHold(bloom, address)) continue;
    if (!topics.every((condition) => mayHold(bloom, condition))) continue;
    found.push(...logsOfBlock(chain, number, (log) => isMatch(log, address, topics)));
    if (found.length > LOG_RESULTS_MAX) return exceeded("results", LOG_RESULTS_MAX, found.length);
  }
  return accept(found);
}

function logsOfBlock(
  chain: ChainReader,
  blockNumber: number,
  matches: (log: Log) => boolean,
): LogEntry[] {
  const placed: { log: Log; transactionIndex: number; logIndex: number }[] = [];
  let logIndex = 0;
  chain.receipts(blockNumber)?.forEach((receipt, transactionIndex) => {
    for (const log of receipt.logs) {
      if (matches(log)) placed.push({ log, transactionIndex, logIndex });
      logIndex += 1;
    }
  });
  // A bloom says yes too often; the block itself is only read where a log really matched.
  const block = placed.length === 0 ? null : (chain.blockByNumber(blockNumber)?.block ?? null);
  if (block === null) return [];
  return placed.flatMap((entry) => {
    const transaction = block.transactions[entry.transactionIndex];
    return transaction === undefined
      ? []
      : [{ ...entry, blockNumber, blockHash: block.hash, transactionHash: transaction.hash }];
  });
}
