/**
 * A process that keeps the normal lane full: posts batches as fast as the pool drains, from
 * transactions that were signed before. In a process of its own, so that its work is not in the
 * probes' times.
 */
import { setTimeout as delay } from "node:timers/promises";
import { serve } from "./lanes-child.ts";
import { createSigner, type Role, type Signed } from "./lanes-population.ts";
import { createHttpClient, type HttpClient } from "./lanes-rpc.ts";

const BATCH_SIZES = { transfers: 100, heavy: 50 } as const;
const BATCHES_AT_ONCE = 4;
const LOOK_MS = 10;
const FILL_TIMEOUT_MS = 60_000;
const REFUSALS_KEPT_MAX = 16;

export type FloodKind = Extract<Role, "transfers" | "heavy">;

export interface FloodJob {
  readonly url: string;
  readonly kind: FloodKind;
  /** Transactions in the pool that it is topped up to. */
  readonly target: number;
  /** Transactions to have signed before it begins. */
  readonly stock: number;
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
  fill: readonly [FloodJob, number];
  stop: readonly [null, FloodReport];
  /** Waits, at most so many milliseconds, for an empty pool; what is left. */
  drain: readonly [{ readonly url: string; readonly timeoutMs: number }, number];
}

const signers = { transfers: createSigner("transfers"), heavy: createSigner("heavy") };
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

function startFlood(job: FloodJob): { filled: Promise<number>; stop(): Promise<FloodReport> } {
  const client = createHttpClient(job.url);
  const refused: Record<string, number> = {};
  let isStopped = false;
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
  const post = async (count: number): Promise<void> => {
    const raws = Array.from({ length: count }, () => next().raw);
    sent += count;
    for (const text of await client.submit(raws)) {
      const name = Object.keys(refused).length < REFUSALS_KEPT_MAX ? text : "other";
      refused[name] = (refused[name] ?? 0) + 1;
    }
  };
  const run = async (): Promise<void> => {
    while (!isStopped) {
      const size = await poolSize(client);
      isFilled ||= size >= job.target;
      if (isFilled) queuedMin = Math.min(queuedMin, size);
      const batch = BATCH_SIZES[job.kind];
      // A little more than the target, so that it stays above between two looks.
      const missing = Math.ceil(job.target * 1.5) - size;
      const batches = Math.min(BATCHES_AT_ONCE, Math.ceil(missing / batch));
      if (batches > 0) await Promise.all(Array.from({ length: batches }, () => post(batch)));
      else await delay(LOOK_MS);
    }
  };
  const running = run();
  const filled = (async () => {
    const untilMs = performance.now() + FILL_TIMEOUT_MS;
    while (!isFilled && performance.now() < untilMs) await delay(LOOK_MS);
    return poolSize(client);
  })();
  return {
    filled,
    async stop() {
      isStopped = true;
      await running;
      client.close();
      return { sent, refused, queuedMin: isFilled ? queuedMin : 0, signedLate };
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
