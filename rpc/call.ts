/**
 * Simulated calls: the call object of `eth_call`, `eth_estimateGas` and `debug_traceCall` as a
 * `CallRequest`, and their outcome as results and errors.
 * Source: geth `internal/ethapi/transaction_args.go`.
 */
import { bytesEqual, type Hex, toHex, ZERO_ADDRESS } from "../lanes/bytes.ts";
import { accept, type Verdict } from "../lanes/verdict.ts";
import { type ErrorCode, NodeError } from "../node/errors.ts";
import type { CallRequest, CallResult } from "../node/execution/call.ts";
import type { AccessListEntry, Authorization } from "../node/primitives/transaction.ts";
import {
  ACCESS_LIST_MAX,
  AUTHORIZATIONS_MAX,
  CALL_DATA_BYTES_MAX,
  CALL_GAS_MAX,
} from "./limits.ts";
import type { Param, ParamVerdict } from "./method.ts";
import {
  bad,
  type Members,
  member,
  parseBytes,
  parseFixed,
  parseIndex,
  parseList,
  parseMembers,
  parseQuantity,
} from "./params.ts";

/** A call object, checked but for what depends on the block. */
export interface CallArgs {
  readonly request: CallRequest;
  readonly chainId: bigint | null;
}

const MEMBERS: ReadonlySet<string> = new Set([
  ...["from", "to", "gas", "gasPrice", "maxFeePerGas", "maxPriorityFeePerGas", "value", "data"],
  ...["input", "nonce", "chainId", "accessList", "authorizationList", "type"],
]);

const address = (value: unknown, name: string): ParamVerdict<Hex> => parseFixed(value, 20, name);
const bytes = (value: unknown, name: string): ParamVerdict<Uint8Array> =>
  parseBytes(value, CALL_DATA_BYTES_MAX, name);

function parseCall(value: unknown): ParamVerdict<CallArgs> {
  const parsed = parseMembers(value, "call");
  if (!parsed.ok) return parsed;
  const members = parsed.value;
  for (const [name, entry] of members)
    if (!MEMBERS.has(name) && entry !== null && !(Array.isArray(entry) && entry.length === 0))
      return bad(`call.${name.slice(0, 40)}`, `nothing: not supported in a simulated call`);
  const from = member(members, "call", "from", ZERO_ADDRESS, address);
  if (!from.ok) return from;
  const to = member<Hex | null>(members, "call", "to", null, address);
  if (!to.ok) return to;
  const data = parseData(members);
  if (!data.ok) return data;
  const value_ = member(members, "call", "value", 0n, parseQuantity);
  if (!value_.ok) return value_;
  const gas = member(members, "call", "gas", CALL_GAS_MAX, parseQuantity);
  if (!gas.ok) return gas;
  const chainId = member<bigint | null>(members, "call", "chainId", null, parseQuantity);
  if (!chainId.ok) return chainId;
  const fees = parseFees(members);
  if (!fees.ok) return fees;
  const lists = parseLists(members, to.value);
  if (!lists.ok) return lists;
  const request: CallRequest = {
    from: from.value,
    to: to.value,
    data: data.value,
    value: value_.value,
    gasLimit: gas.value < CALL_GAS_MAX ? gas.value : CALL_GAS_MAX,
    ...fees.value,
    ...lists.value,
  };
  return accept({ request, chainId: chainId.value });
}

function parseData(members: Members): ParamVerdict<Uint8Array> {
  const data = member<Uint8Array | null>(members, "call", "data", null, bytes);
  if (!data.ok) return data;
  const input = member<Uint8Array | null>(members, "call", "input", null, bytes);
  if (!input.ok) return input;
  if (data.value !== null && input.value !== null && !bytesEqual(data.value, input.value))
    return bad("call.input", "the same bytes as call.data, or only one of the two");
  return accept(input.value ?? data.value ?? new Uint8Array(0));
}

