/**
 * Log filters: parsing, matching, and the logs of one block in order. `eth_getLogs` scans in the
 * reader; subscriptions match here, block by block. Bounds as geth's.
 */
import type { Hex } from "../lanes/bytes.ts";
import { accept } from "../lanes/verdict.ts";
import type { Block } from "../node/primitives/block.ts";
import type { Log, Receipt } from "../node/primitives/receipt.ts";
import type { BlockHeight } from "../node/reader.ts";
import type { LogPlacement } from "./codec.ts";
import { FILTER_ADDRESSES_MAX, FILTER_ALTERNATIVES_MAX, FILTER_TOPICS_MAX } from "./limits.ts";
import type { Param, ParamVerdict } from "./method.ts";
import {
  bad,
  LATEST,
  parseAddresses,
  parseBlockHeight,
  parseFixed,
  parseList,
  parseMembers,
} from "./params.ts";

/** What a log must be; empty lists match anything. */
export interface LogCriteria {
  readonly addresses: readonly Hex[];
  /** Alternatives by topic position. */
  readonly topics: readonly (readonly Hex[])[];
}

/** Criteria and where to look: one block, or a range. */
export type LogQuery = LogCriteria &
  (
    | { readonly blockHash: Hex }
    | { readonly blockHash?: undefined; readonly from: BlockHeight; readonly to: BlockHeight }
  );

function parseTopics(value: unknown): ParamVerdict<readonly (readonly Hex[])[]> {
  if (value === undefined || value === null) return accept([]);
  return parseList(value, FILTER_TOPICS_MAX, "filter.topics", (entry, at) => {
    if (entry === null) return accept([]);
    return parseList(
      Array.isArray(entry) ? entry : [entry],
      FILTER_ALTERNATIVES_MAX,
      at,
      (topic, topicAt) => parseFixed(topic, 32, topicAt),
    );
  });
}

function parseCriteria(members: ReadonlyMap<string, unknown>): ParamVerdict<LogCriteria> {
  const addresses = parseAddresses(members.get("address"), FILTER_ADDRESSES_MAX, "filter.address");
  if (!addresses.ok) return addresses;
  const topics = parseTopics(members.get("topics"));
  return topics.ok ? accept({ addresses: addresses.value, topics: topics.value }) : topics;
}

function parseBound(value: unknown, name: string): ParamVerdict<BlockHeight> {
  return value === undefined || value === null ? accept(LATEST) : parseBlockHeight(value, name);
}

/** The filter of `eth_getLogs`: one block by hash, or a range that is the head where left out. */
export const logQueryParam: Param<LogQuery> = {
  name: "filter",
  parse(value) {
    const members = parseMembers(value, "filter");
    if (!members.ok) return members;
    const criteria = parseCriteria(members.value);
    if (!criteria.ok) return criteria;
    const { value: fields } = members;
    const blockHash = fields.get("blockHash") ?? null;
    if (blockHash !== null) {
      if ((fields.get("fromBlock") ?? fields.get("toBlock") ?? null) !== null)
        return bad("filter.blockHash", "either blockHash, or fromBlock and toBlock");
      const hash = parseFixed(blockHash, 32, "filter.blockHash");
      return hash.ok ? accept({ ...criteria.value, blockHash: hash.value }) : hash;
    }
    const from = parseBound(fields.get("fromBlock"), "filter.fromBlock");
    if (!from.ok) return from;
    const to = parseBound(fields.get("toBlock"), "filter.toBlock");
    return to.ok ? accept({ ...criteria.value, from: from.value, to: to.value }) : to;
  },
};

/** The filter of a `logs` subscription: its range, if any, is ignored, as geth does. */
export function parseLogCriteria(value: unknown): ParamVerdict<LogCriteria> {
  if (value === undefined || value === null) return accept({ addresses: [], topics: [] });
  const members = parseMembers(value, "filter");
  return members.ok ? parseCriteria(members.value) : members;
}

export function matches({ addresses, topics }: LogCriteria, log: Log): boolean {
  if (addresses.length > 0 && !addresses.includes(log.address)) return false;
  return topics.every((alternatives, position) => {
    const topic = log.topics[position];
    return topic !== undefined && (alternatives.length === 0 || alternatives.includes(topic));
  });
}

/** A log and its place. */
export interface PlacedLog {
  readonly log: Log;
  readonly at: LogPlacement;
}

/** All logs of a block in order. */
export function logsOf(block: Block, receipts: readonly Receipt[]): PlacedLog[] {
  const placed: PlacedLog[] = [];
  for (const [transactionIndex, receipt] of receipts.entries()) {
    const transactionHash = block.transactions[transactionIndex]?.hash;
    if (transactionHash === undefined) break;
    for (const log of receipt.logs)
      placed.push({
        log,
        at: {
          blockHash: block.hash,
          blockNumber: block.header.number,
          blockTimestamp: block.header.timestamp,
          transactionHash,
          transactionIndex,
          logIndex: placed.length,
        },
      });
  }
  return placed;
}
