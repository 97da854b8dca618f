import t from "tap";
import type { CaseResult } from "./outcome.ts";
import { runFiles } from "./pool.ts";

const program = new URL("./fixtures/failing-worker.js", import.meta.url);

async function run(files: readonly string[], jobs: number, timeoutMs = 60_000) {
  const results: CaseResult[] = [];
  await runFiles({ program, folder: "", jobs, timeoutMs }, files, (result) => {
    results.push(result);
  });
  return results
    .map(({ name, outcome }) => `${name} ${outcome.kind === "failed" ? outcome.reason : "passed"}`)
    .sort();
}

t.test("a process that ends fails its case, and the rest of the file is run", async (t) => {
  t.same(await run(["pepep", "pp"], 1), [
    "pepep 0 passed",
    "pepep 1 the process ended: SIGSEGV",
    "pepep 2 passed",
    "pepep 3 the process ended: SIGSEGV",
    "pepep 4 passed",
    "pp 0 passed",
    "pp 1 passed",
  ]);
});

t.test("a file that cannot be read fails once", async (t) => {
  t.same(await run(["x", "p"], 1), ["p 0 passed", "x the process ended: 7"]);
});

t.test("a case that does not end is ended", async (t) => {
  t.same(await run(["plp"], 1, 2000), [
    "plp 0 passed",
    "plp 1 not finished within 2 s",
    "plp 2 passed",
  ]);
});

t.test("every file is run once, however many processes there are", async (t) => {
  const files = ["p", "pp", "ppp"].map((name) => `a/${name}`);
  t.equal((await run(files, 2)).length, 6);
  t.same(await run([], 2), []);
});