function parseFees(members: Members): ParamVerdict<Pick<CallRequest, "feeCap" | "tip">> {
  const price = member<bigint | null>(members, "call", "gasPrice", null, parseQuantity);
  if (!price.ok) return price;
  const cap = member<bigint | null>(members, "call", "maxFeePerGas", null, parseQuantity);
  if (!cap.ok) return cap;
  const tip = member<bigint | null>(members, "call", "maxPriorityFeePerGas", null, parseQuantity);
  if (!tip.ok) return tip;
  if (price.value === null) return accept({ feeCap: cap.value ?? 0n, tip: tip.value ?? 0n });
  return cap.value === null && tip.value === null
    ? accept({ feeCap: price.value, tip: null })
    : bad("call.gasPrice", "either gasPrice, or maxFeePerGas with maxPriorityFeePerGas");
}

type Lists = Pick<CallRequest, "accessList" | "authorizationList">;

function parseLists(members: Members, to: Hex | null): ParamVerdict<Lists> {
  const accessList = member<Lists["accessList"]>(
    members,
    "call",
    "accessList",
    [],
    parseAccessList,
  );
  if (!accessList.ok) return accessList;
  const authorizationList = member<Lists["authorizationList"]>(
    members,
    "call",
    "authorizationList",
    [],
    (value, name) => parseList(value, AUTHORIZATIONS_MAX, name, parseAuthorization),
  );
  if (!authorizationList.ok) return authorizationList;
  if (to === null && authorizationList.value.length > 0)
    return bad("call.authorizationList", "nothing in a call that creates a contract");
  return accept({ accessList: accessList.value, authorizationList: authorizationList.value });
}

function parseAccessList(value: unknown, name: string): ParamVerdict<readonly AccessListEntry[]> {
  return parseList(value, ACCESS_LIST_MAX, name, (entry, at) => {
    const members = parseMembers(entry, at);
    if (!members.ok) return members;
    const account = parseFixed(members.value.get("address"), 20, `${at}.address`);
    if (!account.ok) return account;
    const slots = members.value.get("storageKeys") ?? [];
    const storageKeys = parseList(slots, ACCESS_LIST_MAX, `${at}.storageKeys`, (slot, slotAt) =>
      parseFixed(slot, 32, slotAt),
    );
    if (!storageKeys.ok) return storageKeys;
    return accept({ address: account.value, storageKeys: storageKeys.value });
  });
}

function parseAuthorization(value: unknown, at: string): ParamVerdict<Authorization> {
  const members = parseMembers(value, at);
  if (!members.ok) return members;
  const field = (name: string): unknown => members.value.get(name);
  const delegate = parseFixed(field("address"), 20, `${at}.address`);
  if (!delegate.ok) return delegate;
  const yParity = parseIndex(field("yParity"), `${at}.yParity`);
  if (!yParity.ok) return yParity;
  const numbers: bigint[] = [];
  for (const name of ["chainId", "nonce", "r", "s"]) {
    const number = parseQuantity(field(name), `${at}.${name}`);
    if (!number.ok) return number;
    numbers.push(number.value);
  }
  const [chainId = 0n, nonce = 0n, r = 0n, s = 0n] = numbers;
  return accept({ chainId, address: delegate.value, nonce, yParity: yParity.value, r, s });
}

/** The call object; a member that would change the outcome and is not supported is refused. */
export const callParam: Param<CallArgs> = { name: "call", parse: parseCall };

/** The request for this chain. Throws `CHAIN_ID_MISMATCH`. */
export function requestFor({ request, chainId }: CallArgs, expected: number): CallRequest {
  if (chainId !== null && chainId !== BigInt(expected))
    throw new NodeError("CHAIN_ID_MISMATCH", { expected });
  return request;
}

/** The value of a verdict; what it refuses is thrown. */
export function valueOf<T>(verdict: Verdict<T, ErrorCode>): T {
  if (!verdict.ok) throw new NodeError(verdict.code, verdict.data);
  return verdict.value;
}

/**
 * Return data of a call. Throws `EXECUTION_REVERTED` with the revert data, or `EXECUTION_FAILED`.
 */
export function callOutput(result: CallResult): Hex {
  if (result.success) return toHex(result.output);
  throw result.error === "revert"
    ? new NodeError("EXECUTION_REVERTED", { output: toHex(result.output) })
    : new NodeError("EXECUTION_FAILED", { reason: result.error ?? "unknown" });
}
