/**
 * `eth_subscribe`: new heads, logs, pending transactions, flashblocks and preconfirmations, pushed
 * to WebSocket connections.
 *
 * Owns who wants what, and the order of announcements: every block once, ascending; after a reorg
 * first the lost logs, newest block first, marked `removed`. Does not own sockets. What is
 * remembered for that is bounded by `HEADS_CATCH_UP_MAX` blocks.
 */
import { randomBytes } from "node:crypto";
import { type Hex, toHex } from "../lanes/bytes.ts";
import { accept } from "../lanes/verdict.ts";
import type { NodeEvents } from "../node/api.ts";
import { NodeError } from "../node/errors.ts";
import type { Logger } from "../node/log.ts";
import type { ChainReader } from "../node/storage/store.ts";
import { headerToJson, logToJson } from "./codec.ts";
import type { RpcContext } from "./context.ts";
import { HEADS_CATCH_UP_MAX, type RpcLimits } from "./limits.ts";
import type { KnownFlashblock } from "./flashblocks.ts";
import { type LogCriteria, logsOf, matches, parseLogCriteria, type PlacedLog } from "./logs.ts";
import { method, type Methods, optional, type Param, type Subscriber } from "./method.ts";
import { bad, parseFixed } from "./params.ts";
import {
  dropToJson,
  FAST_ONLY,
  flashblockToJson,
  parsePreconfirmationCriteria,
  type PreconfirmationCriteria,
  tellPreconfirmations,
  wantsDrop,
} from "./preconfirmation-feed.ts";

export interface Subscriptions {
  /** `eth_subscribe` and `eth_unsubscribe`. */
  readonly methods: Methods;
  readonly events: Pick<NodeEvents, "newHead" | "newPendingTransactions" | "dropped"> & {
    flashblock(flashblock: KnownFlashblock): void;
  };
  /** The connection is gone, and its subscriptions with it. */
  readonly drop: (subscriber: Subscriber) => void;
  count(): number;
}

const KINDS = [
  "newHeads",
  "logs",
  "newPendingTransactions",
  "newFlashblocks",
  "preconfirmations",
] as const;
type Kind = (typeof KINDS)[number];

interface Subscription {
  readonly id: Hex;
  readonly subscriber: Subscriber;
  readonly kind: Kind;
  readonly criteria: Criteria;
}

const isKind = (value: unknown): value is Kind => (KINDS as readonly unknown[]).includes(value);

const kindParam: Param<Kind> = {
  name: "subscription",
  parse: (value) =>
    isKind(value) ? accept(value) : bad("subscription", `one of ${KINDS.join(", ")}`),
};

/** What a subscription of either kind that takes a filter wants of it. */
interface Criteria {
  readonly logs: LogCriteria;
  readonly preconfirmations: PreconfirmationCriteria;
}

const EVERYTHING: Criteria = {
  logs: { addresses: [], topics: [] },
  preconfirmations: FAST_ONLY,
};

/** A filter, before it is known what kind it is for. */
const filterParam = optional<unknown, null>({ name: "filter", parse: accept }, null);

function criteriaOf(kind: Kind, filter: unknown): Criteria {
  if (filter === null) return EVERYTHING;
  const parsed =
    kind === "preconfirmations"
      ? parsePreconfirmationCriteria(filter)
      : kind === "logs"
        ? parseLogCriteria(filter)
        : bad("filter", `no filter for ${kind}`);
  if (!parsed.ok) throw new NodeError(parsed.code, parsed.data);
  return kind === "logs"
    ? { ...EVERYTHING, logs: parsed.value as LogCriteria }
    : { ...EVERYTHING, preconfirmations: parsed.value as PreconfirmationCriteria };
}

const idParam: Param<Hex> = {
  name: "subscriptionId",
  parse: (value) => parseFixed(value, 16, "subscriptionId"),
};

const notification = (id: Hex, result: string): string =>
  `{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"${id}","result":${result}}}`;

/** Who wants what. */
function createRegistry(perConnectionMax: number) {
  const bySubscriber = new Map<Subscriber, Map<Hex, Subscription>>();
  return {
    *of(kind: Kind): Generator<Subscription> {
      for (const own of bySubscriber.values())
        for (const subscription of own.values()) if (subscription.kind === kind) yield subscription;
    },
    add(subscriber: Subscriber | null, kind: Kind, criteria: Criteria): Hex {
      if (subscriber === null)
        throw new NodeError("METHOD_NOT_FOUND", {
          method: "eth_subscribe",
          reason: "subscriptions need a WebSocket",
        });
      const own = bySubscriber.get(subscriber) ?? new Map<Hex, Subscription>();
      if (own.size >= perConnectionMax)
        throw new NodeError("LIMIT_EXCEEDED", { subscriptionsMax: own.size });
      const id = toHex(randomBytes(16));
      own.set(id, { id, subscriber, kind, criteria });
      bySubscriber.set(subscriber, own);
      return id;
    },
    remove: (subscriber: Subscriber | null, id: Hex): boolean =>
      subscriber !== null && bySubscriber.get(subscriber)?.delete(id) === true,
    drop: (subscriber: Subscriber): void => {
      bySubscriber.delete(subscriber);
    },
    count: (): number => [...bySubscriber.values()].reduce((sum, own) => sum + own.size, 0),
  };
}

