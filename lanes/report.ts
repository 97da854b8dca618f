/**
 * Price reports: what a publisher's key signs, and the bytes of it in LaneData.
 *
 * Owns the form (source 0), its EIP-712 digest and its hash. Does not own whose key it is, nor
 * whether a report is worth taking (`report-rules.ts`), nor how a signature is recovered.
 * PROTOCOL 1 (report domain), 5.
 *
 *   sequence u64 ‖ publishTimeMs u64 ‖ n u8 ‖ n × (feedId 32, value i128, confidence u128,
 *   session u8) ‖ signature 65
 */
import { hashWords, i128, u128, u64, word } from "./abi.ts";
import { bigintToBytes, bytesToBigint, concatBytes, type Hex, toHex } from "./bytes.ts";
import { keccak, keccakText } from "./keccak.ts";
import { SIGNATURE_BYTES } from "./signed-flashblock.ts";
import { accept, refuse, type Verdict } from "./verdict.ts";

export const REPORT_DOMAIN_TYPE = "EIP712Domain(string name,string version,bytes32 salt)";
export const OBSERVATION_TYPE =
  "Observation(bytes32 feedId,int128 value,uint128 confidence,uint8 session)";
export const REPORT_TYPE =
  "PriceReport(uint64 sequence,uint64 publishTimeMs,Observation[] observations)" + OBSERVATION_TYPE;

const DOMAIN_TYPE_HASH = keccakText(REPORT_DOMAIN_TYPE);
const OBSERVATION_TYPE_HASH = keccakText(OBSERVATION_TYPE);
const REPORT_TYPE_HASH = keccakText(REPORT_TYPE);
const DOMAIN_NAME = keccakText("Pricelane Report");
const DOMAIN_VERSION = keccakText("1");
const DIGEST_PREFIX = Uint8Array.of(0x19, 0x01);

/** The format of this file; other sources are native payloads of oracle networks. */
export const OWN_SOURCE = 0;
/** The count has one byte. */
export const OBSERVATIONS_MAX = 255;
/** Sessions: 0 continuous, 1 pre, 2 regular, 3 post, 4 overnight, 5 closed, 6 halted, 7 auction. */
export const SESSION_MAX = 7;

const NUMBER_BYTES = 8;
const COUNT_AT = 2 * NUMBER_BYTES;
const OBSERVATIONS_AT = COUNT_AT + 1;
const FEED_BYTES = 32;
const VALUE_BYTES = 16;
const OBSERVATION_BYTES = FEED_BYTES + 2 * VALUE_BYTES + 1;
const VALUE_END = 2n ** 128n;
const VALUE_MAX = 2n ** 127n - 1n;

/** Bytes of a signed report of so many feeds. */
export function reportBytes(observations: number): number {
  return OBSERVATIONS_AT + observations * OBSERVATION_BYTES + SIGNATURE_BYTES;
}

/** What a publisher says of one feed. */
export interface Observation {
  /** 32 bytes. */
  readonly feedId: Hex;
  /** In the feed's smallest unit (`decimals` of the policy): int128. */
  readonly value: bigint;
  /** Half the width of the publisher's interval, in the same unit: uint128. */
  readonly confidence: bigint;
  /** 0 to `SESSION_MAX`. */
  readonly session: number;
}

export interface PriceReport {
  /** Of the key: ascending, gaps allowed. uint64. */
  readonly sequence: bigint;
  /** When the values held, Unix milliseconds. */
  readonly publishTimeMs: number;
  /** 1 to 255, of different feeds. */
  readonly observations: readonly Observation[];
}

export interface SignedReport extends PriceReport {
  /** 65 bytes: r, s, v. */
  readonly signature: Uint8Array;
}

