/**
 * JSON-RPC 2.0: text in, text out. Owns the envelope, batches, notifications, and the bounds on
 * work and answers. Does not own transports nor methods.
 *
 * No input throws: what is wrong with a request is its answer. Method names and members are looked
 * up as own properties, so nothing a request says reaches a prototype.
 * Source: jsonrpc.org/specification; ids are strings, safe numbers, or null.
 */
import { setImmediate } from "node:timers/promises";
import type { Logger } from "../node/log.ts";
import { isInternal, type RpcError, rpcError, toRpcError } from "./error.ts";
import type { RpcLimits } from "./limits.ts";
import type { Caller, Methods } from "./method.ts";

export interface DispatchDeps {
  readonly methods: Methods;
  readonly limits: RpcLimits;
  readonly log: Logger;
}

export interface Dispatcher {
  /** Answers one request or batch; `null` where nothing is answered (notifications only). */
  dispatch(body: Uint8Array, caller: Caller): Promise<string | null>;
  /** Requests in work now. */
  inFlight(): number;
}

type Id = string | number | null;

/** Characters of an unknown method's name that its error repeats. */
const METHOD_NAME_SHOWN_MAX = 64;

/** The answer to something that is no request at all. */
export function errorAnswer(id: Id, error: RpcError): string {
  return JSON.stringify({ jsonrpc: "2.0", id, error });
}

const isId = (value: unknown): value is Id =>
  value === null ||
  typeof value === "string" ||
  // A number that JSON.parse has rounded would come back as another id.
  (typeof value === "number" &&
    (Number.isSafeInteger(value) || (Number.isFinite(value) && !Number.isInteger(value))));

interface Request {
  /** `undefined` for a notification. */
  readonly id: Id | undefined;
  readonly method: string;
  /** `null` for parameters by name, which no method here takes. */
  readonly params: readonly unknown[] | null;
}

type ParsedRequest =
  | { readonly ok: true; readonly request: Request }
  | { readonly ok: false; readonly id: Id; readonly error: RpcError };

function parseRequest(value: unknown): ParsedRequest {
  const invalid = (reason: string, id: Id = null): ParsedRequest => ({
    ok: false,
    id,
    error: rpcError("REQUEST_INVALID", { reason }),
  });
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return invalid("expected an object");
  const members = new Map<string, unknown>(Object.entries(value));
  const id = members.get("id");
  if (members.has("id") && !isId(id)) return invalid("id is a string, a safe number, or null");
  const known = members.has("id") ? (id as Id) : undefined;
  if (members.get("jsonrpc") !== "2.0") return invalid('jsonrpc is "2.0"', known);
  const method = members.get("method");
  if (typeof method !== "string") return invalid("method is a string", known);
  const params = members.get("params") ?? [];
  if (typeof params !== "object") return invalid("params is a list", known);
  return {
    ok: true,
    request: { id: known, method, params: Array.isArray(params) ? params : null },
  };
}

