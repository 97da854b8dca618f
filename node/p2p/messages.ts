/**
 * Names of the direct protocols, and the encodings of `status`, `blocks-by-range` and `submit`;
 * those of `submit-reports` are in `report-messages.ts`. Pure. Integers are big-endian; every
 * message has a fixed size or a named bound. DESIGN 7.
 */
import { z } from "zod";
import { concatBytes, fromHex, isHexOf, toHex } from "../../lanes/bytes.ts";
import { accept, refuse, type Verdict } from "../../lanes/verdict.ts";
import type { SubmitAnswer } from "../api.ts";
import { isErrorCode } from "../errors.ts";
import { BLOCK_BYTES_MAX } from "../primitives/block.ts";
import type { PeerStatus } from "./network.ts";
import { compressedBytesMax } from "./snappy.ts";

export function blocksTopic(chainId: number): string {
  return `/pricelane/${chainId}/blocks/1`;
}

export function protocolNames(chainId: number): {
  readonly status: string;
  readonly blocksByRange: string;
  readonly submit: string;
  readonly submitReports: string;
} {
  return {
    status: `/pricelane/${chainId}/status/1`,
    blocksByRange: `/pricelane/${chainId}/blocks-by-range/1`,
    submit: `/pricelane/${chainId}/submit/1`,
    submitReports: `/pricelane/${chainId}/submit-reports/1`,
  };
}

/** One compressed block in an answer. */
export const BLOCK_FRAME_BYTES_MAX = compressedBytesMax(BLOCK_BYTES_MAX);
/** Blocks in one answer. */
export const RANGE_BLOCKS_MAX = 64;
/** Compressed bytes in one answer; a first block that is larger is sent all the same. */
export const RANGE_BYTES_MAX = 4 * 1024 * 1024;
/** Ends an answer: no block compresses to nothing. */
export const RANGE_END = new Uint8Array(0);
export const RANGE_REQUEST_BYTES = 10;
export const STATUS_BYTES = 57;
export const SUBMIT_ANSWER_BYTES_MAX = 4096;

export interface RangeRequest {
  readonly from: number;
  readonly count: number;
}

export function encodeRangeRequest(request: RangeRequest): Uint8Array {
  const bytes = new Uint8Array(RANGE_REQUEST_BYTES);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(request.from));
  view.setUint16(8, request.count);
  return bytes;
}

export function decodeRangeRequest(bytes: Uint8Array): Verdict<RangeRequest, "PEER_FAULT"> {
  if (bytes.length !== RANGE_REQUEST_BYTES) return refuse("PEER_FAULT", { field: "range" });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const from = view.getBigUint64(0);
  const count = view.getUint16(8);
  if (from > BigInt(Number.MAX_SAFE_INTEGER - RANGE_BLOCKS_MAX))
    return refuse("PEER_FAULT", { field: "from" });
  if (count === 0 || count > RANGE_BLOCKS_MAX) return refuse("PEER_FAULT", { field: "count" });
  return accept({ from: Number(from), count });
}

/** What a peer says of its chain and of itself. */
export interface RemoteStatus extends PeerStatus {
  readonly role: "sequencer" | "follower";
}

const ROLES = ["follower", "sequencer"] as const;

export function encodeStatus(status: RemoteStatus): Uint8Array {
  const heads = new Uint8Array(17);
  const view = new DataView(heads.buffer);
  view.setBigUint64(0, BigInt(status.unsafe));
  view.setBigUint64(8, BigInt(status.safe));
  view.setUint8(16, ROLES.indexOf(status.role));
  const chainId = new Uint8Array(8);
  new DataView(chainId.buffer).setBigUint64(0, BigInt(status.chainId));
  return concatBytes(chainId, fromHex(status.genesisHash), heads);
}

export function decodeStatus(bytes: Uint8Array): Verdict<RemoteStatus, "PEER_FAULT"> {
  if (bytes.length !== STATUS_BYTES) return refuse("PEER_FAULT", { field: "status" });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const [chainId, unsafe, safe] = [0, 40, 48].map((at) => Number(view.getBigUint64(at)));
  const role = ROLES[view.getUint8(56)];
  if (!isSmall(chainId) || !isSmall(unsafe) || !isSmall(safe) || role === undefined)
    return refuse("PEER_FAULT", { field: "status" });
  return accept({ chainId, genesisHash: toHex(bytes.subarray(8, 40)), unsafe, safe, role });
}

function isSmall(value: number | undefined): value is number {
  return value !== undefined && Number.isSafeInteger(value);
}

const HASH_BYTES = 32;

/** Any of the error table's, with its data. */
export type Refusal = Extract<SubmitAnswer, { ok: false }>;

export const refusalSchema = z.strictObject({
  ok: z.literal(false),
  code: z.string().refine(isErrorCode),
  data: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
});

const submitAnswerSchema = z.union([
  z.strictObject({
    ok: z.literal(true),
    hash: z.string().refine((text) => isHexOf(text, HASH_BYTES) && text === text.toLowerCase()),
    lane: z.enum(["fast", "normal"]),
    rank: z.number().int().min(1).max(255),
    accepted: z
      .string()
      .regex(/^[1-9]\d{0,21}$/)
      .transform(BigInt),
    deadlineBlock: z.number().int().min(0),
    isGapped: z.boolean(),
  }),
  refusalSchema,
]);

/**
 * JSON. An answer whose data would not fit is sent without its data; the admission's proof is the
 * sequencer's own clients' only.
 */
export function encodeSubmitAnswer(answer: SubmitAnswer): Uint8Array {
  const text = JSON.stringify(answer, (key, value: unknown) => {
    if (key === "admission") return undefined;
    return typeof value === "bigint" ? String(value) : value;
  });
  const bytes = new TextEncoder().encode(text);
  if (bytes.length <= SUBMIT_ANSWER_BYTES_MAX || answer.ok) return bytes;
  return encodeSubmitAnswer({ ...answer, data: {} });
}

export function decodeSubmitAnswer(bytes: Uint8Array): Verdict<SubmitAnswer, "PEER_FAULT"> {
  const parsed = submitAnswerSchema.safeParse(parseJson(bytes));
  return parsed.success
    ? accept(parsed.data as SubmitAnswer)
    : refuse("PEER_FAULT", { field: "answer" });
}

/** `undefined` where the bytes are no JSON in UTF-8, which no JSON is. */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}
