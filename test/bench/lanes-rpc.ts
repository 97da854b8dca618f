/**
 * JSON-RPC over loopback as a client of the benchmark speaks it: calls and notifications on a
 * WebSocket, batches over HTTP. What arrives has its arrival time, taken before it is parsed.
 */
import { Agent, request as httpRequest } from "node:http";
import { WebSocket } from "ws";
import type { Hex } from "../../lanes/bytes.ts";

/** Calls of one connection that wait for an answer. */
const IN_FLIGHT_MAX = 4096;
const HTTP_TIMEOUT_MS = 5_000;

interface Message {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: { readonly message: string; readonly data?: { readonly code?: string } };
  readonly params?: { readonly result: unknown };
}

export interface Arrived<T = unknown> {
  readonly value: T;
  /** In the clock of `performance.now`. */
  readonly atMs: number;
}

/** An answer that is an error. */
export class RpcFailure extends Error {
  override readonly name = "RpcFailure";
}

export interface RpcSocket {
  call<T>(method: string, params: readonly unknown[]): Promise<Arrived<T>>;
  close(): void;
}

/** A connection; `notify` gets the result of each notification. */
export async function openSocket(
  url: string,
  notify: (result: unknown, atMs: number) => void = () => undefined,
): Promise<RpcSocket> {
  const ws = new WebSocket(url, { perMessageDeflate: false });
  const waiting = new Map<number, (message: Message, atMs: number) => void>();
  let calls = 0;
  await new Promise<void>((resolve, reject) => {
    ws.once("open", resolve);
    ws.once("error", reject);
  });
  ws.on("error", () => undefined);
  ws.on("message", (data: Buffer) => {
    const atMs = performance.now();
    const message = JSON.parse(data.toString()) as Message;
    if (message.id === undefined) notify(message.params?.result, atMs);
    else waiting.get(message.id)?.(message, atMs);
  });
  ws.on("close", () => {
    for (const answer of waiting.values())
      answer({ error: { message: "connection closed" } }, performance.now());
  });
  return {
    call(method, params) {
      if (waiting.size >= IN_FLIGHT_MAX) return Promise.reject(new RpcFailure("too many calls"));
      if (ws.readyState !== ws.OPEN) return Promise.reject(new RpcFailure("connection closed"));
      const id = calls++;
      return new Promise((resolve, reject) => {
        waiting.set(id, ({ error, result }, atMs) => {
          waiting.delete(id);
          if (error === undefined) resolve({ value: result as never, atMs });
          else reject(new RpcFailure(error.data?.code ?? error.message));
        });
        ws.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
      });
    },
    close() {
      ws.terminate();
    },
  };
}

export interface HttpClient {
  call<T>(method: string, params: readonly unknown[]): Promise<T>;
  /** Submits all in one batch; the refusals' texts. */
  submit(raws: readonly Hex[]): Promise<string[]>;
  close(): void;
}

/** A client that keeps its connections. */
export function createHttpClient(url: string): HttpClient {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const post = (body: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const headers = { "content-type": "application/json" };
      const options = { method: "POST", agent, headers, timeout: HTTP_TIMEOUT_MS };
      const request = httpRequest(url, options, (response) => {
        const parts: Buffer[] = [];
        response.on("data", (part: Buffer) => parts.push(part));
        response.on("end", () => {
          resolve(Buffer.concat(parts).toString());
        });
        response.on("error", reject);
      });
      request.on("timeout", () => request.destroy(new Error("no answer")));
      request.on("error", reject);
      request.end(body);
    });
  return {
    async call(method, params) {
      const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
      const { result, error } = JSON.parse(await post(body)) as Message;
      if (error !== undefined) throw new RpcFailure(`${method}: ${error.message}`);
      return result as never;
    },
    async submit(raws) {
      const calls = raws.map((raw, id) => {
        return { jsonrpc: "2.0", id, method: "eth_sendRawTransaction", params: [raw] };
      });
      const answers = JSON.parse(await post(JSON.stringify(calls))) as Message | Message[];
      if (!Array.isArray(answers)) throw new RpcFailure(answers.error?.message ?? "no batch");
      return answers.flatMap(({ error }) =>
        error === undefined ? [] : [error.data?.code ?? error.message],
      );
    },
    close() {
      agent.destroy();
    },
  };
}