/** Creates the dispatcher of one thread; its bound on requests in work is over all transports. */
export function createDispatcher(deps: DispatchDeps): Dispatcher {
  const { limits } = deps;
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let inFlight = 0;
  let lastTurn: Promise<unknown> = Promise.resolve();

  /**
   * A turn of the event loop for each entry of a batch: whoever sends one transaction does not wait
   * until the senders of hundreds are recovered.
   */
  function takeTurn(): Promise<unknown> {
    lastTurn = lastTurn.then(() => setImmediate());
    return lastTurn;
  }

  async function answerOne(value: unknown, caller: Caller): Promise<string | null> {
    const parsed = parseRequest(value);
    if (!parsed.ok) return errorAnswer(parsed.id, parsed.error);
    const { id, method } = parsed.request;
    if (inFlight >= limits.requestsMax)
      return id === undefined
        ? null
        : errorAnswer(id, rpcError("LIMIT_EXCEEDED", { requestsInWork: inFlight }));
    inFlight++;
    try {
      const answer = await run(deps, parsed.request, caller);
      if (id === undefined) return null;
      return answer.length <= limits.responseBytesMax ? answer : tooLarge(id, limits);
    } catch (error) {
      const object = toRpcError(error);
      if (isInternal(object))
        deps.log.error("rpc method failed", { method, error: describe(error) });
      return id === undefined ? null : errorAnswer(id, object);
    } finally {
      inFlight--;
    }
  }

  return {
    inFlight: () => inFlight,
    async dispatch(body, caller) {
      let value: unknown;
      try {
        value = JSON.parse(decoder.decode(body));
      } catch {
        // Invalid UTF-8 or JSON; the parser's message would only quote the input.
        return errorAnswer(null, rpcError("PARSE_ERROR"));
      }
      if (!Array.isArray(value)) return answerOne(value, caller);
      if (value.length === 0)
        return errorAnswer(null, rpcError("REQUEST_INVALID", { reason: "the batch is empty" }));
      if (value.length > limits.batchMax)
        return errorAnswer(null, rpcError("REQUEST_TOO_LARGE", { batchMax: limits.batchMax }));
      return answerBatch(value, limits, async (entry) => {
        await takeTurn();
        return answerOne(entry, caller);
      });
    },
  };
}

/** Runs a batch, a few at a time; entries after the answer is full are refused, not run. */
async function answerBatch(
  entries: readonly unknown[],
  limits: RpcLimits,
  answerOne: (entry: unknown) => Promise<string | null>,
): Promise<string | null> {
  const answers: (string | null)[] = Array.from(entries, () => null);
  let bytes = 0;
  let next = 0;
  const runner = async (): Promise<void> => {
    while (next < entries.length) {
      const index = next++;
      const entry = entries[index];
      const answer = bytes > limits.responseBytesMax ? null : await answerOne(entry);
      bytes += answer?.length ?? 0;
      answers[index] =
        bytes <= limits.responseBytesMax || isNotification(entry)
          ? answer
          : tooLarge(idOf(entry), limits);
    }
  };
  await Promise.all(
    Array.from({ length: Math.min(limits.concurrencyMax, entries.length) }, runner),
  );
  const given = answers.filter((answer) => answer !== null);
  return given.length === 0 ? null : `[${given.join(",")}]`;
}

function isNotification(entry: unknown): boolean {
  const parsed = parseRequest(entry);
  return parsed.ok && parsed.request.id === undefined;
}

function idOf(entry: unknown): Id {
  const parsed = parseRequest(entry);
  return parsed.ok ? (parsed.request.id ?? null) : parsed.id;
}

const tooLarge = (id: Id, limits: RpcLimits): string =>
  errorAnswer(id, rpcError("LIMIT_EXCEEDED", { responseBytesMax: limits.responseBytesMax }));

/** Runs one request to its encoded answer. Throws what the method throws. */
async function run({ methods }: DispatchDeps, request: Request, caller: Caller): Promise<string> {
  const { id = null, method, params } = request;
  const found = Object.hasOwn(methods, method) ? methods[method] : undefined;
  if (found === undefined) {
    const name = method.slice(0, METHOD_NAME_SHOWN_MAX);
    return errorAnswer(id, rpcError("METHOD_NOT_FOUND", { method: name }));
  }
  if (params === null)
    return errorAnswer(id, rpcError("PARAMS_INVALID", { parameter: "params", expected: "a list" }));
  const called = found.call(params, caller);
  if (!called.ok) return errorAnswer(id, rpcError(called.code, called.data));
  const result = (await called.value) ?? null;
  return JSON.stringify({ jsonrpc: "2.0", id, result });
}

/** For the log: with the cause, which is where an error of another thread says what happened. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  return [error.stack, cause instanceof Error ? cause.message : undefined].join("\n");
}
