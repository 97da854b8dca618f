/**
 * `npm run test:vectors [FOLDER]`: runs a folder of Ethereum's public tests through our code and
 * prints the counts. Exit code 1 when a test failed or the folder holds none. See README.md.
 */
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { listFiles } from "./folder.ts";
import { type CaseResult, count, createTally, describe, type Tally } from "./outcome.ts";
import { VECTORS } from "./place.ts";
import { runFiles } from "./pool.ts";

const PROGRESS_MS = 30_000;
/** The slowest known cases, of minutes, on cores that others use too. */
const TIMEOUT_SECONDS_DEFAULT = "3600";

interface Options {
  readonly folder: string;
  readonly jobs: number;
  readonly timeoutMs: number;
}

async function runFolder(options: Options): Promise<Tally> {
  const tally = createTally();
  const report = (result: CaseResult): void => {
    count(tally, result);
    if (result.outcome.kind === "failed")
      console.log(`failed: ${result.name}: ${result.outcome.reason}`);
  };
  // Not on standard output: that ends with the counts.
  const progress = setInterval(() => {
    console.error(describe(tally));
  }, PROGRESS_MS);
  const program = new URL("./worker.js", import.meta.url);
  try {
    await runFiles({ ...options, program }, listFiles(options.folder), report);
  } finally {
    clearInterval(progress);
  }
  return tally;
}

async function main(options: Options): Promise<number> {
  const { folder } = options;
  if (!existsSync(folder)) {
    console.log(`skipped: there is no folder ${folder}`);
    return 0;
  }
  const started = performance.now();
  const tally = await runFolder(options);
  const seconds = (performance.now() - started) / 1000;
  for (const [reason, cases] of tally.skips) console.log(`skipped: ${cases}: ${reason}`);
  console.log(`${seconds.toFixed(0)} s, ${(tally.run / seconds).toFixed(0)} tests/s`);
  if (tally.run === 0) console.log(`no test ran: ${folder} holds none`);
  console.log(describe(tally));
  return tally.run > 0 && tally.failed === 0 ? 0 : 1;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    jobs: { type: "string", default: String(availableParallelism()) },
    timeout: { type: "string", default: TIMEOUT_SECONDS_DEFAULT },
  },
});
const [argument] = positionals;
process.exitCode = await main({
  folder: argument === undefined ? VECTORS : resolve(argument),
  jobs: Number(values.jobs),
  timeoutMs: Number(values.timeout) * 1000,
});
