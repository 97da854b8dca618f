import t from "tap";
import { type Hex, toHex } from "../../lanes/bytes.ts";
import { listRoot } from "../../node/execution/embedded/list-root.ts";
import {
  BLOCKS_AT_HEIGHT_MAX,
  createGossipCheck,
  gossipAction,
  HEIGHTS_MAX,
} from "../../node/p2p/gossip.ts";
import { decodeSignedBlock } from "../../node/primitives/block.ts";
import { DOMAIN, makeBlock, OTHER_KEY, otherTransaction, SEQUENCER } from "./fixtures/blocks.ts";
import { NO_LANE_PRICES } from "../../lanes/lane-data.ts";

const T = 1_700_000_000;
const NOW = T * 1000;

function newCheck() {
  return createGossipCheck({ domain: DOMAIN, sequencer: SEQUENCER, transactionsRoot: listRoot });
}

function root(n: number): Hex {
  return toHex(new Uint8Array(32).fill(n));
}

t.test("a block of the sequencer is accepted once", async (t) => {
  const gossip = newCheck();
  const block = makeBlock({ number: 1, timestamp: T });
  const verdict = gossip.check(block, NOW);
  t.equal(verdict.ok && verdict.value.header.number, 1);
  t.equal(gossipAction(verdict), "accept");
  const again = gossip.check(block, NOW);
  t.match(again, { ok: false, code: "BLOCK_ALREADY_KNOWN" });
  t.equal(gossipAction(again), "ignore");
});

t.test(
  "a block that was signed with other LaneData too is passed on: both are proof",
  async (t) => {
    const gossip = newCheck();
    const [one, other] = [1, 2].map((timestampMs) =>
      gossip.check(makeBlock({ number: 1, timestamp: T, timestampMs }), NOW),
    );
    t.ok(one?.ok && other?.ok);
    if (one?.ok === true && other?.ok === true) t.equal(one.value.hash, other.value.hash);
  },
);

t.test("what the sequencer did not sign is rejected and not remembered", async (t) => {
  const decoded = decodeSignedBlock(makeBlock({ number: 1, timestamp: T }));
  t.ok(decoded.ok);
  if (!decoded.ok) return;
  const laneData = {
    ...decoded.value.laneData,
    flashblocks: [{ txCount: 1, timestampMs: 2, leaderEpoch: 3, ...NO_LANE_PRICES }],
  };
  const cases = {
    "another key": makeBlock({ number: 1, timestamp: T, key: OTHER_KEY }),
    "no signature": makeBlock({ number: 1, timestamp: T, key: null }),
    "another chain": makeBlock({ number: 1, timestamp: T, domain: { ...DOMAIN, chainId: 902 } }),
    "another settlement contract": makeBlock({
      number: 1,
      timestamp: T,
      domain: { ...DOMAIN, settlement: SEQUENCER },
    }),
    "other LaneData": makeBlock({ number: 1, timestamp: T, laneDataAfterSigning: laneData }),
  };
  const gossip = newCheck();
  for (const [name, bytes] of Object.entries(cases)) {
    const verdict = gossip.check(bytes, NOW);
    t.match(verdict, { ok: false, code: "BLOCK_SIGNATURE_INVALID" }, name);
    t.equal(gossipAction(verdict), "reject", name);
  }
  t.ok(gossip.check(makeBlock({ number: 1, timestamp: T }), NOW).ok, "the true block still comes");
});

t.test("a changed body does not pass as the signed block", async (t) => {
  const gossip = newCheck();
  const [own] = [makeBlock({ number: 1, timestamp: T })];
  const decoded = decodeSignedBlock(own);
  t.ok(decoded.ok);
  if (!decoded.ok) return;
  const changed = makeBlock({
    number: 1,
    timestamp: T,
    transactionsAfterSigning: [...decoded.value.transactions, otherTransaction(9)],
  });
  const verdict = gossip.check(changed, NOW);
  t.match(verdict, { ok: false, code: "BLOCK_MALFORMED", data: { field: "transactionsRoot" } });
  t.equal(gossipAction(verdict), "reject");
  t.ok(gossip.check(own, NOW).ok);
});

