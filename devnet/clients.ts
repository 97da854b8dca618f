/** Starts the processes that send transactions: publishers and background traffic. */
import type { DevnetAccount, DevnetAccounts } from "./accounts.ts";
import { CLIENT_JOB_VARIABLE, type ClientJob } from "./client-process.ts";
import type { Folder } from "./folder.ts";
import type { Child, Processes } from "./processes.ts";

const PRICE_INTERVAL_MS = 500;
const TRANSFER_INTERVAL_MS = 400;
const TRAFFIC_SEED = 1_000;

export interface ClientContext {
  readonly folder: Folder;
  readonly accounts: DevnetAccounts;
  readonly processes: Processes;
  /** The sequencer's. */
  readonly rpcUrl: string;
}

/** One process for each of the first `count` publisher accounts. */
export async function startPublishers(
  context: ClientContext,
  count: number,
): Promise<readonly Child[]> {
  const children: Child[] = [];
  for (const [seed, account] of context.accounts.publishers.slice(0, count).entries())
    children.push(
      await startClient(context, `publisher-${seed + 1}`, "./publisher.js", {
        ...jobOf(context, [account]),
        seed,
        intervalMs: PRICE_INTERVAL_MS,
      }),
    );
  return children;
}

/** One process that sends from all traffic accounts in turn. */
export function startTraffic(context: ClientContext): Promise<Child> {
  return startClient(context, "traffic", "./traffic.js", {
    ...jobOf(context, context.accounts.traffic),
    seed: TRAFFIC_SEED,
    intervalMs: TRANSFER_INTERVAL_MS,
  });
}

function jobOf(
  { rpcUrl }: ClientContext,
  accounts: readonly DevnetAccount[],
): Pick<ClientJob, "rpcUrl" | "privateKeys"> {
  return { rpcUrl, privateKeys: accounts.map(({ privateKey }) => privateKey) };
}

function startClient(
  { folder, processes }: ClientContext,
  name: string,
  module: string,
  job: ClientJob,
): Promise<Child> {
  return processes.start({
    name,
    module: new URL(module, import.meta.url),
    args: [],
    env: { [CLIENT_JOB_VARIABLE]: JSON.stringify(job) },
    logFile: folder.logFile(name),
  });
}
