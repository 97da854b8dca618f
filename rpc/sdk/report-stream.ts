/**
 * Reports one after another over one connection, without waiting for each answer.
 *
 * Owns that no more than so many are on their way: whoever sends more waits. Does not sign, nor
 * send again: what was refused, or not answered, is told with its report. Answers may come in
 * another order than reports, and a report that is overtaken by a later one of its key is refused.
 */
import type { LaneActions, ReportAcknowledgement } from "./lane-actions.ts";
import type { SubmittableReport } from "./reports.ts";

const IN_FLIGHT_MAX = 64;

export interface ReportStreamOptions {
  /** Reports that are sent and not answered. @default 64 */
  readonly inFlightMax?: number;
  readonly onTaken?: (acknowledgement: ReportAcknowledgement, report: SubmittableReport) => void;
  /** `refusalOf` says why, where a node has answered. */
  readonly onFailed?: (error: unknown, report: SubmittableReport) => void;
}

export interface ReportStream {
  /** Resolves when it is on its way. */
  send(report: SubmittableReport): Promise<void>;
  /** Resolves when all that was sent is answered. */
  end(): Promise<void>;
}

/** Errors: `RangeError` for a bound below 1. */
export function streamReports(
  { submitReport }: Pick<LaneActions, "submitReport">,
  { inFlightMax = IN_FLIGHT_MAX, onTaken, onFailed }: ReportStreamOptions,
): ReportStream {
  if (!Number.isSafeInteger(inFlightMax) || inFlightMax < 1)
    throw new RangeError("inFlightMax is a whole number from 1 on");
  const inFlight = new Set<Promise<void>>();
  const submit = async (report: SubmittableReport): Promise<void> => {
    try {
      const acknowledgement = await submitReport(report);
      onTaken?.(acknowledgement, report);
    } catch (error) {
      onFailed?.(error, report);
    }
  };
  return {
    async send(report) {
      while (inFlight.size >= inFlightMax) await Promise.race(inFlight);
      const answering = submit(report);
      inFlight.add(answering);
      const done = (): void => void inFlight.delete(answering);
      answering.then(done, done);
    },
    async end() {
      await Promise.all(inFlight);
    },
  };
}
