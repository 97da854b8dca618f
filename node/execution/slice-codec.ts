/**
 * Slices of a block on their way to other threads: encoded once, into memory that all of them read.
 *
 * A structured clone takes as long for each thread that a slice goes to as this takes once: about
 * 2 ms for 600 token transfers. Owns the form, which no disk and no other process ever sees.
 */
import assert from "node:assert/strict";
import type { Hex } from "../../lanes/bytes.ts";
import { DEPOSIT_TYPE } from "../../lanes/transaction.ts";
import type { PackedSlice } from "../api.ts";
import { keccakHex } from "../primitives/hash.ts";
import { EMPTY_TRIE_ROOT } from "../primitives/header.ts";
import { BLOOM_BYTES, type Log, type Receipt } from "../primitives/receipt.ts";
import { decodeDeposit, decodeTransaction, type Transaction } from "../primitives/transaction.ts";
import { type AccountRecord, EMPTY_CODE_HASH, type StateDiff } from "../storage/state.ts";
import { ByteReader, ByteWriter } from "./byte-stream.ts";
import type { AccountWrite, BlockSlice, SlotWrite, StateSlice } from "./engine.ts";

const ADDRESS_BYTES = 20;
const HASH_BYTES = 32;

const HAS_AFTER = 1;
const STORAGE_CLEARED = 2;
/** What was before the block is known: of the account, of each slot. */
const KNOWS_COMMITTED = 4;
const HAS_COMMITTED = 8;

const HAS_CODE = 1;
const HAS_STORAGE = 2;

export function packSlice({ writes, codes, transactions, receipts }: BlockSlice): PackedSlice {
  const state = new ByteWriter();
  putWrites(state, writes);
  state.u32(codes.length);
  for (const { code } of codes) state.bytes(code);
  const results = new ByteWriter();
  results.u32(transactions.length);
  for (const { sender, raw } of transactions) {
    results.hex(sender);
    results.bytes(raw);
  }
  results.u32(receipts.length);
  for (const receipt of receipts) putReceipt(results, receipt);
  return { state: state.toShared(), results: results.toShared() };
}

export function unpackSlice(packed: PackedSlice): BlockSlice {
  return { ...unpackState(packed), ...unpackResults(packed) };
}

/** What was executed, without what it wrote. */
export function unpackResults({
  results,
}: Pick<PackedSlice, "results">): Pick<BlockSlice, "transactions" | "receipts"> {
  const read = new ByteReader(results);
  const transactions = list(read, readTransaction);
  const receipts = list(read, readReceipt);
  read.end();
  return { transactions, receipts };
}

/** What a slice wrote, without what was executed. */
export function unpackState({ state }: PackedSlice): Pick<BlockSlice, "writes" | "codes"> {
  const read = new ByteReader(state);
  const writes = list(read, readWrite);
  const codes = list(read, readCode);
  read.end();
  return { writes, codes };
}

export function packWrites(writes: StateSlice): Uint8Array {
  const out = new ByteWriter();
  putWrites(out, writes);
  return out.toShared();
}

export function unpackWrites(packed: Uint8Array): StateSlice {
  const read = new ByteReader(packed);
  const writes = list(read, readWrite);
  read.end();
  return writes;
}

function list<T>(read: ByteReader, item: (read: ByteReader) => T): T[] {
  return Array.from({ length: read.u32() }, () => item(read));
}

function putWrites(out: ByteWriter, writes: StateSlice): void {
  out.u32(writes.length);
  for (const write of writes) putWrite(out, write);
}

function putWrite(out: ByteWriter, write: AccountWrite): void {
  const { address, after, committed = null, storageCleared, slots } = write;
  const knowsCommitted = write.committed !== undefined;
  out.hex(address);
  out.u8(
    (after === null ? 0 : HAS_AFTER) |
      (storageCleared ? STORAGE_CLEARED : 0) |
      (knowsCommitted ? KNOWS_COMMITTED : 0) |
      (committed === null ? 0 : HAS_COMMITTED),
  );
  if (after !== null) putAccount(out, after);
  if (committed !== null) putAccount(out, committed);
  out.u32(slots.length);
  for (const { slot, value, committed: before } of slots) {
    assert.equal(before !== undefined, knowsCommitted, "of all slots of an account or of none");
    out.hex(slot);
    out.uint(value);
    if (before !== undefined) out.uint(before);
  }
}

function readWrite(read: ByteReader): AccountWrite {
  const address = read.hex(ADDRESS_BYTES);
  const flags = read.u8();
  const knowsCommitted = (flags & KNOWS_COMMITTED) !== 0;
  const after = (flags & HAS_AFTER) === 0 ? null : readAccount(read);
  const committed = (flags & HAS_COMMITTED) === 0 ? null : readAccount(read);
  const slots = list(read, (): SlotWrite => {
    const slot = read.hex(HASH_BYTES);
    const value = read.uint();
    return knowsCommitted ? { slot, value, committed: read.uint() } : { slot, value };
  });
  const storageCleared = (flags & STORAGE_CLEARED) !== 0;
  const write = { address, after, storageCleared, slots };
  return knowsCommitted ? { ...write, committed } : write;
}

