import { compressSync } from "snappy";
import { randomBytes } from "node:crypto";
import t from "tap";
import { toHex } from "../../lanes/bytes.ts";
import { silentLogger } from "../../node/log.ts";
import { BLOCKS_PENDING_MAX } from "../../node/p2p/host.ts";
import { blocksTopic } from "../../node/p2p/messages.ts";
import { CHAIN_ID, makeBlock, OTHER_KEY } from "./fixtures/blocks.ts";
import { connected, type RawPeer, startHost, startRawPeer, until } from "./fixtures/hosts.ts";

const TOPIC = blocksTopic(CHAIN_ID);

function send(peer: RawPeer, data: Uint8Array) {
  return peer.services.pubsub.publish(TOPIC, data);
}

t.test(
  "a block reaches the second hop of a chain where only one side lists the other",
  async (t) => {
    const sequencer = await startHost(t, { role: "sequencer" });
    const middle = await startHost(t, { peers: [sequencer.address] });
    const end = await startHost(t, { peers: [middle.address] });
    await connected(middle, 2);
    const sent: string[] = [];
    // The mesh forms within a heartbeat or two; blocks go on until it stands.
    await until("a block at the end", async () => {
      const block = makeBlock({ number: sent.length + 1 });
      sent.push(toHex(block));
      await sequencer.publishBlock(block);
      await new Promise((resolve) => setTimeout(resolve, 100));
      return end.received.length > 0;
    });
    const last = makeBlock({ number: sent.length + 1 });
    await sequencer.publishBlock(last);
    await until("the last block", () => end.received.includes(toHex(last)));
    t.ok(middle.received.includes(toHex(last)));
    t.equal(new Set(end.received).size, end.received.length, "no block came twice");
    t.same(sequencer.received, [], "its own blocks do not come back");
  },
);

t.test(
  "publishing the same block twice, an old one, or with nobody there, is no error",
  async (t) => {
    const sequencer = await startHost(t, { role: "sequencer" });
    const block = makeBlock({ number: 1 });
    await sequencer.publishBlock(block);
    await sequencer.publishBlock(block);
    const follower = await startHost(t, { peers: [sequencer.address] });
    await connected(follower, 1);
    await sequencer.publishBlock(makeBlock({ number: 2, timestamp: 1000 }));
    await t.rejects(sequencer.publishBlock(makeBlock({ number: 3, key: OTHER_KEY })), {
      code: "BLOCK_SIGNATURE_INVALID",
    });
    t.same(follower.received, []);
  },
);

t.test("a forged block is not passed on, and its sender is not heard again", async (t) => {
  const victim = await startHost(t);
  const behind = await startHost(t, { peers: [victim.address] });
  const attacker = await startRawPeer(t, victim.address);
  await connected(victim, 2);

  const first = makeBlock({ number: 1 });
  await send(attacker, compressSync(first));
  await until("a good block from it is taken", () => victim.received.length === 1);
  await send(attacker, compressSync(makeBlock({ number: 2, key: OTHER_KEY })));
  await send(attacker, compressSync(makeBlock({ number: 3, key: OTHER_KEY })));

  const honest = await startRawPeer(t, victim.address);
  await send(honest, compressSync(makeBlock({ number: 4 })));
  await until("others are still heard", () => victim.received.length === 2);
  // By now the cached score (one heartbeat) is old.
  let number = 10;
  await until("the attacker is graylisted", async () => {
    const before = victim.received.length;
    await send(attacker, compressSync(makeBlock({ number: ++number })));
    await new Promise((resolve) => setTimeout(resolve, 300));
    return victim.received.length === before;
  });
  const seen = behind.received.map((hex) => hex.length);
  t.ok(seen.length <= victim.received.length);
  for (const hex of behind.received) t.ok(victim.received.includes(hex), "only what passed");
});

