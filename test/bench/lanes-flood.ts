/**
 * A process that keeps the normal lane full: posts batches as fast as the pool drains, from
 * transactions that were signed before. In a process of its own, so that its work is not in the
 * probes' times.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Hex } from "../../lanes/bytes.ts";
import { serve } from "./lanes-child.ts";
import { createSigner, type Role, type Signed } from "./lanes-population.ts";
import { createHttpClient, type HttpClient } from "./lanes-rpc.ts";

const BATCH_SIZES = { transfers: 100, heavy: 50 } as const;
const BATCHES_AT_ONCE = 4;
const LOOK_MS = 10;
/** Filled above the target: a chain may include faster than transactions come in over RPC. */
const AHEAD = 4;
/** Then the pool is what it is: the least that was queued is reported. */
const FILL_TIMEOUT_MS = 30_000;
/**
 * Two blocks' gas in transactions that pay more, and how many lots of them may wait: while they
 * take the blocks, the pool fills.
 */
const PLUG_SIZE = 6;
const PLUGS_MAX = 2;
const REFUSALS_KEPT_MAX = 16;

export type FloodKind = Extract<Role, "transfers" | "heavy">;

export interface FloodJob {
  readonly url: string;
  readonly kind: FloodKind;
  /** Transactions in the pool that it is topped up to. */
  readonly target: number;
  /** Transactions to have signed before it begins. */
  readonly stock: number;
  /** Fills blocks with others until the pool is full. */
  readonly isPlugged: boolean;
}

export interface FloodReport {
  readonly sent: number;
  /** How many of each refusal. */
  readonly refused: Readonly<Record<string, number>>;
  /** Fewest transactions seen in the pool between `fill` and `stop`. */
  readonly queuedMin: number;
  /** Transactions that had to be signed on the way, because the stock was used up. */
  readonly signedLate: number;
}

export interface FloodCalls extends Record<string, readonly [unknown, unknown]> {
  /** Answers when the pool is full. */
  fill: readonly [FloodJob, null];
  stop: readonly [null, FloodReport];
  /** Waits, at most so many milliseconds, for an empty pool; what is left. */
  drain: readonly [{ readonly url: string; readonly timeoutMs: number }, number];
}

const signers = { transfers: createSigner("transfers"), heavy: createSigner("heavy") };
const plugs = createSigner("plug");
/** What was signed and not sent: nonces are not skipped. */
const stocks: Record<FloodKind, Signed[]> = { transfers: [], heavy: [] };
let current: { stop(): Promise<FloodReport> } | null = null;

async function poolSize(client: HttpClient): Promise<number> {
  const { pending, queued } = await client.call<{ pending: string; queued: string }>(
    "txpool_status",
    [],
  );
  return Number(pending) + Number(queued);
}

function startFlood(job: FloodJob): { filled: Promise<null>; stop(): Promise<FloodReport> } {
  const client = createHttpClient(job.url);
  const refused: Record<string, number> = {};
  const wanted = job.isPlugged ? Math.ceil(job.target * AHEAD) : job.target;
  let isStopped = false;
  /** As many wait as were wanted once; blocks that were promised to the plugs may still come. */
  let isFull = false;
  let isFilled = false;
  let sent = 0;
  let signedLate = 0;
  let queuedMin = Infinity;
  const next = (): Signed => {
    const ready = stocks[job.kind].shift();
    if (ready !== undefined) return ready;
    signedLate += 1;
    return signers[job.kind]();
  };
  // A node that does not answer in time is part of what is measured.
  const submitted = (batch: readonly Signed[]): Promise<string[]> =>
    client.submit(batch.map(({ raw }) => raw)).catch((error: unknown) => [String(error)]);
  const sizeNow = async (): Promise<number | null> => poolSize(client).catch(() => null);
  const post = async (batch: readonly Signed[]): Promise<void> => {
    sent += batch.length;
    for (const text of await submitted(batch)) {
      const name = Object.keys(refused).length < REFUSALS_KEPT_MAX ? text : "other";
      refused[name] = (refused[name] ?? 0) + 1;
    }
  };
  /** The last of each lot that may still wait. */
  const plugged: Hex[] = [];
  const isDone = async (hash: Hex): Promise<boolean> =>
    (await client.call("eth_getTransactionReceipt", [hash])) !== null;
  /** Whether nothing holds the chain up. */
  const unplugged = async (wantsMore: boolean): Promise<boolean> => {
    const [oldest] = plugged;
    if (oldest !== undefined && (await isDone(oldest))) plugged.shift();
    if (job.isPlugged && wantsMore && plugged.length < PLUGS_MAX) {
      const lot = Array.from({ length: PLUG_SIZE }, () => plugs());
      await client.submit(lot.map(({ raw }) => raw));
      plugged.push(...lot.slice(-1).map(({ hash }) => hash));
    }
    return plugged.length === 0;
  };
  const postAll = async (all: readonly Signed[]): Promise<void> => {
    const size = BATCH_SIZES[job.kind];
    for (let at = 0; at < all.length && !isStopped; at += BATCHES_AT_ONCE * size)
      await Promise.all(
        Array.from({ length: BATCHES_AT_ONCE }, (_, batch) => at + batch * size)
          .filter((from) => from < all.length)
          .map((from) => post(all.slice(from, from + size))),
      );
  };
  const run = async (): Promise<void> => {
    const untilMs = performance.now() + FILL_TIMEOUT_MS;
    while (!isStopped) {
      const size = await sizeNow();
      if (size === null) {
        queuedMin = isFilled ? queuedMin : 0;
        isFilled ||= performance.now() > untilMs;
        continue;
      }
      if (!isFilled) {
        const isLate = performance.now() > untilMs;
        isFull ||= size >= wanted || isLate;
        isFilled = await unplugged(!isFull);
      }
      if (isFilled) queuedMin = Math.min(queuedMin, size);
      const batch = BATCH_SIZES[job.kind];
      const missing = wanted - size;
      const batches = Math.min(BATCHES_AT_ONCE, Math.ceil(missing / batch));
      if (batches > 0) await postAll(Array.from({ length: batches * batch }, next));
      else await delay(LOOK_MS);
    }
  };
  const running = run();
  const filled = (async () => {
    while (!isFilled) await Promise.race([running, delay(LOOK_MS)]);
    return null;
  })();
  return {
    filled,
    async stop() {
      isStopped = true;
      await running;
      client.close();
      return { sent, refused, queuedMin, signedLate };
    },
  };
}

serve({
  async fill(job: FloodJob) {
    const stock = stocks[job.kind];
    while (stock.length < job.stock) stock.push(signers[job.kind]());
    const flood = startFlood(job);
    current = flood;
    return flood.filled;
  },
  async stop() {
    const report = await current?.stop();
    current = null;
    return report;
  },
  async drain({ url, timeoutMs }: FloodCalls["drain"][0]) {
    const client = createHttpClient(url);
    const untilMs = performance.now() + timeoutMs;
    let size = await poolSize(client);
    while (size > 0 && performance.now() < untilMs) {
      await delay(LOOK_MS);
      size = await poolSize(client);
    }
    client.close();
    return size;
  },
});
