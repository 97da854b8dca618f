/**
 * The lane's methods on a client of viem: `createClient({ transport }).extend(laneActions())`.
 *
 * Owns the answers' types, and how a refusal is read. Does not own signing (`reports.ts`).
 */
import { BaseError, type Client, RpcRequestError } from "viem";
import type { Hex } from "../../lanes/bytes.ts";
import { checkReceiptJson } from "../../lanes/check-receipt.ts";
import type { InclusionReceipt } from "../../lanes/inclusion.ts";
import { broken, type ReceiptTrust, type ReceiptVerdict } from "../../lanes/receipt-trust.ts";
import { accept } from "../../lanes/verdict.ts";
import { watchPreconfirmations, type WatchOptions } from "./preconfirmations.ts";
import { type PriceWatchOptions, watchPrices } from "./price-watch.ts";
import { type ReportStream, type ReportStreamOptions, streamReports } from "./report-stream.ts";
import type { SubmittableReport } from "./reports.ts";
import { anyRequest } from "./subscribing.ts";

/** `lane_publisher`: whose key it is, and where to go on. */
export interface PublisherInfo {
  readonly id: number;
  readonly name: string;
  /** What its reports are signed for: 32 bytes. */
  readonly feedSet: Hex;
  readonly feeds: readonly {
    readonly id: string;
    readonly feedId: Hex;
    readonly decimals: number;
  }[];
  /** The highest sequence taken in: a quantity. */
  readonly sequence: Hex;
  readonly isSuspended: boolean;
}

/** `lane_submitReport`: it was taken in. */
export interface ReportAcknowledgement {
  readonly hash: Hex;
  /** Its admission number: a quantity. */
  readonly accepted: Hex;
  readonly deadlineBlock: Hex;
  /** The admission receipt: `pricelane verify receipt` checks it. */
  readonly receipt: unknown;
}

/** `lane_sendRawTransaction`: it was taken in. */
export interface TransactionAcknowledgement {
  readonly hash: Hex;
  readonly lane: "fast" | "normal";
  /** Its class under the policy; `null` in the normal lane. */
  readonly class: string | null;
  /** Its admission number: a quantity. */
  readonly accepted: Hex;
  /** A fast one stands in this block or an earlier one, or nowhere: a quantity. */
  readonly deadlineBlock: Hex;
  /** The admission receipt, for `checkReceiptJson`; `null` from a follower, which has none. */
  readonly receipt: unknown;
}

/** Of `eth_sendRawTransactionConditional`: what is left out is no condition. */
export interface Conditions {
  readonly blockNumberMin?: Hex;
  readonly blockNumberMax?: Hex;
  /** Of the block, Unix seconds. */
  readonly timestampMin?: Hex;
  readonly timestampMax?: Hex;
  /** The price epoch that must be applied before it, or a later one. */
  readonly priceEpochMin?: Hex;
  /** By address: slots with the values that they have to have, at most 64. */
  readonly knownAccounts?: Readonly<Record<Hex, Readonly<Record<Hex, Hex>>>>;
}

export interface LaneActions {
  /** Who has a key, by its address; `null` for nobody of this policy. */
  getPublisher(key: Hex): Promise<PublisherInfo | null>;
  /** Resolves when the report is durable and its receipt signed. Errors: see `refusalOf`. */
  submitReport(report: SubmittableReport): Promise<ReportAcknowledgement>;
  /**
   * Sends a signed transaction; which lane it takes is the policy's to say. Resolves when it is
   * durable and its receipt signed. Errors: see `refusalOf`.
   */
  sendPriorityTransaction(raw: Hex): Promise<TransactionAcknowledgement>;
  /**
   * Sends a signed transaction that is executed only where these hold, at the sequencer; its hash.
   * Errors: as `sendPriorityTransaction`; `CONDITION_FAILED` where one fails already.
   */
  sendConditionalTransaction(raw: Hex, conditions: Conditions): Promise<Hex>;
  /**
   * The place that a transaction was promised, where the promise holds; `null` while the node has
   * none. The verdict is over what the node says, whoever it is.
   */
  verifyInclusion(hash: Hex, trust: ReceiptTrust): Promise<ReceiptVerdict<InclusionReceipt | null>>;
  /** Sends signed reports over this client's connection without waiting for each answer. */
  streamReports(options?: ReportStreamOptions): ReportStream;
  /** Errors: `RangeError` where the client's transport cannot subscribe. */
  watchPreconfirmations(options: WatchOptions): Promise<() => Promise<void>>;
  /** Tells prices as they become readable. Errors: as `watchPreconfirmations`. */
  watchPrices(options: PriceWatchOptions): Promise<() => Promise<void>>;
}

/** For `client.extend`: an alias, because viem asks for a type with an index. */
export function laneActions(): (client: Client) => Pick<LaneActions, keyof LaneActions> {
  return (client) => {
    const request = anyRequest(client);
    const submitReport: LaneActions["submitReport"] = async ({ source, bytes, feedSet }) =>
      (await request({
        method: "lane_submitReport",
        params: [{ source, bytes, feedSet }],
      })) as ReportAcknowledgement;
    return {
      getPublisher: async (key) =>
        (await request({ method: "lane_publisher", params: [key] })) as PublisherInfo | null,
      submitReport,
      streamReports: (options = {}) => streamReports({ submitReport }, options),
      sendPriorityTransaction: async (raw) =>
        (await request({
          method: "lane_sendRawTransaction",
          params: [raw],
        })) as TransactionAcknowledgement,
      sendConditionalTransaction: async (raw, conditions) =>
        (await request({
          method: "eth_sendRawTransactionConditional",
          params: [raw, conditions],
        })) as Hex,
      verifyInclusion: async (hash, trust) => {
        const json = await request({ method: "lane_proof", params: [hash] });
        return json === null ? accept(null) : checkInclusionOf(hash, json, trust);
      },
      watchPreconfirmations: (options) => watchPreconfirmations(client, options),
      watchPrices: (options) => watchPrices(client, options),
    };
  };
}

function checkInclusionOf(
  hash: Hex,
  json: unknown,
  trust: ReceiptTrust,
): ReceiptVerdict<InclusionReceipt> {
  const checked = checkReceiptJson(json, trust);
  if (!checked.ok) return checked;
  const { type, receipt } = checked.value;
  if (type !== "inclusion") return broken("type");
  // A node may answer with the receipt of another one.
  return receipt.lane.txHash === hash.toLowerCase() ? accept(receipt) : broken("hash");
}

/** What a node has said instead of an answer. */
export interface Refusal {
  /** As in ERRORS.md. */
  readonly code: string;
  readonly message: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** The node's refusal in an error of a call; `null` where no node has answered. */
export function refusalOf(error: unknown): Refusal | null {
  if (!(error instanceof BaseError)) return null;
  const answered = error.walk((each) => each instanceof RpcRequestError);
  if (!(answered instanceof RpcRequestError)) return null;
  const { data, details } = answered as { data?: unknown; details: string };
  if (typeof data !== "object" || data === null || !("code" in data)) return null;
  return { code: String(data.code), message: details, data: { ...data } };
}
