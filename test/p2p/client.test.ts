import { randomBytes } from "node:crypto";
import type { Stream } from "@libp2p/interface";
import { compressSync } from "snappy";
import t, { type Test } from "tap";
import { toHex, ZERO_HASH } from "../../lanes/bytes.ts";
import { encodeStatus, protocolNames, RANGE_BYTES_MAX } from "../../node/p2p/messages.ts";
import { CHAIN_ID, makeBlock, OTHER_KEY } from "./fixtures/blocks.ts";
import { connected, type RawPeer, startHost, startRawPeer, until } from "./fixtures/hosts.ts";

const NAMES = protocolNames(CHAIN_ID);

function chainOf(count: number, make = (number: number) => makeBlock({ number, timestamp: 1000 })) {
  return new Map(Array.from({ length: count }, (_, i) => [i + 1, make(i + 1)]));
}

function prefixed(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array(4 + bytes.length);
  new DataView(out.buffer).setUint32(0, bytes.length);
  out.set(bytes, 4);
  return out;
}

function sendAll(stream: Stream, frames: readonly Uint8Array[]): void {
  for (const frame of frames) stream.send(prefixed(frame));
}

/** A peer that says it stands at block 1000, and answers ranges with these frames. */
async function startLiar(
  t: Test,
  address: string,
  frames: readonly Uint8Array[],
): Promise<RawPeer> {
  const liar = await startRawPeer(t, address);
  const status = { chainId: CHAIN_ID, genesisHash: ZERO_HASH, unsafe: 1000, safe: 0 };
  await liar.handle(NAMES.status, (stream) => {
    sendAll(stream, [encodeStatus({ ...status, role: "sequencer" })]);
  });
  await liar.handle(NAMES.blocksByRange, (stream) => {
    sendAll(stream, frames);
  });
  await liar.handle(NAMES.submit, (stream) => {
    const answer = { ok: true, hash: `0x${"ab".repeat(32)}`, lane: "fast" };
    sendAll(stream, [new TextEncoder().encode(JSON.stringify(answer))]);
  });
  return liar;
}

t.test("heads and ranges, old blocks too, and as many as there are", async (t) => {
  const chain = chainOf(70);
  const server = await startHost(t, { role: "sequencer", chain });
  const client = await startHost(t, { peers: [server.address] });
  t.equal(await startHost(t).then((alone) => alone.bestPeerHead()), null, "nobody to ask");
  await connected(client, 1);
  t.equal(await client.bestPeerHead(), 70);
  const hexOf = (blocks: readonly Uint8Array[]) => blocks.map(toHex);
  const expected = (from: number, to: number) =>
    hexOf([...chain].filter(([n]) => n >= from && n <= to).map(([, bytes]) => bytes));
  t.same(hexOf(await client.blocksByRange(1, 3)), expected(1, 3));
  t.same(hexOf(await client.blocksByRange(69, 10)), expected(69, 70), "up to the head");
  t.same(await client.blocksByRange(71, 10), [], "above the head");
  t.equal((await client.blocksByRange(1, 1000)).length, 64, "at most 64");
});

t.test("an answer ends at its byte limit", async (t) => {
  const chain = chainOf(8, (number) =>
    makeBlock({ number, padding: new Uint8Array(randomBytes(800_000)) }),
  );
  const server = await startHost(t, { chain });
  const client = await startHost(t, { peers: [server.address] });
  await connected(client, 1);
  const blocks = await client.blocksByRange(1, 8);
  t.equal(blocks.length, Math.floor(RANGE_BYTES_MAX / 800_500));
});

t.test("an unsigned block ends the answer: only L1 vouches for it", async (t) => {
  const chain = chainOf(3, (number) =>
    makeBlock(number === 2 ? { number, key: null } : { number }),
  );
  const server = await startHost(t, { chain });
  const client = await startHost(t, { peers: [server.address] });
  await connected(client, 1);
  t.equal((await client.blocksByRange(1, 3)).length, 1);
  t.same(await client.blocksByRange(2, 1), []);
});

