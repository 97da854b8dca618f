/**
 * A loaded policy: the validated document, what consensus hashes of it, and the index that
 * classification needs. Immutable. PROTOCOL 2.
 *
 * A leaf of the rule tree ("ruleRoot") has one field, the keccak-256 of the ABI-encoded rule
 * `(uint64 classRank, address to, bytes4[] selectors, address[] senders, uint64 maxGas, bool value)`:
 * the rule has arrays, and the tree's leaves are made of static words.
 */
import { abiEncode, addressWord, hashWords, selectorWord, u64, word } from "./abi.ts";
import type { Hex } from "./bytes.ts";
import { canonicalJson } from "./canonical-json.ts";
import { FieldError } from "./json-fields.ts";
import { keccak } from "./keccak.ts";
import {
  type PolicyClass,
  type PolicyDocument,
  type PolicyRule,
  readPolicyDocument,
} from "./policy-document.ts";
import type { PolicyFeed } from "./policy-feeds.ts";
import { treeRoot } from "./tree.ts";
import { accept, refuse, type Verdict } from "./verdict.ts";

/** A rule where classification finds it. */
export interface NumberedRule extends PolicyRule {
  /** Index in file order, over all classes. */
  readonly number: number;
  /** Feeds that it names: it holds while all of them are open. */
  readonly openFeeds: readonly PolicyFeed[];
  readonly policyClass: PolicyClass;
}

export interface Policy {
  readonly hash: Hex;
  /** RFC 8785 bytes of the document as given. */
  readonly bytes: Uint8Array;
  readonly ruleRoot: Hex;
  readonly document: PolicyDocument;
  /** Rules by target, in file order. */
  readonly rulesByTarget: ReadonlyMap<Hex, readonly NumberedRule[]>;
  /** Feeds that some rule names. */
  readonly namedFeeds: readonly PolicyFeed[];
  /** By their id on chain. */
  readonly feedsById: ReadonlyMap<Hex, PolicyFeed>;
  /** Ids of publishers by hot key. */
  readonly publisherOfKey: ReadonlyMap<Hex, number>;
}

/**
 * Checks and loads a policy document (parsed JSON).
 *
 * Errors: `POLICY_INVALID` with `path` and `expected` of the first thing that is not as it must be.
 */
export function parsePolicy(json: unknown): Verdict<Policy, "POLICY_INVALID"> {
  let document: PolicyDocument;
  try {
    document = readPolicyDocument(json);
  } catch (error) {
    if (!(error instanceof FieldError)) throw error;
    return refuse("POLICY_INVALID", { path: error.path, expected: error.expected });
  }
  const bytes = canonicalJson(json);
  if (bytes === null) {
    return refuse("POLICY_INVALID", { path: "", expected: "a value with a canonical form" });
  }
  const rules = numberRules(document);
  const ruleRoot = treeRoot("ruleRoot", rules.map(ruleLeaf));
  return accept({
    hash: hashWords([keccak(bytes), word(ruleRoot)]),
    bytes,
    ruleRoot,
    document,
    rulesByTarget: groupByTarget(rules),
    namedFeeds: document.feeds.filter((feed) =>
      rules.some(({ openFeeds }) => openFeeds.includes(feed)),
    ),
    feedsById: new Map(document.feeds.map((feed) => [feed.feedId, feed])),
    publisherOfKey: new Map(
      document.publishers.flatMap(({ id, keys }) => keys.map((key) => [key, id] as const)),
    ),
  });
}

/** The class of a rank; `undefined` for the system's (0) and the normal lane's (255). */
export function classOfRank(policy: Policy, rank: number): PolicyClass | undefined {
  return policy.document.fast.classes[rank - 1];
}

/** Whether the rule of this number is one of the class of this rank. */
export function isRuleOfRank(policy: Policy, rule: number, rank: number): boolean {
  const { classes } = policy.document.fast;
  const own = classOfRank(policy, rank)?.rules.length ?? 0;
  const before = classes.slice(0, rank - 1).reduce((sum, { rules }) => sum + rules.length, 0);
  return rule >= before && rule < before + own;
}

function numberRules({ fast, feeds }: PolicyDocument): NumberedRule[] {
  return fast.classes
    .flatMap((policyClass) => policyClass.rules.map((rule) => ({ ...rule, policyClass })))
    .map((rule, number) => {
      const openFeeds = feeds.filter(({ id }) => rule.feeds.includes(id));
      return { ...rule, number, openFeeds };
    });
}

function ruleLeaf(rule: NumberedRule): Uint8Array[] {
  const encoded = abiEncode([
    u64(rule.policyClass.rank),
    addressWord(rule.to),
    rule.selectors.map(selectorWord),
    rule.senders.map(addressWord),
    u64(rule.maxGas),
    u64(rule.value ? 1 : 0),
  ]);
  return [keccak(encoded)];
}

function groupByTarget(rules: readonly NumberedRule[]): Map<Hex, NumberedRule[]> {
  const groups = new Map<Hex, NumberedRule[]>();
  for (const rule of rules) {
    const group = groups.get(rule.to);
    if (group === undefined) groups.set(rule.to, [rule]);
    else group.push(rule);
  }
  return groups;
}
