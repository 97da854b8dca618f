/**
 * Traces of calls: what `debug_trace*` methods are asked, and the tree of calls in geth's JSON.
 * Source: geth `eth/tracers/api.go`, `eth/tracers/native/call.go`.
 */
import { toHex } from "../lanes/bytes.ts";
import { accept } from "../lanes/verdict.ts";
import type { CallOverrides } from "../node/execution/call.ts";
import type { CallFrame, TracedLog, TraceOptions } from "../node/execution/trace.ts";
import { type JsonObject, quantity } from "./codec.ts";
import { revertReason } from "./error.ts";
import { TRACE_BYTES_MAX } from "./limits.ts";
import type { Param, ParamVerdict } from "./method.ts";
import { parseAccounts, parseBlock } from "./overrides.ts";
import { bad, member, type Members, parseMembers } from "./params.ts";

/** What a tracer is told; overrides are for calls only. */
export interface TraceConfig {
  readonly options: TraceOptions;
  readonly overrides: CallOverrides;
}

const TRACER_EXPECTED = '"callTracer": there is no other here';

const parseFlag = (value: unknown, name: string): ParamVerdict<boolean> =>
  typeof value === "boolean" ? accept(value) : bad(name, "true or false");

function parseOptions(members: Members): ParamVerdict<TraceOptions> {
  if (members.get("tracer") !== "callTracer") return bad("config.tracer", TRACER_EXPECTED);
  const config = parseMembers(members.get("tracerConfig") ?? {}, "config.tracerConfig");
  if (!config.ok) return config;
  const flag = (key: string): ParamVerdict<boolean> =>
    member(config.value, "config.tracerConfig", key, false, parseFlag);
  const onlyTopCall = flag("onlyTopCall");
  if (!onlyTopCall.ok) return onlyTopCall;
  const withLog = flag("withLog");
  if (!withLog.ok) return withLog;
  const bytesMax = TRACE_BYTES_MAX;
  return accept({ onlyTopCall: onlyTopCall.value, withLog: withLog.value, bytesMax });
}

/**
 * The last parameter. geth's default is a log of every opcode, which costs more than a node that
 * serves others should pay: so a tracer must be named.
 */
export const traceConfigParam: Param<TraceConfig> = {
  name: "config",
  parse(value) {
    const members = parseMembers(value, "config");
    if (!members.ok) return members;
    const options = parseOptions(members.value);
    if (!options.ok) return options;
    const accounts = parseAccounts(members.value.get("stateOverrides") ?? {});
    if (!accounts.ok) return accounts;
    const block = parseBlock(members.value.get("blockOverrides") ?? {});
    if (!block.ok) return block;
    const overrides = { accounts: accounts.value, block: block.value };
    return accept({ options: options.value, overrides });
  },
};

function logToJson({ address, topics, data, index, position }: TracedLog): JsonObject {
  return {
    address,
    topics,
    data: toHex(data),
    index: quantity(index),
    position: quantity(position),
  };
}

/** Calls nest 1024 deep at most: the EVM's own limit. */
export function frameToJson(frame: CallFrame): JsonObject {
  const { from, to, value, error, output, calls, logs } = frame;
  const reason = error === null ? null : revertReason(output);
  return {
    from,
    gas: quantity(frame.gas),
    gasUsed: quantity(frame.gasUsed),
    ...(to === null ? {} : { to }),
    input: toHex(frame.input),
    ...(output.length === 0 ? {} : { output: toHex(output) }),
    ...(error === null ? {} : { error }),
    ...(reason === null ? {} : { revertReason: reason }),
    ...(calls.length === 0 ? {} : { calls: calls.map(frameToJson) }),
    ...(logs.length === 0 ? {} : { logs: logs.map(logToJson) }),
    ...(value === null ? {} : { value: quantity(value) }),
    type: frame.type,
  };
}
