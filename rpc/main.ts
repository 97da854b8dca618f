#!/usr/bin/env node
/**
 * The `pricelane` program. Owns the subcommands and how errors end it: one line on standard error;
 * exit code 2 for what the caller must change (options, config, keys), 1 for the rest.
 */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { type ErrorCode, NodeError } from "../node/errors.ts";
import { createDevnetCommand } from "./cli/devnet.ts";
import { createGenesisCommand } from "./cli/genesis.ts";
import { createKeysCommand } from "./cli/keys.ts";
import { createPublishCommand } from "./cli/publish.ts";
import { createReplayCommand } from "./cli/replay.ts";
import { createStartCommand } from "./cli/start.ts";
import { createVerifyCommand } from "./cli/verify.ts";

const CONFIG_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "CONFIG_INVALID",
  "POLICY_INVALID",
  "KEY_INVALID",
  "DEVNET_KEY",
]);

const EXAMPLES = `
Examples:
  pricelane devnet                    everything on this machine, with funded accounts
  pricelane keys new --out key.json   a key for a sequencer or batcher
  pricelane start --help              how to run one node, and all its settings
  pricelane publish --help            how to report prices as a publisher
`;

function createProgram(version: string): Command {
  const [major] = process.versions.node.split(".");
  const platform = `${process.platform}-${process.arch}`;
  const program = new Command("pricelane")
    .description("A rollup sequencer with a fast lane for prices.")
    .version(version, "--version")
    .enablePositionalOptions()
    .addHelpText("after", EXAMPLES)
    .addCommand(createDevnetCommand())
    .addCommand(createStartCommand(`pricelane/v${version}/${platform}/node${major}`))
    .addCommand(createKeysCommand())
    .addCommand(createGenesisCommand())
    .addCommand(createVerifyCommand())
    .addCommand(createReplayCommand())
    .addCommand(createPublishCommand());
  overrideExit(program);
  return program;
}

/** commander prints its own message, then throws instead of ending the process. */
function overrideExit(command: Command): void {
  command.exitOverride();
  for (const child of command.commands) overrideExit(child);
}

function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  const code = error instanceof NodeError ? error.code : null;
  const line = error instanceof Error ? error.message : String(error);
  process.stderr.write(`pricelane: ${code === null ? "" : `${code}: `}${oneLine(line)}\n`);
  return code !== null && CONFIG_CODES.has(code) ? 2 : 1;
}

const oneLine = (text: string): string => text.replace(/\s*\n\s*/g, " ");

function readVersion(): string {
  const file = new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}

try {
  await createProgram(readVersion()).parseAsync();
  // Whatever a library has left open must not keep a stopped node alive.
  process.exit(process.exitCode);
} catch (error) {
  process.exit(exitCodeOf(error));
}