type Registry = ReturnType<typeof createRegistry>;

/** Sends blocks to whom they concern, and takes their logs back. */
function createAnnouncer(chain: ChainReader, registry: Registry) {
  /** Logs of announced blocks by block hash, oldest first: told again when a reorg takes them. */
  const announcedLogs = new Map<Hex, readonly PlacedLog[]>();

  function sendLogs(logs: readonly PlacedLog[], removed: boolean): void {
    for (const { id, subscriber, criteria } of registry.of("logs"))
      for (const { log, at } of logs)
        if (matches(criteria.logs, log))
          subscriber.send(notification(id, JSON.stringify(logToJson(log, at, removed))));
  }

  return {
    announce(number: number): void {
      const found = chain.headerByNumber(number);
      if (found === null) return;
      const head = JSON.stringify(headerToJson(found.hash, found.header));
      for (const { id, subscriber } of registry.of("newHeads"))
        subscriber.send(notification(id, head));
      if (registry.of("logs").next().done === true) return;
      const stored = chain.blockByNumber(number);
      const receipts = chain.receipts(number);
      if (stored === null || receipts === null) return;
      const logs = logsOf(stored.block, receipts);
      announcedLogs.set(found.hash, logs);
      for (const hash of announcedLogs.keys()) {
        if (announcedLogs.size <= HEADS_CATCH_UP_MAX) break;
        announcedLogs.delete(hash);
      }
      sendLogs(logs, false);
    },
    takeBack(hash: Hex): void {
      sendLogs([...(announcedLogs.get(hash) ?? [])].reverse(), true);
      announcedLogs.delete(hash);
    },
  };
}

/** Creates the subscriptions of one RPC thread. */
export function createSubscriptions(deps: {
  readonly context: RpcContext;
  readonly limits: RpcLimits;
  readonly log: Logger;
}): Subscriptions {
  const registry = createRegistry(deps.limits.subscriptionsPerConnectionMax);
  const announcer = createAnnouncer(deps.context.reader.chain, registry);
  let lastNumber: number | null = null;

  const events: Subscriptions["events"] = {
    newHead(head, removed) {
      for (const { hash } of removed) announcer.takeBack(hash);
      const lowestRemoved = removed.at(-1)?.number;
      const wanted = lowestRemoved ?? (lastNumber === null ? head.number : lastNumber + 1);
      const first = Math.max(wanted, head.number - HEADS_CATCH_UP_MAX + 1);
      lastNumber = head.number;
      if (registry.count() === 0) return;
      try {
        for (let number = first; number <= head.number; number++) announcer.announce(number);
      } catch (error) {
        // A block that cannot be read is the reader's trouble; subscribers see the next one.
        deps.log.error("head not announced", { number: head.number, error: String(error) });
      }
    },
    newPendingTransactions(hashes) {
      for (const { id, subscriber } of registry.of("newPendingTransactions"))
        for (const hash of hashes) subscriber.send(notification(id, `"${hash}"`));
    },
    flashblock(flashblock) {
      let head: string | null = null;
      for (const { id, subscriber } of registry.of("newFlashblocks")) {
        head ??= JSON.stringify(flashblockToJson(flashblock.decoded()));
        subscriber.send(notification(id, head));
      }
      tellPreconfirmations(flashblock, registry.of("preconfirmations"), (of, result) => {
        of.subscriber.send(notification(of.id, result));
      });
    },
    dropped(drop) {
      let result: string | null = null;
      for (const { id, subscriber, criteria } of registry.of("preconfirmations")) {
        if (!wantsDrop(criteria.preconfirmations, drop)) continue;
        result ??= JSON.stringify(dropToJson(drop));
        subscriber.send(notification(id, result));
      }
    },
  };

  return {
    methods: {
      eth_subscribe: method([kindParam, filterParam], ([kind, filter], caller) =>
        registry.add(caller, kind, criteriaOf(kind, filter)),
      ),
      eth_unsubscribe: method([idParam], ([id], caller) => registry.remove(caller, id)),
    },
    events,
    drop: registry.drop,
    count: registry.count,
  };
}
