/**
 * Thousands of valid reports of one feed cost what a few do: the newest of each publisher waits, a
 * flashblock has one epoch, and other feeds go on. ACCEPTANCE row 14.
 */
import { join } from "node:path";
import t, { type Test } from "tap";
import type { Hex } from "../../lanes/bytes.ts";
import { EPOCH_SENDER } from "../../lanes/epoch-transaction.ts";
import { decodeReport } from "../../lanes/report.ts";
import type { ReportAnswer } from "../../node/api.ts";
import type { UnverifiedBlock } from "../../node/primitives/block.ts";
import { JOURNAL_REPORT } from "../../node/storage/store.ts";
import { ETH, feedIdOf, feedPolicyJson, signedReport } from "../lanes/fixtures/reports.ts";
import { decoded } from "./fixtures/decoded.ts";
import {
  openRig,
  openSequencer,
  type Rig,
  type SequencerRig,
  testPolicyDocument,
} from "./fixtures/rig.ts";

const BTC = feedIdOf("BTC/USD");
const PUBLISHERS = 5;
const KEYS = 2;
const ROUNDS = 4;
/** Blocks of a round: the first may have been built before. */
const BLOCKS = 2;
/** Of the flooded feed, in a round, and how many are handed in at once. */
const REPORTS = 500;
const AT_ONCE = 50;
const MIN_EPOCH_MS = 50;

function policyOf(ratePerSecond: number, burst: number): Record<string, unknown> {
  const document = testPolicyDocument() as { fast: object };
  const { publishers, feeds } = feedPolicyJson([{}, { id: "BTC/USD" }]);
  const perSender = { ratePerSecond, burst, maxPending: 64 };
  return {
    ...document,
    fast: { ...document.fast, perSender },
    publishers,
    feeds: feeds.map((feed) => ({ ...feed, minEpochMs: MIN_EPOCH_MS })),
  };
}

async function open(t: Test, name: string, policy: Record<string, unknown>): Promise<Rig> {
  const rig = await openRig(join(t.testdirName, name), "follower", { policy });
  t.teardown(() => rig.close());
  return rig;
}

/** Signs for every publisher's keys in turn; sequences go up. */
class Publishers {
  readonly #rig: Rig;
  readonly #run: SequencerRig;
  #sequence = 0n;
  /** The most reports that have waited for an epoch. */
  waitingMax = 0;

  constructor(rig: Rig, run: SequencerRig) {
    this.#rig = rig;
    this.#run = run;
  }

