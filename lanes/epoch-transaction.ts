/**
 * The transaction that applies an epoch: one deposit (0x7E) to the PriceFeeds predeploy, which
 * builder, follower and deriver make from the same values. Owns its bytes and its hash.
 * PROTOCOL 5; OP Stack specs, deposits.md.
 */
import { i128, u128, u64, u72, word } from "./abi.ts";
import { bigintToMinimalBytes, concatBytes, fromHex, type Hex, toHex } from "./bytes.ts";
import type { FeedUpdate } from "./epoch.ts";
import { epochGas } from "./epoch-size.ts";
import { keccak, keccakText } from "./keccak.ts";
import { encodeRlp } from "./rlp.ts";
import { DEPOSIT_TYPE } from "./transaction.ts";

export const PRICE_FEEDS: Hex = "0x5200000000000000000000000000000000000001";
/** Nobody's account: only the protocol sends from it. */
export const EPOCH_SENDER: Hex = "0x5200000000000000000000000000000000000000";

const SIGNATURE =
  "applyEpoch(uint64,uint64,uint72,bytes32,uint64,(bytes32,int128,uint128,uint64,uint8,uint8)[])";
const SELECTOR = keccakText(SIGNATURE).slice(0, 4);
const SOURCE_DOMAIN = 0x50;
/** Words before the list: five values and where the list begins. */
const HEAD_WORDS = 6;
const WORD_BYTES = 32;

export interface EpochTransaction {
  readonly raw: Uint8Array;
  readonly hash: Hex;
}

/** What an epoch writes, and where it stands. */
export interface EpochWrite {
  readonly blockNumber: number;
  /** Of the flashblock in the block. */
  readonly flashblock: number;
  readonly epoch: number;
  /** Of the flashblock, Unix milliseconds. */
  readonly timeMs: number;
  readonly cut: bigint;
  /** Of the reports, in order. */
  readonly reportHashes: readonly Hex[];
  /** Since when the sequencer was down, Unix milliseconds; 0 where it was not. */
  readonly downSinceMs: number;
  readonly updates: readonly FeedUpdate[];
}

export function epochTransaction(write: EpochWrite): EpochTransaction {
  const { blockNumber, flashblock, updates } = write;
  const body = encodeRlp([
    sourceHash(blockNumber, flashblock),
    fromHex(EPOCH_SENDER),
    fromHex(PRICE_FEEDS),
    new Uint8Array(0),
    new Uint8Array(0),
    bigintToMinimalBytes(epochGas(updates.length)),
    new Uint8Array(0),
    calldata(write),
  ]);
  const raw = concatBytes(Uint8Array.of(DEPOSIT_TYPE), body);
  return { raw, hash: toHex(keccak(raw)) };
}

function sourceHash(blockNumber: number, flashblock: number): Uint8Array {
  const place = keccak(concatBytes(u64(blockNumber), u64(flashblock)));
  return keccak(concatBytes(u64(SOURCE_DOMAIN), place));
}

function calldata(write: EpochWrite): Uint8Array {
  const { epoch, timeMs, cut, reportHashes, downSinceMs, updates } = write;
  return concatBytes(
    SELECTOR,
    u64(epoch),
    u64(timeMs),
    u72(cut),
    keccak(concatBytes(...reportHashes.map(word))),
    u64(downSinceMs),
    u64(HEAD_WORDS * WORD_BYTES),
    u64(updates.length),
    ...updates.flatMap((update) => [
      word(update.feedId),
      i128(update.value),
      u128(update.confidence),
      u64(update.timeMs),
      u64(update.session),
      u64(update.status),
    ]),
  );
}
