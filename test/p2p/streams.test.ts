import type { Stream } from "@libp2p/interface";
import t from "tap";
import { concatBytes } from "../../lanes/bytes.ts";
import { abortStream, openFrames } from "../../node/p2p/streams.ts";
import { NodeError } from "../../node/errors.ts";

/** A stream that gives these chunks, and can take nothing where it is full. */
function streamOf(chunks: readonly Uint8Array[], isFull = false) {
  const aborted: Error[] = [];
  const stream = {
    [Symbol.asyncIterator]: async function* () {
      await Promise.resolve();
      yield* chunks;
    },
    send: () => !isFull,
    onDrain: ({ signal }: { readonly signal: AbortSignal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => {
          reject(signal.reason as Error);
        });
      }),
    abort: (error: Error) => aborted.push(error),
  };
  return { stream: stream as unknown as Stream, aborted };
}

function prefixed(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(4 + bytes.length);
  new DataView(out.buffer).setUint32(0, bytes.length);
  out.set(bytes, 4);
  return out;
}

t.test("frames in pieces and in one chunk, each a copy", async (t) => {
  const frames = [Uint8Array.of(1, 2, 3), new Uint8Array(0), Uint8Array.of(4)];
  const all = concatBytes(...frames.map(prefixed));
  const bytes = Array.from(all, (byte) => Uint8Array.of(byte));
  for (const chunks of [bytes, [Buffer.from(all)], [all.subarray(0, 5), all.subarray(5)]]) {
    const { read } = openFrames(streamOf(chunks).stream, 1_000);
    for (const frame of frames) {
      const found = await read(3);
      t.same(found, frame);
      t.equal(found.buffer.byteLength, frame.length);
    }
    await t.rejects(read(3), { code: "TIMEOUT" }, "the stream has ended");
  }
  const { read } = openFrames(streamOf([all]).stream, 1_000);
  await t.rejects(read(2), { code: "PEER_FAULT", data: { bytes: 3, bytesMax: 2 } });
});

t.test("a chunk of very many frames is not copied for each of them", async (t) => {
  const count = 2 ** 17;
  const chunk = new Uint8Array(16 * count);
  for (let at = 0; at < count; at++) chunk[16 * at + 3] = 12;
  const timeOf = async (chunks: readonly Uint8Array[]): Promise<number> => {
    const { read } = openFrames(streamOf(chunks).stream, 1_000);
    const beganMs = performance.now();
    for (let at = 0; at < count; at++) await read(12);
    return performance.now() - beganMs;
  };
  const piece = chunk.length / 1024;
  const small = await timeOf(
    Array.from({ length: 1024 }, (_, at) => chunk.subarray(at * piece, (at + 1) * piece)),
  );
  const large = await timeOf([chunk]);
  t.ok(large < 5 * small, `${Math.round(large)} ms, ${Math.round(small)} ms in small chunks`);
});

t.test("a write that the other side does not take ends by its deadline", async (t) => {
  const { stream, aborted } = streamOf([], true);
  // The deadline alone does not keep the process alive, as a node's sockets do.
  const alive = setTimeout(() => undefined, 60_000);
  const failure = await openFrames(stream, 20)
    .write(Uint8Array.of(1))
    .then(
      () => null,
      (cause: unknown) => abortStream(stream, cause),
    );
  clearTimeout(alive);
  t.match(failure, { code: "TIMEOUT" });
  t.same(aborted, [failure]);
  const fault = new NodeError("PEER_FAULT");
  t.equal(abortStream(stream, fault), fault);
});
