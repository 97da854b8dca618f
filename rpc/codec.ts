/**
 * Chain objects in Ethereum's JSON, with geth's members; deposits with op-geth's.
 * Owns formatting. Source: ethereum/execution-apis schemas; op-geth `internal/ethapi`.
 */
import { RLP } from "@ethereumjs/rlp";
import { type Hex, toHex } from "../lanes/bytes.ts";
import { DEPOSIT_TYPE } from "../lanes/transaction.ts";
import type { Block } from "../node/primitives/block.ts";
import { encodeHeader, type Header } from "../node/primitives/header.ts";
import { feeAttributes, l1GasUsed } from "../node/primitives/l1-data.ts";
import type { Log, Receipt } from "../node/primitives/receipt.ts";
import type {
  Authorization,
  DepositTransaction,
  Transaction,
  UserTransaction,
} from "../node/primitives/transaction.ts";

export type JsonObject = Record<string, unknown>;

/** Hex without leading zeros. */
export function quantity(value: bigint | number): Hex {
  return `0x${value.toString(16)}`;
}

/** Left-padded to 32 bytes, as `eth_getStorageAt` answers. */
export function word(value: bigint): Hex {
  return `0x${value.toString(16).padStart(64, "0")}`;
}

/** A header as `eth_subscribe newHeads` sends it; blocks add to it. */
export function headerToJson(hash: Hex, header: Header): JsonObject {
  return {
    hash,
    parentHash: header.parentHash,
    sha3Uncles: header.ommersHash,
    miner: header.beneficiary,
    stateRoot: header.stateRoot,
    transactionsRoot: header.transactionsRoot,
    receiptsRoot: header.receiptsRoot,
    logsBloom: toHex(header.logsBloom),
    difficulty: quantity(header.difficulty),
    number: quantity(header.number),
    gasLimit: quantity(header.gasLimit),
    gasUsed: quantity(header.gasUsed),
    timestamp: quantity(header.timestamp),
    extraData: toHex(header.extraData),
    mixHash: header.prevRandao,
    nonce: header.nonce,
    baseFeePerGas: quantity(header.baseFeePerGas),
    withdrawalsRoot: header.withdrawalsRoot,
    blobGasUsed: quantity(header.blobGasUsed),
    excessBlobGas: quantity(header.excessBlobGas),
    parentBeaconBlockRoot: header.parentBeaconBlockRoot,
    requestsHash: header.requestsHash,
  };
}

/** A block with transaction hashes, or with whole transactions where their receipts are given. */
export function blockToJson(block: Block, receipts: readonly Receipt[] | null): JsonObject {
  const { hash, header, transactions } = block;
  return {
    ...headerToJson(hash, header),
    size: quantity(blockSize(block)),
    uncles: [],
    withdrawals: [],
    transactions: transactions.map((transaction, index) =>
      receipts === null
        ? transaction.hash
        : transactionToJson(transaction, { hash, header, index, receipt: receipts[index] }),
    ),
  };
}

/**
 * Bytes of the block's RLP. A raw legacy transaction is an RLP list itself, a typed one a string.
 */
function blockSize({ header, transactions }: Block): number {
  let body = 0;
  for (const { type, raw } of transactions)
    body += type === 0 ? raw.length : raw.length + lengthPrefix(raw.length);
  const emptyLists = 2 * RLP.encode([]).length;
  const content = encodeHeader(header).length + lengthPrefix(body) + body + emptyLists;
  return lengthPrefix(content) + content;
}

/** Bytes before an RLP payload of this length (longer than one byte). */
function lengthPrefix(length: number): number {
  return length < 56 ? 1 : 1 + Math.ceil(length.toString(16).length / 2);
}

/** Where a transaction stands in the chain. */
export interface Placement {
  readonly hash: Hex;
  readonly header: Header;
  readonly index: number;
  /** Deposits carry their nonce here. */
  readonly receipt: Receipt | undefined;
}

/** A transaction; `null` for one that waits in the txpool. */
export function transactionToJson(transaction: Transaction, at: Placement | null): JsonObject {
  const place = {
    blockHash: at?.hash ?? null,
    blockNumber: at === null ? null : quantity(at.header.number),
    blockTimestamp: at === null ? null : quantity(at.header.timestamp),
    transactionIndex: at === null ? null : quantity(at.index),
  };
  const { hash, sender, to, gasLimit, value, data } = transaction;
  const common = {
    ...place,
    hash,
    from: sender,
    to,
    gas: quantity(gasLimit),
    value: quantity(value),
    input: toHex(data),
    type: quantity(transaction.type),
  };
  return transaction.type === DEPOSIT_TYPE
    ? { ...common, ...depositMembers(transaction, at?.receipt) }
    : { ...common, ...userMembers(transaction, at?.header.baseFeePerGas ?? null) };
}

function depositMembers(deposit: DepositTransaction, receipt: Receipt | undefined): JsonObject {
  return {
    nonce: quantity(receipt?.depositNonce ?? 0n),
    gasPrice: "0x0",
    v: "0x0",
    r: "0x0",
    s: "0x0",
    sourceHash: deposit.sourceHash,
    mint: quantity(deposit.mint),
    isSystemTx: deposit.isSystemTx,
    ...(receipt?.depositReceiptVersion === undefined
      ? {}
      : { depositReceiptVersion: quantity(receipt.depositReceiptVersion) }),
  };
}

