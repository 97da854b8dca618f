/**
 * Frames on a libp2p stream: a u32 big-endian length, then that many bytes.
 *
 * Owns the bounds of direct streams: a frame's length is compared with what the protocol allows
 * before its bytes are kept, and the deadline aborts the stream, which wakes every waiting read. A
 * stream that stays open has a deadline for each write; who reads from it bounds what comes.
 * A peer that breaks a rule makes the call throw `PEER_FAULT`; a peer that is gone or slow throws
 * `TIMEOUT`. Messages end by content, never by the stream's end, which libp2p may report early.
 */
import type { Stream } from "@libp2p/interface";
import { concatBytes } from "../../lanes/bytes.ts";
import { NodeError } from "../errors.ts";

const LENGTH_BYTES = 4;

export interface Frames {
  /** The next frame, a copy. Throws `PEER_FAULT` where it announces more than `bytesMax`. */
  read(bytesMax: number): Promise<Uint8Array>;
  /** Resolves when the stream can take more. */
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
  const iterator = stream[Symbol.asyncIterator]();
  try {
    const result = await talk(framesOf(stream, iterator, () => signal));
    await stream.close({ signal });
    return result;
  } catch (cause) {
    throw abortStream(stream, cause);
  } finally {
    signal.removeEventListener("abort", onAbort);
    await iterator.return?.().catch(() => undefined);
  }
}

/** Frames of a stream that stays open; reading waits for as long as it does. */
export function openFrames(stream: Stream, writeDeadlineMs: number): Frames {
  const iterator = stream[Symbol.asyncIterator]();
  return framesOf(stream, iterator, () => AbortSignal.timeout(writeDeadlineMs));
}

/** Ends a stream that failed; what it failed with, as `withFrames` would throw it. */
export function abortStream(stream: Stream, cause: unknown): NodeError {
  const error = cause instanceof NodeError ? cause : new NodeError("TIMEOUT", {}, cause);
  stream.abort(error);
  return error;
}

type Chunks = AsyncIterator<{ subarray(): Uint8Array }>;

function framesOf(stream: Stream, chunks: Chunks, writing: () => AbortSignal): Frames {
  let held: Uint8Array[] = [];
  let heldBytes = 0;

  const take = async (count: number): Promise<Uint8Array> => {
    while (heldBytes < count) {
      const next = await chunks.next();
      if (next.done === true) throw new NodeError("TIMEOUT", { reason: "stream ended" });
      const chunk = next.value.subarray();
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
    async write(frame) {
      const prefixed = new Uint8Array(LENGTH_BYTES + frame.length);
      new DataView(prefixed.buffer).setUint32(0, frame.length);
      prefixed.set(frame, LENGTH_BYTES);
      if (!stream.send(prefixed)) await stream.onDrain({ signal: writing() });
    },
  };
}
