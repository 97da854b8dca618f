/** The watch over the feeds: it looks without being asked, and says what an operator must hear. */
import { setImmediate } from "node:timers/promises";
import t from "tap";
import { NodeError } from "../../node/errors.ts";
import { type Logger, silentLogger } from "../../node/log.ts";
import { LOOK_PERIOD_MS } from "../../rpc/feed-alarm.ts";
import { lookAtFeeds } from "../../rpc/feed-look.ts";
import { createFeedWatch } from "../../rpc/feed-watch.ts";
import { ETH, feedPolicy, heard } from "../lanes/fixtures/reports.ts";
import { feedsContext } from "./fixture-feeds.ts";
import { createManualClock } from "./fixture-clock.ts";

const START = 1_700_000_000_000;
const DIVERGENCE = { gapBps: 100, spreadBps: 200, feeds: new Map() };

/** A chain that says 10,000, and a publisher who says what the test wants, both all the time. */
function open(policy = feedPolicy()) {
  const clock = createManualClock(START);
  const lines: unknown[] = [];
  const keep = (level: string) => (message: string, data: object | undefined) =>
    lines.push([level, message, data]);
  const log: Logger = { ...silentLogger, warn: keep("warn"), info: keep("info") };
  const node = { says: 10_000n, looks: 0, takesMs: 0, fails: false };
  const look = (nowMs: number) => {
    node.looks += 1;
    clock.advance(node.takesMs);
    if (node.fails) return Promise.reject(new NodeError("TIMEOUT"));
    const value = { value: 10_000n, timeMs: clock.nowMs(), session: 0, status: 0 as const };
    const applied = { ...value, confidence: 0n, appliedMs: clock.nowMs() };
    const state = { applied, history: [], jump: null, entries: [] };
    const publishTimeMs = clock.nowMs();
    const reports = [heard(1, { value: node.says, publishTimeMs })];
    const context = feedsContext(policy, () => ({ feeds: new Map([[ETH, state]]) }), reports);
    return lookAtFeeds(context, nowMs);
  };
  const watch = createFeedWatch({ policy, divergence: DIVERGENCE }, { look, clock, log });
  t.teardown(() => {
    watch.stop();
  });
  const pass = async (periods: number): Promise<void> => {
    for (let i = 0; i < periods; i++) {
      await setImmediate();
      clock.advance(LOOK_PERIOD_MS);
    }
    await setImmediate();
  };
  return { watch, node, clock, lines, pass };
}

t.test("an alarm is one line when it begins and one when it ends", async (t) => {
  const { watch, node, lines, pass } = open();
  watch.start();
  await pass(20);
  t.same(lines, []);
  node.says = 10_150n;
  await pass(20);
  const facts = { feed: "ETH/USD", kind: "gap", bps: 150, thresholdBps: 100 };
  t.same(lines, [["warn", "feed alarm began", facts]]);
  const sinceMs = START + 21 * LOOK_PERIOD_MS;
  const gap = { kind: "gap", sinceMs, measured: 150, threshold: 100 };
  t.same(watch.alarmsOf(ETH), [gap]);
  node.says = 10_001n;
  await pass(20);
  t.same(lines.slice(1), [["info", "feed alarm ended", { ...facts, sinceMs }]]);
  t.same(watch.alarmsOf(ETH), []);
});

t.test("it looks once a period, whatever the answers take, and not after its end", async (t) => {
  const { watch, node, clock, pass } = open();
  watch.start();
  watch.start();
  t.equal(node.looks, 1);
  clock.advance(10 * LOOK_PERIOD_MS);
  t.equal(node.looks, 1, "the last one is not answered yet");
  await pass(5);
  t.equal(node.looks, 2, "who answers late is asked later");
  await pass(5);
  t.equal(node.looks, 7);
  watch.stop();
  t.equal(clock.waiting(), 0);
  await pass(5);
  t.equal(node.looks, 7);
  watch.start();
  t.equal(node.looks, 7, "for good");
});

t.test("the more a look takes, the fewer there are, but never none", async (t) => {
  const { watch, node, clock } = open();
  const looksIn = async (ms: number): Promise<number> => {
    const before = node.looks;
    for (let passedMs = 0; passedMs < ms; passedMs += 100) {
      await setImmediate();
      clock.advance(100);
    }
    return node.looks - before;
  };
  watch.start();
  t.equal(await looksIn(10_000), 10);
  node.takesMs = 100;
  await looksIn(2000);
  t.ok(Math.abs((await looksIn(42_000)) - 20) <= 1, "2 s apart");
  node.takesMs = 2000;
  await looksIn(5000);
  t.ok((await looksIn(50_000)) >= 9, "5 s at most");
});

t.test("an end while it looks leaves nothing behind", async (t) => {
  const { watch, node, clock, lines, pass } = open();
  node.fails = true;
  watch.start();
  watch.stop();
  await pass(3);
  t.same([node.looks, clock.waiting(), lines], [1, 0, []]);
});

t.test("looks that fail are one line, and end no alarm", async (t) => {
  const { watch, node, lines, pass } = open();
  node.says = 10_150n;
  watch.start();
  await pass(20);
  node.fails = true;
  await pass(20);
  t.equal(lines.length, 2);
  t.match(lines[1], ["warn", "feeds not looked at", { error: /in time/ }]);
  t.equal(watch.alarmsOf(ETH).length, 1);
  node.fails = false;
  await pass(2);
  node.fails = true;
  await pass(2);
  t.equal(lines.length, 3, "and the next time it is said again");
});

t.test("where there are no feeds nobody is asked", async (t) => {
  const { document, ...policy } = feedPolicy();
  const { watch, node, clock } = open({ ...policy, document: { ...document, feeds: [] } });
  watch.start();
  t.same([node.looks, clock.waiting()], [0, 0]);
});
