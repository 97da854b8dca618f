/**
 * Codecs of the small records: accounts, slots, heads, cursor, chain identity, signer's marks.
 * Does not own keys (`keys.ts`), blocks (`block-records.ts`) or the journal (`journal.ts`).
 */
import {
  bigintToMinimalBytes,
  bytesToBigint,
  fromHex,
  type Hex,
  toHex,
} from "../../lanes/bytes.ts";
import { rlpIntegerBytes } from "../../lanes/rlp.ts";
import { NodeError } from "../errors.ts";
import type { BlockRef } from "../primitives/block.ts";
import { EMPTY_TRIE_ROOT } from "../primitives/header.ts";
import { encodeFields, type Field, FieldReader } from "./fields.ts";
import { type AccountRecord, EMPTY_CODE_HASH } from "./state.ts";
import type { DerivationCursor, Heads, SignedMark } from "./store.ts";

/** What an account's record holds beside nonce and balance. */
const HAS_CODE = 1;
const HAS_STORAGE = 2;
const HASH_BYTES = 32;

/**
 * Flags and length of the nonce in one byte, nonce, code hash and storage root where they are not
 * those of nothing, balance. Not RLP: a large block encodes ten thousand of them.
 */
export function encodeAccount(account: AccountRecord): Uint8Array {
  const { codeHash, storageRoot } = account;
  const nonce = bigintDigits(account.nonce);
  const balance = bigintDigits(account.balance);
  const hasCode = codeHash !== EMPTY_CODE_HASH;
  const hasStorage = storageRoot !== EMPTY_TRIE_ROOT;
  const nonceBytes = nonce.length / 2;
  const hashes = (hasCode ? HASH_BYTES : 0) + (hasStorage ? HASH_BYTES : 0);
  const record = Buffer.allocUnsafeSlow(1 + nonceBytes + hashes + balance.length / 2);
  record[0] = (nonceBytes << 2) | (hasCode ? HAS_CODE : 0) | (hasStorage ? HAS_STORAGE : 0);
  let at = 1 + record.write(nonce, 1, "hex");
  if (hasCode) at += record.write(codeHash.slice(2), at, "hex");
  if (hasStorage) at += record.write(storageRoot.slice(2), at, "hex");
  record.write(balance, at, "hex");
  return record;
}

/** Hex digits of whole bytes; of zero, none. */
function bigintDigits(value: bigint): string {
  if (value === 0n) return "";
  const digits = value.toString(16);
  return digits.length % 2 === 0 ? digits : `0${digits}`;
}

/** Errors: `STORAGE_CORRUPT`. */
export function decodeAccount(payload: Uint8Array): AccountRecord {
  const record = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
  let at = 1;
  const take = (length: number): Hex => {
    if (at + length > record.length) throw new NodeError("STORAGE_CORRUPT", { record: "account" });
    return `0x${record.toString("hex", at, (at += length))}`;
  };
  const integer = (digits: Hex): bigint => (digits === "0x" ? 0n : BigInt(digits));
  const flags = record[0] ?? 0;
  const nonce = integer(take(flags >> 2));
  const codeHash = (flags & HAS_CODE) === 0 ? EMPTY_CODE_HASH : take(HASH_BYTES);
  const storageRoot = (flags & HAS_STORAGE) === 0 ? EMPTY_TRIE_ROOT : take(HASH_BYTES);
  return { nonce, balance: integer(take(record.length - at)), codeHash, storageRoot };
}

/** A slot's record; a slot of value zero has none. */
export function encodeSlot(value: bigint): Uint8Array | null {
  return value === 0n ? null : bigintToMinimalBytes(value);
}

export function decodeSlot(payload: Uint8Array | null): bigint {
  return payload === null ? 0n : bytesToBigint(payload);
}

function refToFields(ref: BlockRef): Field {
  return [rlpIntegerBytes(ref.number), fromHex(ref.hash)];
}

function readRef(read: FieldReader): BlockRef {
  return { number: read.number(), hash: read.hash() };
}

export function encodeHeads(heads: Heads): Uint8Array {
  return encodeFields([heads.unsafe, heads.safe, heads.finalized].map(refToFields));
}

export function decodeHeads(payload: Uint8Array): Heads {
  const read = FieldReader.of(payload, "heads");
  return {
    unsafe: readRef(read.list()),
    safe: readRef(read.list()),
    finalized: readRef(read.list()),
  };
}

export function encodeCursor(cursor: DerivationCursor): Uint8Array {
  return encodeFields([
    rlpIntegerBytes(cursor.nextBatchIndex),
    fromHex(cursor.previousBatchHash),
    refToFields(cursor.l1Block),
    cursor.pendingFinality.map(({ l1Number, l2 }) => [rlpIntegerBytes(l1Number), refToFields(l2)]),
  ]);
}

export function decodeCursor(payload: Uint8Array): DerivationCursor {
  const read = FieldReader.of(payload, "cursor");
  return {
    nextBatchIndex: read.number(),
    previousBatchHash: read.hash(),
    l1Block: readRef(read.list()),
    pendingFinality: read.list().lists((entry) => ({
      l1Number: entry.number(),
      l2: readRef(entry.list()),
    })),
  };
}

/** Which chain a data folder belongs to. */
export interface ChainIdentity {
  readonly rollupConfigHash: Hex;
  readonly genesisHash: Hex;
}

export function encodeIdentity(identity: ChainIdentity): Uint8Array {
  return encodeFields([fromHex(identity.rollupConfigHash), fromHex(identity.genesisHash)]);
}

export function decodeIdentity(payload: Uint8Array): ChainIdentity {
  const read = FieldReader.of(payload, "chain");
  return { rollupConfigHash: read.hash(), genesisHash: read.hash() };
}

export function encodeMark(mark: SignedMark): Uint8Array {
  return encodeFields([fromHex(mark.hash), fromHex(mark.origin)]);
}

export function decodeMark(payload: Uint8Array): Pick<SignedMark, "hash" | "origin"> {
  const read = FieldReader.of(payload, "signed mark");
  return { hash: read.hash(), origin: read.hash() };
}

/** Accepted numbers. */
export function encodeNumbers(numbers: readonly bigint[]): Uint8Array {
  return encodeFields(numbers.map(rlpIntegerBytes));
}

/** Neighbours of a slot in its account's slot list. */
export interface SlotLink {
  readonly previous: Hex | null;
  readonly next: Hex | null;
}

const NO_SLOT = new Uint8Array(0);

export function encodeLink(link: SlotLink): Uint8Array {
  return encodeFields(
    [link.previous, link.next].map((slot) => (slot === null ? NO_SLOT : fromHex(slot))),
  );
}

export function decodeLink(payload: Uint8Array): SlotLink {
  const read = FieldReader.of(payload, "slot link");
  const slot = (): Hex | null => {
    const field = read.bytes();
    return field.length === 0 ? null : toHex(field);
  };
  return { previous: slot(), next: slot() };
}
