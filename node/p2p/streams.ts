/**
 * Frames on a libp2p stream: a u32 big-endian length, then that many bytes.
 *
 * Owns the bounds of direct streams: a frame's length is compared with what the protocol allows
 * before its bytes are kept, and the deadline aborts the stream, which wakes every waiting read.
 * A peer that breaks a rule makes the call throw `PEER_FAULT`; a peer that is gone or slow throws
 * `TIMEOUT`. Messages end by content, never by the stream's end, which libp2p may report early.
 */
import type { Stream } from "@libp2p/interface";
import { concatBytes } from "../../lanes/bytes.ts";
import { NodeError } from "../errors.ts";

const LENGTH_BYTES = 4;

export interface Frames {
  /** The next frame. Throws `PEER_FAULT` where it announces more than `bytesMax`. */
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
    const result = await talk(framesOf(stream, iterator, signal));
    await stream.close({ signal });
    return result;
  } catch (cause) {
    const error = cause instanceof NodeError ? cause : new NodeError("TIMEOUT", {}, cause);
    stream.abort(error);
    throw error;
  } finally {
    signal.removeEventListener("abort", onAbort);
    await iterator.return?.().catch(() => undefined);
  }
}

type Chunks = AsyncIterator<{ subarray(): Uint8Array }>;

function framesOf(stream: Stream, chunks: Chunks, signal: AbortSignal): Frames {
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
    const all = concatBytes(...held);
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
      return take(length);
    },
    async write(frame) {
      const prefixed = new Uint8Array(LENGTH_BYTES + frame.length);
      new DataView(prefixed.buffer).setUint32(0, frame.length);
      prefixed.set(frame, LENGTH_BYTES);
      if (!stream.send(prefixed)) await stream.onDrain({ signal });
    },
  };
}
