/**
 * The policy of the benchmarks of prices: whose keys sign, of which feeds, and under which rules.
 * Five publishers speak of twenty feeds; five others, with four keys each, of one more, which is
 * flooded. Keys are derived, so that every process has the same.
 */
import { type Hex, toHex } from "../../lanes/bytes.ts";
import { keccakText } from "../../lanes/keccak.ts";
import { parsePolicy, type Policy } from "../../lanes/policy.ts";
import { PUBLISHER_KEYS_MAX } from "../../lanes/policy-feeds.ts";
import { encodeReport, type PriceReport, reportDigest } from "../../lanes/report.ts";
import { addressOf, signDigest } from "../../node/primitives/signature.ts";
import { policyDocument } from "./rollup.ts";

const PUBLISHERS = 5;
const FEEDS = 20;
const KEY_FILL = 0x70;

/** Who speaks of the twenty feeds. */
export const PUBLISHER_IDS = Array.from({ length: PUBLISHERS }, (_, at) => at + 1);
/** Who speaks of the flooded one. */
export const FLOODER_IDS = Array.from({ length: PUBLISHERS }, (_, at) => PUBLISHERS + at + 1);
export const FLOODER_KEYS = PUBLISHER_KEYS_MAX;
/** The twenty feeds, as reports name them. */
export const FEED_IDS = Array.from({ length: FEEDS }, (_, at) => idOf(feedName(at)));
export const FLOODED_FEED_ID = idOf(floodedName());
/** The flooded feed's, as a policy has it: the others have none, or it would be their latency. */
export const FLOODED_MIN_EPOCH_MS = 50;

/** Private key of a publisher's first, or another, hot key. */
export function publisherKey(publisher: number, hot = 0): Uint8Array {
  const key = new Uint8Array(32).fill(KEY_FILL + publisher);
  key[0] = hot + 1;
  return key;
}

/** What differs between the benchmarks. */
export interface PricesRules {
  readonly minEpochMs: number;
  readonly deviationBps: number;
  readonly heartbeatMs: number;
}

/** No least time between epochs, and a heartbeat a second. */
export const LATENCY_RULES: PricesRules = { minEpochMs: 0, deviationBps: 5, heartbeatMs: 1_000 };

/** The document of the policy. */
export function pricesDocument(rules: PricesRules): Record<string, unknown> {
  const publishers = [...PUBLISHER_IDS, ...FLOODER_IDS].map((id) => {
    const hot = FLOODER_IDS.includes(id) ? FLOODER_KEYS : 1;
    const keys = Array.from({ length: hot }, (_, at) => addressOf(publisherKey(id, at)));
    return { id, name: `publisher ${id}`, keys };
  });
  const feed = (id: string, ids: readonly number[], minEpochMs: number) => ({
    ...{ id, kind: "price", decimals: 8, publishers: ids, quorum: 4, group: 0 },
    ...{ maxAgeMs: 2_000, deviationFloor: "0", ...rules, minEpochMs },
    ...{ maxJumpBps: 5_000, jumpQuorum: 5, jumpWindowMs: 5_000, jumpHoldMs: 1_500 },
    ...{ min: "1", max: "1000000000000000", readableAgeMs: rules.heartbeatMs + 2_000 },
  });
  const feeds = FEED_IDS.map((_, at) => feed(feedName(at), PUBLISHER_IDS, rules.minEpochMs));
  const flooded = feed(floodedName(), FLOODER_IDS, FLOODED_MIN_EPOCH_MS);
  return { ...policyDocument(), publishers, feeds: [...feeds, flooded] };
}

/** The document, read. */
export function pricesPolicy(rules: PricesRules): Policy {
  const policy = parsePolicy(pricesDocument(rules));
  if (!policy.ok) throw new Error(JSON.stringify(policy));
  return policy.value;
}

/** The bytes of a report of one of the keys. */
export function signedBytes(feedSet: Hex, report: PriceReport, key: Uint8Array): Uint8Array {
  return encodeReport({ ...report, signature: signDigest(reportDigest(feedSet, report), key) });
}

function feedName(at: number): string {
  return `FEED${at}/USD`;
}

function floodedName(): string {
  return "FLOOD/USD";
}

function idOf(name: string): Hex {
  return toHex(keccakText(name));
}
