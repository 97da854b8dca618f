/**
 * `--smoke`: the whole path once, in a temporary folder on free ports, with every promise of the
 * walking skeleton checked against real values. Owns the order of the phases. The folder is removed
 * when all held and kept, with its path printed, when something failed.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Hex } from "../lanes/bytes.ts";
import { l2Client } from "./chains.ts";
import { DevnetError, firstLine } from "./devnet-error.ts";
import type { Flags } from "./flags.ts";
import type { AnvilResolver } from "./l1.ts";
import { type DevnetNode, followerName, startFollower, startSequencer } from "./nodes.ts";
import { REPORTERS } from "./policy.ts";
import { findFreeBase, planPorts, type PortPlan } from "./ports.ts";
import { headNumber, waitReady } from "./ready.ts";
import { createDevnetRun, type DevnetRun } from "./run.ts";
import { differingHeights, scanHashes } from "./smoke-chain.ts";
import {
  acknowledgedOf,
  checkBlobBatch,
  type CheckContext,
  checkLanes,
  checkPrices,
  checkSameHashes,
  checkTransfers,
  checkUnchanged,
  waitIncluded,
} from "./smoke-checks.ts";
import { checkReports } from "./smoke-reports.ts";
import {
  exampleStream,
  priceStreams,
  sendLoad,
  sendUntilRefused,
  type Stream,
  transferStreams,
} from "./smoke-load.ts";
import { createReport } from "./smoke-report.ts";
import { waitFor } from "./wait.ts";

const READY_TIMEOUT_MS = 120_000;
const SAFE_TIMEOUT_MS = 45_000;
const DERIVE_TIMEOUT_MS = 60_000;
const ACKNOWLEDGE_TIMEOUT_MS = 20_000;
/** Acknowledged on each stream, on average, when the sequencer is killed. */
const CRASH_AFTER = 6;
const CRASH_SEND_MAX = 2_000;

export interface SmokeDeps {
  readonly out: (line: string) => void;
  readonly resolveAnvil: AnvilResolver;
  readonly signal: AbortSignal;
}

/** Runs everything and stops everything; true only if all checks held. */
export async function runSmoke(flags: Flags, deps: SmokeDeps): Promise<boolean> {
  const report = createReport(deps.out, () => performance.now());
  const dir = mkdtempSync(join(tmpdir(), "pricelane-smoke-"));
  // One follower more: it starts later, on a port that is free now.
  const base = await findFreeBase(flags.followers + 1);
  const run = createDevnetRun({
    dir,
    ports: planPorts(base, flags.followers),
    publishers: flags.publishers,
    traffic: flags.traffic,
    blockTimeMs: flags.blockTimeMs,
    resolveAnvil: deps.resolveAnvil,
  });
  const onAbort = (): void => void run.stop();
  deps.signal.addEventListener("abort", onAbort, { once: true });
  try {
    const died = run.failure.then((error) => {
      throw error;
    });
    await Promise.race([died, runPhases(flags, run, report, planPorts(base, flags.followers + 1))]);
  } catch (error) {
    if (!deps.signal.aborted) {
      const bug = !(error instanceof DevnetError) && error instanceof Error;
      report.check("the run itself", false, bug ? (error.stack ?? "") : firstLine(error));
    }
  } finally {
    deps.signal.removeEventListener("abort", onAbort);
    await run.stop();
  }
  const held = report.finish() && !deps.signal.aborted;
  if (held) rmSync(dir, { recursive: true, force: true });
  else deps.out(`logs and data are kept in ${dir}`);
  return held;
}

