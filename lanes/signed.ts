/**
 * What the sequencer key signs: EIP-712 digests under the protocol domain. Owns the type strings
 * (the Solidity side hashes the same ones) and the field order. Does not own signing. PROTOCOL 1,
 * 4, 8.
 */
import { addressWord, hashWords, u64, u72, word } from "./abi.ts";
import { concatBytes, type Hex } from "./bytes.ts";
import { keccak, keccakText } from "./keccak.ts";

export const DOMAIN_TYPE =
  "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract,bytes32 salt)";
export const FLASHBLOCK_TYPE = "Flashblock(bytes32 orderHash,bytes32 resultHash)";
export const BLOCK_TYPE =
  "Block(uint64 number,bytes32 blockHash,bytes32 laneDataHash,uint64 term,uint64 leaderEpoch," +
  "uint64 lastForced,uint64 l1OriginNumber,bytes32 l1OriginHash)";
export const ADMISSION_GROUP_TYPE =
  "AdmissionGroup(uint64 term,uint64 leaderEpoch,uint72 firstAccepted,uint64 count,bytes32 root," +
  "bytes32 previousRoot,uint64 issuedAtMs)";
export const BATCH_TYPE =
  "Batch(uint64 index,bytes32 previousBatchHash,uint64 firstBlock,uint64 lastBlock," +
  "bytes32 lastBlockHash,bytes32 stateRoot,bytes32 withdrawalRoot,bytes32 flashRoot," +
  "bytes32 laneStateHash,uint64 firstOrigin,uint64 lastOriginNumber,bytes32 lastOriginHash," +
  "uint64 delayedCount,bytes32 delayedAcc,uint64 term,bytes32 payloadHash)";

const FLASHBLOCK_TYPE_HASH = keccakText(FLASHBLOCK_TYPE);
const BLOCK_TYPE_HASH = keccakText(BLOCK_TYPE);
const ADMISSION_GROUP_TYPE_HASH = keccakText(ADMISSION_GROUP_TYPE);
const BATCH_TYPE_HASH = keccakText(BATCH_TYPE);
const DOMAIN_NAME = "Pricelane";
const DOMAIN_VERSION = "1";
const DIGEST_PREFIX = Uint8Array.of(0x19, 0x01);

/** Binds signatures to one rollup on one L1. */
export interface SigningDomain {
  /** Of L2. */
  readonly chainId: number;
  /** Settlement contract on L1. */
  readonly settlement: Hex;
  readonly l1ChainId: number;
}

export interface FlashblockCommitment {
  readonly orderHash: Hex;
  readonly resultHash: Hex;
}

export interface BlockCommitment {
  readonly number: number;
  readonly blockHash: Hex;
  readonly laneDataHash: Hex;
  readonly term: number;
  readonly leaderEpoch: number;
  readonly lastForced: number;
  readonly l1OriginNumber: number;
  readonly l1OriginHash: Hex;
}

/** Everything that was taken in with one group commit. PROTOCOL 3. */
export interface AdmissionGroup {
  readonly term: number;
  readonly leaderEpoch: number;
  /** The lowest accepted number in it. */
  readonly firstAccepted: bigint;
  /** Leaves under `root`. */
  readonly count: number;
  readonly root: Hex;
  /** Of the group before in this leader epoch, `ZERO_HASH` for the first. */
  readonly previousRoot: Hex;
  /** Unix milliseconds. */
  readonly issuedAtMs: number;
}

/** A batch header. */
export interface BatchCommitment {
  readonly index: number;
  /** `batchStructHash` of the batch before; zero for the first. */
  readonly previousBatchHash: Hex;
  readonly firstBlock: number;
  readonly lastBlock: number;
  readonly lastBlockHash: Hex;
  readonly stateRoot: Hex;
  readonly withdrawalRoot: Hex;
  readonly flashRoot: Hex;
  /** Zero in v1. */
  readonly laneStateHash: Hex;
  readonly firstOrigin: number;
  readonly lastOriginNumber: number;
  readonly lastOriginHash: Hex;
  readonly delayedCount: number;
  readonly delayedAcc: Hex;
  readonly term: number;
  readonly payloadHash: Hex;
}

/** 32-byte EIP-712 digest of a flashblock. */
export function flashblockDigest(
  domain: SigningDomain,
  flashblock: FlashblockCommitment,
): Uint8Array {
  return digest(
    domain,
    hashWords([FLASHBLOCK_TYPE_HASH, word(flashblock.orderHash), word(flashblock.resultHash)]),
  );
}

/** 32-byte EIP-712 digest of a block. */
export function blockDigest(domain: SigningDomain, block: BlockCommitment): Uint8Array {
  return digest(
    domain,
    hashWords([
      BLOCK_TYPE_HASH,
      u64(block.number),
      word(block.blockHash),
      word(block.laneDataHash),
      u64(block.term),
      u64(block.leaderEpoch),
      u64(block.lastForced),
      u64(block.l1OriginNumber),
      word(block.l1OriginHash),
    ]),
  );
}

/** 32-byte EIP-712 digest of an admission group. */
export function admissionGroupDigest(domain: SigningDomain, group: AdmissionGroup): Uint8Array {
  return digest(
    domain,
    hashWords([
      ADMISSION_GROUP_TYPE_HASH,
      u64(group.term),
      u64(group.leaderEpoch),
      u72(group.firstAccepted),
      u64(group.count),
      word(group.root),
      word(group.previousRoot),
      u64(group.issuedAtMs),
    ]),
  );
}

/** 32-byte EIP-712 digest of a batch header. */
export function batchDigest(domain: SigningDomain, batch: BatchCommitment): Uint8Array {
  return digest(domain, batchStructHash(batch));
}

/** EIP-712 struct hash of a batch header: the next batch's `previousBatchHash`. */
export function batchStructHash(batch: BatchCommitment): Hex {
  return hashWords([
    BATCH_TYPE_HASH,
    u64(batch.index),
    word(batch.previousBatchHash),
    u64(batch.firstBlock),
    u64(batch.lastBlock),
    word(batch.lastBlockHash),
    word(batch.stateRoot),
    word(batch.withdrawalRoot),
    word(batch.flashRoot),
    word(batch.laneStateHash),
    u64(batch.firstOrigin),
    u64(batch.lastOriginNumber),
    word(batch.lastOriginHash),
    u64(batch.delayedCount),
    word(batch.delayedAcc),
    u64(batch.term),
    word(batch.payloadHash),
  ]);
}

function digest(domain: SigningDomain, structHash: Hex): Uint8Array {
  return keccak(concatBytes(DIGEST_PREFIX, word(domainSeparator(domain)), word(structHash)));
}

/** Separators of the domains that were used: a program has one or two. */
const separators = new WeakMap<SigningDomain, Hex>();

function domainSeparator(domain: SigningDomain): Hex {
  const known = separators.get(domain);
  if (known !== undefined) return known;
  const separator = hashDomain(domain);
  separators.set(domain, separator);
  return separator;
}

function hashDomain(domain: SigningDomain): Hex {
  return hashWords([
    keccakText(DOMAIN_TYPE),
    keccakText(DOMAIN_NAME),
    keccakText(DOMAIN_VERSION),
    u64(domain.chainId),
    addressWord(domain.settlement),
    u64(domain.l1ChainId),
  ]);
}
