/** Calls methods as a client does: through the dispatcher, as text. */
import { silentLogger } from "../../node/log.ts";
import type { RpcContext } from "../../rpc/context.ts";
import { createDispatcher, type Dispatcher } from "../../rpc/dispatch.ts";
import type { RpcError } from "../../rpc/error.ts";
import { DEFAULT_LIMITS, type RpcLimits } from "../../rpc/limits.ts";
import type { Caller, Methods } from "../../rpc/method.ts";
import { createMethods } from "../../rpc/methods.ts";
import { createFakeChain } from "./fixture-chain.ts";
import { createContext, createFakeNode } from "./fixture-node.ts";

export interface Answer {
  readonly id: unknown;
  readonly result?: unknown;
  readonly error?: RpcError;
}

export function dispatcherOf(methods: Methods, limits: Partial<RpcLimits> = {}): Dispatcher {
  return createDispatcher({
    methods,
    limits: { ...DEFAULT_LIMITS, ...limits },
    log: silentLogger,
  });
}

/** Sends text, returns what came back as JSON; `undefined` for no answer. */
export async function sendText(
  dispatcher: Dispatcher,
  text: string | Uint8Array,
  caller: Caller = null,
): Promise<unknown> {
  const body = typeof text === "string" ? new TextEncoder().encode(text) : text;
  const answer = await dispatcher.dispatch(body, caller);
  return answer === null ? undefined : (JSON.parse(answer) as unknown);
}

/** One call. */
export async function call(
  dispatcher: Dispatcher,
  method: string,
  params: readonly unknown[] = [],
  caller: Caller = null,
): Promise<Answer> {
  const request = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  return (await sendText(dispatcher, request, caller)) as Answer;
}

/** The fixture's chain and node behind all methods. */
export async function createFixture(change: (context: RpcContext) => RpcContext = (c) => c) {
  const chain = await createFakeChain();
  const node = createFakeNode();
  const context = change(createContext(chain, node));
  const dispatcher = dispatcherOf(createMethods(context));
  return {
    chain,
    node,
    context,
    dispatcher,
    call: (method: string, params: readonly unknown[] = []) => call(dispatcher, method, params),
    /** The result of a call that must succeed. */
    result: async (method: string, params: readonly unknown[] = []): Promise<unknown> => {
      const answer = await call(dispatcher, method, params);
      if (answer.error !== undefined) throw new Error(JSON.stringify(answer.error));
      return answer.result;
    },
  };
}
