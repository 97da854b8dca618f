/**
 * Epochs: what the newest reports make of the feeds, pure. Builder, follower and deriver call this
 * one function on the same state and get the same values. PROTOCOL 5.
 *
 * Owns merging reports, the value of a feed, when it is due, jumps and groups. Does not own whose
 * reports they are (`report-rules.ts`), nor which of them an epoch lists (`epoch-selection.ts`).
 */
import type { Hex } from "./bytes.ts";
import type { Policy } from "./policy.ts";
import { BPS } from "./policy-document.ts";
import type { PolicyFeed } from "./policy-feeds.ts";
import {
  type AppliedValue,
  type FeedState,
  HISTORY_MAX,
  isNewer,
  type Jump,
  NO_FEED,
  type PastValue,
  type PriceState,
  type PublisherEntry,
} from "./price-state.ts";
import type { Observation } from "./report.ts";
import type { VerifiedReport } from "./report-rules.ts";

/** How far a publisher's clock may be ahead: milliseconds. */
export const AHEAD_MAX_MS = 250;

/** What an epoch writes of one feed. */
export interface FeedUpdate extends Omit<AppliedValue, "appliedMs"> {
  readonly feedId: Hex;
}

export interface ComputedEpoch {
  /** In the policy's order; none where nothing is due. */
  readonly updates: readonly FeedUpdate[];
  /** With the values applied; `epoch` and `cut` are the caller's. */
  readonly feeds: ReadonlyMap<Hex, FeedState>;
}

/** What fresh entries say of a feed. */
interface Candidate {
  /** Publishers that are heard. */
  readonly count: number;
  readonly value: bigint;
  readonly confidence: bigint;
  readonly timeMs: number;
  readonly session: number;
}

/** Whether an entry counts at a time. */
export function isFresh({ maxAgeMs }: PolicyFeed, publishTimeMs: number, timeMs: number): boolean {
  return timeMs - maxAgeMs <= publishTimeMs && publishTimeMs <= timeMs + AHEAD_MAX_MS;
}

/**
 * The feeds with these reports taken in. What is not fresh, or out of the range, is left out;
 * entries that stay are the same objects.
 */
export function mergeReports(
  policy: Policy,
  before: ReadonlyMap<Hex, FeedState>,
  reports: readonly VerifiedReport[],
  timeMs: number,
): ReadonlyMap<Hex, FeedState> {
  const changed = new Map<Hex, PublisherEntry[]>();
  for (const report of reports)
    for (const observation of report.report.observations) {
      const { feedId } = observation;
      if (!counts(policy, report, observation, timeMs)) continue;
      const own = changed.get(feedId);
      const entries = own ?? before.get(feedId)?.entries ?? [];
      const at = entries.findIndex(({ publisher }) => publisher === report.publisher);
      const known = entries[at];
      if (known !== undefined && !isReportNewer(report, known)) continue;
      const mine = own ?? [...entries];
      if (own === undefined) changed.set(feedId, mine);
      mine[known === undefined ? mine.length : at] = entryOf(report, observation);
    }
  const feeds = new Map(before);
  for (const [feedId, entries] of changed) {
    entries.sort((a, b) => a.publisher - b.publisher);
    feeds.set(feedId, { ...(before.get(feedId) ?? NO_FEED), entries });
  }
  return feeds;
}

/** Whether a report would take the place of an entry, or add one. */
export function isUseful(
  policy: Policy,
  feeds: ReadonlyMap<Hex, FeedState>,
  report: VerifiedReport,
  timeMs: number,
): boolean {
  return report.report.observations.some((observation) => {
    if (!counts(policy, report, observation, timeMs)) return false;
    const entries = feeds.get(observation.feedId)?.entries ?? [];
    const known = entries.find(({ publisher }) => publisher === report.publisher);
    return known === undefined || isReportNewer(report, known);
  });
}

/** Whether what is said of a feed is fresh, and can be. */
function counts(
  policy: Policy,
  { report }: VerifiedReport,
  { feedId, value }: Observation,
  timeMs: number,
): boolean {
  const feed = policy.feedsById.get(feedId);
  if (feed === undefined || value < feed.min || value > feed.max) return false;
  return isFresh(feed, report.publishTimeMs, timeMs);
}

