/**
 * Ethereum block header, Prague shape (21 fields). Owns its RLP and hash.
 * Source: yellow paper 4.4; EIP-1559, 4895, 4844, 4788, 7685.
 */
import { RLP } from "@ethereumjs/rlp";
import {
  bigintToMinimalBytes,
  bytesToBigint,
  fromHex,
  type Hex,
  toHex,
} from "../../lanes/bytes.ts";
import { accept, refuse, type Verdict } from "../../lanes/verdict.ts";
import { keccakHex } from "./hash.ts";

export interface Header {
  readonly parentHash: Hex;
  readonly ommersHash: Hex;
  /** Fee recipient. */
  readonly beneficiary: Hex;
  readonly stateRoot: Hex;
  readonly transactionsRoot: Hex;
  readonly receiptsRoot: Hex;
  readonly logsBloom: Uint8Array;
  readonly difficulty: bigint;
  readonly number: number;
  readonly gasLimit: bigint;
  readonly gasUsed: bigint;
  /** Unix seconds. */
  readonly timestamp: number;
  readonly extraData: Uint8Array;
  readonly prevRandao: Hex;
  readonly nonce: Hex;
  /** wei per gas */
  readonly baseFeePerGas: bigint;
  readonly withdrawalsRoot: Hex;
  readonly blobGasUsed: bigint;
  readonly excessBlobGas: bigint;
  readonly parentBeaconBlockRoot: Hex;
  readonly requestsHash: Hex;
}

export const EMPTY_OMMERS_HASH: Hex =
  "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347";
export const EMPTY_TRIE_ROOT: Hex =
  "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421";
/** sha256 of nothing: the requests hash of a block without requests (EIP-7685). */
export const EMPTY_REQUESTS_HASH: Hex =
  "0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
export const ZERO_NONCE: Hex = "0x0000000000000000";

/** Header fields in RLP order. */
export function headerToRlp(header: Header): Uint8Array[] {
  return [
    fromHex(header.parentHash),
    fromHex(header.ommersHash),
    fromHex(header.beneficiary),
    fromHex(header.stateRoot),
    fromHex(header.transactionsRoot),
    fromHex(header.receiptsRoot),
    header.logsBloom,
    bigintToMinimalBytes(header.difficulty),
    bigintToMinimalBytes(BigInt(header.number)),
    bigintToMinimalBytes(header.gasLimit),
    bigintToMinimalBytes(header.gasUsed),
    bigintToMinimalBytes(BigInt(header.timestamp)),
    header.extraData,
    fromHex(header.prevRandao),
    fromHex(header.nonce),
    bigintToMinimalBytes(header.baseFeePerGas),
    fromHex(header.withdrawalsRoot),
    bigintToMinimalBytes(header.blobGasUsed),
    bigintToMinimalBytes(header.excessBlobGas),
    fromHex(header.parentBeaconBlockRoot),
    fromHex(header.requestsHash),
  ];
}

/** Canonical RLP of the header; its keccak256 is the block hash. */
export function encodeHeader(header: Header): Uint8Array {
  return RLP.encode(headerToRlp(header));
}

export function headerHash(header: Header): Hex {
  return keccakHex(encodeHeader(header));
}

const FIELD_COUNT = 21;
/** Exact byte length per field; `undefined` marks integers and extra data. */
const FIELD_BYTES: readonly (number | undefined)[] = [
  32,
  32,
  20,
  32,
  32,
  32,
  256,
  undefined,
  undefined,
  undefined,
  undefined,
  undefined,
  undefined,
  32,
  8,
  undefined,
  32,
  undefined,
  undefined,
  32,
  32,
];
const EXTRA_DATA_INDEX = 12;
const EXTRA_DATA_BYTES_MAX = 32;
const INTEGER_BYTES_MAX = 32;

/** Header from decoded RLP. Errors: verdict `BLOCK_MALFORMED` with the field's index. */
export function headerFromRlp(fields: unknown): Verdict<Header, "BLOCK_MALFORMED"> {
  if (!Array.isArray(fields) || fields.length !== FIELD_COUNT)
    return refuse("BLOCK_MALFORMED", { field: "header" });
  for (let i = 0; i < FIELD_COUNT; i++) {
    const field: unknown = fields[i];
    if (!(field instanceof Uint8Array)) return refuse("BLOCK_MALFORMED", { field: i });
    const size = FIELD_BYTES[i];
    const fits =
      size !== undefined
        ? field.length === size
        : i === EXTRA_DATA_INDEX
          ? field.length <= EXTRA_DATA_BYTES_MAX
          : field.length <= INTEGER_BYTES_MAX && field[0] !== 0;
    if (!fits) return refuse("BLOCK_MALFORMED", { field: i });
  }
  const bytes = fields as Uint8Array[];
  const at = (i: number): Uint8Array => bytes[i] as Uint8Array;
  const number = bytesToBigint(at(8));
  const timestamp = bytesToBigint(at(11));
  if (number > BigInt(Number.MAX_SAFE_INTEGER) || timestamp > BigInt(Number.MAX_SAFE_INTEGER))
    return refuse("BLOCK_MALFORMED", { field: "number or timestamp" });
  return accept({
    parentHash: toHex(at(0)),
    ommersHash: toHex(at(1)),
    beneficiary: toHex(at(2)),
    stateRoot: toHex(at(3)),
    transactionsRoot: toHex(at(4)),
    receiptsRoot: toHex(at(5)),
    // Copies: the fields may be views of a larger message.
    logsBloom: Uint8Array.from(at(6)),
    difficulty: bytesToBigint(at(7)),
    number: Number(number),
    gasLimit: bytesToBigint(at(9)),
    gasUsed: bytesToBigint(at(10)),
    timestamp: Number(timestamp),
    extraData: Uint8Array.from(at(12)),
    prevRandao: toHex(at(13)),
    nonce: toHex(at(14)),
    baseFeePerGas: bytesToBigint(at(15)),
    withdrawalsRoot: toHex(at(16)),
    blobGasUsed: bytesToBigint(at(17)),
    excessBlobGas: bytesToBigint(at(18)),
    parentBeaconBlockRoot: toHex(at(19)),
    requestsHash: toHex(at(20)),
  });
}
