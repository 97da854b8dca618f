/**
 * Simulated calls: the call object of `eth_call` and `eth_estimateGas` as a `CallRequest`, and
 * their outcome as results and errors. Source: geth `internal/ethapi/transaction_args.go`.
 */
import { bytesEqual, type Hex, toHex, ZERO_ADDRESS } from "../lanes/bytes.ts";
import { accept } from "../lanes/verdict.ts";
import { NodeError } from "../node/errors.ts";
import type { CallRequest, CallResult } from "../node/execution/engine.ts";
import type { Header } from "../node/primitives/header.ts";
import { CALL_DATA_BYTES_MAX, CALL_GAS_MAX } from "./limits.ts";
import type { Param, ParamVerdict } from "./method.ts";
import { bad, parseBytes, parseFixed, parseList, parseMembers, parseQuantity } from "./params.ts";

/** EIP-2930 intrinsic gas. */
const ACCESS_ADDRESS_GAS = 2400n;
const ACCESS_SLOT_GAS = 1900n;
const ACCESS_LIST_MAX = 1024;

/** A call object, checked but for what depends on the block. */
export interface CallArgs {
  readonly from: Hex;
  readonly to: Hex | null;
  readonly data: Uint8Array;
  readonly value: bigint;
  readonly gasLimit: bigint;
  /** wei per gas: the most the caller would pay; 0 where nothing is said. */
  readonly feeCap: bigint;
  /** wei per gas above the base fee; `null` for a legacy price. */
  readonly tip: bigint | null;
  readonly chainId: bigint | null;
  /** Gas that the access list costs before the first instruction. */
  readonly accessListGas: bigint;
}

type Members = ReadonlyMap<string, unknown>;

const MEMBERS: ReadonlySet<string> = new Set([
  ...["from", "to", "gas", "gasPrice", "maxFeePerGas", "maxPriorityFeePerGas", "value", "data"],
  ...["input", "nonce", "chainId", "accessList", "type"],
]);

/** Absent and `null` are the same, as in geth. */
function member<T>(
  members: Members,
  name: string,
  fallback: T,
  parse: (value: unknown, name: string) => ParamVerdict<T>,
): ParamVerdict<T> {
  const value = members.get(name) ?? null;
  return value === null ? accept(fallback) : parse(value, `call.${name}`);
}

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
  const from = member(members, "from", ZERO_ADDRESS, address);
  if (!from.ok) return from;
  const to = member<Hex | null>(members, "to", null, address);
  if (!to.ok) return to;
  const data = parseData(members);
  if (!data.ok) return data;
  const value_ = member(members, "value", 0n, parseQuantity);
  if (!value_.ok) return value_;
  const gas = member(members, "gas", CALL_GAS_MAX, parseQuantity);
  if (!gas.ok) return gas;
  const chainId = member<bigint | null>(members, "chainId", null, parseQuantity);
  if (!chainId.ok) return chainId;
  const fees = parseFees(members);
  if (!fees.ok) return fees;
  const accessListGas = member(members, "accessList", 0n, parseAccessListGas);
  if (!accessListGas.ok) return accessListGas;
  return accept({
    from: from.value,
    to: to.value,
    data: data.value,
    value: value_.value,
    gasLimit: gas.value < CALL_GAS_MAX ? gas.value : CALL_GAS_MAX,
    ...fees.value,
    chainId: chainId.value,
    accessListGas: accessListGas.value,
  });
}

function parseData(members: Members): ParamVerdict<Uint8Array> {
  const data = member<Uint8Array | null>(members, "data", null, bytes);
  if (!data.ok) return data;
  const input = member<Uint8Array | null>(members, "input", null, bytes);
  if (!input.ok) return input;
  if (data.value !== null && input.value !== null && !bytesEqual(data.value, input.value))
    return bad("call.input", "the same bytes as call.data, or only one of the two");
  return accept(input.value ?? data.value ?? new Uint8Array(0));
}

function parseFees(members: Members): ParamVerdict<Pick<CallArgs, "feeCap" | "tip">> {
  const price = member<bigint | null>(members, "gasPrice", null, parseQuantity);
  if (!price.ok) return price;
  const cap = member<bigint | null>(members, "maxFeePerGas", null, parseQuantity);
  if (!cap.ok) return cap;
  const tip = member<bigint | null>(members, "maxPriorityFeePerGas", null, parseQuantity);
  if (!tip.ok) return tip;
  if (price.value === null) return accept({ feeCap: cap.value ?? 0n, tip: tip.value ?? 0n });
  return cap.value === null && tip.value === null
    ? accept({ feeCap: price.value, tip: null })
    : bad("call.gasPrice", "either gasPrice, or maxFeePerGas with maxPriorityFeePerGas");
}

function parseAccessListGas(value: unknown, name: string): ParamVerdict<bigint> {
  const entries = parseList(value, ACCESS_LIST_MAX, name, (entry, at) => {
    const members = parseMembers(entry, at);
    if (!members.ok) return members;
    const account = parseFixed(members.value.get("address"), 20, `${at}.address`);
    if (!account.ok) return account;
    const slots = members.value.get("storageKeys") ?? [];
    return parseList(slots, ACCESS_LIST_MAX, `${at}.storageKeys`, (slot, slotAt) =>
      parseFixed(slot, 32, slotAt),
    );
  });
  if (!entries.ok) return entries;
  let gas = 0n;
  for (const slots of entries.value)
    gas += ACCESS_ADDRESS_GAS + BigInt(slots.length) * ACCESS_SLOT_GAS;
  return accept(gas);
}

/** The call object; a member that would change the outcome and is not supported is refused. */
export const callParam: Param<CallArgs> = { name: "call", parse: parseCall };

/** State and block overrides change what a call sees: refused unless empty. */
export const overridesParam: Param<null> = {
  name: "overrides",
  parse: (value) =>
    typeof value === "object" && value !== null && Object.keys(value).length === 0
      ? accept(null)
      : bad("overrides", "nothing: overrides are not supported"),
  fallback: { value: null },
};

/**
 * The request to run on a block. Throws `CHAIN_ID_MISMATCH`, `FEE_CAP_TOO_LOW`,
 * `TIP_ABOVE_FEE_CAP`.
 */
export function toCallRequest(args: CallArgs, header: Header, chainId: number): CallRequest {
  if (args.chainId !== null && args.chainId !== BigInt(chainId))
    throw new NodeError("CHAIN_ID_MISMATCH", { expected: chainId });
  const { from, to, data, value, gasLimit } = args;
  return { from, to, data, value, gasLimit, gasPrice: gasPriceOf(args, header.baseFeePerGas) };
}

/** 0 where nothing is offered: then neither fee nor balance is checked, as geth does. */
function gasPriceOf({ feeCap, tip }: CallArgs, baseFee: bigint): bigint {
  if (feeCap === 0n) return 0n;
  if (tip !== null && tip > feeCap) throw new NodeError("TIP_ABOVE_FEE_CAP");
  if (feeCap < baseFee) throw new NodeError("FEE_CAP_TOO_LOW", { baseFee: baseFee.toString() });
  if (tip === null) return feeCap;
  return baseFee + tip < feeCap ? baseFee + tip : feeCap;
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
