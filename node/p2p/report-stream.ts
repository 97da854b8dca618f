/**
 * A follower's end of a stream to the sequencer: many requests under way, each with a number and a
 * deadline.
 *
 * Owns the numbers and that no request waits for ever: where one is not answered in time, or an
 * answer is none, the stream ends and everything under way fails with it. Bounded by its caller.
 */
import type { Stream } from "@libp2p/interface";
import type { Clock } from "../clock.ts";
import { NodeError } from "../errors.ts";
import {
  decodeReportAnswer,
  encodeReportRequest,
  type ReportAnswerMessage,
  type ReportRequest,
  REPORT_ANSWER_BYTES_MAX,
  splitReportAnswer,
} from "./report-messages.ts";
import { abortStream, type Frames, openFrames } from "./streams.ts";

/** Before a publisher's own request is given up: it hears why. */
export const REPORT_DEADLINE_MS = 4_000;
const NUMBERS = 2 ** 32;

interface Call {
  /** Throws `PEER_FAULT` where the answer is not one to what was asked. */
  settle(answer: ReportAnswerMessage): void;
  fail(error: NodeError): void;
  cancelDeadline(): void;
}

export class ReportStream {
  readonly #stream: Stream;
  readonly #clock: Clock;
  readonly #frames: Frames;
  readonly #onEnded: (error: NodeError) => void;
  readonly #calls = new Map<number, Call>();
  #nextNumber = 0;
  #failure: NodeError | null = null;

  /** `onEnded` is called once, after every request under way has failed. */
  constructor(stream: Stream, clock: Clock, onEnded: (error: NodeError) => void) {
    this.#stream = stream;
    this.#clock = clock;
    this.#onEnded = onEnded;
    this.#frames = openFrames(stream, REPORT_DEADLINE_MS);
    void this.#readAll();
  }

  /**
   * What `take` makes of the answer; it throws `PEER_FAULT` for one that does not fit.
   * Errors: what the stream ended with.
   */
  ask<T>(request: ReportRequest, take: (answer: ReportAnswerMessage) => T): Promise<T> {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    const number = this.#nextNumber;
    this.#nextNumber = (number + 1) % NUMBERS;
    const answered = new Promise<T>((resolve, reject) => {
      this.#calls.set(number, {
        settle: (answer) => {
          resolve(take(answer));
        },
        fail: reject,
        cancelDeadline: this.#clock.after(REPORT_DEADLINE_MS, () => {
          this.#end(new NodeError("TIMEOUT", { deadlineMs: REPORT_DEADLINE_MS }));
        }),
      });
    });
    this.#frames.write(encodeReportRequest(number, request)).catch((cause: unknown) => {
      this.#end(cause);
    });
    return answered;
  }

  async #readAll(): Promise<void> {
    try {
      for (;;) this.#settle(await this.#frames.read(REPORT_ANSWER_BYTES_MAX));
    } catch (cause) {
      this.#end(cause);
    }
  }

  #settle(frame: Uint8Array): void {
    const split = splitReportAnswer(frame);
    if (!split.ok) throw new NodeError(split.code, split.data);
    const { number, body } = split.value;
    const call = this.#calls.get(number);
    if (call === undefined) throw new NodeError("PEER_FAULT", { field: "number" });
    const answer = decodeReportAnswer(body);
    if (!answer.ok) throw new NodeError(answer.code, answer.data);
    call.settle(answer.value);
    call.cancelDeadline();
    this.#calls.delete(number);
  }

  #end(cause: unknown): void {
    if (this.#failure !== null) return;
    this.#failure = abortStream(this.#stream, cause);
    for (const call of this.#calls.values()) {
      call.cancelDeadline();
      call.fail(this.#failure);
    }
    this.#calls.clear();
    this.#onEnded(this.#failure);
  }
}
