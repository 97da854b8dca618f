/**
 * The policy document: its typed form and every rule that a policy must meet to be loaded.
 * Owns validation (PROTOCOL 2). Does not own its hash (`policy.ts`) nor its use (`classify.ts`).
 *
 * Hex comes out in lower case whatever the document's; the policy hash is over the document as
 * given.
 */
import { hashWords, u64, WORD_BYTES } from "./abi.ts";
import type { Hex } from "./bytes.ts";
import { refuseLargeEpochs } from "./epoch-size.ts";
import {
  type Field,
  FieldError,
  readArray,
  readBoolean,
  readHex,
  readInteger,
  readObject,
  readOneOf,
  readText,
  refuseDuplicates,
} from "./json-fields.ts";
import { FLASHBLOCKS_MAX } from "./lane-data.ts";
import { type PolicyFeed, type PolicyPublisher, readFeed, readPublisher } from "./policy-feeds.ts";

export const BPS = 10_000;
/** At least half of every block stays with the normal lane. */
export const FAST_SHARE_MAX_BPS = BPS / 2;
/** Ranks 1 to 254: 0 is the system's, 255 the normal lane's. */
export const CLASSES_MAX = 254;
/** In all classes together; rule numbers are 16 bits, of which 65535 means none. */
export const RULES_MAX = 1024;
export const SELECTORS_MAX = 64;
export const SENDERS_MAX = 256;
export const PUBLISHERS_MAX = 256;
export const FEEDS_MAX = 1024;
export const TTL_BLOCKS_MAX = 256;
const POLICY_DELAY_MAX = 1_000_000;
const QUEUE_LIMIT_MAX = 1_000_000;
const DAY_MS = 86_400_000;

/**
 * How a class orders its own transactions: by `ready` number (verified), or by tip (not
 * verifiable).
 */
export type ClassOrder = "ready" | "tip";

export interface PolicyRule {
  readonly to: Hex;
  readonly selectors: readonly Hex[];
  /** Empty: anybody. */
  readonly senders: readonly Hex[];
  readonly maxGas: number;
  /** Whether wei may be sent along. */
  readonly value: boolean;
  /** Ids of feeds that must be fresh; empty: none. */
  readonly feeds: readonly string[];
}

export interface PolicyClass {
  readonly name: string;
  /** 1 for the first class of the document, 2 for the second, … */
  readonly rank: number;
  /** Ten-thousandths of what a block has for transactions. */
  readonly gasShareBps: number;
  readonly order: ClassOrder;
  readonly rules: readonly PolicyRule[];
}

export interface PolicyDocument {
  readonly version: 1;
  readonly chainId: number;
  /** Named by the document, or the chain's own: `keccak256(abi.encode(chainId))`. */
  readonly feedSet: Hex;
  readonly blockTimeMs: number;
  readonly ttlBlocks: number;
  readonly policyDelay: number;
  readonly maxFlashblocks: number;
  readonly systemReserveGas: number;
  readonly graceMs: number;
  readonly fast: {
    readonly classes: readonly PolicyClass[];
    readonly queueLimit: number;
    readonly perSender: {
      readonly ratePerSecond: number;
      readonly burst: number;
      readonly maxPending: number;
    };
  };
  readonly normal: {
    readonly order: "tip";
    readonly maxTxGas: number;
    readonly heavyGas: number;
  };
  readonly publishers: readonly PolicyPublisher[];
  readonly feeds: readonly PolicyFeed[];
}

