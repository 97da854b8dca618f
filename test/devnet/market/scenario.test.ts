/**
 * The crash scenario as its user starts it, on real processes, with a short path of a file: every
 * run comes to its end, what it prints is there, and nothing is left running.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import t from "tap";

const MAIN = fileURLToPath(new URL("../../../devnet/main.js", import.meta.url));

t.setTimeout(300_000);

/** Half a second of calm, and a fall by a third in half a second. */
function shortPath(): string {
  const prices = Array.from({ length: 20 }, (_, at) => (at < 10 ? 2_500 : 2_500 - 83 * (at - 9)));
  return prices.map((price, at) => `${50 * at},${price}`).join("\n");
}

t.test("a crash with the lane and without", async (t) => {
  const file = join(t.testdir(), "path.csv");
  writeFileSync(file, shortPath());
  const args = [MAIN, "--scenario", "crash", "--seeds", "1", "--path", file];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  const exit = once(child, "exit");
  t.teardown(() => child.kill("SIGTERM"));
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
  t.comment(out);
  t.same(await exit, [0, null]);
  t.equal(err, "");
  const lines = out.split("\n");
  for (const mode of ["fast lane", "lane off", "lane off, paying most"])
    t.match(
      lines.find((line) => line.startsWith(`${mode}, seed 1: `)),
      /price lag \d+, \d+ ms .*; [1-9]\d* liquidated, \d+ of 11 rescued; bad debt /,
      mode,
    );
  const head = lines.find((line) => line.startsWith("median of 1 seeds"));
  t.match(head, /fast lane +lane off +lane off, paying most$/);
  t.equal(lines.filter((line) => / \(.* to .*\)/.test(line)).length, 15, "title and measures");
});

t.test("a wrong path is one line", async (t) => {
  const missing = join(t.testdir(), "no.csv");
  const refused = spawn(process.execPath, [MAIN, "--scenario", "crash", "--path", missing], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  const lines: string[] = [];
  createInterface({ input: refused.stderr }).on("line", (line) => lines.push(line));
  t.same(await once(refused, "close"), [1, null]);
  t.equal(lines.length, 1);
  t.match(lines[0], /^devnet: cannot play the path in .*no\.csv: ENOENT/);
});
