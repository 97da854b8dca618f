/**
 * State and block overrides: what a simulated call pretends. Owns parsing; a member that is not
 * supported is refused, since leaving it out would give another answer.
 * Source: geth `internal/ethapi/override`.
 */
import type { Hex } from "../lanes/bytes.ts";
import { accept } from "../lanes/verdict.ts";
import type { AccountOverride, BlockOverrides } from "../node/execution/call.ts";
import { CALL_DATA_BYTES_MAX, OVERRIDE_ACCOUNTS_MAX, OVERRIDE_SLOTS_MAX } from "./limits.ts";
import type { Param, ParamVerdict } from "./method.ts";
import {
  bad,
  type Members,
  member,
  parseBytes,
  parseFixed,
  parseIndex,
  parseMembers,
  parseQuantity,
} from "./params.ts";

const ACCOUNT_MEMBERS = new Set(["balance", "nonce", "code", "state", "stateDiff"]);
const BLOCK_MEMBERS = new Set([
  ...["number", "time", "gasLimit", "feeRecipient", "prevRandao", "baseFeePerGas", "blobBaseFee"],
]);

type Slots = AccountOverride["slots"];

/** Members of an object that has no others than these. */
function parseKnown(
  value: unknown,
  known: ReadonlySet<string>,
  name: string,
): ParamVerdict<Members> {
  const members = parseMembers(value, name);
  if (!members.ok) return members;
  for (const [key, entry] of members.value)
    if (!known.has(key) && entry !== null)
      return bad(`${name}.${key.slice(0, 40)}`, "nothing: not supported");
  return members;
}

function parseSlots(value: unknown, name: string): ParamVerdict<Slots> {
  const members = parseMembers(value, name);
  if (!members.ok) return members;
  if (members.value.size > OVERRIDE_SLOTS_MAX)
    return bad(name, `at most ${OVERRIDE_SLOTS_MAX} slots`);
  const slots: { slot: Hex; value: bigint }[] = [];
  for (const [key, entry] of members.value) {
    const slot = parseFixed(key, 32, `${name} key`);
    if (!slot.ok) return slot;
    const word = parseFixed(entry, 32, `${name}[${slot.value}]`);
    if (!word.ok) return word;
    slots.push({ slot: slot.value, value: BigInt(word.value) });
  }
  return accept(slots);
}

function parseAccount(key: string, value: unknown): ParamVerdict<AccountOverride> {
  const address = parseFixed(key, 20, "overrides key");
  if (!address.ok) return address;
  const name = `overrides[${address.value}]`;
  const known = parseKnown(value, ACCOUNT_MEMBERS, name);
  if (!known.ok) return known;
  const members = known.value;
  const balance = member<bigint | null>(members, name, "balance", null, parseQuantity);
  if (!balance.ok) return balance;
  const nonce = member<bigint | null>(members, name, "nonce", null, parseIndexAsBigint);
  if (!nonce.ok) return nonce;
  const code = member<Uint8Array | null>(members, name, "code", null, (entry, at) =>
    parseBytes(entry, CALL_DATA_BYTES_MAX, at),
  );
  if (!code.ok) return code;
  const state = member<Slots | null>(members, name, "state", null, parseSlots);
  if (!state.ok) return state;
  const stateDiff = member<Slots | null>(members, name, "stateDiff", null, parseSlots);
  if (!stateDiff.ok) return stateDiff;
  if (state.value !== null && stateDiff.value !== null)
    return bad(`${name}.stateDiff`, "either state or stateDiff");
  return accept({
    address: address.value,
    balance: balance.value,
    nonce: nonce.value,
    code: code.value,
    storageReplaced: state.value !== null,
    slots: state.value ?? stateDiff.value ?? [],
  });
}

function parseIndexAsBigint(value: unknown, name: string): ParamVerdict<bigint> {
  const index = parseIndex(value, name);
  return index.ok ? accept(BigInt(index.value)) : index;
}

export function parseAccounts(value: unknown): ParamVerdict<readonly AccountOverride[]> {
  const members = parseMembers(value, "overrides");
  if (!members.ok) return members;
  if (members.value.size > OVERRIDE_ACCOUNTS_MAX)
    return bad("overrides", `at most ${OVERRIDE_ACCOUNTS_MAX} accounts`);
  const accounts: AccountOverride[] = [];
  let slots = 0;
  for (const [key, entry] of members.value) {
    const account = parseAccount(key, entry);
    if (!account.ok) return account;
    accounts.push(account.value);
    slots += account.value.slots.length;
  }
  return slots <= OVERRIDE_SLOTS_MAX
    ? accept(accounts)
    : bad("overrides", `at most ${OVERRIDE_SLOTS_MAX} slots`);
}

export function parseBlock(value: unknown): ParamVerdict<BlockOverrides> {
  const name = "blockOverrides";
  const known = parseKnown(value, BLOCK_MEMBERS, name);
  if (!known.ok) return known;
  const members = known.value;
  const number = member<number | null>(members, name, "number", null, parseIndex);
  if (!number.ok) return number;
  const timestamp = member<number | null>(members, name, "time", null, parseIndex);
  if (!timestamp.ok) return timestamp;
  const gasLimit = member<bigint | null>(members, name, "gasLimit", null, parseIndexAsBigint);
  if (!gasLimit.ok) return gasLimit;
  const hex = (key: string, size: number): ParamVerdict<Hex | null> =>
    member<Hex | null>(members, name, key, null, (entry, at) => parseFixed(entry, size, at));
  const beneficiary = hex("feeRecipient", 20);
  if (!beneficiary.ok) return beneficiary;
  const prevRandao = hex("prevRandao", 32);
  if (!prevRandao.ok) return prevRandao;
  const baseFee = member<bigint | null>(members, name, "baseFeePerGas", null, parseQuantity);
  if (!baseFee.ok) return baseFee;
  const blobBaseFee = member<bigint | null>(members, name, "blobBaseFee", null, parseQuantity);
  if (!blobBaseFee.ok) return blobBaseFee;
  return accept({
    number: number.value,
    timestamp: timestamp.value,
    gasLimit: gasLimit.value,
    beneficiary: beneficiary.value,
    prevRandao: prevRandao.value,
    baseFee: baseFee.value,
    blobBaseFee: blobBaseFee.value,
  });
}

/** Accounts by address, as a call is to see them. */
export const overridesParam: Param<readonly AccountOverride[]> = {
  name: "overrides",
  parse: parseAccounts,
  fallback: { value: [] },
};

/** The block as a call is to see it. */
export const blockOverridesParam: Param<BlockOverrides | null> = {
  name: "blockOverrides",
  parse: parseBlock,
  fallback: { value: null },
};
