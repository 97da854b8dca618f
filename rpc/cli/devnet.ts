/**
 * `pricelane devnet`: runs the devnet's own program with the remaining arguments. A process of its
 * own, because `rpc` does not import `devnet`. Owns passing on signals and the exit code.
 */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";
import { Command } from "commander";

const PROGRAM = fileURLToPath(new URL("../../devnet/main.js", import.meta.url));

/** The subcommand; all its options, `--help` included, are the devnet's. */
export function createDevnetCommand(): Command {
  return new Command("devnet")
    .summary("run an L1, a sequencer and two followers on this machine")
    .description("Runs the whole path on loopback: L1, contracts, sequencer, followers, traffic.")
    .usage("[options]")
    .helpOption(false)
    .allowUnknownOption()
    .allowExcessArguments()
    .passThroughOptions()
    .argument("[arguments...]")
    .action(async (args: readonly string[]) => {
      process.exitCode = await runProgram(PROGRAM, args);
    });
}

/**
 * Runs a compiled program as a child until it ends; returns its exit code, 128 + n after signal n.
 */
export function runProgram(program: string, args: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, [program, ...args], { stdio: "inherit" });
  const forward = (signal: NodeJS.Signals): void => {
    // From a terminal, Ctrl-C has reached the child already: the devnet counts only the first.
    child.kill(signal);
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.on(signal, forward);
  return new Promise<number>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
    });
  }).finally(() => {
    for (const signal of signals) process.off(signal, forward);
  });
}
