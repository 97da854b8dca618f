import { spawn } from "node:child_process";
import { createServer } from "node:net";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import t from "tap";
import { folderAt } from "../../devnet/folder.ts";
import { findFreeBase, isPortFree, namedPorts, planPorts } from "../../devnet/ports.ts";
import { createDevnetRun } from "../../devnet/run.ts";
import { DevnetError } from "../../devnet/devnet-error.ts";

const MAIN = fileURLToPath(new URL("../../devnet/main.js", import.meta.url));

/** Runs the devnet's entry until it exits by itself. */
async function runMain(...args: string[]) {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const exit = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), exit]);
  return { out, err, code };
}

t.test("--help prints the flags and succeeds", async (t) => {
  const { out, err, code } = await runMain("--help");
  t.equal(code, 0);
  t.equal(err, "");
  t.match(out, /--port-base <port>/);
});

t.test("a bad flag is one line and a non-zero exit", async (t) => {
  const { out, err, code } = await runMain("--block-time", "1500");
  t.equal(code, 1);
  t.equal(out, "");
  t.match(err, /^devnet: [^\n]*--block-time[^\n]*multiple of 1000[^\n]*\n$/);
});

t.test("a busy port is one line and a non-zero exit, and nothing is started", async (t) => {
  const base = await findFreeBase(2);
  const busy = planPorts(base, 2).followers[0]!.rpc;
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(busy, "127.0.0.1", resolve);
  });
  t.teardown(() => server.close());
  const { err, code } = await runMain("--dir", t.testdir(), "--port-base", String(base));
  t.equal(code, 1);
  t.match(err, new RegExp(`^devnet: port ${busy} \\(follower 1 RPC\\)[^\\n]*\\n$`));
  for (const { port } of namedPorts(planPorts(base, 2)))
    if (port !== busy) t.ok(await isPortFree(port));
});

t.test("a damaged folder is one line and a non-zero exit", async (t) => {
  const dir = t.testdir({ "rollup.json": '{ "version": 1' });
  const { err, code } = await runMain("--dir", dir, "--port-base", String(await findFreeBase(2)));
  t.equal(code, 1);
  t.match(err, /^devnet: damaged folder: [^\n]*rollup\.json is not JSON[^\n]*\n$/);
});

t.test("a missing binary stops the start before anything runs, and frees the folder", async (t) => {
  const dir = t.testdir();
  const options = {
    dir,
    ports: planPorts(await findFreeBase(0), 0),
    publishers: 0,
    traffic: false,
    blockTimeMs: null,
    resolveAnvil: () => {
      throw new DevnetError("the L1 binary is missing");
    },
  };
  for (let attempt = 0; attempt < 2; attempt++) {
    const run = createDevnetRun(options);
    await t.rejects(run.start(), { name: "DevnetError", message: "the L1 binary is missing" });
    const second = createDevnetRun(options);
    await t.rejects(second.start(), { name: "DevnetError" });
    await Promise.all([run.stop(), second.stop(), run.stop()]);
  }
  t.equal(folderAt(dir).root, dir);
});
