/**
 * Messages of `submit-reports`: one stream of a follower for many requests. A request has a number,
 * and its answer the same; answers come in any order.
 *
 *   request  number u32 ‖ kind u8 ‖ body; kind 0, a report: source u8 ‖ bytes; kind 1: key 20
 *   answer   number u32 ‖ JSON: what was asked for, or the code of a refusal
 *
 * Pure. Owns the encodings and their bounds. Does not own whether a report or a receipt holds.
 */
import { z } from "zod";
import type { AdmissionReceipt } from "../../lanes/admission.ts";
import { concatBytes, fromHex, type Hex, toHex } from "../../lanes/bytes.ts";
import { admissionReceiptToJson, parseReceipt } from "../../lanes/receipt-json.ts";
import { OBSERVATIONS_MAX, reportBytes } from "../../lanes/report.ts";
import { accept, refuse, type Verdict } from "../../lanes/verdict.ts";
import type { KeyUse } from "../api.ts";
import { parseJson, type Refusal, refusalSchema } from "./messages.ts";

/** Requests of one follower that are not answered. */
export const REPORTS_IN_FLIGHT_MAX = 256;

/** Streams that a follower opens: one, and the next where that has failed. */
export const REPORT_STREAMS_RATE = { perSecond: 2, burst: 8 };

const NUMBER_BYTES = 4;
const KIND_AT = NUMBER_BYTES;
const BODY_AT = KIND_AT + 1;
const KEY_BYTES = 20;
const REPORT_KIND = 0;
const KEY_KIND = 1;

export const REPORT_REQUEST_BYTES_MAX = BODY_AT + 1 + reportBytes(OBSERVATIONS_MAX);
/** A receipt's path has a hash for each doubling of its group: room for more than any group has. */
export const REPORT_ANSWER_BYTES_MAX = 4096;

export type ReportRequest =
  | { readonly kind: "report"; readonly source: number; readonly bytes: Uint8Array }
  /** What was heard from this key. */
  | { readonly kind: "key"; readonly key: Hex };

export type ReportAnswerMessage =
  | { readonly ok: true; readonly receipt: AdmissionReceipt }
  /** `null` where nobody is heard yet. */
  | { readonly ok: true; readonly use: KeyUse | null }
  | Refusal;

export function encodeReportRequest(number: number, request: ReportRequest): Uint8Array {
  const body =
    request.kind === "report"
      ? concatBytes(Uint8Array.of(REPORT_KIND, request.source), request.bytes)
      : concatBytes(Uint8Array.of(KEY_KIND), fromHex(request.key));
  return concatBytes(numberBytes(number), body);
}

export function decodeReportRequest(
  bytes: Uint8Array,
): Verdict<{ readonly number: number; readonly request: ReportRequest }, "PEER_FAULT"> {
  const number = readNumber(bytes);
  const body = bytes.subarray(BODY_AT);
  const [source] = body;
  if (number === null || source === undefined) return refuse("PEER_FAULT", { field: "request" });
  if (bytes[KIND_AT] === REPORT_KIND)
    return accept({ number, request: { kind: "report", source, bytes: body.subarray(1) } });
  if (bytes[KIND_AT] === KEY_KIND && body.length === KEY_BYTES)
    return accept({ number, request: { kind: "key", key: toHex(body) } });
  return refuse("PEER_FAULT", { field: "request" });
}

/** A refusal whose data would not fit is sent without its data. */
export function encodeReportAnswer(number: number, answer: ReportAnswerMessage): Uint8Array {
  const bytes = concatBytes(numberBytes(number), jsonBytes(answer));
  if (bytes.length <= REPORT_ANSWER_BYTES_MAX || answer.ok) return bytes;
  return encodeReportAnswer(number, { ...answer, data: {} });
}

/** The number of the request, and what `decodeReportAnswer` takes. */
export function splitReportAnswer(
  bytes: Uint8Array,
): Verdict<{ readonly number: number; readonly body: Uint8Array }, "PEER_FAULT"> {
  const number = readNumber(bytes);
  if (number === null) return refuse("PEER_FAULT", { field: "answer" });
  return accept({ number, body: bytes.subarray(NUMBER_BYTES) });
}

const useSchema = z
  .strictObject({
    sequence: z
      .string()
      .regex(/^(0|[1-9]\d{0,19})$/)
      .transform(BigInt),
    isSuspended: z.boolean(),
  })
  .nullable();

const answerSchema = z.union([
  z.strictObject({ ok: z.literal(true), receipt: z.looseObject({}) }),
  z.strictObject({ ok: z.literal(true), use: useSchema }),
  refusalSchema,
]);

export function decodeReportAnswer(body: Uint8Array): Verdict<ReportAnswerMessage, "PEER_FAULT"> {
  const parsed = answerSchema.safeParse(parseJson(body));
  if (!parsed.success) return refuse("PEER_FAULT", { field: "answer" });
  const answer = parsed.data;
  if (!answer.ok || !("receipt" in answer)) return accept(answer);
  const receipt = parseReceipt(answer.receipt);
  if (!receipt.ok || receipt.value.type !== "admission")
    return refuse("PEER_FAULT", { field: "receipt" });
  return accept({ ok: true, receipt: receipt.value.receipt });
}

function jsonBytes(answer: ReportAnswerMessage): Uint8Array {
  const json =
    answer.ok && "receipt" in answer
      ? { ok: true, receipt: admissionReceiptToJson(answer.receipt) }
      : answer;
  const text = JSON.stringify(json, (_key, value: unknown) =>
    typeof value === "bigint" ? String(value) : value,
  );
  return new TextEncoder().encode(text);
}

function numberBytes(number: number): Uint8Array {
  const bytes = new Uint8Array(NUMBER_BYTES);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}

function readNumber(bytes: Uint8Array): number | null {
  if (bytes.length < NUMBER_BYTES) return null;
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getUint32(0);
}