/** The bytes of a report. Errors: RangeError for a value that does not fit: it is our own. */
export function encodeReport({ signature, ...report }: SignedReport): Uint8Array {
  const { sequence, publishTimeMs, observations } = report;
  if (observations.length < 1 || observations.length > OBSERVATIONS_MAX)
    throw new RangeError(`not 1 to ${OBSERVATIONS_MAX} observations`);
  return concatBytes(
    bigintToBytes(sequence, NUMBER_BYTES),
    bigintToBytes(BigInt(publishTimeMs), NUMBER_BYTES),
    Uint8Array.of(observations.length),
    ...observations.flatMap(({ feedId, value, confidence, session }) => [
      word(feedId),
      i128(value).subarray(VALUE_BYTES),
      bigintToBytes(confidence, VALUE_BYTES),
      Uint8Array.of(session),
    ]),
    signature,
  );
}

/** Reads a report; whether its signature is good is not looked at. `data.field` says what is not. */
export function decodeReport(bytes: Uint8Array): Verdict<SignedReport, "REPORT_MALFORMED"> {
  const count = bytes[COUNT_AT] ?? 0;
  const signatureAt = OBSERVATIONS_AT + count * OBSERVATION_BYTES;
  if (count === 0) return malformed("observations");
  if (bytes.length !== signatureAt + SIGNATURE_BYTES) return malformed("length");
  const publishTime = bytesToBigint(bytes.subarray(NUMBER_BYTES, COUNT_AT));
  if (publishTime > BigInt(Number.MAX_SAFE_INTEGER)) return malformed("publishTimeMs");
  const observations = Array.from({ length: count }, (_, index) =>
    readObservation(bytes, OBSERVATIONS_AT + index * OBSERVATION_BYTES),
  );
  if (observations.some(({ session }) => session > SESSION_MAX)) return malformed("session");
  if (new Set(observations.map(({ feedId }) => feedId)).size !== count) return malformed("feedId");
  return accept({
    sequence: bytesToBigint(bytes.subarray(0, NUMBER_BYTES)),
    publishTimeMs: Number(publishTime),
    observations,
    signature: bytes.slice(signatureAt),
  });
}

function readObservation(bytes: Uint8Array, at: number): Observation {
  const valueAt = at + FEED_BYTES;
  const confidenceAt = valueAt + VALUE_BYTES;
  const sessionAt = confidenceAt + VALUE_BYTES;
  const unsigned = bytesToBigint(bytes.subarray(valueAt, confidenceAt));
  return {
    feedId: toHex(bytes.subarray(at, valueAt)),
    value: unsigned > VALUE_MAX ? unsigned - VALUE_END : unsigned,
    confidence: bytesToBigint(bytes.subarray(confidenceAt, sessionAt)),
    session: bytes[sessionAt] ?? 0,
  };
}

function malformed(field: string) {
  return refuse("REPORT_MALFORMED", { field });
}

/** 32-byte EIP-712 digest of a report: what the publisher's key signs. */
export function reportDigest(feedSet: Hex, report: PriceReport): Uint8Array {
  const observations = report.observations.map(({ feedId, value, confidence, session }) =>
    word(
      hashWords([OBSERVATION_TYPE_HASH, word(feedId), i128(value), u128(confidence), u64(session)]),
    ),
  );
  const struct = hashWords([
    REPORT_TYPE_HASH,
    u64(report.sequence),
    u64(report.publishTimeMs),
    keccak(concatBytes(...observations)),
  ]);
  return keccak(concatBytes(DIGEST_PREFIX, word(domainSeparator(feedSet)), word(struct)));
}

/** Of the feed set that was used last: a program has one. */
let known: { readonly feedSet: Hex; readonly separator: Hex } | null = null;

function domainSeparator(feedSet: Hex): Hex {
  if (known?.feedSet !== feedSet) {
    const words = [DOMAIN_TYPE_HASH, DOMAIN_NAME, DOMAIN_VERSION, word(feedSet)];
    known = { feedSet, separator: hashWords(words) };
  }
  return known.separator;
}

/** keccak-256 of `source ‖ bytes`: what an admission receipt names, and what breaks ties. */
export function reportHash(source: number, bytes: Uint8Array): Hex {
  return toHex(keccak(concatBytes(Uint8Array.of(source), bytes)));
}
