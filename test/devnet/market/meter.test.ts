import t from "tap";
import type { CrashOutcome } from "../../../devnet/market/crash-run.ts";
import { percentile, priceLags, sealedAges } from "../../../devnet/market/meter.ts";
import { describeOutcome, formatResults } from "../../../devnet/market/results.ts";

const reading = (atMs: number, value: bigint, timeMs: number) => ({ atMs, value, timeMs });

t.test("a lag is from a move of the market to a price as new", async (t) => {
  const readings = [
    reading(0, 10_000n, 0),
    reading(100, 10_000n, 0),
    reading(150, 9_900n, 110),
    reading(400, 9_700n, 300),
  ];
  const tick = (timeMs: number, price: bigint) => ({ timeMs, price });
  t.same(priceLags([tick(110, 9_900n)], readings), [40]);
  t.same(priceLags([tick(120, 9_800n)], readings), [280], "the price of 110 ms is no answer to it");
  t.same(priceLags([tick(50, 10_009n)], readings), [], "the chain need not follow 9 bps");
  t.same(priceLags([tick(50, 10_010n)], readings), [100]);
  t.same(priceLags([tick(160, 9_901n)], readings), [], "it is known already");
  t.same(priceLags([tick(500, 9_000n)], readings), [Infinity], "never");
  t.same(priceLags([tick(-5, 9_000n)], readings), [], "nothing was readable before");
  t.same(priceLags([tick(110, 9_900n)], []), []);
});

t.test("ages at seal are never negative", async (t) => {
  const blocks = [
    { sealedMs: 10_000, timeMs: 9_700 },
    { sealedMs: 10_000, timeMs: 10_200 },
  ];
  t.same(sealedAges(blocks), [300, 0]);
});

t.test("percentiles are values that occurred", async (t) => {
  t.equal(percentile([3, 1, 2], 0.5), 2);
  t.equal(percentile([3, 1, 2], 0.99), 3);
  t.equal(percentile([3, 1, 2], 0), 1);
  t.equal(percentile([], 0.5), Infinity);
});

t.test("the table has a line for each measure and says what never came", async (t) => {
  const outcome = (lagMs: number, badDebt: number): CrashOutcome => {
    return {
      ...{ lagsMs: [lagMs], sealedAgesMs: [5], liquidations: 3, rescuesTried: 4 },
      ...{ liquidationMs: [7], rescueMs: [] },
      ...{ rescuesInTime: 3, badDebt, arbitrageLoss: -12.4, trades: 2, failed: 1 },
      ...{ fullness: 0.98, transactionsABlock: 420.4 },
    };
  };
  const tips = { oracle: 1n, keeper: 1n, trader: 1n };
  const lines = formatResults([
    [{ name: "fast", hasLane: true, tips }, [outcome(20, 0), outcome(10, 2), outcome(30, 1)]],
    [{ name: "off", hasLane: false, tips }, [outcome(Infinity, 1_234_567)]],
  ]);
  t.match(lines[0], /^median of 3 seeds \(smallest to largest\) +fast +off$/);
  const line = (label: string) => lines.find((each) => each.startsWith(label)) ?? "";
  t.match(line("price lag p50"), / 20 \(10 to 30\) +never \(never to never\)$/);
  t.match(line("bad debt"), / 1 \(0 to 2\) +1,234,567 /);
  t.match(line("rescues in time"), / 75 % /);
  t.match(line("gas of blocks used"), / 98 % /);
  t.equal(lines.length, 15);
  t.match(describeOutcome(outcome(20, 0)), /^price lag 20, 20 ms .* 3 of 4 rescued; bad debt 0, /);
});
