import "core-js/actual/promise/with-resolvers.js";
import { noise } from "@chainsafe/libp2p-noise";
import { type Stream, StreamMessageEvent } from "@libp2p/interface";
import { tcp } from "@libp2p/tcp";
import { yamux } from "@libp2p/yamux";
import { createLibp2p, type Libp2p } from "libp2p";
import t, { type Test } from "tap";
import { concatBytes } from "../../lanes/bytes.ts";
import { NodeError } from "../../node/errors.ts";
import { abortStream, openFrames } from "../../node/p2p/streams.ts";
import { until } from "./fixtures/hosts.ts";

/** Gives its chunks one by one while it is not paused; its end comes with the last. */
class ChunkStream extends EventTarget {
  readonly status = "open";
  readStatus = "readable";
  readonly #chunks: Uint8Array[];

  constructor(chunks: readonly Uint8Array[]) {
    super();
    this.#chunks = [...chunks].reverse();
  }

  pause(): void {
    this.readStatus = "paused";
  }

  resume(): void {
    this.readStatus = "readable";
    this.#deliver();
  }

  #deliver(): void {
    const chunk = this.#chunks.pop();
    if (chunk !== undefined) this.dispatchEvent(new StreamMessageEvent(chunk));
    if (this.#chunks.length === 0) this.dispatchEvent(new Event("remoteCloseWrite"));
  }
}

const streamOf = (chunks: readonly Uint8Array[]): Stream =>
  new ChunkStream(chunks) as unknown as Stream;

const PROTOCOL = "/pair/1";

async function startNode(t: Test): Promise<Libp2p> {
  const node = await createLibp2p({
    addresses: { listen: ["/ip4/127.0.0.1/tcp/0"] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
  });
  t.teardown(() => node.stop());
  return node;
}

/** Both ends of a stream over a real connection. */
async function openPair(t: Test): Promise<{ readonly near: Stream; readonly far: Stream }> {
  const [here, there] = [await startNode(t), await startNode(t)];
  const opened = Promise.withResolvers<Stream>();
  await there.handle(PROTOCOL, (stream) => {
    opened.resolve(stream);
  });
  const near = await here.dialProtocol(there.getMultiaddrs(), PROTOCOL);
  return { near, far: await opened.promise };
}

/** What the promise fails with. */
const failureOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => null,
    (cause: unknown) => cause,
  );

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
    const { read } = openFrames(streamOf(chunks), 1_000);
    for (const frame of frames) {
      const found = await read(3);
      t.same(found, frame);
      t.equal(found.buffer.byteLength, frame.length);
    }
    await t.rejects(read(3), { code: "TIMEOUT" }, "the stream has ended");
  }
  const { read } = openFrames(streamOf([all]), 1_000);
  await t.rejects(read(2), { code: "PEER_FAULT", data: { bytes: 3, bytesMax: 2 } });
});

