import t from "tap";
import {
  type DivergenceSettings,
  readFeedThresholds,
  thresholdsOf,
} from "../node/alarm-thresholds.ts";
import { feedPolicy } from "./lanes/fixtures/reports.ts";

const feeds = feedPolicy([{}, { id: "A=1:2,B", deviationBps: 70 }]).document.feeds;

t.test("an id may hold what separates it from its numbers", (t) => {
  const read = readFeedThresholds(["A=1:2,B=70:90", "ETH/USD=5:1"], feeds);
  if (!read.ok) throw new Error(JSON.stringify(read.data));
  t.same(
    [...read.value],
    [
      ["A=1:2,B", { gapBps: 70, spreadBps: 90 }],
      ["ETH/USD", { gapBps: 5, spreadBps: 1 }],
    ],
  );
  t.end();
});

t.test("what does not fit the policy is refused, and says what would", (t) => {
  const cases: readonly (readonly [string[], string])[] = [
    [["eth/usd=50:60"], "entry 1 to name a feed of the policy: ETH/USD, A=1:2,B"],
    [["ETH/USD=5:6", "ETH/USD=50:60"], "entry 2 to name another feed than those before it"],
    [["ETH/USD=1000001:1"], "entry 1 to have numbers up to 1000000"],
    [["ETH/USD=5:1000001"], "entry 1 to have numbers up to 1000000"],
    [["A=1:2,B=69:1"], "entry 1 to have a gap of the feed's deviationBps at least, which is 70"],
  ];
  for (const [entries, expected] of cases)
    t.match(readFeedThresholds(entries, feeds), { ok: false, data: { expected } });
  t.match(readFeedThresholds(["ETH/USD=5:6"], []), {
    data: { expected: "entry 1 to name a feed of the policy: it has none" },
  });
  const many = Array.from({ length: 40 }, (_, at) => ({ ...feeds[0]!, id: `F${at}` }));
  const told = readFeedThresholds(["G=5:6"], many);
  t.match(told, { data: { expected: /: F0, [^]*, F31 and 8 more$/ } });
  t.end();
});

t.test("a feed has its own thresholds, or everybody's, and never less than its deviation", (t) => {
  const [first, second] = feeds;
  const own = new Map([["ETH/USD", { gapBps: 6, spreadBps: 7 }]]);
  const settings: DivergenceSettings = { gapBps: 20, spreadBps: 30, feeds: own };
  t.same(thresholdsOf(settings, first!), { gapBps: 6, spreadBps: 7 });
  t.same(thresholdsOf(settings, second!), { gapBps: 70, spreadBps: 30 });
  t.same(thresholdsOf({ ...settings, gapBps: 80 }, second!), { gapBps: 80, spreadBps: 30 });
  t.end();
});
