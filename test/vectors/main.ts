/**
 * `npm run test:vectors [FOLDER]`: runs a folder of Ethereum's public tests through our code and
 * prints the counts. Exit code 1 when a test failed or the folder holds none. See README.md.
 */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { listFiles, runFile } from "./folder.ts";
import { count, createTally, skipCount, type Tally } from "./outcome.ts";
import { VECTORS } from "./place.ts";

async function runFolder(folder: string): Promise<Tally> {
  const tally = createTally();
  for (const path of listFiles(folder))
    for (const result of await runFile(folder, path)) {
      count(tally, result);
      if (result.outcome.kind === "failed")
        console.log(`failed: ${result.name}: ${result.outcome.reason}`);
    }
  return tally;
}

async function main([argument]: readonly string[]): Promise<number> {
  const folder = argument === undefined ? VECTORS : resolve(argument);
  if (!existsSync(folder)) {
    console.log(`skipped: there is no folder ${folder}`);
    return 0;
  }
  const tally = await runFolder(folder);
  for (const [reason, cases] of tally.skips) console.log(`skipped: ${cases}: ${reason}`);
  const { run, passed, failures } = tally;
  console.log(
    `${run} run, ${passed} passed, ${failures.length} failed, ${skipCount(tally)} skipped`,
  );
  if (run === 0) console.log(`no test ran: ${folder} holds none`);
  return run > 0 && failures.length === 0 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