t.test("a block without attributes or flashblocks is malformed", async (t) => {
  const gossip = newCheck();
  const empty = makeBlock({ number: 1, timestamp: T, transactionsAfterSigning: [] });
  t.match(gossip.check(empty, NOW), { ok: false, code: "BLOCK_MALFORMED" });
  const laneData = { policyHash: root(0), flashblocks: [], numbers: [] };
  const bare = makeBlock({ number: 1, timestamp: T, laneDataAfterSigning: laneData });
  t.match(gossip.check(bare, NOW), { ok: false, code: "BLOCK_MALFORMED" });
});

t.test("the time window: 60 s back, 5 s ahead, both included", async (t) => {
  const cases: readonly [ageMs: number, ok: boolean][] = [
    [60_000, true],
    [60_001, false],
    [-5_000, true],
    [-5_001, false],
  ];
  for (const [ageMs, ok] of cases) {
    const verdict = newCheck().check(makeBlock({ number: 1, timestamp: T }), NOW + ageMs);
    t.equal(verdict.ok, ok, `age ${ageMs} ms`);
    if (!verdict.ok) {
      t.equal(verdict.code, "BLOCK_TIME_OUT_OF_RANGE");
      t.equal(gossipAction(verdict), "reject");
    }
  }
});

t.test("a known block that comes again late is a duplicate, not a fault", async (t) => {
  const gossip = newCheck();
  const block = makeBlock({ number: 1, timestamp: T });
  t.ok(gossip.check(block, NOW).ok);
  t.equal(gossipAction(gossip.check(block, NOW + 3_600_000)), "ignore");
});

t.test("more signed blocks at one height than a reorg explains", async (t) => {
  const gossip = newCheck();
  for (let n = 0; n < BLOCKS_AT_HEIGHT_MAX; n++)
    t.ok(gossip.check(makeBlock({ number: 1, timestamp: T, stateRoot: root(n) }), NOW).ok);
  const oneMore = makeBlock({ number: 1, timestamp: T, stateRoot: root(200) });
  const verdict = gossip.check(oneMore, NOW);
  t.match(verdict, { ok: false, code: "BLOCK_HEIGHT_CROWDED" });
  t.equal(gossipAction(verdict), "reject");
  t.ok(gossip.check(makeBlock({ number: 2, timestamp: T }), NOW).ok, "other heights are free");
});

t.test("the memory of heights is bounded", async (t) => {
  const gossip = newCheck();
  const first = makeBlock({ number: 1, timestamp: T });
  for (let number = 1; number <= HEIGHTS_MAX; number++)
    gossip.check(makeBlock({ number, timestamp: T }), NOW);
  t.equal(gossip.check(first, NOW).ok, false, "still known");
  gossip.check(makeBlock({ number: HEIGHTS_MAX + 1, timestamp: T }), NOW);
  t.ok(gossip.check(first, NOW).ok, "forgotten");
});

t.test("garbage and oversize get verdicts", async (t) => {
  const gossip = newCheck();
  const block = makeBlock({ number: 1, timestamp: T });
  const cases = [
    new Uint8Array(0),
    Uint8Array.of(0xc0),
    new Uint8Array(1000).fill(0xff),
    block.subarray(0, block.length - 1),
    Uint8Array.of(...block, 0),
  ];
  for (const bytes of cases) {
    const verdict = gossip.check(bytes, NOW);
    t.match(verdict, { ok: false, code: "BLOCK_MALFORMED" });
    t.equal(gossipAction(verdict), "reject");
  }
  t.match(gossip.check(new Uint8Array(900_001), NOW), { ok: false, code: "BLOCK_TOO_LARGE" });
});
