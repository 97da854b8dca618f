/**
 * The L1 attributes transaction: the first of every block, by which L2 learns its L1 origin.
 *
 * Owns its exact form (OP Stack, Isthmus) and the blob base fee of L1. Does not own which origin a
 * block may have: PROTOCOL 7. Source: PROTOCOL 6; OP Stack specs, isthmus/l1-attributes.md and
 * deposits.md (source hash); EIP-4844.
 */
import { ATTRIBUTES_GAS } from "../../lanes/budget.ts";
import {
  bigintToBytes,
  bytesToBigint,
  concatBytes,
  fromHex,
  type Hex,
  toHex,
} from "../../lanes/bytes.ts";
import { DEPOSIT_TYPE } from "../../lanes/transaction.ts";
import { accept, refuse, type Verdict } from "../../lanes/verdict.ts";
import { DEPOSITOR, L1_BLOCK } from "../primitives/predeploys.ts";
import { keccak256, keccakHex } from "../primitives/hash.ts";
import type { L1Origin } from "../primitives/l1-origin.ts";
import {
  type DecodedTransaction,
  type DepositTransaction,
  encodeDeposit,
} from "../primitives/transaction.ts";
import type { RollupConfig } from "../rollup-config.ts";
import type { OriginPosition } from "./origin.ts";

/** What a block's attributes say of its origin. */
export interface Attributes {
  readonly originNumber: number;
  readonly originHash: Hex;
  /** Unix seconds. */
  readonly originTimestamp: number;
  /** Blocks since the first of this origin; 0 for that one. */
  readonly sequenceNumber: bigint;
}

/** `setL1BlockValuesIsthmus()`. */
const SELECTOR: Hex = "0x098999be";
const CALLDATA_BYTES = 176;
/** Domain of source hashes of L1 attributes. */
const SOURCE_DOMAIN = 1n;

/** The attributes transaction of a block with this origin. */
export function attributesTransaction(
  rollup: RollupConfig,
  origin: L1Origin,
  sequenceNumber: bigint,
): DepositTransaction {
  const { system } = rollup;
  const data = concatBytes(
    fromHex(SELECTOR),
    bigintToBytes(BigInt(system.baseFeeScalar), 4),
    bigintToBytes(BigInt(system.blobBaseFeeScalar), 4),
    bigintToBytes(sequenceNumber, 8),
    bigintToBytes(BigInt(origin.timestamp), 8),
    bigintToBytes(BigInt(origin.number), 8),
    bigintToBytes(origin.baseFee, 32),
    bigintToBytes(origin.blobBaseFee, 32),
    fromHex(origin.hash),
    new Uint8Array(12),
    fromHex(system.batcher),
    bigintToBytes(BigInt(system.operatorFeeScalar), 4),
    bigintToBytes(system.operatorFeeConstant, 8),
  );
  return encodeDeposit({
    sourceHash: sourceHash(origin.hash, sequenceNumber),
    sender: DEPOSITOR,
    to: L1_BLOCK,
    mint: 0n,
    value: 0n,
    gasLimit: ATTRIBUTES_GAS,
    isSystemTx: false,
    data,
  });
}

function sourceHash(originHash: Hex, sequenceNumber: bigint): Hex {
  const inner = keccak256(concatBytes(fromHex(originHash), bigintToBytes(sequenceNumber, 32)));
  return keccakHex(concatBytes(bigintToBytes(SOURCE_DOMAIN, 32), inner));
}

/**
 * Reads the origin from a block's first transaction.
 *
 * Checks the form only; whether every byte is right, the importer sees by making the transaction
 * anew from its own L1. Errors: verdict `BLOCK_MALFORMED` with the field at fault.
 */
export function parseAttributes(
  transaction: DecodedTransaction | DepositTransaction,
): Verdict<Attributes, "BLOCK_MALFORMED"> {
  if (transaction.type !== DEPOSIT_TYPE) return malformed("type");
  const { sender, to, mint, value, gasLimit, isSystemTx, data } = transaction;
  if (sender !== DEPOSITOR) return malformed("from");
  if (to !== L1_BLOCK) return malformed("to");
  if (mint !== 0n || value !== 0n) return malformed("value");
  if (gasLimit !== ATTRIBUTES_GAS) return malformed("gas");
  if (isSystemTx) return malformed("isSystemTx");
  if (data.length !== CALLDATA_BYTES || toHex(data.subarray(0, 4)) !== SELECTOR)
    return malformed("data");
  const sequenceNumber = bytesToBigint(data.subarray(12, 20));
  const timestamp = bytesToBigint(data.subarray(20, 28));
  const number = bytesToBigint(data.subarray(28, 36));
  if (timestamp > BigInt(Number.MAX_SAFE_INTEGER)) return malformed("timestamp");
  if (number > BigInt(Number.MAX_SAFE_INTEGER)) return malformed("number");
  const originHash = toHex(data.subarray(100, 132));
  if (transaction.sourceHash !== sourceHash(originHash, sequenceNumber))
    return malformed("sourceHash");
  const [originNumber, originTimestamp] = [Number(number), Number(timestamp)];
  return accept({ originNumber, originHash, originTimestamp, sequenceNumber });
}

function malformed(field: string): Verdict<Attributes, "BLOCK_MALFORMED"> {
  return refuse("BLOCK_MALFORMED", { attributes: field });
}

const UINT256_MAX = 2n ** 256n - 1n;
/** e^178 is above 2^256: no exponent past this has a price that L1 could charge. */
const EXPONENT_MAX = 178n;

/**
 * wei per blob gas on L1. `updateFraction` is the denominator in force at the L1 block's time
 * (EIP-7892). Source: EIP-4844, `fake_exponential(1, excess, fraction)`.
 */
export function blobBaseFee(excessBlobGas: bigint, updateFraction: number): bigint {
  const denominator = BigInt(updateFraction);
  if (excessBlobGas >= EXPONENT_MAX * denominator) return UINT256_MAX;
  let sum = 0n;
  let term = denominator;
  for (let i = 1n; term > 0n; i++) {
    sum += term;
    term = (term * excessBlobGas) / (denominator * i);
  }
  const price = sum / denominator;
  return price < UINT256_MAX ? price : UINT256_MAX;
}

/** The attributes transaction of a block with this origin, on one that stands at `parent`. */
export function attributesAfter(
  rollup: RollupConfig,
  origin: L1Origin,
  parent: OriginPosition,
): { readonly transaction: DepositTransaction; readonly position: OriginPosition } {
  const next = origin.number === parent.number ? parent.sequenceNumber + 1 : 0;
  return {
    transaction: attributesTransaction(rollup, origin, BigInt(next)),
    position: { number: origin.number, hash: origin.hash, sequenceNumber: next },
  };
}