/** Whether a report takes the place of what its publisher has said of a feed. */
export function isReportNewer(
  { report, hash }: VerifiedReport,
  known: Parameters<typeof isNewer>[1],
): boolean {
  const { publishTimeMs, sequence } = report;
  return isNewer({ publishTimeMs, sequence, reportHash: hash }, known);
}

/** Written out: this is done for every observation of every report, again and again. */
function entryOf(by: VerifiedReport, observation: Observation): PublisherEntry {
  return {
    publisher: by.publisher,
    key: by.key,
    publishTimeMs: by.report.publishTimeMs,
    sequence: by.report.sequence,
    reportHash: by.hash,
    value: observation.value,
    confidence: observation.confidence,
    session: observation.session,
  };
}

/** What is due at a time, and the feeds after it. */
export function computeEpoch(
  policy: Policy,
  { feeds: before, suspended }: Pick<PriceState, "feeds" | "suspended">,
  timeMs: number,
): ComputedEpoch {
  const feeds = new Map(before);
  const updates: FeedUpdate[] = [];
  const withGroups = new Set<number>();
  for (const feed of policy.document.feeds) {
    if (feed.group !== 0 && withGroups.has(feed.group)) continue;
    withGroups.add(feed.group);
    const members =
      feed.group === 0 ? [feed] : policy.document.feeds.filter(({ group }) => group === feed.group);
    for (const [member, state] of settleTogether(policy, members, { feeds, suspended }, timeMs)) {
      feeds.set(member.feedId, state);
      if (state.applied !== null) updates.push(updateOf(member.feedId, state.applied));
    }
  }
  return { updates: inPolicyOrder(policy, updates), feeds };
}

function updateOf(feedId: Hex, applied: AppliedValue): FeedUpdate {
  const { value, confidence, timeMs, session, status } = applied;
  return { feedId, value, confidence, timeMs, session, status };
}

function inPolicyOrder(policy: Policy, updates: readonly FeedUpdate[]): FeedUpdate[] {
  const byFeed = new Map(updates.map((update) => [update.feedId, update]));
  return policy.document.feeds.flatMap(({ feedId }) => byFeed.get(feedId) ?? []);
}

/** A feed with what it may become. */
interface Due {
  readonly feed: PolicyFeed;
  readonly state: FeedState;
  readonly candidate: Candidate;
  readonly jump: Jump | null;
  /** Whether the value applies now; else the one before stays. */
  readonly isConfirmed: boolean;
}

/** Feeds of one group, or one feed of none: all of them change, or none does. */
function settleTogether(
  policy: Policy,
  members: readonly PolicyFeed[],
  state: Pick<PriceState, "feeds" | "suspended">,
  timeMs: number,
): (readonly [PolicyFeed, FeedState])[] {
  const dues: Due[] = [];
  let isDue = false;
  for (const feed of members) {
    const own = state.feeds.get(feed.feedId) ?? NO_FEED;
    const candidate = candidateOf(policy, feed, own.entries, state.suspended, timeMs);
    if (candidate === null) return [];
    const { applied } = own;
    if (applied === null ? candidate.count < feed.jumpQuorum : isTooSoon(feed, applied, timeMs))
      return [];
    const judged = judgeJump(feed, own, candidate, timeMs);
    // What is back within the bound is no jump any more: readers must hear that, and the next one
    // has a hold of its own.
    const isOver = own.jump !== null && judged.jump === null;
    isDue ||= applied === null || isOver || hasMoved(feed, applied, candidate, timeMs);
    dues.push({ feed, state: own, candidate, ...judged });
  }
  if (!isDue) return [];
  const isConfirmed = dues.every((due) => due.isConfirmed);
  // A first value has nothing before it that could stay.
  if (!isConfirmed && dues.some(({ state: { applied } }) => applied === null)) return [];
  return dues.map((due) => [due.feed, isConfirmed ? apply(due, timeMs) : hold(due, timeMs)]);
}

/** Entries that an epoch at a time would make a value of, if they are enough. */
export function countedEntries(
  policy: Policy,
  feed: PolicyFeed,
  entries: readonly PublisherEntry[],
  suspended: readonly Hex[],
  timeMs: number,
): PublisherEntry[] {
  return entries.filter(
    ({ publisher, key, publishTimeMs, value }) =>
      isFresh(feed, publishTimeMs, timeMs) &&
      value >= feed.min &&
      value <= feed.max &&
      feed.publishers.includes(publisher) &&
      policy.publisherOfKey.get(key) === publisher &&
      !suspended.includes(key),
  );
}

