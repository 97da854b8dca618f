import t from "tap";
import { comparedTo, figureOf, isMet, percentile, type Row } from "./row.ts";
import { formatNumber, formatRows } from "./report.ts";

t.test("a figure is the median and the range", async (t) => {
  t.same(figureOf([5, 1, 3]), { median: 3, min: 1, max: 5, samples: 3 });
  t.same(figureOf([4, 1, 3, 2]), { median: 2.5, min: 1, max: 4, samples: 4 });
  t.throws(() => figureOf([]), "nothing was measured");
});

t.test("a percentile is a sample", async (t) => {
  const samples = Array.from({ length: 200 }, (_, index) => 200 - index);
  t.equal(percentile(samples, 0.99), 198);
  t.equal(percentile(samples, 1), 200);
  t.equal(percentile([7], 0.5), 7);
  t.throws(() => percentile([], 0.5));
});

const ROW: Row = { name: "a", measure: "m", unit: "ms", figure: figureOf([10]) };

t.test("targets", async (t) => {
  t.equal(isMet(ROW), null);
  t.equal(isMet({ ...ROW, target: { atLeast: 10 } }), true);
  t.equal(isMet({ ...ROW, target: { atLeast: 11 } }), false);
  t.equal(isMet({ ...ROW, target: { atMost: 10 } }), true);
  t.equal(isMet({ ...ROW, target: { atMost: 9 } }), false);
});

t.test("the table says what is missed, whom it is compared to, and each note once", async (t) => {
  const peers = [comparedTo(ROW.figure, "anvil", [40, 20, 30])];
  t.equal(peers[0]?.ratio, 1 / 3);
  const table = formatRows([
    { ...ROW, target: { atMost: 9 }, note: "why" },
    { ...ROW, name: "longer", target: { atMost: 12 }, peers, note: "why" },
  ]);
  const lines = table.split("\n");
  t.equal(lines.length, 4);
  t.match(lines[1], /^a {7}m \[1\] .* 10\.0 {2}ms .*<= 9\.00 MISSED$/);
  t.match(lines[2], /^longer {2}m \[1\] .*<= 12\.0 met +0\.33 × anvil$/);
  t.equal(lines[3], "[1] why");
});

t.test("numbers keep three digits", async (t) => {
  t.same([1_234_567, 123.4, 12.34, 1.234, 0.1234].map(formatNumber), [
    "1,234,567",
    "123",
    "12.3",
    "1.23",
    "0.123",
  ]);
});
