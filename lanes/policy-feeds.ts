/**
 * The oracle half of the policy document: publishers and feeds. Owns their types and the rules that
 * keep a feed honest (quorums, bounds, ages); PROTOCOL 2. They may be absent; where present they
 * are checked from the first version on, so that no chain starts with a policy a later node
 * refuses.
 */
import { WORD_BYTES } from "./abi.ts";
import { type Hex, isHexOf, toHex } from "./bytes.ts";
import {
  type Field,
  FieldError,
  readArray,
  readDecimal,
  readHex,
  readInteger,
  readObject,
  readText,
  refuseDuplicates,
} from "./json-fields.ts";
import { keccakText } from "./keccak.ts";

/** Hot keys of one publisher; it has one vote however many it has. */
export const PUBLISHER_KEYS_MAX = 4;
/** Fewer independent sources than this are no median. */
export const FEED_PUBLISHERS_MIN = 3;
const FEED_PUBLISHERS_MAX = 256;
const PUBLISHER_ID_MAX = 65_535;
const DECIMALS_MAX = 36;
const BPS_MAX = 10_000;
const DAY_MS = 86_400_000;
const INT128_MAX = 2n ** 127n - 1n;
const INT128_MIN = -(2n ** 127n);
const PRINTABLE = /^[\x20-\x7e]{1,66}$/;

export interface PolicyPublisher {
  readonly id: number;
  readonly name: string;
  readonly keys: readonly Hex[];
}

export interface PolicyFeed {
  readonly id: string;
  /** On chain: the id itself where it is 32-byte hex, else its keccak-256. */
  readonly feedId: Hex;
  /** "price", or a kind with rules of its own later; only a price must be positive. */
  readonly kind: string;
  readonly decimals: number;
  readonly publishers: readonly number[];
  readonly quorum: number;
  /** Feeds of one non-zero group apply together or not at all. */
  readonly group: number;
  readonly maxAgeMs: number;
  readonly heartbeatMs: number;
  readonly deviationBps: number;
  readonly deviationFloor: bigint;
  readonly minEpochMs: number;
  readonly maxJumpBps: number;
  readonly jumpQuorum: number;
  readonly jumpWindowMs: number;
  readonly jumpHoldMs: number;
  readonly min: bigint;
  readonly max: bigint;
  readonly readableAgeMs: number;
}

/** Feeds that a publisher speaks of. */
export function feedsOfPublisher(feeds: readonly PolicyFeed[], publisher: number): PolicyFeed[] {
  return feeds.filter(({ publishers }) => publishers.includes(publisher));
}

/** Errors: throws FieldError. */
export function readPublisher(field: Field): PolicyPublisher {
  const publisher = readObject(field, ["id", "name", "keys"]);
  return {
    id: readInteger(publisher.id, 1, PUBLISHER_ID_MAX),
    name: readText(publisher.name, PRINTABLE, "1 to 66 printable ASCII characters"),
    keys: readArray(publisher.keys, [1, PUBLISHER_KEYS_MAX], (key) => readHex(key, 20)),
  };
}

/** Errors: throws FieldError. */
export function readFeed(field: Field, known: readonly PolicyPublisher[]): PolicyFeed {
  const feed = readObject(field, [
    ...(["id", "kind", "decimals", "publishers", "quorum", "group"] as const),
    ...(["maxAgeMs", "heartbeatMs", "deviationBps", "deviationFloor", "minEpochMs"] as const),
    ...(["maxJumpBps", "jumpQuorum", "jumpWindowMs", "jumpHoldMs"] as const),
    ...(["min", "max", "readableAgeMs"] as const),
  ]);
  const id = readText(feed.id, PRINTABLE, "1 to 66 printable ASCII characters");
  const kind = readText(feed.kind, /^[a-z][a-z0-9-]{0,31}$/, "a kind such as price");
  const publishers = readFeedPublishers(feed.publishers, known);
  const [quorum, jumpQuorum] = readQuorums(feed.quorum, feed.jumpQuorum, publishers.length);
  const maxAgeMs = readInteger(feed.maxAgeMs, 1, DAY_MS);
  const heartbeatMs = readInteger(feed.heartbeatMs, 1, DAY_MS);
  const min = readDecimal(feed.min, kind === "price" ? 1n : INT128_MIN, INT128_MAX);
  return {
    id,
    feedId: isHexOf(id, WORD_BYTES) ? (id.toLowerCase() as Hex) : toHex(keccakText(id)),
    kind,
    decimals: readInteger(feed.decimals, 0, DECIMALS_MAX),
    publishers,
    quorum,
    group: readInteger(feed.group, 0),
    maxAgeMs,
    heartbeatMs,
    deviationBps: readInteger(feed.deviationBps, 0, BPS_MAX),
    deviationFloor: readDecimal(feed.deviationFloor, 0n, INT128_MAX),
    minEpochMs: readInteger(feed.minEpochMs, 0, DAY_MS),
    maxJumpBps: readInteger(feed.maxJumpBps, 1),
    jumpQuorum,
    jumpWindowMs: readInteger(feed.jumpWindowMs, 1, DAY_MS),
    jumpHoldMs: readInteger(feed.jumpHoldMs, 0, DAY_MS),
    min,
    max: readDecimal(feed.max, min, INT128_MAX),
    // A reader must not call a feed stale while it is only late within its own rules.
    readableAgeMs: readInteger(feed.readableAgeMs, heartbeatMs + maxAgeMs, 3 * DAY_MS),
  };
}

function readFeedPublishers(field: Field, known: readonly PolicyPublisher[]): number[] {
  const ids = new Set(known.map((publisher) => publisher.id));
  const publishers = readArray(field, [FEED_PUBLISHERS_MIN, FEED_PUBLISHERS_MAX], (item) => {
    const id = readInteger(item, 1, PUBLISHER_ID_MAX);
    if (!ids.has(id)) throw new FieldError(item.path, "the id of a publisher of this policy");
    return id;
  });
  refuseDuplicates(field.path, publishers, (id) => id);
  return publishers;
}

/** `⌊2N/3⌋ + 1 ≤ quorum ≤ jumpQuorum ≤ N`: any two quorums share an honest publisher. */
function readQuorums(quorumField: Field, jumpField: Field, count: number): [number, number] {
  const quorum = readInteger(quorumField, Math.floor((2 * count) / 3) + 1, count);
  return [quorum, readInteger(jumpField, quorum, count)];
}
