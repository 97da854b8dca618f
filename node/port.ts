/**
 * Calls between threads: one request/response protocol over a `MessagePort`, for every pair of
 * threads of the node. Owns ids, errors across the boundary, and the bound on calls in flight.
 *
 * A service is an object of functions with structured-cloneable arguments and results. `NodeError`
 * crosses with its code and data; any other error arrives as `INTERNAL`.
 */
import type { MessagePort, Worker } from "node:worker_threads";
import { type ErrorData, isErrorCode, NodeError } from "./errors.ts";

/** Either end of a worker's built-in channel, or of a `MessageChannel`. */
export type PortLike = Pick<MessagePort | Worker, "postMessage"> & {
  on(event: "message", listener: (message: unknown) => void): unknown;
  off(event: "message", listener: (message: unknown) => void): unknown;
};

/** Functions of one thread that another may call; their argument types are their own. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- see above
export type Service = Record<string, (...args: any[]) => unknown>;

/** The calling side of a service: every function returns a promise. */
export type Remote<S> = {
  readonly [K in keyof S]: S[K] extends (...args: infer A) => infer R
    ? (...args: A) => Promise<Awaited<R>>
    : never;
};

const CALLS_IN_FLIGHT_MAX = 16_384;

interface CallMessage {
  readonly kind: "call";
  readonly channel: string;
  readonly id: number;
  readonly name: string;
  readonly args: readonly unknown[];
}

interface AnswerMessage {
  readonly kind: "answer";
  readonly channel: string;
  readonly id: number;
  readonly value?: unknown;
  readonly error?: { readonly code: string; readonly data: ErrorData; readonly message: string };
}

type PortMessage = CallMessage | AnswerMessage;

function isPortMessage(message: unknown): message is PortMessage {
  return (
    typeof message === "object" && message !== null && "kind" in message && "channel" in message
  );
}

/** Answers calls that arrive on `channel` of the port; returns a function that stops. */
export function serve(port: PortLike, channel: string, service: Service): () => void {
  const onMessage = (message: unknown): void => {
    if (!isPortMessage(message) || message.kind !== "call" || message.channel !== channel) return;
    void answer(port, message, service);
  };
  port.on("message", onMessage);
  return () => {
    port.off("message", onMessage);
  };
}

async function answer(port: PortLike, call: CallMessage, service: Service): Promise<void> {
  const { channel, id } = call;
  try {
    const handler = Object.hasOwn(service, call.name) ? service[call.name] : undefined;
    if (handler === undefined) throw new NodeError("INTERNAL", { call: call.name });
    const value = await handler(...call.args);
    port.postMessage({ kind: "answer", channel, id, value } satisfies AnswerMessage);
  } catch (cause) {
    const error =
      cause instanceof NodeError
        ? { code: cause.code, data: cause.data, message: cause.message }
        : {
            code: "INTERNAL",
            data: {},
            message: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause),
          };
    port.postMessage({ kind: "answer", channel, id, error } satisfies AnswerMessage);
  }
}

export interface PortClient<S> {
  readonly remote: Remote<S>;
  /** Fails every call in flight and every later one with `WORKER_FAILED`. */
  close(): void;
}

/** The calling side. More than `CALLS_IN_FLIGHT_MAX` unanswered calls throw `TIMEOUT` at once. */
export function connect<S extends object>(port: PortLike, channel: string): PortClient<S> {
  const waiting = new Map<
    number,
    { resolve: (value: unknown) => void; reject: (error: Error) => void }
  >();
  let nextId = 1;
  let closed = false;

  const onMessage = (message: unknown): void => {
    if (!isPortMessage(message) || message.kind !== "answer" || message.channel !== channel) return;
    const call = waiting.get(message.id);
    if (call === undefined) return;
    waiting.delete(message.id);
    if (message.error === undefined) call.resolve(message.value);
    else if (isErrorCode(message.error.code) && message.error.code !== "INTERNAL")
      call.reject(new NodeError(message.error.code, message.error.data));
    else call.reject(new NodeError("INTERNAL", {}, new Error(message.error.message)));
  };
  port.on("message", onMessage);

  const call = (name: string, args: readonly unknown[]): Promise<unknown> =>
    new Promise((resolve, reject) => {
      if (closed) {
        reject(new NodeError("WORKER_FAILED", { channel }));
        return;
      }
      if (waiting.size >= CALLS_IN_FLIGHT_MAX) {
        reject(new NodeError("TIMEOUT", { channel, inFlight: waiting.size }));
        return;
      }
      const id = nextId++;
      waiting.set(id, { resolve, reject });
      port.postMessage({ kind: "call", channel, id, name, args } satisfies CallMessage);
    });

  const remote = new Proxy({} as Remote<S>, {
    get: (_target, name) =>
      // A promise resolved with this proxy must not find a `then` on it.
      typeof name === "string" && name !== "then"
        ? (...args: unknown[]) => call(name, args)
        : undefined,
  });

  return {
    remote,
    close() {
      closed = true;
      port.off("message", onMessage);
      for (const { reject } of waiting.values())
        reject(new NodeError("WORKER_FAILED", { channel }));
      waiting.clear();
    },
  };
}
