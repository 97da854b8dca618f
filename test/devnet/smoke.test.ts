import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import t from "tap";

const MAIN = fileURLToPath(new URL("../../devnet/main.js", import.meta.url));

/** Each with the least its figures must say. */
const CHECKS: readonly (readonly [label: string, figures: RegExp])[] = [
  ["devnet ready", /block, price, gossip and batch seen/],
  ["transfers included once", /200 of 200; recipients hold (\d+) wei of \1 sent/],
  ["price updates included once", /50 of 50; 2 of 2 feeds/],
  ["signed reports become prices", /3 feeds of 3 publishers in PriceFeeds at every node/],
  ["kill -9 of the sequencer, restart", /0 lost, 0 repeated/],
  ["no height with two hashes", /2 followers kept all of/],
  ["price updates in the fast lane", /rank 1/],
  ["lane order", /holds in \d+ blocks/],
  ["same block hashes at all nodes", /at the sequencer and 2 followers/],
  ["batch on L1 in a blob", /batch \d+ of \d+, blocks \d+ to \d+, [1-9]\d* blob/],
  ["follower from L1 alone", /heights 0 to \d+ with the sequencer's hashes, 0 peers/],
];

// Every wait inside is bounded; this bound is above their sum on a slow machine.
t.setTimeout(420_000);

t.test("the whole path carries prices to L1 and back, and survives a crash", async (t) => {
  const child = spawn(process.execPath, [MAIN, "--smoke"], { stdio: ["ignore", "pipe", "pipe"] });
  const exit = new Promise<number | null>((resolve) => child.once("exit", resolve));
  t.teardown(() => child.kill("SIGTERM"));
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), exit]);
  t.comment(out);
  t.equal(code, 0, "exit code");
  t.equal(err, "");
  for (const [label, figures] of CHECKS) {
    const line = out.split("\n").find((candidate) => candidate.includes(`  ${label} `)) ?? "";
    t.match(line, /^ok /, label);
    t.match(line, figures, label);
  }
  t.match(out, new RegExp(`^smoke: ${CHECKS.length} held, 0 failed, `, "m"));
});
