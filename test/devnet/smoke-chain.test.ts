import t from "tap";
import { deriveAccounts } from "../../devnet/accounts.ts";
import { DEMO_FEED, PUBLISH_SELECTOR } from "../../devnet/demo-feed.ts";
import { type LaneBlock, type LanePlace, readLaneBlock } from "../../devnet/lane-block.ts";
import { devnetPolicy, readPolicy } from "../../devnet/policy.ts";
import {
  countInclusions,
  differingHeights,
  laneViolation,
  type ScannedBlock,
} from "../../devnet/smoke-chain.ts";
import type { Hex } from "../../lanes/bytes.ts";
import type { LaneTransaction } from "../../lanes/transaction.ts";

const { example } = deriveAccounts();
const sender = example.address.toLowerCase() as Hex;
const policy = readPolicy(devnetPolicy([example.address], 1000), "rollup.json");
const hashOf = (n: number): Hex => `0x${n.toString(16).padStart(64, "0")}`;

const base = { sender, nonce: 0n, value: 0n, gasLimit: 100_000n, to: DEMO_FEED } as const;
const system = (n: number): LaneTransaction => ({
  ...base,
  hash: hashOf(n),
  type: 0x7e,
  selector: null,
});
const price = (n: number): LaneTransaction => ({
  ...base,
  hash: hashOf(n),
  type: 2,
  selector: PUBLISH_SELECTOR,
});
const normal = (n: number): LaneTransaction => ({
  ...base,
  hash: hashOf(n),
  type: 2,
  selector: null,
});

const blockOf = (number: number, transactions: readonly LaneTransaction[]): ScannedBlock => ({
  number,
  hash: hashOf(1_000 + number),
  parentHash: hashOf(999 + number),
  transactions,
});
const place = (n: number, flashblock: number, rank: number, ready: bigint): LanePlace => ({
  hash: hashOf(n),
  flashblock,
  rank,
  accepted: ready === 0n ? 0n : ready - 1n,
  ready,
});
const lanesOf = (block: ScannedBlock, transactions: readonly LanePlace[]): LaneBlock => ({
  hash: block.hash,
  flashblockCount: 2,
  endMs: 0,
  transactions,
});

t.test("inclusions are counted over all blocks", async (t) => {
  const blocks = [
    blockOf(1, [normal(1), normal(2)]),
    blockOf(2, [normal(2)]),
    blockOf(3, [normal(4)]),
  ];
  t.same(countInclusions([hashOf(1), hashOf(2), hashOf(3)], blocks), {
    once: 1,
    missing: [hashOf(3)],
    repeated: [hashOf(2)],
    lastBlock: 2,
  });
});

t.test("a good order holds, and each way to break it is found", async (t) => {
  const block = blockOf(1, [system(1), price(2), price(3), normal(4), price(5)]);
  const good = [
    place(1, 0, 0, 0n),
    place(2, 0, 1, 10n),
    place(3, 0, 1, 12n),
    place(4, 0, 255, 8n),
    place(5, 1, 1, 20n),
  ];
  t.equal(laneViolation(block, lanesOf(block, good), policy), null);

  const broken = (index: number, change: Partial<LanePlace>) =>
    laneViolation(
      block,
      lanesOf(
        block,
        good.map((entry, at) => (at === index ? { ...entry, ...change } : entry)),
      ),
      policy,
    );
  t.match(broken(4, { flashblock: 0 }), /rank falls/);
  t.match(broken(1, { rank: 255 }), /^rank of/, "a price that is not in its class");
  t.match(broken(3, { rank: 1 }), /^rank of/, "a transfer in the fast lane");
  t.match(broken(2, { ready: 9n, accepted: 7n }), /ready falls/);
  t.match(broken(2, { ready: 10n, accepted: 7n }), /ready repeated/);
  t.match(broken(3, { accepted: 8n }), /ready before accepted/);
  t.match(broken(2, { hash: hashOf(9) }), /another transaction/);
  t.match(laneViolation(block, lanesOf(block, good.slice(1)), policy), /no place/);
  t.match(
    laneViolation(block, { ...lanesOf(block, good), hash: hashOf(0) }, policy),
    /another block/,
  );
});

t.test("differing heights are found, a shorter list differs where it ends", async (t) => {
  const list = [hashOf(1), hashOf(2), hashOf(3)];
  t.same(differingHeights(list, [...list]), []);
  t.same(differingHeights(list, [hashOf(1), hashOf(9)]), [1, 2]);
});

t.test("lane_block is read with its flashblocks, and another shape is refused", async (t) => {
  const entry = {
    rank: 1,
    rule: 0,
    class: "oracle",
    accepted: "0x10000000001",
    ready: "0x10000000002",
  };
  const answer = {
    blockHash: hashOf(7),
    flashblocks: [
      { txCount: 1, timestampMs: 5 },
      { txCount: 2, timestampMs: 7 },
    ],
    transactions: [1, 2, 3].map((n) => ({ ...entry, hash: hashOf(n) })),
  };
  const read = readLaneBlock(answer);
  t.same(
    read?.transactions.map(({ flashblock }) => flashblock),
    [0, 1, 1],
  );
  t.equal(read?.transactions[0]?.ready, 2n ** 40n + 2n);
  t.equal(readLaneBlock({ ...answer, flashblocks: [{ txCount: 2, timestampMs: 7 }] }), null);
  t.equal(readLaneBlock({ ...answer, blockHash: "0x12" }), null);
  t.equal(readLaneBlock(null), null);
});
