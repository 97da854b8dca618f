import { randomBytes } from "node:crypto";
import t from "tap";
import type { Clock } from "../../node/clock.ts";
import { createFaultLedger, parsePeers } from "../../node/p2p/peers.ts";
import { toHex } from "../../lanes/bytes.ts";
import { GRAYLIST_SCORE } from "../../node/p2p/pubsub.ts";
import { makeBlock } from "./fixtures/blocks.ts";
import { connected, startHost, startRawPeer, until } from "./fixtures/hosts.ts";

const ID = "12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf";

function handClock(): Clock & { ms: number } {
  return {
    ms: 0,
    nowMs() {
      return this.ms;
    },
    monotonicMs() {
      return this.ms;
    },
    after: () => () => undefined,
  };
}

t.test("peers from the configuration", async (t) => {
  const peers = parsePeers([`/ip4/127.0.0.1/tcp/1/p2p/${ID}`, `/dns4/host/tcp/2/p2p/${ID}`]);
  t.same([...peers.keys()], [ID]);
  t.equal(peers.get(ID)?.length, 2);
  for (const wrong of ["/ip4/127.0.0.1/tcp/1", "nonsense", "/ip4/127.0.0.1/tcp/1/p2p/nobody"])
    t.throws(() => parsePeers([wrong]), { code: "CONFIG_INVALID", data: { found: wrong } });
});

t.test("faults ban a peer and lower its score, and are forgotten with time", async (t) => {
  const clock = handClock();
  const ledger = createFaultLedger(new Set(), clock);
  t.equal(ledger.score(ID), 0);
  for (let i = 0; i < 3; i++) ledger.add(ID);
  t.notOk(ledger.isBanned(ID));
  t.ok(ledger.score(ID) < 0);
  ledger.add(ID);
  t.ok(ledger.isBanned(ID));
  t.ok(ledger.score(ID) < GRAYLIST_SCORE);
  clock.ms = 10 * 60_000;
  t.notOk(ledger.isBanned(ID));
  t.ok(ledger.score(ID) > -1);
});

t.test("a configured peer has a bonus that faults outweigh", async (t) => {
  const ledger = createFaultLedger(new Set([ID]), handClock());
  t.ok(ledger.score(ID) > 0);
  for (let i = 0; i < 4; i++) ledger.add(ID);
  t.ok(ledger.score(ID) < GRAYLIST_SCORE);
});

t.test("the ledger is bounded", async (t) => {
  const ledger = createFaultLedger(new Set(), handClock());
  ledger.add("first", 4);
  for (let i = 0; i < 1023; i++) ledger.add(`peer ${i}`);
  t.ok(ledger.isBanned("first"));
  ledger.add("one more");
  t.notOk(ledger.isBanned("first"));
});

t.test(
  "a frame over the limit costs the connection, and gossip resumes",
  { timeout: 60_000 },
  async (t) => {
    const sequencer = await startHost(t, { role: "sequencer" });
    const follower = await startHost(t, { peers: [sequencer.address] });
    const attacker = await startRawPeer(t, sequencer.address);
    await connected(sequencer, 2);
    const [connection] = attacker.getConnections();
    const stream = connection?.streams.find(
      ({ protocol, direction }) => protocol.startsWith("/meshsub/") && direction === "outbound",
    );
    // Length prefix of 64 MiB.
    stream?.send(Uint8Array.of(0x80, 0x80, 0x80, 0x20, 1, 2, 3));
    await until("the connection is closed", () => attacker.getConnections().length === 0);
    const block = makeBlock({ number: 1 });
    await sequencer.publishBlock(block);
    await until("others are not hurt", () => follower.received.includes(toHex(block)));
    t.equal((await sequencer.info()).peers, 1);
  },
);

t.test("a peer that never reads is cut off, and the others do not wait for it", async (t) => {
  const sequencer = await startHost(t, { role: "sequencer" });
  const follower = await startHost(t, { peers: [sequencer.address] });
  const mute = await startRawPeer(t, sequencer.address);
  await connected(sequencer, 2);
  for (const stream of mute.getConnections().flatMap(({ streams }) => streams))
    if (stream.protocol.startsWith("/meshsub/") && stream.direction === "inbound") stream.pause();
  let number = 0;
  // Connected is not subscribed yet: what is published before that reaches nobody.
  await until("the follower listens", async () => {
    await sequencer.publishBlock(makeBlock({ number: ++number }));
    return follower.received.length > 0;
  });
  let large = 0;
  await until("the mute peer is cut off", async () => {
    const padding = new Uint8Array(randomBytes(800_000));
    const block = makeBlock({ number: ++number, padding });
    await sequencer.publishBlock(block);
    await until("the follower has it", () => follower.received.includes(toHex(block)));
    large += 1;
    return mute.getConnections().length === 0;
  });
  t.ok(large > 8, `${large} blocks: what one peer may leave unread is bounded`);
  t.equal((await sequencer.info()).peers, 1);
});
