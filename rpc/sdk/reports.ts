/**
 * For publishers: making and signing a report. No node is asked.
 *
 * A key must never sign two reports for one sequence: whoever holds both can have it suspended. So
 * one process has a key, and asks `lane_publisher` where to go on after a restart.
 */
import { type Hex, toHex, fromHex } from "../../lanes/bytes.ts";
import {
  encodeReport,
  OWN_SOURCE,
  type PriceReport,
  reportDigest,
  reportHash,
} from "../../lanes/report.ts";

/** What `lane_submitReport` takes. */
export interface SubmittableReport {
  /** The format: a quantity, 0x0 for this protocol's own. */
  readonly source: Hex;
  readonly bytes: Hex;
  /** 32 bytes: with it a node can say that a report was meant for another one. */
  readonly feedSet: Hex;
  /** As in the receipt. */
  readonly hash: Hex;
}

/** Signs a digest: an account of viem, or whatever holds the key. */
export interface ReportSigner {
  /** 65 bytes: r, s, v; low-s. */
  sign(parameters: { readonly hash: Hex }): Promise<Hex>;
}

/**
 * A signed report (PROTOCOL 5). `feedSet` is the policy's (`lane_policy`, `lane_publisher`).
 *
 * Errors: RangeError for a value that does not fit its type.
 */
export async function signReport(
  signer: ReportSigner,
  feedSet: Hex,
  report: PriceReport,
): Promise<SubmittableReport> {
  const signature = fromHex(await signer.sign({ hash: toHex(reportDigest(feedSet, report)) }));
  const bytes = encodeReport({ ...report, signature });
  return {
    source: "0x0",
    bytes: toHex(bytes),
    feedSet,
    hash: reportHash(OWN_SOURCE, bytes),
  };
}
