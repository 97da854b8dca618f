/**
 * The conditions of `eth_sendRawTransactionConditional`: what has to hold where a transaction is
 * executed. Owns the parameter's form. Source: EIP-7796 (draft).
 */
import { accept } from "../lanes/verdict.ts";
import {
  CONDITION_SLOTS_MAX,
  isUnreadable,
  type SlotCondition,
  type TransactionConditions,
} from "../node/primitives/conditions.ts";
import type { Param, ParamVerdict } from "./method.ts";
import { bad, member, parseFixed, parseIndex, parseMembers } from "./params.ts";

const NAME = "conditions";
const BOUNDS = [
  "blockNumberMin",
  "blockNumberMax",
  "timestampMin",
  "timestampMax",
  "priceEpochMin",
] as const;
const KEYS: ReadonlySet<string> = new Set([...BOUNDS, "knownAccounts"]);

/** `{blockNumberMin?, blockNumberMax?, timestampMin?, timestampMax?, priceEpochMin?, knownAccounts?}`. */
export const conditionsParam: Param<TransactionConditions> = {
  name: NAME,
  parse(value) {
    const members = parseMembers(value, NAME);
    if (!members.ok) return members;
    // One that is not understood would not be kept.
    const strange = [...members.value.keys()].find((key) => !KEYS.has(key));
    if (strange !== undefined) return bad(`${NAME}.${strange}`, "no such condition");
    const bounds: Record<string, number | null> = {};
    for (const key of BOUNDS) {
      const bound = member<number | null>(members.value, NAME, key, null, parseIndex);
      if (!bound.ok) return bound;
      bounds[key] = bound.value;
    }
    const slots = parseKnownAccounts(members.value.get("knownAccounts"));
    if (!slots.ok) return slots;
    return accept({
      ...(bounds as Record<(typeof BOUNDS)[number], number | null>),
      ...slots.value,
    });
  },
};

/** `{address: {slot: value}}`; a storage root instead of slots is nothing that an open block has. */
function parseKnownAccounts(
  value: unknown,
): ParamVerdict<{ readonly slots: readonly SlotCondition[] }> {
  const name = `${NAME}.knownAccounts`;
  if (value === undefined || value === null) return accept({ slots: [] });
  const accounts = parseMembers(value, name);
  if (!accounts.ok) return accounts;
  const slots: SlotCondition[] = [];
  for (const [key, known] of accounts.value) {
    const address = parseFixed(key, 20, name);
    if (!address.ok) return address;
    if (isUnreadable(address.value))
      return bad(`${name}.${key}`, "another contract: this one knows block hashes alone");
    const values = parseMembers(known, `${name}.${key}`);
    if (!values.ok) return bad(`${name}.${key}`, "slots with their values; no storage root");
    for (const [at, expected] of values.value) {
      const slot = parseFixed(at, 32, `${name}.${key}`);
      if (!slot.ok) return slot;
      const word = parseFixed(expected, 32, `${name}.${key}.${at}`);
      if (!word.ok) return word;
      slots.push({ address: address.value, slot: slot.value, value: word.value });
      if (slots.length > CONDITION_SLOTS_MAX)
        return bad(name, `at most ${CONDITION_SLOTS_MAX} slots`);
    }
  }
  return accept({ slots });
}