async function runPhases(
  flags: Flags,
  run: DevnetRun,
  report: CheckContext["report"],
  ports: PortPlan,
): Promise<void> {
  const startedAt = performance.now();
  const devnet = await run.start();
  await waitReady({
    l1Url: devnet.file.l1.rpcUrl,
    settlement: devnet.topology.rollup.settlement,
    sequencerUrl: devnet.sequencer.rpcUrl,
    followerUrls: devnet.followers.map(({ rpcUrl }) => rpcUrl),
    publishers: flags.publishers,
    timeoutMs: READY_TIMEOUT_MS,
    signal: run.signal,
    remind: (line) => {
      report.note(line);
    },
  });
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  report.check("devnet ready", true, `block, price, gossip and batch seen after ${seconds} s`);

  const context: CheckContext = { devnet, report, signal: run.signal };
  const transfers = transferStreams(devnet.accounts, devnet.sequencer.rpcUrl);
  const prices = priceStreams(devnet.accounts, devnet.sequencer.rpcUrl);
  const example = exampleStream(devnet.file);
  await sendLoad(transfers, prices, example);
  await checkTransfers(transfers, context);
  await checkPrices(prices, example, context);
  if (flags.publishers >= REPORTERS) await checkReports(context);

  const all = [...transfers, ...prices, example];
  const { lastBlock, sequencer } = await crashSequencer(all, ports, context);
  const after: CheckContext = { ...context, devnet: { ...devnet, sequencer } };
  await checkLanes(acknowledgedOf([...prices, example]), after);
  await checkSameHashes(after);
  await waitSafe(sequencer, lastBlock, "the sequencer", SAFE_TIMEOUT_MS, run.signal);
  await checkBlobBatch(lastBlock, after);
  await checkDerivation(lastBlock, ports, after);
}

/**
 * Kills the sequencer while it acknowledges, restarts it, and looks for everything acknowledged.
 */
async function crashSequencer(
  streams: readonly Stream[],
  ports: PortPlan,
  context: CheckContext,
): Promise<{ readonly lastBlock: number; readonly sequencer: DevnetNode }> {
  const { devnet, report, signal } = context;
  const earlier = acknowledgedOf(streams).length;
  const sending = sendUntilRefused(streams, CRASH_SEND_MAX);
  await waitFor(
    "acknowledgements before the crash",
    () =>
      Promise.resolve(
        acknowledgedOf(streams).length - earlier >= CRASH_AFTER * streams.length || null,
      ),
    { timeoutMs: ACKNOWLEDGE_TIMEOUT_MS, signal, intervalMs: 1 },
  );
  await devnet.sequencer.child.crash();
  const refusals = await sending;
  const before = new Map<DevnetNode, readonly Hex[]>();
  for (const follower of devnet.followers) {
    const client = l2Client(follower.rpcUrl);
    before.set(follower, await scanHashes(client, 0, await headNumber(client)));
  }
  const sequencer = await startSequencer(devnet.nodes, ports.sequencer);
  const restarted: CheckContext = { ...context, devnet: { ...devnet, sequencer } };
  const acknowledged = acknowledgedOf(streams);
  const { once, missing, repeated, lastBlock } = await waitIncluded(acknowledged, restarted);
  const fresh = acknowledged.length - earlier;
  report.check(
    "kill -9 of the sequencer, restart",
    fresh >= CRASH_AFTER * streams.length &&
      refusals.every((refusal) => refusal !== "") &&
      once === acknowledged.length,
    `${fresh} acknowledged up to the kill; of all ${acknowledged.length}, ${once} included once, ` +
      `${missing.length} lost, ${repeated.length} repeated`,
  );
  await checkUnchanged(before, restarted);
  return { lastBlock, sequencer };
}

async function waitSafe(
  node: DevnetNode,
  block: number,
  who: string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<number> {
  const client = l2Client(node.rpcUrl);
  return waitFor(
    `block ${block} to be safe at ${who}`,
    async () => {
      const safe = Number((await client.getBlock({ blockTag: "safe" })).number);
      return safe >= block ? safe : null;
    },
    { timeoutMs, signal },
  );
}

/** A follower with an empty folder and no peers has only L1: it must come to the same chain. */
async function checkDerivation(
  block: number,
  ports: PortPlan,
  { devnet, report, signal }: CheckContext,
): Promise<void> {
  const late = ports.followers.at(-1);
  if (late === undefined) throw new RangeError("the plan has a port for one more follower");
  const follower = await startFollower(
    devnet.nodes,
    followerName(ports.followers.length),
    late,
    [],
  );
  const safe = await waitSafe(follower, block, "the follower from L1", DERIVE_TIMEOUT_MS, signal);
  const client = l2Client(follower.rpcUrl);
  const peers = Number(await client.request({ method: "net_peerCount" }));
  const derived = await scanHashes(client, 0, safe);
  const expected = await scanHashes(l2Client(devnet.sequencer.rpcUrl), 0, safe);
  const [first] = differingHeights(expected, derived);
  report.check(
    "follower from L1 alone",
    first === undefined && peers === 0,
    first === undefined
      ? `heights 0 to ${safe} with the sequencer's hashes, ${peers} peers`
      : `differs from block ${first} on`,
  );
}
