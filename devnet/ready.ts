/**
 * When the devnet is ready: a block, a price in the fast lane, a gossiped block on every follower
 * and a batch on L1 have been seen, each newer than the moment the processes stood.
 */
import type { Hex } from "../lanes/bytes.ts";
import { type Client, l1Client, l2Client } from "./chains.ts";
import { DevnetError } from "./devnet-error.ts";
import { fetchLaneBlock, ORACLE_RANK } from "./lane-block.ts";
import { postedBatches } from "./settlement-events.ts";
import { waitFor } from "./wait.ts";

/** A line about what is missing is printed this often. */
const REMIND_MS = 60_000;
const POLL_INTERVAL_MS = 200;
/** Blocks looked through for a price in one poll. */
const PRICE_SCAN_MAX = 64;

export interface ReadyOptions {
  readonly l1Url: string;
  readonly settlement: Hex;
  readonly sequencerUrl: string;
  readonly followerUrls: readonly string[];
  /** Without publishers no price comes, and none is waited for. */
  readonly publishers: number;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
  /** Called with one line when it takes long. */
  readonly remind: (line: string) => void;
}

interface Sign {
  readonly what: string;
  seen(): Promise<boolean>;
}

/** Resolves when everything has been seen. Errors: `DevnetError` that names what was not. */
export async function waitReady(options: ReadyOptions): Promise<void> {
  const missing = await createSigns(options);
  const names = (): string => missing.map(({ what }) => what).join(", ");
  for (let waitedMs = 0; missing.length > 0;) {
    const timeoutMs = Math.min(REMIND_MS, options.timeoutMs - waitedMs);
    try {
      await waitFor("the devnet", () => allSeen(missing), {
        timeoutMs,
        signal: options.signal,
        intervalMs: POLL_INTERVAL_MS,
      });
    } catch (error) {
      options.signal.throwIfAborted();
      if (!(error instanceof DevnetError)) throw error;
      waitedMs += timeoutMs;
      const line = `not ready after ${Math.round(waitedMs / 1000)} s, still missing: ${names()}`;
      if (waitedMs >= options.timeoutMs) throw new DevnetError(line, error);
      options.remind(line);
    }
  }
}

/** Takes out the signs that are seen now; `null` while some are left. */
async function allSeen(missing: Sign[]): Promise<true | null> {
  for (const sign of [...missing]) if (await sign.seen()) missing.splice(missing.indexOf(sign), 1);
  return missing.length === 0 ? true : null;
}

async function createSigns(options: ReadyOptions): Promise<Sign[]> {
  const l1 = l1Client(options.l1Url);
  const sequencer = l2Client(options.sequencerUrl);
  const l1Base = await l1.getBlockNumber({ cacheTime: 0 });
  const base = await headNumber(sequencer);
  const signs: Sign[] = [
    { what: "a block", seen: async () => (await headNumber(sequencer)) > base },
    {
      what: "a batch on L1",
      seen: async () => (await postedBatches(l1, options.settlement, l1Base + 1n)).length > 0,
    },
  ];
  if (options.publishers > 0) signs.push(priceSign(sequencer, base));
  for (const [index, url] of options.followerUrls.entries())
    signs.push({
      what: `a gossiped block on follower ${index + 1}`,
      seen: () => hasGossiped(l2Client(url), sequencer, base),
    });
  return signs;
}

function priceSign(sequencer: Client, base: number): Sign {
  let next = base + 1;
  return {
    what: "a price in the fast lane",
    async seen() {
      const head = Math.min(await headNumber(sequencer), next + PRICE_SCAN_MAX);
      for (; next <= head; next++) {
        const block = await fetchLaneBlock(sequencer, next);
        if (block.transactions.some(({ rank }) => rank === ORACLE_RANK)) return true;
      }
      return false;
    },
  };
}

/** A new head above the safe head came from peers: L1 has not carried it yet. */
async function hasGossiped(follower: Client, sequencer: Client, base: number): Promise<boolean> {
  const head = await follower.getBlock({ blockTag: "latest" });
  const safe = await follower.getBlock({ blockTag: "safe" });
  if (head.number <= BigInt(base) || head.number <= safe.number) return false;
  const same = await sequencer.getBlock({ blockNumber: head.number });
  return same.hash === head.hash;
}

/** Height of the newest block, never from a cache. */
export async function headNumber(client: Client): Promise<number> {
  return Number(await client.getBlockNumber({ cacheTime: 0 }));
}
