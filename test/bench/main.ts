/**
 * `npm run bench -- execution`: what the embedded engine does in a second, on a large state in the
 * real store. `npm run bench -- lanes`: how soon a sequencer process promises, idle and flooded.
 * `npm run bench -- prices`: how soon a report can be read, and what prices cost on L1.
 * Prints a table, and JSON where asked. A missed target is printed as missed; nothing fails by
 * being slow.
 */
import { writeFile } from "node:fs/promises";
import { runLanes } from "./lanes.ts";
import { parseLanesOptions } from "./lanes-options.ts";
import { parseOptions, UsageError } from "./options.ts";
import { describeMachine, formatRows } from "./report.ts";
import { runPrices } from "./prices.ts";
import { parsePricesOptions } from "./prices-options.ts";
import { runSuite } from "./suite.ts";

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

const startedMs = performance.now();

function progress(line: string): void {
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(0);
  process.stderr.write(`${seconds.padStart(4)} s  ${line}\n`);
}

// So that what runs at the process's exit (folders, anvil) runs then too.
for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)
  process.once(signal, () => process.exit(code));

async function runExecution(args: readonly string[]): Promise<void> {
  const options = parseOptions(args);
  const say = options.profile ? print : progress;
  const machine = describeMachine();
  const rows = await runSuite(options, say);
  print(machine);
  if (rows.length > 0) print(formatRows(rows));
  if (options.json !== null)
    await writeFile(options.json, JSON.stringify({ machine, rows }, null, 2));
}

try {
  const [suite, ...args] = process.argv.slice(2);
  if (suite === "prices") await runPrices(parsePricesOptions(args), print, progress);
  else if (suite === "lanes") await runLanes(parseLanesOptions(args), print, progress);
  else await runExecution(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  print(error.message);
  process.exitCode = 2;
}
