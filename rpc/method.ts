/**
 * What a JSON-RPC method is: typed parameters and a function. Owns positional parameters: their
 * count, what may be left out, and the error that names the bad one.
 */
import { accept, refuse, type Verdict } from "../lanes/verdict.ts";

export type ParamVerdict<T> = Verdict<T, "PARAMS_INVALID">;

/** One positional parameter. */
export interface Param<T> {
  readonly name: string;
  readonly parse: (value: unknown) => ParamVerdict<T>;
  /** The value where it is left out or `null`; without it the parameter is required. */
  readonly fallback?: { readonly value: T };
}

/** Who calls: what a subscription is bound to. Only WebSocket connections are one. */
export interface Subscriber {
  /** Sends an encoded message; a subscriber that does not keep up is disconnected. */
  send(text: string): void;
}

/** What a method may know of its caller: `null` over HTTP. */
export type Caller = Subscriber | null;

export interface Method {
  /** Checks the parameters and runs; a refusal is the parameters' fault. */
  call(params: readonly unknown[], caller: Caller): Verdict<unknown, "PARAMS_INVALID">;
}

export type Methods = Readonly<Record<string, Method>>;

type ArgsOf<P extends readonly Param<unknown>[]> = {
  readonly [K in keyof P]: P[K] extends Param<infer T> ? T : never;
};

/** A method from its parameters and its function; the function's result may be a promise. */
export function method<const P extends readonly Param<unknown>[]>(
  params: P,
  run: (args: ArgsOf<P>, caller: Caller) => unknown,
): Method {
  return {
    call(values, caller) {
      if (values.length > params.length)
        return refuse("PARAMS_INVALID", {
          parameter: "params",
          expected: `${params.length} at most`,
        });
      const args: unknown[] = [];
      for (const [index, param] of params.entries()) {
        const value = values[index];
        const omitted = value === undefined || value === null;
        if (omitted && param.fallback !== undefined) {
          args.push(param.fallback.value);
          continue;
        }
        if (omitted)
          return refuse("PARAMS_INVALID", { parameter: param.name, expected: "a value" });
        const parsed = param.parse(value);
        if (!parsed.ok) return parsed;
        args.push(parsed.value);
      }
      return accept(run(args as unknown as ArgsOf<P>, caller));
    },
  };
}

/** The parameter, but it may be left out. */
export function optional<T, F>(param: Param<T>, value: F): Param<T | F> {
  return { ...param, fallback: { value } };
}
