import t from "tap";
import {
  crashPath,
  parsePath,
  PathError,
  START_PRICE,
  TICK_MS,
} from "../../../devnet/market/price-path.ts";

const bpsFrom = (from: bigint, to: bigint): number => Number(((to - from) * 10_000n) / from);

t.test("a seed's path: calm, a jump of 3 %, a fall of 40 % in three seconds", async (t) => {
  for (let seed = 1; seed <= 20; seed++) {
    const path = crashPath(seed);
    t.same(crashPath(seed), path, "the same for the same seed");
    t.ok(path.every(({ atMs }, at) => atMs === at * TICK_MS));
    const prices = path.map(({ price }) => price);
    const steps = prices.map((price, at) => bpsFrom(prices[at - 1] ?? START_PRICE, price));
    const calm = steps.findIndex((bps) => Math.abs(bps) > 250);
    t.ok(calm >= 40 && calm < 60, `a jump after ${calm} ticks`);
    const crash = 2 * calm + 1;
    const [before, after] = [prices[crash - 1]!, prices[crash + 59]!];
    const fall = bpsFrom(before, after);
    t.ok(fall < -3_700 && fall > -4_300, `${fall} bps`);
    t.ok(
      steps.slice(0, calm).every((bps) => Math.abs(bps) < 10),
      "calm",
    );
    t.equal(path.length, crash + 120);
  }
  t.notSame(crashPath(1), crashPath(2));
});

t.test("a path of a file", async (t) => {
  t.same(parsePath("# a comment\n0,2500\n\n50,2499.5\r\n125,0.00000001\n"), [
    { atMs: 0, price: 2_500_00000000n },
    { atMs: 50, price: 2_499_50000000n },
    { atMs: 125, price: 1n },
  ]);
  const refused: [string, RegExp][] = [
    ["", /at least two/],
    ["0,1", /at least two/],
    ["5,1\n6,1", /line 1: the first price is at 0/],
    ["0,1\n0,2", /line 2: times go up/],
    ["0,1\n1,0", /line 2: a price is above 0/],
    ["0,1\n1,-3", /line 2: expected/],
    ["0,1\n1,1e3", /line 2: expected/],
    ["0,1\n1,1.123456789", /line 2: expected/],
    ["0,1\n1;2", /line 2: expected/],
    ["0,1\n1,1000000001", /line 2: expected|at most/],
    [Array.from({ length: 72_001 }, (_, at) => `${at},1`).join("\n"), /more than 72000/],
  ];
  for (const [text, why] of refused) {
    t.throws(() => parsePath(text), { message: why });
    t.throws(() => parsePath(text), PathError);
  }
});
