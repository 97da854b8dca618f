/**
 * `npm run bench -- execution`: what the embedded engine does in a second, on a large state in the
 * real store. Prints a table; a missed target is printed as missed and fails nothing.
 */
import { writeFile } from "node:fs/promises";
import { openBenchChain } from "./chain.ts";
import { loopRows, runBlocks, workloadRows } from "./execution.ts";
import { openFolder } from "./folder.ts";
import { type BenchOptions, parseOptions, UsageError } from "./options.ts";
import { makeSenders } from "./population.ts";
import { createProfile } from "./profile.ts";
import { formatRows, formatSelfTimes } from "./report.ts";
import { figureOf, type Row } from "./row.ts";
import { createSupply, loopWorkloads, workloads } from "./workloads.ts";

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

async function run(options: BenchOptions): Promise<Row[]> {
  const { population, sizes, only, runs, loopRuns } = options;
  const isWanted = ({ name }: { readonly name: string }): boolean =>
    only === null || name.includes(only);
  const folder = await openFolder(population, options.state);
  const rows: Row[] = [];
  if (folder.buildSeconds !== null)
    rows.push({
      name: "state",
      measure: "building it",
      unit: "s",
      figure: figureOf([folder.buildSeconds]),
    });
  const chain = await openBenchChain(folder.path);
  try {
    const supply = createSupply(makeSenders(population));
    for (const workload of workloads(population, sizes, supply).filter(isWanted)) {
      const profile = options.profile ? await createProfile() : null;
      const blocks = await runBlocks(chain, workload, runs, profile);
      if (profile === null) rows.push(...workloadRows(workload.name, blocks));
      else print(formatSelfTimes(workload.name, profile.selfTimes()));
      profile?.close();
    }
    for (const workload of loopWorkloads(supply).filter(isWanted)) {
      const profile = options.profile ? await createProfile() : null;
      const blocks = await runBlocks(chain, workload, loopRuns, profile);
      if (profile === null) rows.push(...loopRows(workload.name, blocks));
      else print(formatSelfTimes(workload.name, profile.selfTimes()));
      profile?.close();
    }
    return rows;
  } finally {
    await chain.close();
    await folder.remove();
  }
}

try {
  const options = parseOptions(process.argv.slice(2));
  const rows = await run(options);
  print(formatRows(rows));
  if (options.json !== null) await writeFile(options.json, JSON.stringify(rows, null, 2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  print(error.message);
  process.exitCode = 2;
}
