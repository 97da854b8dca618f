/**
 * Receipts and log blooms. Source: yellow paper 4.4.1; OP Stack specs, deposits.md (deposit nonce
 * and version appended to a deposit's receipt since Canyon).
 */
import { bigintToMinimalBytes, concatBytes, fromHex, type Hex } from "../../lanes/bytes.ts";
import { encodeRlp, type RlpItem } from "../../lanes/rlp.ts";
import { keccak256 } from "./hash.ts";

export interface Log {
  readonly address: Hex;
  /** 0 to 4 topics of 32 bytes. */
  readonly topics: readonly Hex[];
  readonly data: Uint8Array;
}

export interface Receipt {
  readonly type: number;
  readonly status: 0 | 1;
  readonly cumulativeGasUsed: bigint;
  readonly gasUsed: bigint;
  /** wei per gas; 0 for deposits. */
  readonly effectiveGasPrice: bigint;
  readonly contractAddress: Hex | null;
  readonly logs: readonly Log[];
  readonly logsBloom: Uint8Array;
  /** Nonce of the sender before a deposit; absent on other types. */
  readonly depositNonce?: bigint;
  readonly depositReceiptVersion?: bigint;
  /** wei charged for L1 data (OP Stack); 0 for deposits. */
  readonly l1Fee: bigint;
}

export const BLOOM_BYTES = 256;

/** Sets the three bits of one address or topic. Source: yellow paper 4.4.1, M3:2048. */
export function addToBloom(bloom: Uint8Array, entry: Uint8Array): void {
  const digest = keccak256(entry);
  for (let i = 0; i < 6; i += 2) {
    const bit = (((digest[i] ?? 0) << 8) | (digest[i + 1] ?? 0)) & 0x7ff;
    const index = BLOOM_BYTES - 1 - (bit >> 3);
    bloom[index] = (bloom[index] ?? 0) | (1 << (bit & 7));
  }
}

/** Bloom of the logs' addresses and topics: 256 bytes. */
export function logsBloom(logs: readonly Log[]): Uint8Array {
  const bloom = new Uint8Array(BLOOM_BYTES);
  for (const log of logs) {
    addToBloom(bloom, fromHex(log.address));
    for (const topic of log.topics) addToBloom(bloom, fromHex(topic));
  }
  return bloom;
}

/** Bits of all blooms together. */
export function addBloom(bloom: Uint8Array, other: Uint8Array): void {
  for (let i = 0; i < BLOOM_BYTES; i++) bloom[i] = (bloom[i] ?? 0) | (other[i] ?? 0);
}

/** EIP-2718 envelope of a receipt, as the receipts trie holds it. */
export function encodeReceipt(receipt: Receipt): Uint8Array {
  const fields: RlpItem[] = [
    bigintToMinimalBytes(BigInt(receipt.status)),
    bigintToMinimalBytes(receipt.cumulativeGasUsed),
    receipt.logsBloom,
    receipt.logs.map((log) => [fromHex(log.address), log.topics.map(fromHex), log.data]),
  ];
  if (receipt.depositNonce !== undefined) fields.push(bigintToMinimalBytes(receipt.depositNonce));
  if (receipt.depositReceiptVersion !== undefined)
    fields.push(bigintToMinimalBytes(receipt.depositReceiptVersion));
  const body = encodeRlp(fields);
  return receipt.type === 0 ? body : concatBytes(Uint8Array.of(receipt.type), body);
}
