/**
 * Lines of prices: where `pricelane publish` takes them from, and what they say.
 *
 * Owns the sources (a file at a pace, standard input, a WebSocket that is opened again when it
 * ends) and the form of a line. A line that is not as it must be is refused, never guessed.
 */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { WebSocket } from "ws";
import { type Observation, SESSION_MAX } from "../../lanes/report.ts";
import { accept, refuse, type Verdict } from "../../lanes/verdict.ts";
import { NodeError } from "../../node/errors.ts";
import type { PublisherInfo } from "../sdk/lane-actions.ts";

/** Characters of a line: 255 feeds with all that a feed may say. */
const LINE_MAX = 64 * 1024;
/** Lines of a WebSocket that wait to be read: a newer one takes the place of the oldest. */
const WAITING_MAX = 16;
const RETRY_MIN_MS = 250;
const RETRY_MAX_MS = 8_000;
const VALUE = /^(-?)(\d{1,40})(?:\.(\d{1,40}))?$/;

export type NamedFeed = PublisherInfo["feeds"][number];

/**
 * A line as observations: for each feed in their order, separated by semicolons,
 * `value[,confidence[,session]]`, values in the feed's unit with at most its decimals.
 */
export function parseLine(
  line: string,
  feeds: readonly NamedFeed[],
): Verdict<Observation[], "LINE_INVALID"> {
  const invalid = (expected: string) => refuse("LINE_INVALID", { expected });
  if (line.length > LINE_MAX) return invalid(`at most ${LINE_MAX} characters`);
  const parts = line.split(";");
  if (parts.length !== feeds.length) return invalid(`${feeds.length} parts, separated by ;`);
  const observations: Observation[] = [];
  for (const [at, feed] of feeds.entries()) {
    const [value = "", confidence = "0", session = "0", ...more] = (parts[at] ?? "").split(",");
    if (more.length > 0) return invalid("value, confidence and session at most");
    const parsed = [value, confidence].map((text) => scaled(text.trim(), feed.decimals));
    const [amount, half] = parsed;
    if (amount === null || amount === undefined || half === null || half === undefined)
      return invalid(`numbers with at most ${feed.decimals} decimals`);
    if (half < 0n) return invalid("a confidence that is not negative");
    if (!/^\d$/.test(session.trim()) || Number(session) > SESSION_MAX)
      return invalid(`a session from 0 to ${SESSION_MAX}`);
    const numbers = { value: amount, confidence: half, session: Number(session) };
    observations.push({ feedId: feed.feedId, ...numbers });
  }
  return accept(observations);
}

/** In the smallest unit; `null` for what is no number, or has more decimals. */
function scaled(text: string, decimals: number): bigint | null {
  const match = VALUE.exec(text);
  if (match === null) return null;
  const [, sign, whole = "0", fraction = ""] = match;
  if (fraction.length > decimals) return null;
  const size = BigInt(whole + fraction.padEnd(decimals, "0"));
  return sign === "-" ? -size : size;
}

/** Lines of a file, one each `paceMs`; of `-` (standard input), as they come; or of a WebSocket. */
export function linesOf(
  source: string,
  paceMs: number,
  signal: AbortSignal,
): AsyncIterable<string> {
  if (/^wss?:\/\//.test(source)) return socketLines(source, signal);
  if (source === "-") return readLines(process.stdin, 0, signal);
  return readLines(createReadStream(source), paceMs, signal);
}

async function* readLines(
  input: NodeJS.ReadableStream,
  paceMs: number,
  signal: AbortSignal,
): AsyncIterable<string> {
  const lines = createInterface({ input, crlfDelay: Infinity });
  signal.addEventListener("abort", () => {
    lines.close();
  });
  try {
    for await (const line of lines) {
      if (signal.aborted) return;
      const text = line.trim();
      if (text === "" || text.startsWith("#")) continue;
      yield text;
      if (paceMs > 0) await delay(paceMs, undefined, { signal }).catch(() => undefined);
    }
  } catch (cause) {
    const expected = "a file that can be read";
    throw new NodeError("CONFIG_INVALID", { key: "--source", from: "options", expected }, cause);
  }
}

/** One line a message. Opened again when it ends, later each time until something has come. */
async function* socketLines(url: string, signal: AbortSignal): AsyncIterable<string> {
  let waitMs = RETRY_MIN_MS;
  while (!signal.aborted) {
    for await (const line of messagesOf(url, signal)) {
      waitMs = RETRY_MIN_MS;
      yield line;
    }
    await delay(waitMs, undefined, { signal }).catch(() => undefined);
    waitMs = Math.min(2 * waitMs, RETRY_MAX_MS);
  }
}

async function* messagesOf(url: string, signal: AbortSignal): AsyncIterable<string> {
  const waiting: string[] = [];
  // As an object: it changes while this waits.
  const state = { isOver: false };
  let wake: () => void = () => undefined;
  const socket = new WebSocket(url, { maxPayload: LINE_MAX });
  const end = (): void => {
    state.isOver = true;
    wake();
  };
  socket.on("message", (data: Buffer) => {
    waiting.push(data.toString().trim());
    if (waiting.length > WAITING_MAX) waiting.shift();
    wake();
  });
  socket.once("close", end);
  socket.once("error", end);
  signal.addEventListener("abort", end);
  try {
    while (!state.isOver || waiting.length > 0) {
      const line = waiting.shift();
      if (line !== undefined) yield line;
      else
        await new Promise<void>((resolve) => {
          wake = resolve;
          if (state.isOver || waiting.length > 0) resolve();
        });
    }
  } finally {
    signal.removeEventListener("abort", end);
    socket.terminate();
  }
}
