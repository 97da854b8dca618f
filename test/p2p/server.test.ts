import type { Connection, Stream } from "@libp2p/interface";
import t from "tap";
import { encodeRangeRequest, protocolNames } from "../../node/p2p/messages.ts";
import { CHAIN_ID } from "./fixtures/blocks.ts";
import { startHost, startRawPeer, until } from "./fixtures/hosts.ts";

const NAMES = protocolNames(CHAIN_ID);

function prefixed(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(4 + bytes.length);
  new DataView(out.buffer).setUint32(0, bytes.length);
  out.set(bytes, 4);
  return out;
}

/** Whether the other side gave the stream up without an answer. */
async function isRefused(stream: Stream, bytes: Uint8Array): Promise<boolean> {
  let answered = 0;
  stream.addEventListener("message", ({ data }) => {
    answered += data.byteLength;
  });
  if (stream.status === "open") stream.send(bytes);
  await until("the stream ends", () => stream.status !== "open" || answered > 0);
  // A stream that only one side has closed counts as open at the other.
  await stream.close();
  return answered === 0;
}

function onlyConnection(connections: readonly Connection[]): Connection {
  const [connection] = connections;
  if (connection === undefined) throw new Error("not connected");
  return connection;
}

t.test("malformed requests cost the stream, then the connection", async (t) => {
  const host = await startHost(t);
  const peer = await startRawPeer(t, host.address);
  const connection = onlyConnection(peer.getConnections());
  const malformed = [
    Uint8Array.of(0xff, 0xff, 0xff, 0xff),
    prefixed(new Uint8Array(9)),
    prefixed(encodeRangeRequest({ from: 1, count: 65 })),
    prefixed(new Uint8Array(10).fill(0xff)),
  ];
  for (const bytes of malformed)
    t.ok(await isRefused(await connection.newStream(NAMES.blocksByRange), bytes));
  await connection.newStream(NAMES.status).catch(() => undefined);
  await until("the connection is closed", () => peer.getConnections().length === 0);
  t.equal((await host.info()).peers, 0);
  await t.rejects(startOver(peer, host.address), "and is not let in again");
});

async function startOver(
  peer: Awaited<ReturnType<typeof startRawPeer>>,
  address: string,
): Promise<void> {
  const { multiaddr } = await import("@multiformats/multiaddr");
  const connection = await peer.dial(multiaddr(address));
  await connection.newStream(NAMES.status);
}

t.test("asking too often is refused", async (t) => {
  const host = await startHost(t);
  const peer = await startRawPeer(t, host.address);
  const connection = onlyConnection(peer.getConnections());
  let answered = 0;
  const request = async (): Promise<boolean> => {
    try {
      const refused = await isRefused(
        await connection.newStream(NAMES.status),
        prefixed(new Uint8Array(0)),
      );
      if (!refused) answered++;
      return refused;
    } catch {
      return true;
    }
  };
  await until("refused", request);
  t.ok(answered >= 10 && answered < 60, `${answered} answers before the limit`);
});

t.test(
  "a follower does not take submissions, and the sequencer none that is too large",
  async (t) => {
    const taken: number[] = [];
    const handlers = {
      onSubmit: async (raw: Uint8Array) => {
        taken.push(raw.length);
        return { ok: false, code: "TX_MALFORMED", data: {} } as const;
      },
    };
    const follower = await startHost(t, { handlers });
    const toFollower = await startRawPeer(t, follower.address);
    await t.rejects(onlyConnection(toFollower.getConnections()).newStream(NAMES.submit));

    const sequencer = await startHost(t, { role: "sequencer", handlers });
    const peer = await startRawPeer(t, sequencer.address);
    const connection = onlyConnection(peer.getConnections());
    const tooLarge = prefixed(new Uint8Array(120 * 1024 + 1));
    t.ok(await isRefused(await connection.newStream(NAMES.submit), tooLarge));
    t.same(taken, []);
    t.notOk(await isRefused(await connection.newStream(NAMES.submit), prefixed(Uint8Array.of(1))));
    t.same(taken, [1]);
  },
);