  /** All publishers say a value of the quiet feed. */
  sayQuiet(value: bigint): Promise<ReportAnswer[]> {
    const publishers = Array.from({ length: PUBLISHERS }, (_, at) => at + 1);
    return Promise.all(publishers.map((publisher) => this.#say(publisher, 0, BTC, value)));
  }

  /** So many reports of the flooded feed, of some publishers: each far from the one before. */
  async flood(publishers: readonly number[]): Promise<ReportAnswer[]> {
    const answers: ReportAnswer[] = [];
    while (answers.length < REPORTS) {
      const value = (answers.length / AT_ONCE) % 2 === 0 ? 2000n : 2100n;
      const some = Array.from({ length: AT_ONCE }, (_, at) => {
        const publisher = publishers[at % publishers.length] ?? 0;
        return this.#say(publisher, Math.floor(at / publishers.length) % KEYS, ETH, value);
      });
      this.waitingMax = Math.max(this.waitingMax, this.#run.reports.book.reports().length);
      answers.push(...(await Promise.all(some)));
    }
    return answers;
  }

  #say(publisher: number, hot: number, feedId: Hex, value: bigint): Promise<ReportAnswer> {
    this.#sequence += 1n;
    const publishTimeMs = this.#run.clock.nowMs();
    const said = { sequence: this.#sequence, publishTimeMs, observations: [{ feedId, value }] };
    return this.#run.reports.submit(signedReport(this.#rig.policy, publisher, { hot, ...said }));
  }
}

const appliedIn = ({ chain }: Rig, feedId: Hex) =>
  chain.head().laneState.prices.feeds.get(feedId)?.applied;

/** Epochs of each flashblock, as transactions; and what each lists, by publisher's key and feed. */
function epochsOf({ transactions, laneData }: UnverifiedBlock) {
  let from = 0;
  return laneData.flashblocks.map(({ txCount, epoch, timestampMs }) => {
    const own = transactions.slice(from, (from += txCount));
    const sent = own.filter((each) => each.type === 0x7e && each.sender === EPOCH_SENDER);
    const listed = (epoch?.reports ?? []).map(({ bytes }) => {
      const report = decodeReport(bytes);
      return report.ok ? report.value.observations.map(({ feedId }) => feedId).join() : "";
    });
    return { count: sent.length, listed, timestampMs };
  });
}

t.test("the newest of each publisher is all that a flood leaves in blocks", async (t) => {
  t.testdir({ leader: {}, follower: {} });
  // Every one is taken in: it is not the rate that keeps blocks small.
  const document = policyOf(1_000_000, 1_000_000);
  const leader = await open(t, "leader", document);
  const follower = await open(t, "follower", document);
  const run = await openSequencer(leader);
  const publishers = new Publishers(leader, run);
  await run.build(1);
  for (let round = 0; round < ROUNDS; round++) {
    const value = 90_000n + 1_000n * BigInt(round);
    await publishers.sayQuiet(value);
    const building = run.build(BLOCKS);
    const answers = await publishers.flood([1, 2, 3, 4, 5]);
    await building;
    t.ok(
      answers.every(({ ok }) => ok),
      "all of them are taken in",
    );
    t.match(appliedIn(leader, BTC), { value, status: 0 }, "the quiet feed goes on");
  }
  await run.build(1);
  const { waitingMax } = publishers;
  t.ok(waitingMax <= 2 * PUBLISHERS, `${waitingMax} wait at the most: one a publisher and feed`);
  const blocks = run.published.map((bytes) => decoded(bytes));
  const flashblocks = blocks.flatMap(epochsOf);
  t.ok(
    flashblocks.every(({ count }) => count <= 1),
    "one epoch a flashblock",
  );
  const epochs = flashblocks.filter(({ count }) => count === 1);
  const ofFlood = epochs.map(({ listed }) => listed.filter((feedId) => feedId === ETH).length);
  t.ok(
    ofFlood.every((count) => count <= PUBLISHERS),
    "a report of each publisher",
  );
  const flooded = epochs.filter((_, at) => (ofFlood[at] ?? 0) > 0);
  t.ok(flooded.length > 1, `${flooded.length} epochs of the flooded feed`);
  for (const [at, { timestampMs }] of flooded.slice(1).entries())
    t.ok(timestampMs - (flooded[at]?.timestampMs ?? 0) >= MIN_EPOCH_MS, "as the feed allows");
  t.equal(appliedIn(leader, ETH)?.status, 0);
  const journal = await leader.store.loadJournal();
  const kept = journal.filter(({ kind }) => kind === JOURNAL_REPORT).length;
  t.ok(
    kept <= 2 * PUBLISHERS * KEYS,
    `${kept} in the journal: the last of each key, and what waits`,
  );
  for (const block of blocks)
    t.match(await follower.chain.importSigned(block), { ok: true }, "everybody agrees");
});

t.test("one publisher's flood is refused by its rate, and touches nobody else", async (t) => {
  t.testdir({ leader: {} });
  const [ratePerSecond, burst] = [100, 200];
  const leader = await open(t, "leader", policyOf(ratePerSecond, burst));
  const run = await openSequencer(leader);
  const publishers = new Publishers(leader, run);
  await run.build(1);
  const startMs = run.clock.nowMs();
  const answers: ReportAnswer[] = [];
  for (let round = 0; round < 2; round++) {
    const value = 90_000n + 1_000n * BigInt(round);
    const quiet = await publishers.sayQuiet(value);
    t.ok(
      quiet.slice(1).every(({ ok }) => ok),
      "whoever does not flood is heard",
    );
    const building = run.build(BLOCKS);
    answers.push(...(await publishers.flood([1])));
    await building;
    t.match(appliedIn(leader, BTC), { value });
  }
  const taken = answers.filter(({ ok }) => ok).length;
  const leaked = (ratePerSecond * (run.clock.nowMs() - startMs)) / 1000;
  t.ok(taken <= burst + leaked, `${taken} of ${answers.length} taken in`);
  const codes = new Set(answers.map((answer) => (answer.ok ? "taken" : answer.code)));
  t.same([...codes].sort(), ["RATE_LIMITED", "taken"]);
});
