/**
 * Hands a follower's reports on to the sequencer, over one stream that stays open.
 *
 * Owns that what is answered holds: a receipt is checked against the sequencer's key before anybody
 * is told of it, and it is the receipt of what was handed in. A key's sequence is the configured
 * peer's word, as its acknowledgement of a transaction is. Bounded: so many requests under way; one
 * stream, opened by whoever needs it, so many times a second.
 */
import type { Connection } from "@libp2p/interface";
import { checkAdmissionReceipt } from "../../lanes/admission.ts";
import type { Hex } from "../../lanes/bytes.ts";
import { SYSTEM_RANK } from "../../lanes/classify.ts";
import type { ReceiptTrust } from "../../lanes/receipt-trust.ts";
import { reportHash } from "../../lanes/report.ts";
import type { KeyUse, ReportAnswer } from "../api.ts";
import type { Clock } from "../clock.ts";
import { type ErrorData, NodeError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { FaultLedger } from "./peers.ts";
import { createRateLimit } from "./rate.ts";
import {
  type ReportAnswerMessage,
  type ReportRequest,
  REPORT_STREAMS_RATE,
  REPORTS_IN_FLIGHT_MAX,
} from "./report-messages.ts";
import { ReportStream } from "./report-stream.ts";

const OPEN_DEADLINE_MS = 3_000;

export interface ReportClientDeps {
  /** A connection to the configured peer that sequences; `null` where there is none. */
  sequencer(): Promise<Connection | null>;
  readonly trust: ReceiptTrust;
  readonly ledger: FaultLedger;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Errors: `SEQUENCER_UNREACHABLE`; what was handed in then may have been taken in or not. */
export interface ReportClient {
  /** `bytes` are verified: for any other the sequencer blames this node. */
  submitReport(source: number, bytes: Uint8Array): Promise<ReportAnswer>;
  keyUse(key: Hex): Promise<KeyUse | null>;
}

export function createReportClient(protocol: string, deps: ReportClientDeps): ReportClient {
  const { clock, ledger, log, trust } = deps;
  const openings = createRateLimit(REPORT_STREAMS_RATE, clock);
  let current: Promise<ReportStream> | null = null;
  let inFlight = 0;

  const open = async (): Promise<ReportStream> => {
    const connection = await deps.sequencer();
    if (connection === null) throw new NodeError("SEQUENCER_UNREACHABLE");
    const peer = connection.remotePeer.toString();
    if (!openings.take(peer)) throw new NodeError("SEQUENCER_UNREACHABLE", { reason: "streams" });
    const signal = AbortSignal.timeout(OPEN_DEADLINE_MS);
    const stream = await connection.newStream(protocol, { signal });
    return new ReportStream(stream, clock, (error) => {
      current = null;
      if (error.code === "PEER_FAULT") ledger.add(peer);
      log.debug("report stream ended", { peer, code: error.code, ...error.data });
    });
  };

  const opened = (): Promise<ReportStream> =>
    (current ??= open().catch((error: unknown) => {
      current = null;
      throw error;
    }));

  const ask = async <T>(
    request: ReportRequest,
    take: (answer: ReportAnswerMessage) => T,
  ): Promise<T> => {
    if (inFlight >= REPORTS_IN_FLIGHT_MAX)
      throw new NodeError("SEQUENCER_UNREACHABLE", { inFlight });
    inFlight++;
    try {
      const stream = await opened();
      return await stream.ask(request, take);
    } catch (cause) {
      if (cause instanceof NodeError && cause.code === "SEQUENCER_UNREACHABLE") throw cause;
      throw new NodeError("SEQUENCER_UNREACHABLE", reasonOf(cause), cause);
    } finally {
      inFlight--;
    }
  };

  return {
    submitReport: (source, bytes) =>
      ask({ kind: "report", source, bytes }, (answer) =>
        takenIn(answer, reportHash(source, bytes), trust),
      ),
    async keyUse(key) {
      const use = await ask({ kind: "key", key }, (answer) => {
        if (answer.ok && !("use" in answer)) throw new NodeError("PEER_FAULT", { field: "use" });
        return answer;
      });
      if (!use.ok) throw new NodeError(use.code, use.data);
      return use.use;
    },
  };
}

/** Which fault it was goes back to the client: an answer that does not hold is no broken line. */
function reasonOf(cause: unknown): ErrorData {
  return cause instanceof NodeError ? { reason: cause.code, ...cause.data } : {};
}

/** Throws `PEER_FAULT` for a receipt that does not hold, or is another report's. */
function takenIn(answer: ReportAnswerMessage, hash: Hex, trust: ReceiptTrust): ReportAnswer {
  if (!answer.ok) return answer;
  if (!("receipt" in answer)) throw new NodeError("PEER_FAULT", { field: "receipt" });
  const { receipt } = answer;
  const { accepted, deadlineBlock, rank } = receipt.leaf;
  if (receipt.leaf.hash !== hash || rank !== SYSTEM_RANK)
    throw new NodeError("PEER_FAULT", { part: "hash" });
  const held = checkAdmissionReceipt(receipt, trust);
  if (!held.ok) throw new NodeError("PEER_FAULT", held.data);
  return { ok: true, hash, accepted, deadlineBlock, admission: receipt };
}
