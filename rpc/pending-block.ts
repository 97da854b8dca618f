/**
 * The open block in the form of a block, as far as it is one. What is known only when it is sealed:
 * its hash, its nonce and its size are `null`, as the JSON-RPC specification has a pending block; its
 * roots are the zero hash, because cast, viem and ethers take no block without them, and so is its
 * hash in its receipts, logs and transactions, as other nodes with flashblocks answer.
 */
import { ZERO_HASH } from "../lanes/bytes.ts";
import type { Block } from "../node/primitives/block.ts";
import { EMPTY_OMMERS_HASH, type Header } from "../node/primitives/header.ts";
import { BLOOM_BYTES, type Receipt } from "../node/primitives/receipt.ts";
import type { PendingBody } from "../node/reader.ts";
import { blockToJson, type JsonObject } from "./codec.ts";

export interface BlockBody {
  readonly block: Block;
  readonly receipts: readonly Receipt[];
  readonly isPending: boolean;
}

export function pendingBody({
  environment,
  parentHash,
  transactions,
  receipts,
}: PendingBody): BlockBody {
  const { number, timestamp, gasLimit, baseFee, beneficiary, prevRandao } = environment;
  const header: Header = {
    parentHash,
    beneficiary,
    number,
    timestamp,
    gasLimit,
    prevRandao,
    baseFeePerGas: baseFee,
    gasUsed: receipts.at(-1)?.cumulativeGasUsed ?? 0n,
    logsBloom: bloomOf(receipts),
    stateRoot: ZERO_HASH,
    transactionsRoot: ZERO_HASH,
    receiptsRoot: ZERO_HASH,
    withdrawalsRoot: ZERO_HASH,
    parentBeaconBlockRoot: ZERO_HASH,
    extraData: new Uint8Array(0),
    ommersHash: EMPTY_OMMERS_HASH,
    requestsHash: ZERO_HASH,
    difficulty: 0n,
    nonce: "0x0000000000000000",
    blobGasUsed: 0n,
    excessBlobGas: 0n,
  };
  return { block: { hash: ZERO_HASH, header, transactions }, receipts, isPending: true };
}

/** A block of either kind; whole transactions where `whole` asks for them. */
export function bodyToJson({ block, receipts, isPending }: BlockBody, whole: boolean): JsonObject {
  const json = blockToJson(block, whole ? receipts : null);
  if (!isPending) return json;
  return { ...json, hash: null, nonce: null, size: null };
}

function bloomOf(receipts: readonly Receipt[]): Uint8Array {
  const bloom = new Uint8Array(BLOOM_BYTES);
  for (const { logs, logsBloom } of receipts)
    if (logs.length > 0)
      for (let at = 0; at < BLOOM_BYTES; at++) bloom[at] = (bloom[at] ?? 0) | (logsBloom[at] ?? 0);
  return bloom;
}
