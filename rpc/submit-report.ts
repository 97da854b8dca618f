/**
 * Taking a report in: its form, its signature and whose it is are checked here, in the RPC thread;
 * whether it is the publisher's turn, in the sequencing thread. What that answers is the
 * acknowledgement (I7).
 */
import type { Hex } from "../lanes/bytes.ts";
import { OBSERVATIONS_MAX } from "../lanes/report.ts";
import { verifyReport } from "../lanes/report-rules.ts";
import { accept } from "../lanes/verdict.ts";
import type { ReportAnswer } from "../node/api.ts";
import { NodeError } from "../node/errors.ts";
import { recoverSigner } from "../node/primitives/signature.ts";
import type { RpcContext } from "./context.ts";
import type { Param } from "./method.ts";
import { member, parseBytes, parseFixed, parseIndex, parseMembers } from "./params.ts";

/** Of a report with the most observations, with room for a format that is longer. */
const BYTES_MAX = 128 * OBSERVATIONS_MAX;
const NAME = "report";

export interface SubmittedReport {
  readonly source: number;
  readonly bytes: Uint8Array;
  /** Which feed set it was signed for, where the submitter says so. */
  readonly feedSet: Hex | null;
}

/** `{source?, bytes, feedSet?}`; a source that is left out is 0. */
export const reportParam: Param<SubmittedReport> = {
  name: NAME,
  parse(value) {
    const members = parseMembers(value, NAME);
    if (!members.ok) return members;
    const source = member(members.value, NAME, "source", 0, parseIndex);
    if (!source.ok) return source;
    const bytes = parseBytes(members.value.get("bytes"), BYTES_MAX, `${NAME}.bytes`);
    if (!bytes.ok) return bytes;
    const feedSet = member<Hex | null>(members.value, NAME, "feedSet", null, (hex, name) =>
      parseFixed(hex, 32, name),
    );
    if (!feedSet.ok) return feedSet;
    return accept({ source: source.value, bytes: bytes.value, feedSet: feedSet.value });
  },
};

/** The acknowledgement, with its proof. Throws the code of the refusal. */
export async function submitReport(
  { node, policy, reportSignal }: RpcContext,
  { source, bytes, feedSet }: SubmittedReport,
): Promise<Extract<ReportAnswer, { ok: true }>> {
  const own = policy.document.feedSet;
  if (feedSet !== null && feedSet !== own)
    throw new NodeError("REPORT_FEED_SET_FOREIGN", { feedSet: own });
  const report = verifyReport(source, bytes, policy, recoverSigner);
  if (!report.ok) throw new NodeError(report.code, report.data);
  const answering = node.submitReport(report.value);
  reportSignal.announce(report.value);
  const answer = await answering;
  if (!answer.ok) throw new NodeError(answer.code, answer.data);
  return answer;
}
