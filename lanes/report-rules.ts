/**
 * What makes a report worth taking: whose key signed it, and whether that publisher may speak of
 * these feeds. PROTOCOL 5.
 *
 * Owns the verdict on a report by itself. Does not own what is newest (`price-state.ts`), nor rates
 * and sequences, which only who takes reports in can know.
 */
import { bytesEqual, type Hex } from "./bytes.ts";
import type { LaneReport } from "./lane-data.ts";
import type { Policy } from "./policy.ts";
import { decodeReport, OWN_SOURCE, reportDigest, reportHash, type SignedReport } from "./report.ts";
import { SIGNATURE_BYTES } from "./signed-flashblock.ts";
import { accept, refuse, type Verdict } from "./verdict.ts";

/** A report with its signer. */
export interface VerifiedReport {
  readonly report: SignedReport;
  readonly source: number;
  readonly bytes: Uint8Array;
  readonly hash: Hex;
  /** Who signed, and whose key that is. */
  readonly key: Hex;
  readonly publisher: number;
}

export type ReportRefusal =
  | "REPORT_SOURCE_UNKNOWN"
  | "REPORT_MALFORMED"
  | "REPORT_SIGNATURE_INVALID"
  | "REPORT_KEY_UNKNOWN"
  | "REPORT_FEED_UNKNOWN"
  | "REPORT_VALUE_OUT_OF_RANGE";

/** Who made a 65-byte signature over a digest; `null` unless it is low-s with `v` 27 or 28. */
export type Recover = (digest: Uint8Array, signature: Uint8Array) => Hex | null;

/**
 * Whether a publisher of the policy has signed this, of feeds that are its own, with values that
 * they can have. A report for another feed set recovers to a key that nobody knows.
 */
export function verifyReport(
  source: number,
  bytes: Uint8Array,
  policy: Policy,
  recover: Recover,
): Verdict<VerifiedReport, ReportRefusal> {
  if (source !== OWN_SOURCE) return refuse("REPORT_SOURCE_UNKNOWN", { source });
  const decoded = decodeReport(bytes);
  if (!decoded.ok) return decoded;
  const report = decoded.value;
  // Before anything is hashed: a stranger's report costs no more than one of this policy's.
  const strange = report.observations.find(({ feedId }) => !policy.feedsById.has(feedId));
  if (strange !== undefined) return refuse("REPORT_FEED_UNKNOWN", { feedId: strange.feedId });
  const key = recover(reportDigest(policy.document.feedSet, report), report.signature);
  if (key === null) return refuse("REPORT_SIGNATURE_INVALID");
  const publisher = policy.publisherOfKey.get(key);
  if (publisher === undefined) return refuse("REPORT_KEY_UNKNOWN", { key });
  for (const { feedId, value } of report.observations) {
    const feed = policy.feedsById.get(feedId);
    if (feed?.publishers.includes(publisher) !== true)
      return refuse("REPORT_FEED_UNKNOWN", { feedId, publisher });
    if (value < feed.min || value > feed.max)
      return refuse("REPORT_VALUE_OUT_OF_RANGE", { feedId, value: value.toString() });
  }
  return accept({ report, source, bytes, hash: reportHash(source, bytes), key, publisher });
}

/** As LaneData lists it. */
export function laneReportOf({ source, bytes }: VerifiedReport): LaneReport {
  return { source, bytes };
}

/**
 * Whether one key signed both for one sequence: whoever has them can have it suspended. To sign the
 * same contents once more is none: signatures with random nonces differ.
 */
export function areConflicting(a: VerifiedReport, b: VerifiedReport): boolean {
  if (a.key !== b.key || a.report.sequence !== b.report.sequence) return false;
  return !bytesEqual(contentsOf(a), contentsOf(b));
}

/** What was signed. */
function contentsOf({ bytes }: VerifiedReport): Uint8Array {
  return bytes.subarray(0, bytes.length - SIGNATURE_BYTES);
}
