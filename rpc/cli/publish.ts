/**
 * `pricelane publish`: signs prices from a file, standard input or a WebSocket as reports of one
 * publisher, and hands them to a node.
 *
 * Owns the options, the status line and the summary. Does not own sequences (`../sdk/publisher.ts`),
 * nor the form of a line (`price-lines.ts`). The key comes from the environment, never an argument.
 */
import { setTimeout as delay } from "node:timers/promises";
import { Command, InvalidArgumentError } from "commander";
import { createClient, http, type Transport, webSocket } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import type { Hex } from "../../lanes/bytes.ts";
import { NodeError } from "../../node/errors.ts";
import { KEY_VARIABLES, loadKey } from "../../node/keys.ts";
import { laneActions, type PublisherInfo } from "../sdk/lane-actions.ts";
import { type PublisherCounts, ReportPublisher } from "../sdk/publisher.ts";
import { linesOf, type NamedFeed, parseLine } from "./price-lines.ts";

const HELP = `
The key is in PRICELANE_PUBLISHER_KEY (0x and 64 hex digits), or in the keystore named by
PRICELANE_PUBLISHER_KEYSTORE, with the password in the file named by
PRICELANE_PUBLISHER_PASSWORD_FILE.
Run one process for each key: two that sign with one key have it suspended.

A line is value[,confidence[,session]], in the feed's unit: 2500.25,0.5. With several --feed it has
a part for each, in their order, separated by semicolons. Empty lines and lines with # are skipped.
A line of a file is published every --interval-ms, others as they come; each with the time at which
it is read. While one report is on its way the newest line waits, and those before it are left out.

Examples:
  pricelane publish --url ws://127.0.0.1:9545 --feed ETH/USD --source prices.csv --interval-ms 100
  ticks | pricelane publish --url ws://127.0.0.1:9545 --feed ETH/USD --feed BTC/USD --source -
  pricelane publish --url ws://127.0.0.1:9545 --feed ETH/USD --source ws://127.0.0.1:7000/ticks
`;

const REQUEST_TIMEOUT_MS = 5_000;
const STATUS_MS = 1_000;
const INTERVAL_MAX_MS = 3_600_000;

interface Options {
  readonly url: string;
  readonly feed: readonly string[];
  readonly source: string;
  readonly intervalMs: number;
}

/** The subcommand. */
export function createPublishCommand(): Command {
  return new Command("publish")
    .summary("sign prices as a publisher and hand them to a node")
    .description("Signs prices as reports of one publisher and hands them to a node.")
    .requiredOption(
      "--url <url>",
      "JSON-RPC of the sequencer or a follower: ws, wss, http or https",
      checkUrl,
    )
    .requiredOption("--feed <id>", "a feed of the policy; may be given again", collect, [])
    .requiredOption("--source <source>", "a file, - for standard input, or a ws or wss URL")
    .option("--interval-ms <ms>", "time between two lines of a file", checkInterval, 1_000)
    .addHelpText("after", HELP)
    .action(async (options: Options) => {
      await publish(options);
    });
}

function collect(id: string, before: readonly string[]): string[] {
  return [...before, id];
}

function checkUrl(text: string): string {
  if (!/^(wss?|https?):\/\//.test(text) || !URL.canParse(text))
    throw new InvalidArgumentError("It must be a ws, wss, http or https URL.");
  return text;
}

function checkInterval(text: string): number {
  const ms = Number(text);
  if (!/^\d+$/.test(text) || ms < 1 || ms > INTERVAL_MAX_MS)
    throw new InvalidArgumentError(`It must be an integer from 1 to ${INTERVAL_MAX_MS}.`);
  return ms;
}

function transportOf(url: string): Transport {
  const options = { retryCount: 0, timeout: REQUEST_TIMEOUT_MS };
  return url.startsWith("ws") ? webSocket(url, options) : http(url, options);
}

async function publish({ url, feed: names, source, intervalMs }: Options): Promise<void> {
  const { key, address } = await loadKey(KEY_VARIABLES.publisher, process.env);
  const client = createClient({ transport: transportOf(url) });
  const stop = new AbortController();
  const { signal } = stop;
  const publisher = new ReportPublisher({
    actions: laneActions()(client),
    signer: privateKeyToAccount(key),
    key: address,
    nowMs: () => Date.now(),
    wait: (ms) => delay(ms, undefined, { signal }).catch(() => undefined),
    isStopped: () => signal.aborted,
  });
  for (const name of ["SIGINT", "SIGTERM"] as const)
    process.once(name, () => {
      stop.abort();
    });
  let skipped = 0;
  const status = setInterval(() => {
    process.stderr.write(`${statusLine(publisher.counts, skipped)}\n`);
  }, STATUS_MS);
  try {
    const info = await publisher.open();
    if (!signal.aborted) {
      const feeds = feedsOf(info, names, address);
      for await (const line of linesOf(source, intervalMs, signal)) {
        const observations = parseLine(line, feeds);
        if (observations.ok) publisher.publish(observations.value);
        else {
          skipped += 1;
          process.stderr.write(`skipped: ${observations.data["expected"]}\n`);
        }
      }
    }
    await publisher.settled();
  } finally {
    clearInterval(status);
  }
  process.stdout.write(`${statusLine(publisher.counts, skipped)}\n`);
}

/** The feeds that are to be reported, as the policy has them. */
function feedsOf(
  info: PublisherInfo | null,
  names: readonly string[],
  address: Hex,
): readonly NamedFeed[] {
  if (info === null) throw new NodeError("REPORT_KEY_UNKNOWN", { key: address });
  if (info.isSuspended) throw new NodeError("REPORT_KEY_SUSPENDED", { key: address });
  return names.map((name) => {
    const found = info.feeds.find(({ id }) => id === name);
    if (found !== undefined) return found;
    const own = info.feeds.map(({ id }) => id).join(", ");
    throw new NodeError("REPORT_FEED_UNKNOWN", { feed: name, publisher: info.name, own });
  });
}

/** Bounded by the codes there are. */
function statusLine(
  { taken, overtaken, refused, lastMs }: PublisherCounts,
  skipped: number,
): string {
  const codes = Object.entries(refused).map(([code, count]) => `${count} ${code}`);
  return [
    `${taken} taken`,
    `${overtaken} overtaken`,
    `${skipped} lines skipped`,
    codes.length === 0 ? "none refused" : `refused: ${codes.join(", ")}`,
    lastMs === null ? "none answered yet" : `last answered in ${lastMs} ms`,
  ].join("; ");
}