/** Errors: throws FieldError at the first thing that is not as it must be. */
export function readPolicyDocument(json: unknown): PolicyDocument {
  // The version first, before unknown keys: every other rule is version 1's.
  readInteger({ path: "version", value: (json as { version?: unknown } | null)?.version }, 1, 1);
  const root = readObject(
    { path: "", value: json },
    [
      ...(["version", "chainId", "blockTimeMs", "ttlBlocks", "policyDelay"] as const),
      ...(["maxFlashblocks", "systemReserveGas", "graceMs"] as const),
      ...(["fast", "normal", "publishers", "feeds"] as const),
    ],
    ["feedSet"],
  );
  const publishers = readArray(root.publishers, [0, PUBLISHERS_MAX], readPublisher);
  refuseDuplicates("publishers", publishers, (publisher) => publisher.id);
  refuseSharedKeys(publishers);
  const feeds = readArray(root.feeds, [0, FEEDS_MAX], (feed) => readFeed(feed, publishers));
  refuseDuplicates("feeds", feeds, (feed) => feed.feedId);
  const systemReserveGas = readInteger(root.systemReserveGas, 0);
  refuseLargeEpochs(root, feeds, systemReserveGas);
  const chainId = readInteger(root.chainId, 1);
  return {
    version: 1,
    chainId,
    feedSet: root.feedSet ? readHex(root.feedSet, WORD_BYTES) : hashWords([u64(chainId)]),
    blockTimeMs: readBlockTime(root.blockTimeMs),
    ttlBlocks: readInteger(root.ttlBlocks, 1, TTL_BLOCKS_MAX),
    policyDelay: readInteger(root.policyDelay, 0, POLICY_DELAY_MAX),
    maxFlashblocks: readInteger(root.maxFlashblocks, 1, FLASHBLOCKS_MAX),
    systemReserveGas,
    graceMs: readInteger(root.graceMs, 0, DAY_MS),
    fast: readFast(root.fast, new Set(feeds.map((feed) => feed.id))),
    normal: readNormal(root.normal),
    publishers,
    feeds,
  };
}

function readBlockTime(field: Field): number {
  const blockTimeMs = readInteger(field, 1000, DAY_MS);
  if (blockTimeMs % 1000 !== 0) throw new FieldError(field.path, "a multiple of 1000");
  return blockTimeMs;
}

function readFast(field: Field, feedIds: ReadonlySet<string>): PolicyDocument["fast"] {
  const fast = readObject(field, ["classes", "queueLimit", "perSender"]);
  const perSender = readObject(fast.perSender, ["ratePerSecond", "burst", "maxPending"]);
  return {
    classes: readClasses(fast.classes, feedIds),
    queueLimit: readInteger(fast.queueLimit, 1, QUEUE_LIMIT_MAX),
    perSender: {
      ratePerSecond: readInteger(perSender.ratePerSecond, 1, QUEUE_LIMIT_MAX),
      burst: readInteger(perSender.burst, 1, QUEUE_LIMIT_MAX),
      maxPending: readInteger(perSender.maxPending, 1, QUEUE_LIMIT_MAX),
    },
  };
}

function readNormal(field: Field): PolicyDocument["normal"] {
  const normal = readObject(field, ["order", "maxTxGas", "heavyGas"]);
  return {
    order: readOneOf(normal.order, ["tip"]),
    maxTxGas: readInteger(normal.maxTxGas, 21_000),
    heavyGas: readInteger(normal.heavyGas, 0),
  };
}

function readClasses(field: Field, feedIds: ReadonlySet<string>): PolicyClass[] {
  let rank = 0;
  const classes = readArray(field, [0, CLASSES_MAX], (item) => readClass(item, ++rank, feedIds));
  refuseDuplicates(field.path, classes, (policyClass) => policyClass.name);
  const shareBps = classes.reduce((sum, { gasShareBps }) => sum + gasShareBps, 0);
  if (shareBps > FAST_SHARE_MAX_BPS) {
    throw new FieldError(
      field.path,
      `gas shares of at most ${FAST_SHARE_MAX_BPS} bps together: the normal lane keeps half`,
    );
  }
  const ruleCount = classes.reduce((sum, { rules }) => sum + rules.length, 0);
  if (ruleCount > RULES_MAX) {
    throw new FieldError(field.path, `at most ${RULES_MAX} rules in all classes together`);
  }
  refuseOverlaps(field.path, classes);
  return classes;
}

