/**
 * A real op-geth in a folder of its own, driven through the Engine API.
 *
 * Owns finding the program, its process, JWT and JSON-RPC. Listens on loopback, on ports that the
 * system gives; has no peers.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { createHmac, randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import type { GethGenesis } from "../../node/chain/geth-genesis.ts";

const run = promisify(execFile);

const START_TIMEOUT_MS = 60_000;
const CALL_TIMEOUT_MS = 120_000;
const STOP_TIMEOUT_MS = 20_000;
/** The last lines of its log: enough for a report of a refused block. */
const LOG_LINES_MAX = 100;

/** Programs tried in this order; a plain geth is none. */
const CANDIDATES = [process.env["OP_GETH"], "op-geth", "geth"];

export interface Binary {
  readonly path: string;
  readonly version: string;
}

/** The op-geth of this machine: `OP_GETH`, or what PATH has; `null` for none. */
export async function findOpGeth(): Promise<Binary | null> {
  for (const path of CANDIDATES) {
    if (path === undefined || path === "") continue;
    try {
      const { stdout } = await run(path, ["version"]);
      // A plain geth knows no upstream.
      if (!stdout.includes("Upstream Version:")) continue;
      const [, version = "unknown"] = /^Version: *(.+)$/m.exec(stdout) ?? [];
      return { path, version };
    } catch {
      // Not there, or no program: the next candidate.
    }
  }
  return null;
}

export interface OpGeth {
  /** A call of the public API. */
  call(method: string, params: readonly unknown[]): Promise<unknown>;
  /** A call of the authenticated Engine API. */
  engine(method: string, params: readonly unknown[]): Promise<unknown>;
  /** The last lines of its log. */
  log(): string;
  stop(): Promise<void>;
}

/** Starts op-geth on the genesis, with its data in `folder`. */
export async function startOpGeth(
  { path }: Binary,
  genesis: GethGenesis,
  folder: string,
): Promise<OpGeth> {
  const secret = randomBytes(32);
  const [file, jwt, data] = ["genesis.json", "jwt.hex", "data"].map((name) => join(folder, name));
  if (file === undefined || jwt === undefined || data === undefined) throw new Error("unreachable");
  await writeFile(file, JSON.stringify(genesis));
  await writeFile(jwt, secret.toString("hex"));
  await run(path, ["init", "--datadir", data, "--state.scheme", "hash", file]);
  const network = [
    "--port",
    "0",
    "--nodiscover",
    "--maxpeers",
    "0",
    "--ipcdisable",
    "--nat",
    "none",
  ];
  const http = [
    "--http",
    "--http.addr",
    "127.0.0.1",
    "--http.port",
    "0",
    "--http.api",
    "eth,debug,net",
  ];
  const auth = ["--authrpc.addr", "127.0.0.1", "--authrpc.port", "0", "--authrpc.jwtsecret", jwt];
  const state = ["--syncmode", "full", "--gcmode", "archive", "--state.scheme", "hash"];
  const child = spawn(path, ["--datadir", data, ...network, ...http, ...auth, ...state], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const lines: string[] = [];
  const endpoints = await listen(child, lines);
  const log = (): string => lines.join("\n");
  const post = async (
    endpoint: string,
    headers: Record<string, string>,
    method: string,
    params: readonly unknown[],
  ): Promise<unknown> => {
    const response = await fetch(endpoint, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
      signal: AbortSignal.timeout(CALL_TIMEOUT_MS),
    });
    const answer = (await response.json()) as { result?: unknown; error?: { message: string } };
    if (answer.error !== undefined) throw new Error(`${method}: ${answer.error.message}`);
    return answer.result;
  };
  return {
    call: (method, params) => post(endpoints.http, {}, method, params),
    engine: (method, params) =>
      post(endpoints.auth, { authorization: `Bearer ${token(secret)}` }, method, params),
    log,
    stop: () => stop(child),
  };
}

/** HS256 with the time of issue as its only claim: what the Engine API asks for. */
function token(secret: Uint8Array): string {
  const encode = (value: unknown): string =>
    Buffer.from(JSON.stringify(value)).toString("base64url");
  const issued = Math.floor(Date.now() / 1000);
  const body = `${encode({ alg: "HS256", typ: "JWT" })}.${encode({ iat: issued })}`;
  return `${body}.${createHmac("sha256", secret).update(body).digest("base64url")}`;
}

/** Both endpoints, as the log says them. */
function listen(
  child: ChildProcess,
  lines: string[],
): Promise<{ readonly http: string; readonly auth: string }> {
  const found: { http?: string; auth?: string } = {};
  return new Promise((resolve, reject) => {
    const fail = (reason: string): void => {
      child.kill("SIGKILL");
      reject(new Error(`op-geth ${reason}\n${lines.join("\n")}`));
    };
    const timer = setTimeout(() => {
      fail("does not listen");
    }, START_TIMEOUT_MS);
    child.once("error", (cause) => {
      fail(cause.message);
    });
    child.once("exit", () => {
      fail("ended");
    });
    if (child.stderr === null) throw new Error("no log");
    createInterface({ input: child.stderr }).on("line", (line) => {
      lines.push(line);
      if (lines.length > LOG_LINES_MAX) lines.shift();
      const match = /HTTP server started\s+endpoint=(\S+)\s+auth=(true|false)/.exec(line);
      if (match?.[1] === undefined) return;
      found[match[2] === "true" ? "auth" : "http"] = `http://${match[1]}`;
      if (found.http === undefined || found.auth === undefined) return;
      clearTimeout(timer);
      resolve({ http: found.http, auth: found.auth });
    });
  });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
  await ended;
  clearTimeout(timer);
}