function putAccount(out: ByteWriter, account: AccountRecord): void {
  const { nonce, balance, codeHash, storageRoot } = account;
  out.uint(nonce);
  out.uint(balance);
  // Most accounts have neither.
  out.u8(
    (codeHash === EMPTY_CODE_HASH ? 0 : HAS_CODE) |
      (storageRoot === EMPTY_TRIE_ROOT ? 0 : HAS_STORAGE),
  );
  if (codeHash !== EMPTY_CODE_HASH) out.hex(codeHash);
  if (storageRoot !== EMPTY_TRIE_ROOT) out.hex(storageRoot);
}

function readAccount(read: ByteReader): AccountRecord {
  const nonce = read.uint();
  const balance = read.uint();
  const has = read.u8();
  const codeHash = has & HAS_CODE ? read.hex(HASH_BYTES) : EMPTY_CODE_HASH;
  const storageRoot = has & HAS_STORAGE ? read.hex(HASH_BYTES) : EMPTY_TRIE_ROOT;
  return { nonce, balance, codeHash, storageRoot };
}

/** Hashed again: who checks what the builder did takes no code under another name. */
function readCode(read: ByteReader): StateDiff["codes"][number] {
  const code = read.bytes();
  return { hash: keccakHex(code), code };
}

/** Senders are not recovered again: that they signed was found when they were taken in. */
function readTransaction(read: ByteReader): Transaction {
  const sender = read.hex(ADDRESS_BYTES);
  const raw = read.bytes();
  if (raw[0] === DEPOSIT_TYPE) {
    const deposit = decodeDeposit(raw);
    assert(deposit.ok && deposit.value.sender === sender, "a deposit of the block");
    return deposit.value;
  }
  const decoded = decodeTransaction(raw);
  assert(decoded.ok, "a transaction of the block");
  return { ...decoded.value, sender };
}

const HAS_CONTRACT = 1;
const HAS_LOGS = 2;
const HAS_DEPOSIT_NONCE = 4;
const HAS_DEPOSIT_VERSION = 8;

function putReceipt(out: ByteWriter, receipt: Receipt): void {
  const { contractAddress, logs, depositNonce, depositReceiptVersion } = receipt;
  out.u8(receipt.type);
  out.u8(receipt.status);
  out.u8(
    (contractAddress === null ? 0 : HAS_CONTRACT) |
      (logs.length === 0 ? 0 : HAS_LOGS) |
      (depositNonce === undefined ? 0 : HAS_DEPOSIT_NONCE) |
      (depositReceiptVersion === undefined ? 0 : HAS_DEPOSIT_VERSION),
  );
  out.uint(receipt.cumulativeGasUsed);
  out.uint(receipt.gasUsed);
  out.uint(receipt.effectiveGasPrice);
  out.uint(receipt.l1Fee);
  if (contractAddress !== null) out.hex(contractAddress);
  if (logs.length > 0) {
    out.bytes(receipt.logsBloom);
    out.u32(logs.length);
    for (const log of logs) putLog(out, log);
  }
  if (depositNonce !== undefined) out.uint(depositNonce);
  if (depositReceiptVersion !== undefined) out.uint(depositReceiptVersion);
}

function readReceipt(read: ByteReader): Receipt {
  const type = read.u8();
  const status = read.u8() === 1 ? 1 : 0;
  const flags = read.u8();
  const cumulativeGasUsed = read.uint();
  const gasUsed = read.uint();
  const effectiveGasPrice = read.uint();
  const l1Fee = read.uint();
  const contractAddress: Hex | null = flags & HAS_CONTRACT ? read.hex(ADDRESS_BYTES) : null;
  const logsBloom = flags & HAS_LOGS ? read.bytes() : new Uint8Array(BLOOM_BYTES);
  const logs = flags & HAS_LOGS ? list(read, readLog) : [];
  return {
    type,
    status,
    cumulativeGasUsed,
    gasUsed,
    effectiveGasPrice,
    contractAddress,
    logs,
    logsBloom,
    l1Fee,
    ...(flags & HAS_DEPOSIT_NONCE ? { depositNonce: read.uint() } : {}),
    ...(flags & HAS_DEPOSIT_VERSION ? { depositReceiptVersion: read.uint() } : {}),
  };
}

function putLog(out: ByteWriter, { address, topics, data }: Log): void {
  out.hex(address);
  out.u8(topics.length);
  for (const topic of topics) out.hex(topic);
  out.bytes(data);
}

function readLog(read: ByteReader): Log {
  const address = read.hex(ADDRESS_BYTES);
  const topics = Array.from({ length: read.u8() }, () => read.hex(HASH_BYTES));
  return { address, topics, data: read.bytes() };
}