t.test("garbage, oversize and decompression bombs are refused", async (t) => {
  const victim = await startHost(t);
  const bomb = compressSync(new Uint8Array(64 * 1024 * 1024));
  const cases = {
    garbage: randomBytes(1000),
    empty: new Uint8Array(0),
    bomb,
    oversize: compressSync(randomBytes(1_100_000)),
    "a lying length": Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2, 3),
  };
  const before = process.memoryUsage().rss;
  for (const [name, data] of Object.entries(cases)) {
    const attacker = await startRawPeer(t, victim.address);
    await send(attacker, data);
    // A score below the graylist shows that the message was judged.
    let number = 100;
    await until(`${name}: the sender is graylisted`, async () => {
      const count = victim.received.length;
      await send(attacker, compressSync(makeBlock({ number: ++number })));
      await new Promise((resolve) => setTimeout(resolve, 300));
      return victim.received.length === count;
    });
    t.pass(name);
    await attacker.stop();
    victim.received.length = 0;
  }
  t.ok(process.memoryUsage().rss - before < 200 * 1024 * 1024);
});

t.test("blocks beyond what may wait are dropped, not queued", async (t) => {
  const SURPLUS = 8;
  const release: (() => void)[] = [];
  const taken: number[] = [];
  let dropped = 0;
  const follower = await startHost(t, {
    log: {
      ...silentLogger,
      child: () => silentLogger,
      warn(message) {
        if (message.startsWith("block dropped")) dropped += 1;
      },
    },
    handlers: {
      onBlock: (bytes) =>
        new Promise((resolve) => {
          taken.push(bytes.length);
          release.push(resolve);
        }),
    },
  });
  const sender = await startRawPeer(t, follower.address);
  for (let number = 1; number <= BLOCKS_PENDING_MAX + SURPLUS; number++)
    await send(sender, compressSync(makeBlock({ number })));
  // All have arrived, or the late ones would find room.
  await until("the rest is dropped", () => dropped === SURPLUS);
  t.equal(taken.length, BLOCKS_PENDING_MAX);
  for (const resolve of release) resolve();
  await send(sender, compressSync(makeBlock({ number: 1000 })));
  await until("later blocks are taken again", () => taken.length === BLOCKS_PENDING_MAX + 1);
  t.equal(taken.length, BLOCKS_PENDING_MAX + 1);
});

t.test("a kept peer that restarts is dialled again and hears blocks", async (t) => {
  const identityFile = t.testdir({}) + "/identity";
  const first = await startHost(t, { role: "sequencer", identityFile });
  const follower = await startHost(t, { peers: [first.address] });
  await connected(follower, 1);
  await first.stop();
  await until("the loss is seen", async () => (await follower.info()).peers === 0);
  const listen = first.address.slice(0, first.address.indexOf("/p2p/"));
  const second = await startHost(t, { role: "sequencer", identityFile, listen });
  t.equal(second.peerId, first.peerId);
  await connected(follower, 1);
  let number = 0;
  await until("a block", async () => {
    await second.publishBlock(makeBlock({ number: ++number }));
    await new Promise((resolve) => setTimeout(resolve, 100));
    return follower.received.length > 0;
  });
  t.ok(follower.received.length > 0);
});

t.test("peers that vanish while blocks are published leave no unhandled rejection", async (t) => {
  const unhandled: unknown[] = [];
  const onUnhandled = (reason: unknown): void => {
    unhandled.push(reason);
  };
  process.on("unhandledRejection", onUnhandled);
  t.teardown(() => process.off("unhandledRejection", onUnhandled));
  const sequencer = await startHost(t, { role: "sequencer" });
  for (let round = 0; round < 3; round++) {
    const peers = await Promise.all([1, 2, 3].map(() => startRawPeer(t, sequencer.address)));
    const published = [1, 2, 3].map((n) =>
      sequencer.publishBlock(
        makeBlock({ number: round * 3 + n, padding: new Uint8Array(randomBytes(200_000)) }),
      ),
    );
    for (const peer of peers)
      for (const connection of peer.getConnections()) connection.abort(new Error("reset"));
    await Promise.all(published);
    for (const peer of peers) await peer.stop();
  }
  await until("all are gone", async () => (await sequencer.info()).peers === 0);
  t.same(unhandled, []);
});

t.test("a port that is taken, or no port at all, is one clear error", async (t) => {
  const first = await startHost(t);
  const listen = first.address.slice(0, first.address.indexOf("/p2p/"));
  await t.rejects(startHost(t, { listen }), { code: "PORT_BUSY" });
  for (const wrong of ["/ip4/127.0.0.1/udp/1", "nonsense"])
    await t.rejects(startHost(t, { listen: wrong }), {
      code: "CONFIG_INVALID",
      data: { key: "p2p.listen", found: wrong },
    });
});
