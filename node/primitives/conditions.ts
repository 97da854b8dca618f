/**
 * What has to hold where a transaction is executed, or it is not: for
 * `eth_sendRawTransactionConditional`. Source: EIP-7796 (draft), and `priceEpochMin`.
 *
 * Owns their form, their bytes in the journal, and what they come to at a place. They are between a
 * client and the sequencer: nobody else knows them, and no rule of the chain looks at them.
 */
import { fromHex, type Hex, toHex } from "../../lanes/bytes.ts";
import {
  decodeRlp,
  encodeRlp,
  isRlpList,
  rlpIntegerBytes,
  type RlpItem,
  rlpSafeInteger,
} from "../../lanes/rlp.ts";
import { HISTORY_STORAGE } from "./predeploys.ts";

/** Slots of one transaction: each is read whenever it is tried. */
export const CONDITION_SLOTS_MAX = 64;

/** EIP-2935: the slot of the parent's hash may not be known yet where others are read. */
export function isUnreadable(address: Hex): boolean {
  return address === HISTORY_STORAGE;
}

/** A slot that has to have a value: 20, 32 and 32 bytes. */
export interface SlotCondition {
  readonly address: Hex;
  readonly slot: Hex;
  readonly value: Hex;
}

/** `null` for no bound. Times are of the block, Unix seconds. */
export interface TransactionConditions {
  readonly blockNumberMin: number | null;
  readonly blockNumberMax: number | null;
  readonly timestampMin: number | null;
  readonly timestampMax: number | null;
  /** The price epoch that must be applied before it, or a later one. */
  readonly priceEpochMin: number | null;
  /** At most `CONDITION_SLOTS_MAX`. */
  readonly slots: readonly SlotCondition[];
}

/** Where it would be executed. */
export interface ConditionPlace {
  readonly blockNumber: number;
  readonly timestamp: number;
  /** The epoch applied last. */
  readonly epoch: number;
  /** A slot's value now. */
  slot(address: Hex, slot: Hex): bigint;
}

/** `early` may become `met` later; `failed` never will, or only if somebody writes. */
export function judgeConditions(
  conditions: TransactionConditions,
  place: ConditionPlace,
): "met" | "early" | "failed" {
  const { blockNumberMin, blockNumberMax, timestampMin, timestampMax, priceEpochMin } = conditions;
  const { blockNumber, timestamp, epoch } = place;
  if (blockNumber > (blockNumberMax ?? Infinity) || timestamp > (timestampMax ?? Infinity))
    return "failed";
  const holds = ({ address, slot, value }: SlotCondition): boolean =>
    place.slot(address, slot) === BigInt(value);
  const isEarly =
    blockNumber < (blockNumberMin ?? 0) ||
    timestamp < (timestampMin ?? 0) ||
    epoch < (priceEpochMin ?? 0);
  if (isEarly) return "early";
  return conditions.slots.every(holds) ? "met" : "failed";
}

/** Canonical bytes. */
export function encodeConditions(conditions: TransactionConditions): Uint8Array {
  const { blockNumberMin, blockNumberMax, timestampMin, timestampMax } = conditions;
  const bound = (value: number | null): RlpItem => (value === null ? [] : [rlpIntegerBytes(value)]);
  return encodeRlp([
    ...[blockNumberMin, blockNumberMax, timestampMin, timestampMax].map(bound),
    bound(conditions.priceEpochMin),
    conditions.slots.map(({ address, slot, value }) => [address, slot, value].map(fromHex)),
  ]);
}

/** `null` for anything that `encodeConditions` does not give. */
export function decodeConditions(bytes: Uint8Array): TransactionConditions | null {
  const fields = decodeRlp(bytes, 3);
  if (!isRlpList(fields) || fields.length !== 6) return null;
  const bounds = fields.slice(0, 5).map(boundOf);
  const [blockNumberMin, blockNumberMax, timestampMin, timestampMax, priceEpochMin] = bounds;
  const list = fields[5];
  if (!isRlpList(list) || list.length > CONDITION_SLOTS_MAX) return null;
  const slots = list.map(slotOf);
  if (
    blockNumberMin === undefined ||
    blockNumberMax === undefined ||
    timestampMin === undefined ||
    timestampMax === undefined ||
    priceEpochMin === undefined ||
    !slots.every((slot) => slot !== null)
  )
    return null;
  const times = { timestampMin, timestampMax };
  return { blockNumberMin, blockNumberMax, ...times, priceEpochMin, slots };
}

/** `undefined` for what is no bound. */
function boundOf(item: RlpItem): number | null | undefined {
  if (!isRlpList(item) || item.length > 1) return undefined;
  if (item.length === 0) return null;
  return rlpSafeInteger(item[0]) ?? undefined;
}

function slotOf(item: RlpItem): SlotCondition | null {
  if (!isRlpList(item) || item.length !== 3) return null;
  const [address, slot, value] = item;
  if (!isBytes(address, 20) || !isBytes(slot, 32) || !isBytes(value, 32)) return null;
  if (isUnreadable(toHex(address))) return null;
  return { address: toHex(address), slot: toHex(slot), value: toHex(value) };
}

function isBytes(item: RlpItem | undefined, size: number): item is Uint8Array {
  return item instanceof Uint8Array && item.length === size;
}
