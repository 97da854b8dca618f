/**
 * Reports from followers, on the sequencer: each is verified again, because anybody may call itself
 * a follower, before the sequencing thread hears of it.
 *
 * Owns the bounds of `submit-reports`: what a peer may ask in a second, how much of it may be under
 * way, and that many peers are served in turn. A peer over either is not read from until it is
 * within: what it sends fills its own window. What an honest follower would have refused itself is
 * the peer's fault, however the stream ends. Does not own whose turn a report is: the sequencing
 * thread's.
 */
import type { Stream } from "@libp2p/interface";
import type { Policy } from "../../lanes/policy.ts";
import { verifyReport } from "../../lanes/report-rules.ts";
import { AdmissionReceipts } from "../admission-receipts.ts";
import type { Clock } from "../clock.ts";
import { NodeError } from "../errors.ts";
import { recoverSigner } from "../primitives/signature.ts";
import type { HostHandlers } from "./network.ts";
import { PeerTurns } from "./peer-turns.ts";
import { createRateLimit } from "./rate.ts";
import {
  decodeReportRequest,
  encodeReportAnswer,
  type ReportAnswerMessage,
  type ReportRequest,
  REPORT_REQUEST_BYTES_MAX,
  REPORT_STREAMS_RATE,
  REPORTS_IN_FLIGHT_MAX,
} from "./report-messages.ts";
import { abortStream, openFrames } from "./streams.ts";

/** Of one connection; a second is there while the first one ends. */
export const REPORT_STREAMS_MAX = 2;
/** Of one peer under way: what it gave up with a stream before may be among them. */
export const REPORTS_SERVED_MAX = 2 * REPORTS_IN_FLIGHT_MAX;
/** Of one peer: an honest follower keeps well below. */
const STREAMS_OPENED_RATE = {
  perSecond: 2 * REPORT_STREAMS_RATE.perSecond,
  burst: 2 * REPORT_STREAMS_RATE.burst,
};
/** A peer that does not read its answers for so long loses the stream. */
const WRITE_DEADLINE_MS = 10_000;
/** Of one peer, in bytes: hashing and recovery cost by them, a tenth of the thread at most. */
const REPORT_BYTES_RATE = { perSecond: 512 * 1024, burst: 1024 * 1024 };
/** What the smallest request counts for: a recovery. */
const REQUEST_BYTES_MIN = 512;

export interface ReportServerDeps {
  readonly handlers: Pick<HostHandlers, "onReport" | "onKeyUse">;
  readonly policy: Policy;
  readonly clock: Clock;
}

/** Serves one stream until it ends. Errors: as `withFrames`; `PEER_LIMIT`. */
export function createReportServer(
  deps: ReportServerDeps,
): (stream: Stream, peer: string) => Promise<never> {
  const { handlers, policy } = deps;
  const limit = createRateLimit(REPORT_BYTES_RATE, deps.clock);
  const streams = createRateLimit(STREAMS_OPENED_RATE, deps.clock);
  const turns = new PeerTurns();
  const receipts = new AdmissionReceipts();
  /** By peer; bounded by the connections there are. */
  const underWay = new Map<string, number>();

  const count = (peer: string, change: 1 | -1): void => {
    const left = (underWay.get(peer) ?? 0) + change;
    if (left === 0) underWay.delete(peer);
    else underWay.set(peer, left);
  };

  const answerTo = async (request: ReportRequest): Promise<ReportAnswerMessage> => {
    if (request.kind === "key") return { ok: true, use: await handlers.onKeyUse(request.key) };
    const report = verifyReport(request.source, request.bytes, policy, recoverSigner);
    if (!report.ok) throw new NodeError("PEER_FAULT", { reason: report.code });
    const answer = await handlers.onReport(report.value);
    return answer.ok ? { ok: true, receipt: receipts.of(answer.admission) } : answer;
  };

  return async (stream, peer) => {
    if (!streams.take(peer))
      throw abortStream(stream, new NodeError("PEER_FAULT", { reason: "streams" }));
    const frames = openFrames(stream, WRITE_DEADLINE_MS);
    const serving = new Set<Promise<void>>();
    /** The first one: the read that fails with it says less. */
    let failure: NodeError | null = null;

    const fail = (cause: unknown): NodeError => (failure ??= abortStream(stream, cause));

    const serve = async (number: number, request: ReportRequest): Promise<void> => {
      await turns.take(peer);
      // Nobody would hear the answer.
      if (stream.status !== "open") return;
      await frames.write(encodeReportAnswer(number, await answerTo(request)));
    };

    const readNext = async (): Promise<void> => {
      // No honest follower has more under way: whoever has waits, as it does for its rate.
      while (serving.size >= REPORTS_IN_FLIGHT_MAX) await Promise.race(serving);
      const frame = await frames.read(REPORT_REQUEST_BYTES_MAX);
      await limit.wait(peer, Math.max(frame.length, REQUEST_BYTES_MIN));
      // What the peer has sent before may be a window full of requests.
      if (stream.status !== "open") throw new NodeError("TIMEOUT", { reason: "stream ended" });
      const decoded = decodeReportRequest(frame);
      if (!decoded.ok) throw new NodeError(decoded.code, decoded.data);
      if ((underWay.get(peer) ?? 0) >= REPORTS_SERVED_MAX)
        throw new NodeError("PEER_LIMIT", { underWay: REPORTS_SERVED_MAX });
      count(peer, 1);
      const { number, request } = decoded.value;
      const served = serve(number, request)
        // The read that waits fails with it.
        .catch(fail)
        .then(() => {
          count(peer, -1);
          serving.delete(served);
        });
      serving.add(served);
    };

    try {
      for (;;) await readNext();
    } catch (cause) {
      // A peer that only sends no more is answered what it has asked, and blamed for it.
      if (cause instanceof NodeError && cause.code === "TIMEOUT") await Promise.all(serving);
      throw fail(cause);
    }
  };
}