function candidateOf(
  policy: Policy,
  feed: PolicyFeed,
  entries: readonly PublisherEntry[],
  suspended: readonly Hex[],
  timeMs: number,
): Candidate | null {
  const fresh = countedEntries(policy, feed, entries, suspended, timeMs);
  const count = fresh.length;
  if (count < feed.quorum) return null;
  const middle = Math.floor((count - 1) / 2);
  const values = sorted(fresh.map(({ value }) => value));
  const low = at(values, Math.floor((count - 1) / 4));
  const spread = (at(values, Math.floor((3 * (count - 1)) / 4)) - low) / 2n;
  const confidence = at(sorted(fresh.map((entry) => entry.confidence)), middle);
  return {
    count,
    value: at(values, middle),
    confidence: confidence > spread ? confidence : spread,
    timeMs: at(
      fresh.map(({ publishTimeMs }) => publishTimeMs).sort((a, b) => a - b),
      middle,
    ),
    session: mostFrequent(fresh.map(({ session }) => session)),
  };
}

function sorted(values: readonly bigint[]): bigint[] {
  return [...values].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}

function at<T>(values: readonly T[], index: number): T {
  const value = values[index];
  if (value === undefined) throw new RangeError("no such element");
  return value;
}

/** Of equally frequent ones the highest. */
function mostFrequent(values: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  const [first] = [...counts].sort(([a, times], [b, others]) => others - times || b - a);
  return first?.[0] ?? 0;
}

function isTooSoon(feed: PolicyFeed, { appliedMs }: AppliedValue, timeMs: number): boolean {
  return timeMs - appliedMs < feed.minEpochMs;
}

function hasMoved(
  feed: PolicyFeed,
  applied: AppliedValue,
  candidate: Candidate,
  timeMs: number,
): boolean {
  if (timeMs - applied.appliedMs >= feed.heartbeatMs) return true;
  if (candidate.session !== applied.session) return true;
  const moved = distance(candidate.value, applied.value);
  return moved > 0n && moved * BigInt(BPS) >= BigInt(feed.deviationBps) * scaleOf(feed, applied);
}

function judgeJump(
  feed: PolicyFeed,
  { history, jump: before }: FeedState,
  { value, count }: Candidate,
  timeMs: number,
): Pick<Due, "jump" | "isConfirmed"> {
  const reference = referenceOf(history, timeMs - feed.jumpWindowMs);
  if (reference === undefined) return { jump: null, isConfirmed: true };
  const moved = distance(value, reference.value) * BigInt(BPS);
  if (moved <= BigInt(feed.maxJumpBps) * scaleOf(feed, reference))
    return { jump: null, isConfirmed: true };
  const isUp = value > reference.value;
  const jump = before?.isUp === isUp ? before : { sinceMs: timeMs, isUp };
  const isHeld = timeMs - jump.sinceMs >= feed.jumpHoldMs;
  return { jump, isConfirmed: count >= feed.jumpQuorum || isHeld };
}

/** The last value applied at or before a time; where none is kept, the oldest. */
function referenceOf(history: readonly PastValue[], timeMs: number): PastValue | undefined {
  return history.findLast(({ appliedMs }) => appliedMs <= timeMs) ?? history[0];
}

/** What basis points of a value are of: a value near zero is measured by the feed's floor. */
function scaleOf({ deviationFloor }: PolicyFeed, { value }: { readonly value: bigint }): bigint {
  const size = value < 0n ? -value : value;
  return size > deviationFloor ? size : deviationFloor;
}

function distance(a: bigint, b: bigint): bigint {
  return a > b ? a - b : b - a;
}

function apply({ feed, state, candidate, jump }: Due, appliedMs: number): FeedState {
  const { value, confidence, timeMs, session } = candidate;
  const from = appliedMs - feed.jumpWindowMs;
  const history = [...state.history, { value, appliedMs }];
  // One before the window is what the next jump is measured from.
  const first = history.findLastIndex((past) => past.appliedMs <= from);
  return {
    ...state,
    applied: { value, confidence, timeMs, session, status: 0, appliedMs },
    history: history.slice(Math.max(first, 0)).slice(-HISTORY_MAX),
    jump,
  };
}

function hold({ state, jump }: Due, appliedMs: number): FeedState {
  const { applied } = state;
  return {
    ...state,
    applied: applied === null ? null : { ...applied, status: 1, appliedMs },
    jump,
  };
}
