/**
 * Runs files of tests in processes of their own, several at a time.
 *
 * Owns the processes, the time that a case may take, and what a process that ends in the middle
 * means: the case that it was at has failed, and the file goes on with the next one in a new
 * process. Does not own what a case is: `worker.ts`.
 */
import { type ChildProcess, fork } from "node:child_process";
import { type CaseResult, failed } from "./outcome.ts";
import type { Message, Order } from "./worker.ts";

export interface PoolOptions {
  /** The program of a process; it speaks as `worker.ts` does. */
  readonly program: URL;
  readonly folder: string;
  /** Processes at a time. */
  readonly jobs: number;
  /** What one case, or the reading of one file, may take. */
  readonly timeoutMs: number;
}

/** Parsed files are large. Beyond this a process ends, and only its case has failed. */
const HEAP_MIB = 4096;

/** Every case of every file, reported as it ends; files in order, several at a time. */
export async function runFiles(
  options: PoolOptions,
  files: readonly string[],
  report: (result: CaseResult) => void,
): Promise<void> {
  const queue = files.values();
  const lanes = Array.from({ length: Math.min(options.jobs, files.length) }, () =>
    runLane(options, queue, report),
  );
  await Promise.all(lanes);
}

async function runLane(
  options: PoolOptions,
  queue: Iterable<string>,
  report: (result: CaseResult) => void,
): Promise<void> {
  let child = start(options);
  for (const path of queue) {
    let from = 0;
    let end = await runOrder(child, { folder: options.folder, path, from }, options, report);
    while (end !== null) {
      report({ name: end.name, outcome: failed(end.reason) });
      child = start(options);
      // Where the file itself could not be read there is nothing to go on with.
      if (end.index === null) break;
      from = end.index + 1;
      end = await runOrder(child, { folder: options.folder, path, from }, options, report);
    }
  }
  child.disconnect();
}

function start({ program }: PoolOptions): ChildProcess {
  return fork(program, { execArgv: [`--max-old-space-size=${HEAP_MIB}`] });
}

/** Where a process ended before its file did. */
interface Break {
  readonly name: string;
  /** The case; `null` for the reading of the file. */
  readonly index: number | null;
  readonly reason: string;
}

function runOrder(
  child: ChildProcess,
  order: Order,
  { timeoutMs }: PoolOptions,
  report: (result: CaseResult) => void,
): Promise<Break | null> {
  return new Promise((resolve) => {
    let at: Pick<Break, "name" | "index"> = { name: order.path, index: null };
    let reason: string | null = null;
    const timer = setTimeout(() => {
      reason = `not finished within ${timeoutMs / 1000} s`;
      child.kill("SIGKILL");
    }, timeoutMs);
    const finish = (result: Break | null): void => {
      clearTimeout(timer);
      child.removeAllListeners();
      resolve(result);
    };
    child.on("message", (message: Message) => {
      timer.refresh();
      if (message.kind === "begin") at = message;
      else if (message.kind === "result") report(message);
      else finish(null);
    });
    child.once("exit", (code, signal) => {
      finish({ ...at, reason: reason ?? `the process ended: ${signal ?? String(code)}` });
    });
    // It ended between two files.
    child.once("error", (error) => {
      finish({ ...at, reason: error.message });
    });
    child.send(order);
  });
}
