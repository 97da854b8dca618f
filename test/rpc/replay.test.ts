/** `pricelane replay` on the folder of a sequencer that has stopped. */
import { execFile } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import t from "tap";
import {
  FAST_SELECTOR,
  FEED,
  openRig,
  openSequencer,
  signed,
  testPolicyDocument,
  testRollup,
} from "../sequencer/fixtures/rig.ts";

const MAIN = fileURLToPath(new URL("../../rpc/main.js", import.meta.url));
const SLOW = `0x${"77".repeat(20)}`;

t.test("a stored log is run again under another policy", async (t) => {
  const dir = t.testdir();
  const rig = await openRig(dir);
  const { admission, build } = await openSequencer(rig);
  for (let nonce = 0; nonce < 6; nonce++) {
    await admission.submit(await signed(0, { nonce, to: FEED, data: FAST_SELECTOR }));
    await admission.submit(await signed(1, { nonce, data: FAST_SELECTOR }));
    await build(1);
  }
  await build(1);
  const head = rig.chain.head().header.number;
  await rig.close();

  const file = async (name: string, content: unknown): Promise<string> => {
    const path = join(dir, name);
    const text = JSON.stringify(content, (_key, value: unknown) =>
      typeof value === "bigint" ? String(value) : value,
    );
    await writeFile(path, text);
    return path;
  };
  const rollup = await file("rollup.json", testRollup());
  const document = testPolicyDocument();
  const same = await file("same.json", document);
  const fast = document["fast"] as { classes: object[] };
  const rule = { to: SLOW, selectors: [FAST_SELECTOR], maxGas: 200_000, value: false };
  const second = { name: "rescue", gasShareBps: 1000, order: "ready", rules: [rule] };
  const other = await file("other.json", {
    ...document,
    fast: { ...fast, classes: [...fast.classes, second] },
  });
  const run = async (policy: string, ...more: string[]): Promise<string> => {
    const where = ["--data-dir", join(dir, "db"), "--rollup", rollup, "--policy", policy];
    const range = ["--from", "1", "--to", String(head)];
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [MAIN, "replay", ...where, ...range, ...more],
      { timeout: 60_000 },
    );
    return stdout;
  };

  const unchanged = JSON.parse(await run(same, "--json")) as Record<string, unknown>;
  t.match(unchanged, { transactions: 12, otherClass: 0, otherPlace: 0, changes: [] });
  t.equal(unchanged["agreement"], 1, "the model has the chain's order");
  const text = await run(other);
  t.match(text, /6 would be in another class/);
  t.match(text, /rescue: none -> .* \(6\)/);
  t.match(text, /normal: .* \(6\) -> none/);
  t.equal(await run(other), text, "the same bytes again");

  await t.rejects(run(rollup), { code: 2, stderr: /POLICY_INVALID/ });
  await t.rejects(run(same, "--to", "999"), { code: 1, stderr: /BLOCK_NOT_FOUND/ });
  await t.rejects(run(join(dir, "none.json")), { code: 2, stderr: /--policy/ });
  const again = await openRig(dir);
  t.teardown(() => again.close());
  await t.rejects(run(same), { code: 1, stderr: /STORAGE_LOCKED/ });
});
