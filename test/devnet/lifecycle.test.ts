import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import t from "tap";
import { l2Client } from "../../devnet/chains.ts";
import { folderAt } from "../../devnet/folder.ts";
import { findFreeBase, isPortFree, namedPorts, planPorts } from "../../devnet/ports.ts";
import { waitFor } from "../../devnet/wait.ts";
import { startDevnet } from "./fixtures/devnet-child.ts";

const STOP_TIMEOUT_MS = 40_000;
const { signal } = new AbortController();

t.setTimeout(420_000);

t.test("ready, Ctrl-C, resume, kill: one chain, and no port left open", async (t) => {
  const folder = folderAt(t.testdir());
  const plan = planPorts(await findFreeBase(1), 1);
  let running: ChildProcess | null = null;
  t.teardown(() => running?.kill("SIGTERM"));

  const start = () =>
    startDevnet(folder.root, plan.base, (child) => {
      running = child;
    });
  const freed = () =>
    waitFor(
      "all ports to be free",
      async () => {
        for (const { port } of namedPorts(plan)) if (!(await isPortFree(port))) return null;
        return true;
      },
      { timeoutMs: STOP_TIMEOUT_MS, signal },
    );

  const first = await start();
  const client = l2Client(first.file.sequencer.rpcUrl);
  const head = await client.getBlock();
  t.ok(head.number > 0n);
  t.equal(await l2Client(first.file.followers[0]!.rpcUrl).getChainId(), 901);
  for (const { address } of first.file.accounts) {
    t.equal(await client.getBalance({ address }), 10_000n * 10n ** 18n);
    t.equal(await client.getTransactionCount({ address }), 0);
  }
  first.child.kill("SIGINT");
  const [code] = (await once(first.child, "exit")) as [number | null];
  t.equal(code, 0);
  await freed();

  const second = await start();
  t.equal((await client.getBlock({ blockNumber: head.number })).hash, head.hash, "the same chain");
  t.equal(second.file.policyHash, first.file.policyHash);
  t.not(second.file.sequencer.pid, first.file.sequencer.pid);

  second.child.kill("SIGKILL");
  await freed();
  t.pass("children of a killed devnet go by themselves");
});
