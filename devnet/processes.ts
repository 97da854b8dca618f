/**
 * The devnet's child processes: spawning, waiting for the ready line, watching, stopping.
 *
 * Invariants: only children started here are ever signalled, by their pid; they stop in reverse
 * order of their start; each has its own session, so that Ctrl-C in the terminal reaches only the
 * devnet, and a pipe as standard input, so that it notices when the devnet is gone.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, renameSync } from "node:fs";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { DevnetError } from "./devnet-error.ts";

/** A child that has not stopped by then is killed. Longer than guard.ts gives anvil. */
const STOP_GRACE_MS = 25_000;
const LOG_TAIL_LINE_CHARS = 400;
/** Settings of the user's own shell must not reach the children. */
const SETTINGS_PREFIX = "PRICELANE_";

export interface ChildSpec {
  readonly name: string;
  /** A module of the build, run by this Node. */
  readonly module: URL;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Standard output and error, the last run's kept beside it with `.1`. */
  readonly logFile: string;
  /** The child is ready at the first output line with this prefix; without it, at once. */
  readonly readyPrefix?: string;
  readonly readyTimeoutMs?: number;
}

export interface Child {
  readonly name: string;
  readonly pid: number;
  /** What followed the ready prefix. */
  readonly readyText: string;
  /** Resolves when the process is gone. Never rejects. */
  readonly exited: Promise<void>;
  /** SIGTERM, then SIGKILL after a grace time; resolves when it is gone. Idempotent. */
  stop(): Promise<void>;
  /** kill -9: what a crash looks like. Resolves when it is gone. */
  crash(): Promise<void>;
}

export interface Processes {
  /** Throws `DevnetError` where the child stops or stays silent before it is ready. */
  start(spec: ChildSpec): Promise<Child>;
  /**
   * Stops everything in reverse order of its start; no child can be started afterwards. Idempotent.
   */
  stopAll(): Promise<void>;
  /** Resolves with the first child's end that nobody asked for. */
  readonly failure: Promise<DevnetError>;
}

interface Running {
  readonly name: string;
  readonly process: ChildProcess;
  readonly exited: Promise<string>;
  /** Set once somebody has asked for the end. */
  expected: boolean;
  stopping: Promise<void> | null;
}

/** No child yet. */
export function createProcesses(): Processes {
  const running: Running[] = [];
  let stopped: Promise<void> | null = null;
  let fail: (error: DevnetError) => void = () => undefined;
  const failure = new Promise<DevnetError>((resolve) => {
    fail = resolve;
  });

  const forget = (child: Running): void => {
    const place = running.indexOf(child);
    if (place !== -1) running.splice(place, 1);
  };

  return {
    failure,
    async start(spec) {
      if (stopped !== null) throw new DevnetError("the devnet is stopping");
      const child = launch(spec);
      running.push(child);
      const ready = waitReady(child, spec);
      void child.exited.then(() => {
        forget(child);
      });
      const readyText = await ready;
      void child.exited.then((how) => {
        if (child.expected || stopped !== null) return;
        fail(new DevnetError(`${spec.name} stopped unexpectedly (${how})${tail(spec.logFile)}`));
      });
      return present(child, readyText);
    },
    stopAll() {
      stopped ??= (async () => {
        for (const child of running.toReversed()) await stop(child);
      })();
      return stopped;
    },
  };
}

function present(child: Running, readyText: string): Child {
  const pid = child.process.pid;
  if (pid === undefined) throw new Error("a started process has a pid");
  return {
    name: child.name,
    pid,
    readyText,
    exited: child.exited.then(() => undefined),
    stop: () => stop(child),
    async crash() {
      child.expected = true;
      child.process.kill("SIGKILL");
      await child.exited;
    },
  };
}

/** One SIGTERM only: a node takes the second for impatience and does not wait for its disk. */
function stop(child: Running): Promise<void> {
  child.expected = true;
  child.stopping ??= terminate(child);
  return child.stopping;
}

async function terminate(child: Running): Promise<void> {
  child.process.kill("SIGTERM");
  const timer = setTimeout(() => child.process.kill("SIGKILL"), STOP_GRACE_MS);
  await child.exited;
  clearTimeout(timer);
}

function launch(spec: ChildSpec): Running {
  mkdirSync(dirname(spec.logFile), { recursive: true });
  keepLastLog(spec.logFile);
  const log = openSync(spec.logFile, "a");
  const inherited = Object.entries(process.env).filter(
    ([name]) => !name.startsWith(SETTINGS_PREFIX),
  );
  const child = spawn(process.execPath, [fileURLToPath(spec.module), ...spec.args], {
    stdio: ["pipe", spec.readyPrefix === undefined ? log : "pipe", log],
    env: { ...Object.fromEntries(inherited), ...spec.env },
    detached: true,
  });
  closeSync(log);
  // The pipe only signals that this process lives; a child that is gone first is no error.
  child.stdin?.on("error", () => undefined);
  const exited = new Promise<string>((resolve) => {
    child.once("error", (error) => {
      resolve(error.message);
    });
    child.once("exit", (code, signal) => {
      resolve(signal === null ? `exit code ${code ?? "unknown"}` : signal);
    });
  });
  return { name: spec.name, process: child, exited, expected: false, stopping: null };
}

function keepLastLog(path: string): void {
  try {
    renameSync(path, `${path}.1`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

/** The text after the ready prefix; later output lines of the child are read and dropped. */
async function waitReady(child: Running, spec: ChildSpec): Promise<string> {
  const { readyPrefix, readyTimeoutMs = 30_000 } = spec;
  if (readyPrefix === undefined || child.process.stdout === null) return "";
  const lines = createInterface({ input: child.process.stdout });
  const ready = new Promise<string>((resolve) => {
    lines.on("line", (line) => {
      if (line.startsWith(readyPrefix)) resolve(line.slice(readyPrefix.length).trim());
    });
  });
  let timer: NodeJS.Timeout | undefined;
  const silent = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      const seconds = Math.round(readyTimeoutMs / 1000);
      reject(new DevnetError(`${spec.name} was not ready after ${seconds} s: see ${spec.logFile}`));
    }, readyTimeoutMs);
  });
  const gone = child.exited.then((how) => {
    throw new DevnetError(`${spec.name} did not start (${how})${tail(spec.logFile)}`);
  });
  try {
    return await Promise.race([ready, silent, gone]);
  } finally {
    clearTimeout(timer);
    gone.catch(() => undefined);
  }
}

/** The last error in a log, else its last line; the log's path where it is empty. */
function tail(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch {
    return `: see ${path}`;
  }
  const lines = text.trimEnd().split("\n");
  // A program that explains its usage after the error would hide it.
  const error = lines.findLast((one) => /^error\b/i.test(one.trim()));
  const line = (error ?? lines.at(-1) ?? "").trim();
  return line === "" ? `: see ${path}` : `: ${line.slice(0, LOG_TAIL_LINE_CHARS)} (${path})`;
}
