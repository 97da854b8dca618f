/**
 * Entry of `npm run devnet`: flags, signals, printing, exit status. Standard output carries the
 * banner and the line `devnet ready`; every error is one line on standard error.
 */
import { formatBanner } from "./banner.ts";
import { DevnetError } from "./devnet-error.ts";
import { type Flags, parseFlags } from "./flags.ts";
import { resolveAnvil } from "./l1.ts";
import { planPorts } from "./ports.ts";
import { waitReady } from "./ready.ts";
import { createDevnetRun, type DevnetRun } from "./run.ts";
import { runScenario } from "./market/scenario.ts";
import { runSmoke, type SmokeDeps } from "./smoke.ts";

/** Long enough for any machine; a devnet that is not ready by then never will be. */
const READY_TIMEOUT_MS = 300_000;
const STOP_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const INTERRUPTED = 130;

const out = (text: string): void => {
  process.stdout.write(`${text}\n`);
};
const complain = (error: unknown): void => {
  // A bug keeps its stack; what the user can mend is one line.
  const text =
    error instanceof DevnetError || !(error instanceof Error)
      ? String(error instanceof DevnetError ? error.message : error)
      : (error.stack ?? error.message);
  process.stderr.write(`devnet: ${text}\n`);
};

/** Calls back at the first signal that asks to stop; later ones change nothing. */
function onStopSignal(callback: () => void): void {
  // npm passes on the Ctrl-C that the terminal has already sent: it arrives twice.
  let first = true;
  for (const signal of STOP_SIGNALS)
    process.on(signal, () => {
      if (first) callback();
      first = false;
    });
}

async function runDevnet(flags: Flags): Promise<number> {
  const run = createDevnetRun({
    dir: flags.dir,
    ports: planPorts(flags.portBase, flags.followers),
    publishers: flags.publishers,
    traffic: flags.traffic,
    blockTimeMs: flags.blockTimeMs,
    resolveAnvil,
  });
  const stopAsked = new Promise<null>((resolve) => {
    onStopSignal(() => {
      out("stopping");
      resolve(null);
      // Ends whatever `bringUp` waits for; awaited below.
      void run.stop();
    });
  });
  try {
    const failure = await Promise.race([run.failure, stopAsked, bringUp(run, flags)]);
    if (failure === null) return 0;
    complain(failure);
    return 1;
  } catch (error) {
    if (run.signal.aborted) return 0;
    complain(error);
    return 1;
  } finally {
    await run.stop();
  }
}

/**
 * Starts, prints, waits until ready, then never resolves: the devnet runs until something ends it.
 */
async function bringUp(run: DevnetRun, flags: Flags): Promise<never> {
  const devnet = await run.start();
  out(
    formatBanner(devnet.file, {
      blockTimeMs: devnet.topology.policy.document.blockTimeMs,
      gasLimit: devnet.topology.rollup.genesis.gasLimit,
      dir: devnet.folder.root,
    }),
  );
  await waitReady({
    l1Url: devnet.file.l1.rpcUrl,
    settlement: devnet.topology.rollup.settlement,
    sequencerUrl: devnet.sequencer.rpcUrl,
    followerUrls: devnet.followers.map(({ rpcUrl }) => rpcUrl),
    publishers: flags.publishers,
    timeoutMs: READY_TIMEOUT_MS,
    signal: run.signal,
    remind: (line) => {
      complain(new DevnetError(line));
    },
  });
  out("devnet ready");
  return new Promise<never>(() => undefined);
}

async function main(args: readonly string[]): Promise<number> {
  const parsed = parseFlags(args);
  if (parsed.kind === "help") {
    process.stdout.write(parsed.text);
    return 0;
  }
  const { flags } = parsed;
  if (!flags.smoke && flags.scenario === null) return runDevnet(flags);
  const controller = new AbortController();
  onStopSignal(() => {
    controller.abort();
  });
  const deps = { out, resolveAnvil, signal: controller.signal };
  const held = await runToItsEnd(flags, deps).catch((error: unknown) => {
    if (!controller.signal.aborted) throw error;
    return false;
  });
  if (controller.signal.aborted) return INTERRUPTED;
  return held ? 0 : 1;
}

/** What ends by itself; false where a check has not held. */
async function runToItsEnd(flags: Flags, deps: SmokeDeps): Promise<boolean> {
  if (flags.scenario === null) return runSmoke(flags, deps);
  await runScenario(flags.scenario, deps);
  return true;
}

try {
  process.exitCode = await main(process.argv.slice(2));
  // All is stopped; requests to nodes that are gone would hold the process until they time out.
  if (process.exitCode === INTERRUPTED) process.exit();
} catch (error) {
  complain(error);
  process.exitCode = 1;
}