t.test("answers that no honest peer gives are dropped and end in a ban", async (t) => {
  const good = compressSync(makeBlock({ number: 1 }));
  const cases = {
    "forged signature": [compressSync(makeBlock({ number: 1, key: OTHER_KEY }))],
    "another height": [compressSync(makeBlock({ number: 2 }))],
    garbage: [randomBytes(100)],
    bomb: [compressSync(new Uint8Array(64 * 1024 * 1024))],
    "more than asked": [good, compressSync(makeBlock({ number: 2 }))],
  };
  for (const [name, frames] of Object.entries(cases)) {
    const client = await startHost(t);
    await startLiar(t, client.address, frames);
    for (let i = 0; i < 4; i++) t.same(await client.blocksByRange(1, 1), [], name);
    t.equal(await client.bestPeerHead(), null, `${name}: banned`);
  }
});

t.test("a frame that announces too much is refused before it is read", async (t) => {
  const client = await startHost(t);
  const liar = await startLiar(t, client.address, []);
  await liar.unhandle(NAMES.blocksByRange);
  await liar.handle(NAMES.blocksByRange, (stream) => {
    stream.send(Uint8Array.of(0xff, 0xff, 0xff, 0xff));
  });
  for (let i = 0; i < 4; i++) t.same(await client.blocksByRange(1, 1), []);
  t.equal(await client.bestPeerHead(), null, "banned");
});

t.test("a peer of another genesis is not believed", async (t) => {
  const handlers = {
    onStatus: async () => ({
      chainId: CHAIN_ID,
      genesisHash: `0x${"99".repeat(32)}` as const,
      unsafe: 5,
      safe: 0,
    }),
  };
  const server = await startHost(t, { handlers, chain: chainOf(5) });
  const client = await startHost(t, { peers: [server.address] });
  await connected(client, 1);
  t.equal(await client.bestPeerHead(), null);
  t.same(await client.blocksByRange(1, 1), []);
});

t.test("submissions reach the sequencer and its answer comes back", async (t) => {
  const taken = {
    ok: true,
    hash: `0x${"cd".repeat(32)}`,
    lane: "fast",
    rank: 1,
    accepted: 2n ** 40n + 7n,
    deadlineBlock: 9,
    isGapped: false,
  } as const;
  const refused = { ok: false, code: "NONCE_TOO_LOW", data: { nonce: 4 } } as const;
  const raws: string[] = [];
  const sequencer = await startHost(t, {
    role: "sequencer",
    handlers: {
      onSubmit: async (raw) => {
        raws.push(toHex(raw));
        return raw[0] === 1 ? taken : refused;
      },
    },
  });
  const follower = await startHost(t, { peers: [sequencer.address] });
  await connected(follower, 1);
  t.same(await follower.submitTransaction(Uint8Array.of(1, 2)), taken);
  t.same(await follower.submitTransaction(Uint8Array.of(2)), refused);
  const largest = new Uint8Array(120 * 1024).fill(1);
  t.same(await follower.submitTransaction(largest), taken);
  t.same(raws, ["0x0102", "0x02", toHex(largest)]);
  const many = Array.from({ length: 100 }, (_, i) =>
    follower.submitTransaction(Uint8Array.of(1, i)),
  );
  for (const answer of await Promise.all(many)) t.same(answer, taken);
});

t.test("without a configured sequencer there is nobody to submit to", async (t) => {
  const alone = await startHost(t);
  await t.rejects(alone.submitTransaction(Uint8Array.of(1)), { code: "SEQUENCER_UNREACHABLE" });

  const other = await startHost(t);
  const follower = await startHost(t, { peers: [other.address] });
  await connected(follower, 1);
  await t.rejects(follower.submitTransaction(Uint8Array.of(1)), { code: "SEQUENCER_UNREACHABLE" });

  await startLiar(t, follower.address, []);
  await until("the liar is asked", async () => (await follower.bestPeerHead()) === 1000);
  await t.rejects(
    follower.submitTransaction(Uint8Array.of(1)),
    { code: "SEQUENCER_UNREACHABLE" },
    "a peer that only claims to be the sequencer gets no transactions",
  );
});

t.test("the sequencer going away is an error of the submission, not of the node", async (t) => {
  const sequencer = await startHost(t, {
    role: "sequencer",
    handlers: { onSubmit: () => new Promise(() => undefined) },
  });
  const follower = await startHost(t, { peers: [sequencer.address] });
  await connected(follower, 1);
  t.equal(await follower.bestPeerHead(), 0);
  const pending = follower.submitTransaction(Uint8Array.of(1));
  pending.catch(() => undefined);
  await sequencer.stop();
  await t.rejects(pending, { code: "SEQUENCER_UNREACHABLE" });
});