t.test("a chunk of very many frames is not copied for each of them", async (t) => {
  const count = 2 ** 17;
  const chunk = new Uint8Array(16 * count);
  for (let at = 0; at < count; at++) chunk[16 * at + 3] = 12;
  const timeOf = async (chunks: readonly Uint8Array[]): Promise<number> => {
    const { read } = openFrames(streamOf(chunks), 1_000);
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
  const { near, far } = await openPair(t);
  far.pause();
  const { write } = openFrames(near, 200);
  const failure = abortStream(near, await failureOf(write(new Uint8Array(1024 * 1024))));
  t.match(failure, { code: "TIMEOUT" });
  t.equal(near.status, "aborted");
  const fault = new NodeError("PEER_FAULT");
  t.equal(abortStream(near, fault), fault);
});

t.test(
  "a peer that has read once and then stops holds writes up as one that never reads",
  async (t) => {
    const { near, far } = await openPair(t);
    const frame = new Uint8Array(64 * 1024);
    const { write } = openFrames(near, 500);
    far.pause();
    let drains = 0;
    near.addEventListener("drain", () => {
      drains++;
    });
    const first = Array.from({ length: 6 }, () => write(frame));
    await until("its window is full", () => near.writableNeedsDrain);
    far.resume();
    await Promise.all(first);
    far.pause();
    t.ok(drains > 0, "it has read");

    const later = Array.from({ length: 512 }, () => write(frame));
    const failures = Promise.all(later.map(failureOf));
    await until("its window is full again", () => near.writableNeedsDrain);
    t.ok(near.writeBufferLength <= frame.length + 4, `${near.writeBufferLength} bytes are held`);
    t.match((await failures).at(-1), { name: "TimeoutError" });
    t.ok(near.writeBufferLength <= frame.length + 4, `${near.writeBufferLength} bytes at the end`);
  },
);

t.test("a write waits for the end of the stream no longer than for its drain", async (t) => {
  const { near, far } = await openPair(t);
  far.pause();
  const { write } = openFrames(near, 60_000);
  const writes = [1, 2].map(() => failureOf(write(new Uint8Array(1024 * 1024))));
  await until("its window is full", () => far.readBufferLength === 256 * 1024);
  far.abort(new Error("gone"));
  for (const failure of await Promise.all(writes)) t.ok(failure instanceof Error);
});

t.test("what nobody reads waits at the other side", async (t) => {
  const { near, far } = await openPair(t);
  const { read } = openFrames(far, 1_000);
  const count = 1024;
  const frame = prefixed(new Uint8Array(16 * 1024).fill(7));
  for (let at = 0; at < count; at++) near.send(frame);
  await until("its window is full", () => near.writableNeedsDrain);
  await read(frame.length);
  const { writeBufferLength } = near;
  t.ok(writeBufferLength > (count / 2) * frame.length, `${writeBufferLength} bytes wait`);
  const closed = near.close();
  let bytes = 0;
  for (let at = 1; at < count; at++) bytes += (await read(frame.length)).length;
  t.equal(bytes, (count - 1) * 16 * 1024, "all of it comes");
  await closed;
  await t.rejects(read(1), { code: "TIMEOUT" }, "the stream has ended");
});

t.test("what came while nobody read does not open the stream for more", async (t) => {
  const { near, far } = await openPair(t);
  const { read } = openFrames(far, 1_000);
  const frame = prefixed(new Uint8Array(16 * 1024).fill(7));
  const count = 512;
  for (let at = 0; at < 2; at++) near.send(frame);
  await until("both have come", () => far.readBufferLength >= 2 * frame.length);
  for (let at = 0; at < 2; at++) await read(frame.length);
  for (let at = 0; at < count; at++) near.send(frame);
  let [waiting, same] = [0, 0];
  await until("nothing moves any more", () => {
    same = near.writeBufferLength === waiting ? same + 1 : 0;
    waiting = near.writeBufferLength;
    return same > 10;
  });
  t.ok(waiting > (count / 2) * frame.length, `${waiting} bytes wait at the other side`);
  t.equal(far.status, "open");
  let bytes = 0;
  for (let at = 0; at < count; at++) bytes += (await read(frame.length)).length;
  t.equal(bytes, count * 16 * 1024, "all of it comes");
});

t.test("what came before the other side's end is read, however late", async (t) => {
  const { near, far } = await openPair(t);
  const { read } = openFrames(far, 1_000);
  for (let at = 0; at < 3; at++) near.send(prefixed(Uint8Array.of(at)));
  await near.close();
  await until("it is known to be over", () => far.remoteWriteStatus === "closed");
  const late = await openPair(t);
  late.near.send(prefixed(Uint8Array.of(5)));
  await late.near.close();
  await until("that is over", () => late.far.remoteWriteStatus === "closed");
  const lateFrames = openFrames(late.far, 1_000);
  t.same(await lateFrames.read(1), Uint8Array.of(5), "it had ended before anybody read");
  await t.rejects(lateFrames.read(1), { code: "TIMEOUT" });
  late.near.abort(new Error("gone"));
  await t.rejects(openFrames(late.near, 1_000).read(1), { code: "TIMEOUT" }, "aborted before");
  for (let at = 0; at < 3; at++) t.same(await read(1), Uint8Array.of(at));
  await t.rejects(read(1), { code: "TIMEOUT" });
});
