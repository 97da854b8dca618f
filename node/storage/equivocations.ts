/**
 * Pairs of blocks that the sequencer signed for one position: what is left of a broken promise.
 *
 * Owns the records' bytes and how many there are. They stay when their blocks are taken back, and
 * are never pruned; the first ones are kept, because one is enough to show and the sequencer itself
 * could make more for ever.
 *
 *   rlp([number, first, second, orderHashes, flashblockSignatures])      in slots 0, 1, 2 …
 */
import { fromHex } from "../../lanes/bytes.ts";
import { rlpIntegerBytes } from "../../lanes/rlp.ts";
import type { Operation, RecordView } from "./database.ts";
import { encodeFields, FieldReader } from "./fields.ts";
import { equivocationKey } from "./keys.ts";
import type { EquivocationRecord } from "./store.ts";

/** Of two blocks of at most 900,000 bytes each. */
export const EQUIVOCATIONS_MAX = 16;
const SIGNATURE_BYTES = 65;

/** The next free slot's record; none where all are taken. */
export function equivocationOperations(view: RecordView, record: EquivocationRecord): Operation[] {
  const slot = readEquivocations(view).length;
  if (slot >= EQUIVOCATIONS_MAX) return [];
  const { number, blocks, orderHashes, flashblockSignatures } = record;
  const payload = encodeFields([
    rlpIntegerBytes(number),
    ...blocks,
    orderHashes.map(fromHex),
    [...flashblockSignatures],
  ]);
  return [{ key: equivocationKey(slot), payload }];
}

/** In the order in which they were found. Errors: `STORAGE_CORRUPT`. */
export function readEquivocations(view: RecordView): EquivocationRecord[] {
  const records: EquivocationRecord[] = [];
  for (let slot = 0; slot < EQUIVOCATIONS_MAX; slot++) {
    const payload = view.get(equivocationKey(slot));
    if (payload === null) break;
    records.push(decode(payload));
  }
  return records;
}

function decode(payload: Uint8Array): EquivocationRecord {
  const read = FieldReader.of(payload, "equivocation");
  const number = read.number();
  const first = read.bytes();
  const second = read.bytes();
  const orderHashes = read.list();
  const signatures = read.list();
  return {
    number,
    blocks: [first, second],
    orderHashes: Array.from({ length: orderHashes.left }, () => orderHashes.hash()),
    flashblockSignatures: Array.from({ length: signatures.left }, () =>
      signatures.bytes(SIGNATURE_BYTES),
    ),
  };
}
