/**
 * Frames on a libp2p stream: a u32 big-endian length, then that many bytes.
 *
 * Owns the bounds of direct streams: a frame's length is compared with what the protocol allows
 * before its bytes are kept, and the deadline aborts the stream, which wakes every waiting read. A
 * stream that stays open has a deadline for each write. Both directions push back: one write
 * follows another, and waits until the stream can take more; a stream that nobody reads from is
 * paused.
 * A peer that breaks a rule makes the call throw `PEER_FAULT`; a peer that is gone or slow throws
 * `TIMEOUT`. Messages end by content, never by the stream's end, which libp2p may report early.
 */
import type { Stream } from "@libp2p/interface";
import { concatBytes } from "../../lanes/bytes.ts";
import { NodeError } from "../errors.ts";

const LENGTH_BYTES = 4;

export interface Frames {
  /**
   * The next frame, a copy. Throws `PEER_FAULT` where it announces more than `bytesMax`. Between two
   * reads the peer's window fills.
   */
  read(bytesMax: number): Promise<Uint8Array>;
  /** Resolves when the stream can take more; until then later writes wait, outside its buffer. */
  write(frame: Uint8Array): Promise<void>;
}

/**
 * Runs `talk` over the stream and closes it; whatever fails aborts it instead.
 *
 * Errors: `PEER_FAULT`, `TIMEOUT`, and `NodeError`s that `talk` throws.
 */
export async function withFrames<T>(
  stream: Stream,
  deadlineMs: number,
  talk: (frames: Frames) => Promise<T>,
): Promise<T> {
  const signal = AbortSignal.timeout(deadlineMs);
  const onAbort = (): void => {
    stream.abort(new NodeError("TIMEOUT", { deadlineMs }));
  };
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const result = await talk(framesOf(stream, () => signal));
    await stream.close({ signal });
    return result;
  } catch (cause) {
    throw abortStream(stream, cause);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** Frames of a stream that stays open; reading waits for as long as it does. */
export function openFrames(stream: Stream, writeDeadlineMs: number): Frames {
  return framesOf(stream, () => AbortSignal.timeout(writeDeadlineMs));
}

/** Ends a stream that failed; what it failed with, as `withFrames` would throw it. */
export function abortStream(stream: Stream, cause: unknown): NodeError {
  const error = cause instanceof NodeError ? cause : new NodeError("TIMEOUT", {}, cause);
  stream.abort(error);
  return error;
}

function framesOf(stream: Stream, writing: () => AbortSignal): Frames {
  const nextChunk = chunksOf(stream);
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  let lastWrite = Promise.resolve();

  const take = async (count: number): Promise<Uint8Array> => {
    while (heldBytes < count) {
      const chunk = await nextChunk();
      if (chunk === null) throw new NodeError("TIMEOUT", { reason: "stream ended" });
      held.push(chunk);
      heldBytes += chunk.length;
    }
    // Not joined where it is one already: a chunk may hold thousands of frames.
    const [first] = held;
    const all = held.length === 1 && first !== undefined ? first : concatBytes(...held);
    const rest = all.subarray(count);
    held = rest.length === 0 ? [] : [rest];
    heldBytes = rest.length;
    return all.subarray(0, count);
  };

  return {
    async read(bytesMax) {
      const prefix = await take(LENGTH_BYTES);
      const length = new DataView(prefix.buffer, prefix.byteOffset).getUint32(0);
      if (length > bytesMax) throw new NodeError("PEER_FAULT", { bytes: length, bytesMax });
      // Whoever keeps the frame, or hands it to another thread, has no use for the whole chunk. A
      // `Buffer` has a `slice` that copies nothing.
      return new Uint8Array(await take(length));
    },
    write(frame) {
      const prefixed = new Uint8Array(LENGTH_BYTES + frame.length);
      new DataView(prefixed.buffer).setUint32(0, frame.length);
      prefixed.set(frame, LENGTH_BYTES);
      lastWrite = lastWrite.then(async () => {
        stream.send(prefixed);
        if (stream.writableNeedsDrain) await drained(stream, writing());
      });
      return lastWrite;
    },
  };
}

/**
 * Gives the next chunk, `null` after the last one; it is asked again when it has answered. Errors:
 * what the stream was aborted with.
 */
function chunksOf(stream: Stream): () => Promise<Uint8Array | null> {
  const chunks: Uint8Array[] = [];
  let isOver = stream.status !== "open" || stream.remoteWriteStatus === "closed";
  let failure: Error | undefined;
  let wake = (): void => undefined;
  const end = (): void => {
    isOver = true;
    wake();
  };
  let isResuming = false;
  const pause = (): void => {
    // What waits is given while it is resumed, and the muxer resumes after that: a stream that was
    // paused meanwhile would look paused and go on.
    if (!isResuming && stream.readStatus === "readable") stream.pause();
  };
  const resume = (): void => {
    isResuming = true;
    try {
      // Gives what came while it was paused, even where the peer is gone by now.
      stream.resume();
    } catch {
      // The connection is closed: it cannot be told to send more.
      end();
    }
    isResuming = false;
    if (chunks.length > 0) pause();
  };
  pause();
  stream.addEventListener("message", ({ data }) => {
    chunks.push(data.subarray());
    // In the same turn: one segment of the connection may hold many chunks.
    pause();
    wake();
  });
  stream.addEventListener("remoteCloseWrite", end);
  stream.addEventListener("close", ({ error }) => {
    failure = error;
    end();
  });

  return async () => {
    if (chunks.length === 0 && stream.readStatus === "paused") resume();
    if (chunks.length === 0 && !isOver)
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    const chunk = chunks.shift();
    if (chunk === undefined && failure !== undefined) throw failure;
    return chunk ?? null;
  };
}

/**
 * Resolves when the stream can take more. Its own `onDrain` waits once only: libp2p keeps the
 * promise of the first drain (`@libp2p/utils` 7.4.1).
 */
async function drained(stream: Stream, signal: AbortSignal): Promise<void> {
  while (stream.writableNeedsDrain) {
    signal.throwIfAborted();
    if (stream.status !== "open") throw new NodeError("TIMEOUT", { reason: "stream ended" });
    await drainOrEnd(stream, signal);
  }
}

function drainOrEnd(stream: Stream, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      stream.removeEventListener("drain", done);
      stream.removeEventListener("close", done);
      signal.removeEventListener("abort", done);
      resolve();
    };
    stream.addEventListener("drain", done);
    stream.addEventListener("close", done);
    signal.addEventListener("abort", done);
  });
}
