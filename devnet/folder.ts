/**
 * The devnet's folder: where each file lies, who may use it, whether what is in it can be used.
 *
 * Invariants: one running devnet a folder (`devnet.pid`, checked for a living process); a folder
 * that holds something else is never written into.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { DevnetError, firstLine } from "./devnet-error.ts";

export interface Folder {
  /** Absolute. */
  readonly root: string;
  readonly pidFile: string;
  readonly rollupFile: string;
  readonly policyFile: string;
  readonly devnetFile: string;
  /** State of L1; anvil writes `state.json` in it. */
  readonly l1Dir: string;
  readonly logDir: string;
  /** Data folder of a node by its name. */
  dataDir(node: string): string;
  configFile(node: string): string;
  logFile(name: string): string;
}

const PID_FILE = "devnet.pid";
const ROLLUP_FILE = "rollup.json";
const L1_DIR = "l1";
const LOG_DIR = "logs";
const DATA_DIR = "data";
/** What a first start may have left before it wrote the rollup config. */
const BEFORE_ROLLUP = new Set([PID_FILE, L1_DIR, LOG_DIR]);
const LOCK_TRIES_MAX = 3;

/** Paths inside the folder; touches no disk. */
export function folderAt(dir: string): Folder {
  const root = resolve(dir);
  return {
    root,
    pidFile: join(root, PID_FILE),
    rollupFile: join(root, ROLLUP_FILE),
    policyFile: join(root, "policy.json"),
    devnetFile: join(root, "devnet.json"),
    l1Dir: join(root, L1_DIR),
    logDir: join(root, LOG_DIR),
    dataDir: (node) => join(root, DATA_DIR, node),
    configFile: (node) => join(root, `${node}.json`),
    logFile: (name) => join(root, LOG_DIR, `${name}.log`),
  };
}

export interface FolderLock {
  /** Gives the folder back; idempotent. */
  release(): void;
}

/** Creates the folder where needed and takes it. Throws `DevnetError` where it cannot be used. */
export function lockFolder(folder: Folder): FolderLock {
  prepare(folder);
  for (let attempt = 0; attempt < LOCK_TRIES_MAX; attempt++) {
    try {
      writeFileSync(folder.pidFile, `${process.pid}\n`, { flag: "wx" });
      return {
        release() {
          if (readPid(folder.pidFile) === process.pid) rmSync(folder.pidFile, { force: true });
        },
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
    const owner = readPid(folder.pidFile);
    if (owner !== null && isAlive(owner))
      throw new DevnetError(
        `another devnet (pid ${owner}) uses ${folder.root}: stop it, or choose another folder with --dir`,
      );
    // Left by a devnet that was killed.
    rmSync(folder.pidFile, { force: true });
  }
  throw new DevnetError(`cannot lock ${folder.root}: ${PID_FILE} keeps reappearing`);
}

function prepare(folder: Folder): void {
  let entries: string[];
  try {
    mkdirSync(folder.root, { recursive: true });
    entries = readdirSync(folder.root);
  } catch (error) {
    throw new DevnetError(`cannot use folder ${folder.root}: ${firstLine(error)}`, error);
  }
  if (entries.includes(ROLLUP_FILE)) return;
  const foreign = entries.find((name) => !BEFORE_ROLLUP.has(name));
  if (foreign === undefined) return;
  throw new DevnetError(
    foreign === DATA_DIR
      ? `damaged folder ${folder.root}: it has chain data but no ${ROLLUP_FILE}; delete it to start anew`
      : `folder ${folder.root} holds something else (${foreign}): choose an empty or new folder with --dir`,
  );
}

function readPid(path: string): number | null {
  try {
    const pid = Number(readFileSync(path, "utf8"));
    return Number.isSafeInteger(pid) && pid > 0 ? pid : null;
  } catch {
    // Gone meanwhile, or unreadable: nobody's.
    return null;
  }
}

function isAlive(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
