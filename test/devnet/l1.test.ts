import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { once } from "node:events";
import { join } from "node:path";
import t from "tap";
import { deriveAccounts } from "../../devnet/accounts.ts";
import { httpUrl, l1Client } from "../../devnet/chains.ts";
import { folderAt } from "../../devnet/folder.ts";
import { resolveAnvil, startL1 } from "../../devnet/l1.ts";
import { findFreeBase, isPortFree } from "../../devnet/ports.ts";
import { createProcesses } from "../../devnet/processes.ts";
import { waitFor } from "../../devnet/wait.ts";

const { signal } = new AbortController();
const { printed, example } = deriveAccounts();

t.test("stops with its state written and resumes the same chain", async (t) => {
  const folder = folderAt(t.testdir());
  const port = await findFreeBase(0);
  const l1 = l1Client(httpUrl(port));
  const start = async () => {
    const processes = createProcesses();
    t.teardown(() => processes.stopAll());
    await startL1({ folder, port, binary: resolveAnvil(), signal }, processes);
    return processes;
  };
  const first = await start();
  t.equal(await l1.getChainId(), 900);
  for (const account of [printed[0]!, example])
    t.equal(await l1.getBalance({ address: account.address }), 10_000n * 10n ** 18n);
  const block = await waitFor(
    "a block",
    async () => {
      const latest = await l1.getBlock();
      return latest.number > 0n ? latest : null;
    },
    { timeoutMs: 10_000, signal },
  );
  await first.stopAll();
  t.ok(existsSync(join(folder.l1Dir, "state.json")));
  t.ok(await isPortFree(port), "no port is left open");

  await start();
  t.equal((await l1.getBlock({ blockNumber: block.number })).hash, block.hash);
});

t.test("goes when the devnet is killed", async (t) => {
  const port = await findFreeBase(0);
  const module = (name: string) =>
    JSON.stringify(new URL(`../../devnet/${name}.js`, import.meta.url));
  const script = `
    const { createProcesses } = await import(${module("processes")});
    const { folderAt } = await import(${module("folder")});
    const { resolveAnvil, startL1 } = await import(${module("l1")});
    const options = { folder: folderAt(${JSON.stringify(t.testdir())}), port: ${port},
      binary: resolveAnvil(), signal: new AbortController().signal };
    await startL1(options, createProcesses());
    console.log("up");`;
  const parent = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(parent.stdout, "data");
  t.equal(await isPortFree(port), false);
  parent.kill("SIGKILL");
  await waitFor("L1's port", async () => ((await isPortFree(port)) ? true : null), {
    timeoutMs: 20_000,
    signal,
  });
  t.pass("L1 has left its port");
});

t.test("a platform without the binary is one line that says what to do", async (t) => {
  t.throws(() => resolveAnvil("plan9", "x64"), {
    name: "DevnetError",
    message:
      "the L1 binary is missing (@foundry-rs/anvil-plan9-amd64): run npm ci, with optional dependencies",
  });
});

t.test("a damaged state file is one line", async (t) => {
  const folder = folderAt(t.testdir({ l1: { "state.json": "{ not json" } }));
  const processes = createProcesses();
  t.teardown(() => processes.stopAll());
  const port = await findFreeBase(0);
  await t.rejects(startL1({ folder, port, binary: resolveAnvil(), signal }, processes), {
    name: "DevnetError",
    message: /^L1 [^\n]+$/,
  });
});
