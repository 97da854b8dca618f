import t from "tap";
import { createReport } from "../../devnet/smoke-report.ts";

const run = (...results: boolean[]) => {
  const lines: string[] = [];
  let now = 0;
  const report = createReport(
    (line) => lines.push(line),
    () => now,
  );
  for (const ok of results) report.check("a label", ok, "7 of 7");
  now = 1_500;
  return { held: report.finish(), lines };
};

t.test("holds only if there were checks and none failed", async (t) => {
  t.same(run(true, true).held, true);
  t.same(run(true, false, true).held, false);
  t.same(run().held, false);
});

t.test("one line a check with its figures, and the counts at the end", async (t) => {
  const { lines } = run(true, false);
  t.match(lines[0], /^ok {6}a label +7 of 7$/);
  t.match(lines[1], /^FAILED {2}a label +7 of 7$/);
  t.equal(lines[2], "smoke: 1 held, 1 failed, 1.5 s");
});