function userMembers(transaction: UserTransaction, baseFee: bigint | null): JsonObject {
  const { type, chainId, yParity } = transaction;
  const gasPrice =
    baseFee === null ? transaction.maxFeePerGas : effectiveGasPrice(transaction, baseFee);
  const signature = {
    nonce: quantity(transaction.nonce),
    gasPrice: quantity(gasPrice),
    v: quantity(transaction.v),
    r: quantity(transaction.r),
    s: quantity(transaction.s),
    ...(chainId === null ? {} : { chainId: quantity(chainId) }),
  };
  if (type === 0) return signature;
  const typed = { ...signature, yParity: quantity(yParity), accessList: transaction.accessList };
  if (type === 1) return typed;
  const fees = {
    maxFeePerGas: quantity(transaction.maxFeePerGas),
    maxPriorityFeePerGas: quantity(transaction.maxPriorityFeePerGas),
  };
  if (type === 2) return { ...typed, ...fees };
  return {
    ...typed,
    ...fees,
    authorizationList: transaction.authorizationList.map(authorizationToJson),
  };
}

function authorizationToJson(authorization: Authorization): JsonObject {
  return {
    chainId: quantity(authorization.chainId),
    address: authorization.address,
    nonce: quantity(authorization.nonce),
    yParity: quantity(authorization.yParity),
    r: quantity(authorization.r),
    s: quantity(authorization.s),
  };
}

/** wei per gas that the sender pays in a block with this base fee. */
function effectiveGasPrice(
  fees: Pick<UserTransaction, "maxFeePerGas" | "maxPriorityFeePerGas">,
  baseFee: bigint,
): bigint {
  const wanted = baseFee + fees.maxPriorityFeePerGas;
  return wanted < fees.maxFeePerGas ? wanted : fees.maxFeePerGas;
}

/** A log's place in the chain. */
export interface LogPlacement {
  readonly blockHash: Hex;
  readonly blockNumber: number;
  /** Unix seconds. */
  readonly blockTimestamp: number;
  readonly transactionHash: Hex;
  readonly transactionIndex: number;
  /** Place among all logs of the block. */
  readonly logIndex: number;
}

export function logToJson(log: Log, at: LogPlacement, removed = false): JsonObject {
  return {
    address: log.address,
    topics: log.topics,
    data: toHex(log.data),
    blockNumber: quantity(at.blockNumber),
    transactionHash: at.transactionHash,
    transactionIndex: quantity(at.transactionIndex),
    blockHash: at.blockHash,
    blockTimestamp: quantity(at.blockTimestamp),
    logIndex: quantity(at.logIndex),
    removed,
  };
}

/** What the L1 fee came from, as op-geth names it; the operator fee's only where there is one. */
function l1Members({ transactions }: Block, raw: Uint8Array): JsonObject {
  const fees = feeAttributes(transactions[0]);
  if (fees === null) return {};
  const { operatorFeeScalar, operatorFeeConstant } = fees;
  return {
    l1GasPrice: quantity(fees.baseFee),
    l1GasUsed: quantity(l1GasUsed(raw)),
    l1BlobBaseFee: quantity(fees.blobBaseFee),
    l1BaseFeeScalar: quantity(fees.baseFeeScalar),
    l1BlobBaseFeeScalar: quantity(fees.blobBaseFeeScalar),
    ...(operatorFeeScalar === 0n && operatorFeeConstant === 0n
      ? {}
      : {
          operatorFeeScalar: quantity(operatorFeeScalar),
          operatorFeeConstant: quantity(operatorFeeConstant),
        }),
  };
}

/** The receipt of transaction `index`; `receipts` are all of the block's, which count the logs. */
export function receiptToJson(
  block: Block,
  receipts: readonly Receipt[],
  index: number,
): JsonObject | null {
  const transaction = block.transactions[index];
  const receipt = receipts[index];
  if (transaction === undefined || receipt === undefined) return null;
  const place = {
    blockHash: block.hash,
    blockNumber: block.header.number,
    blockTimestamp: block.header.timestamp,
    transactionHash: transaction.hash,
    transactionIndex: index,
  };
  const firstLog = receipts.slice(0, index).reduce((sum, { logs }) => sum + logs.length, 0);
  return {
    type: quantity(receipt.type),
    status: quantity(receipt.status),
    transactionHash: transaction.hash,
    transactionIndex: quantity(index),
    blockHash: block.hash,
    blockNumber: quantity(block.header.number),
    from: transaction.sender,
    to: transaction.to,
    contractAddress: receipt.contractAddress,
    gasUsed: quantity(receipt.gasUsed),
    cumulativeGasUsed: quantity(receipt.cumulativeGasUsed),
    effectiveGasPrice: quantity(receipt.effectiveGasPrice),
    logs: receipt.logs.map((log, i) => logToJson(log, { ...place, logIndex: firstLog + i })),
    logsBloom: toHex(receipt.logsBloom),
    ...(transaction.type === DEPOSIT_TYPE
      ? {}
      : { l1Fee: quantity(receipt.l1Fee), ...l1Members(block, transaction.raw) }),
    ...(receipt.depositNonce === undefined ? {} : { depositNonce: quantity(receipt.depositNonce) }),
    ...(receipt.depositReceiptVersion === undefined
      ? {}
      : { depositReceiptVersion: quantity(receipt.depositReceiptVersion) }),
  };
}