function readClass(field: Field, rank: number, feedIds: ReadonlySet<string>): PolicyClass {
  const policyClass = readObject(field, ["name", "gasShareBps", "order", "rules"]);
  return {
    name: readText(
      policyClass.name,
      /^[a-z][a-z0-9-]{0,31}$/,
      "1 to 32 of a-z, 0-9 and -, a letter first",
    ),
    rank,
    gasShareBps: readInteger(policyClass.gasShareBps, 0, BPS),
    order: readOneOf<ClassOrder>(policyClass.order, ["ready", "tip"]),
    rules: readArray(policyClass.rules, [0, RULES_MAX], (rule) => readRule(rule, feedIds)),
  };
}

function readRule(field: Field, feedIds: ReadonlySet<string>): PolicyRule {
  const rule = readObject(field, ["to", "selectors", "maxGas"], ["senders", "value", "feeds"]);
  const readAddress = (item: Field) => readHex(item, 20);
  return {
    to: readAddress(rule.to),
    selectors: readArray(rule.selectors, [1, SELECTORS_MAX], (item) => readHex(item, 4)),
    senders: rule.senders ? readArray(rule.senders, [0, SENDERS_MAX], readAddress) : [],
    maxGas: readInteger(rule.maxGas, 21_000),
    value: rule.value ? readBoolean(rule.value) : false,
    feeds: rule.feeds
      ? readArray(rule.feeds, [0, FEEDS_MAX], (item) => readFeedReference(item, feedIds))
      : [],
  };
}

function readFeedReference(field: Field, feedIds: ReadonlySet<string>): string {
  if (typeof field.value !== "string" || !feedIds.has(field.value)) {
    throw new FieldError(field.path, "the id of a feed of this policy");
  }
  return field.value;
}

/** One key, one vote: a key of two publishers would count twice. */
function refuseSharedKeys(publishers: readonly PolicyPublisher[]): void {
  const seen = new Set<Hex>();
  for (const [index, { keys }] of publishers.entries()) {
    for (const [at, key] of keys.entries()) {
      if (seen.has(key)) {
        throw new FieldError(`publishers[${index}].keys[${at}]`, "a key that is named once");
      }
      seen.add(key);
    }
  }
}

/** Which ranks claim one (target, selector), by sender; `ANYBODY` where a rule names none. */
type Claims = Map<Hex | typeof ANYBODY, number>;
const ANYBODY = "anybody";

/**
 * Two rules of different classes that some transaction could match both would make its rank a
 * matter of file order. Gas and value are left out: any two limits share the small calls without
 * value.
 */
function refuseOverlaps(classesPath: string, classes: readonly PolicyClass[]): void {
  const claims = new Map<string, Claims>();
  for (const { rank, rules } of classes) {
    for (const [index, rule] of rules.entries()) {
      for (const selector of rule.selectors) {
        const key = rule.to + selector;
        const claimed = claims.get(key) ?? new Map<Hex | typeof ANYBODY, number>();
        claims.set(key, claimed);
        const other = claimSenders(claimed, rule.senders, rank);
        if (other !== null) {
          throw new FieldError(
            `${classesPath}[${rank - 1}].rules[${index}]`,
            `no overlap with a rule of class ${classes[other - 1]?.name ?? other}`,
          );
        }
      }
    }
  }
}

/** Adds a rule's claim; the rank of another class that has claimed the same before, or `null`. */
function claimSenders(claimed: Claims, senders: readonly Hex[], rank: number): number | null {
  if (senders.length === 0) {
    for (const other of claimed.values()) if (other !== rank) return other;
    claimed.set(ANYBODY, rank);
    return null;
  }
  for (const sender of senders) {
    const other = claimed.get(ANYBODY) ?? claimed.get(sender);
    if (other !== undefined && other !== rank) return other;
    claimed.set(sender, rank);
  }
  return null;
}
