import fc from "fast-check";
import t from "tap";
import { classify } from "../../lanes/classify.ts";
import { laneRoot, orderHash } from "../../lanes/flashblock.ts";
import { decodeLaneData, encodeLaneData, type LaneData } from "../../lanes/lane-data.ts";
import { genesisLaneState, type LaneState } from "../../lanes/lane-state.ts";
import { DEPOSIT_TYPE, type LaneTransaction } from "../../lanes/transaction.ts";
import { type LaneBlock, verifyLanes } from "../../lanes/verify.ts";
import { VIOLATION_CODES, type ViolationCode } from "../../lanes/violation.ts";
import {
  buildHonestly,
  type Built,
  CALL_NAMES,
  GAS_LIMIT,
  systemTransaction,
  type Wish,
} from "./fixtures/honest-builder.ts";
import { loadPolicy } from "./fixtures/policy.ts";

const policy = loadPolicy();
const GENESIS_TIME = 1_700_000_000;

const wish: fc.Arbitrary<Wish> = fc.record({
  call: fc.constantFrom(...CALL_NAMES),
  sender: fc.nat(4),
  gasLimit: fc.oneof(fc.integer({ min: 21_000, max: 900_000 }), fc.constant(12_000_000)),
  tip: fc.nat(5),
});
const blocks = fc.array(
  fc.record({
    deposits: fc.nat(3),
    gapSeconds: fc.nat(5),
    newLeader: fc.boolean(),
    wishes: fc.array(fc.array(wish, { maxLength: 12 }), { minLength: 1, maxLength: 8 }),
  }),
  { minLength: 1, maxLength: 4 },
);

t.test("an honest builder's blocks verify, and their state carries on", async (t) => {
  let transactions = 0;
  fc.assert(
    fc.property(blocks, (specs) => {
      let state = genesisLaneState(GENESIS_TIME);
      const counters = { next: 1, nonces: new Map() };
      let leaderEpoch = 1;
      for (const { wishes, newLeader, ...options } of specs) {
        if (newLeader) leaderEpoch++;
        const built = buildHonestly(policy, state, counters, { ...options, leaderEpoch }, wishes);
        const verdict = verifyLanes(built.block, built.laneData, policy, state);
        if (!verdict.ok) throw new Error(JSON.stringify(verdict));
        const { laneState, ranks, rules, orderHashes } = verdict.value;
        const expected = built.block.transactions.map((tx) => classify(tx, policy));
        t.same(
          ranks,
          expected.map(({ rank }) => rank),
        );
        t.same(
          rules,
          expected.map(({ rule }) => rule),
        );
        t.equal(orderHashes.length, wishes.length);
        t.equal(laneState.orderHash, orderHashes.at(-1));
        t.equal(laneState.blockNumber, state.blockNumber + 1);
        transactions += ranks.length;
        state = laneState;
      }
    }),
    { numRuns: 60 },
  );
  t.ok(transactions > 1000, "the blocks were not empty");
});

/** A scene with all classes in both flashblocks, on top of one earlier block. */
function scene(): Built & { state: LaneState } {
  const counters = { next: 1, nonces: new Map() };
  const options = { deposits: 1, gapSeconds: 0, leaderEpoch: 3 };
  const list: Wish[] = [
    { call: "oracle", sender: 0, gasLimit: 200_000, tip: 0 },
    { call: "oracle", sender: 0, gasLimit: 200_000, tip: 0 },
    { call: "rescue", sender: 1, gasLimit: 300_000, tip: 0 },
    { call: "liquidation", sender: 2, gasLimit: 900_000, tip: 1 },
    { call: "liquidation", sender: 3, gasLimit: 900_000, tip: 2 },
    { call: "transfer", sender: 4, gasLimit: 21_000, tip: 0 },
    { call: "transfer", sender: 4, gasLimit: 21_000, tip: 0 },
  ];
  const genesis = genesisLaneState(GENESIS_TIME);
  const first = buildHonestly(policy, genesis, counters, options, [list]);
  const verdict = verifyLanes(first.block, first.laneData, policy, genesis);
  if (!verdict.ok) throw new Error(verdict.code);
  const state = verdict.value.laneState;
  return { ...buildHonestly(policy, state, counters, options, [list, list]), state };
}

/** Transactions of the scene: 0 attributes, 1 deposit, then by flashblock oracle ×2, rescue, … */
const FIRST_USER = 2;
const PER_FLASHBLOCK = 7;

const withBlock = (built: Built, change: Partial<LaneBlock>): Built => ({
  ...built,
  block: { ...built.block, ...change },
});
const withLaneData = (built: Built, change: Partial<LaneData>): Built => ({
  ...built,
  laneData: { ...built.laneData, ...change },
});
const withTransaction = (built: Built, index: number, change: Partial<LaneTransaction>): Built =>
  withBlock(built, {
    transactions: built.block.transactions.map((transaction, at) =>
      at === index ? { ...transaction, ...change } : transaction,
    ),
  });
const withFlashblock = (built: Built, index: number, change: object): Built =>
  withLaneData(built, {
    flashblocks: built.laneData.flashblocks.map((flashblock, at) =>
      at === index ? { ...flashblock, ...change } : flashblock,
    ),
  });
const withNumbers = (built: Built, index: number, change: object): Built =>
  withLaneData(built, {
    numbers: built.laneData.numbers.map((numbers, at) =>
      at === index - FIRST_USER ? { ...numbers, ...change } : numbers,
    ),
  });
/** Exchanges two transactions, with their numbers where `numbers` says so. */
function swap(built: Built, a: number, b: number, numbers: boolean): Built {
  const exchange = <T>(items: readonly T[], i: number, j: number) =>
    items.map((item, at) => (at === i ? items[j]! : at === j ? items[i]! : item));
  const { block, laneData } = built;
  const moved = withBlock(built, { transactions: exchange(block.transactions, a, b) });
  if (!numbers) return moved;
  const exchanged = exchange(laneData.numbers, a - FIRST_USER, b - FIRST_USER);
  return withLaneData(moved, { numbers: exchanged });
}

type Plant = readonly [
  name: string,
  change: (built: Built, state: LaneState) => Built,
  at?: object,
];

const PLANTS: Record<ViolationCode, readonly Plant[]> = {
  POLICY_HASH_WRONG: [
    ["another policy", (b) => withLaneData(b, { policyHash: `0x${"00".repeat(32)}` })],
  ],
  BLOCK_NUMBER_WRONG: [
    ["a height left out", (b) => withBlock(b, { number: b.block.number + 1 })],
    ["the parent's height", (b) => withBlock(b, { number: b.block.number - 1 })],
  ],
  BLOCK_TIME_TOO_EARLY: [
    ["the parent's time", (b, state) => withBlock(b, { timestamp: state.timestamp })],
  ],
  FLASHBLOCK_COUNT_OUT_OF_RANGE: [
    ["none", (b) => withLaneData(b, { flashblocks: [] })],
    [
      "more than the policy's",
      (b) => {
        const [first, ...others] = b.laneData.flashblocks;
        const empty = Array.from({ length: 7 }, () => ({ ...first!, txCount: 0 }));
        return withLaneData(b, { flashblocks: [first!, ...empty, ...others] });
      },
    ],
  ],
  TX_COUNT_WRONG: [
    ["one too few", (b) => withFlashblock(b, 1, { txCount: PER_FLASHBLOCK - 1 })],
    ["one too many", (b) => withFlashblock(b, 1, { txCount: PER_FLASHBLOCK + 1 })],
  ],
  NUMBER_COUNT_WRONG: [
    ["one too few", (b) => withLaneData(b, { numbers: b.laneData.numbers.slice(1) })],
    [
      "one for a deposit",
      (b) => withLaneData(b, { numbers: [{ accepted: 1n, ready: 2n }, ...b.laneData.numbers] }),
    ],
  ],
  FLASHBLOCK_TIME_DECREASES: [
    [
      "the second before the first",
      (b) => {
        const { timestampMs } = b.laneData.flashblocks[1]!;
        return withFlashblock(b, 0, { timestampMs: timestampMs + 1 });
      },
      { flashblock: 1 },
    ],
  ],
  FLASHBLOCK_TIME_OUT_OF_RANGE: [
    [
      "the parent's last instant",
      (b, state) => withFlashblock(b, 0, { timestampMs: 1000 * state.timestamp }),
      { flashblock: 0 },
    ],
    [
      "after the block's time",
      (b) => withFlashblock(b, 1, { timestampMs: 1000 * b.block.timestamp + 1 }),
      { flashblock: 1 },
    ],
  ],
  LEADER_EPOCH_DECREASES: [
    ["below the parent's", (b) => withFlashblock(b, 0, { leaderEpoch: 2 }), { flashblock: 0 }],
    ["below the flashblock's", (b) => withFlashblock(b, 0, { leaderEpoch: 4 }), { flashblock: 1 }],
  ],
  ATTRIBUTES_MISSING: [
    [
      "a block of users",
      (b) => {
        const transactions = b.block.transactions.slice(FIRST_USER);
        return withFlashblock(withBlock(b, { transactions }), 0, { txCount: PER_FLASHBLOCK });
      },
    ],
    [
      "an empty first flashblock",
      (b) => {
        const [first, second] = b.laneData.flashblocks;
        const txCount = first!.txCount + second!.txCount;
        return withFlashblock(withFlashblock(b, 0, { txCount: 0 }), 1, { txCount });
      },
    ],
  ],
  SYSTEM_TX_MISPLACED: [
    ["behind a user's", (b) => swap(b, 1, FIRST_USER, false), { index: 2 }],
    [
      "the deposits in the second flashblock",
      (b) => {
        const txCount = b.block.transactions.length - 1;
        return withFlashblock(withFlashblock(b, 0, { txCount: 1 }), 1, { txCount });
      },
      { index: 1 },
    ],
    [
      "at the head of the second flashblock",
      (b) => {
        const head = FIRST_USER + PER_FLASHBLOCK;
        const transactions = b.block.transactions.toSpliced(head, 0, systemTransaction(99, 1n));
        const txCount = PER_FLASHBLOCK + 1;
        return withFlashblock(withBlock(b, { transactions }), 1, { txCount });
      },
      { index: FIRST_USER + PER_FLASHBLOCK },
    ],
  ],
  GAS_LIMIT_OUT_OF_RANGE: [
    ["of a user", (b) => withTransaction(b, 8, { gasLimit: GAS_LIMIT + 1n }), { index: 8 }],
    ["of a deposit", (b) => withTransaction(b, 1, { gasLimit: 2n ** 64n }), { index: 1 }],
    ["of the block", (b) => withBlock(b, { gasLimit: 2n ** 64n })],
  ],
  NUMBER_OUT_OF_RANGE: [
    ["accepted 0", (b) => withNumbers(b, 4, { accepted: 0n }), { flashblock: 0, index: 4 }],
    ["ready 0", (b) => withNumbers(b, 4, { ready: 0n }), { index: 4 }],
    ["73 bits", (b) => withNumbers(b, 4, { ready: 2n ** 72n }), { index: 4 }],
  ],
  ACCEPTED_NOT_UNIQUE: [
    [
      "in two flashblocks",
      (b) => withNumbers(b, 12, { accepted: b.laneData.numbers[2]!.accepted }),
      { flashblock: 1, index: 12 },
    ],
  ],
  READY_NOT_UNIQUE: [
    [
      "in two lanes",
      (b) => {
        const { ready } = b.laneData.numbers[0]!;
        return withNumbers(b, 8, { accepted: ready - 1n - 2n ** 40n, ready });
      },
      { index: 8 },
    ],
  ],
  READY_NOT_AFTER_ACCEPTED: [
    [
      "ready when accepted",
      (b) => withNumbers(b, 5, { ready: b.laneData.numbers[3]!.accepted }),
      { index: 5 },
    ],
  ],
  RANK_DECREASES: [
    ["a transfer before a price", (b) => swap(b, 3, 7, true), { index: 4, rank: 2, before: 255 }],
    [
      "a price that costs more than its rule allows",
      (b) => withTransaction(b, 2, { gasLimit: 500_001n }),
      { flashblock: 0, index: 3, rank: 1, before: 255 },
    ],
    [
      "a liquidation before a rescue",
      (b) => swap(b, 11, 12, true),
      { flashblock: 1, index: 12, rank: 2, before: 3 },
    ],
  ],
  READY_NOT_INCREASING: [
    [
      "prices exchanged",
      (b) => withLaneData(b, { numbers: swap(b, 2, 3, true).laneData.numbers }),
      { flashblock: 0, index: 3, rank: 1 },
    ],
  ],
  NONCE_NOT_INCREASING: [
    [
      "a nonce twice, in two flashblocks",
      (b) => withTransaction(b, 14, { nonce: b.block.transactions[8]!.nonce }),
      { flashblock: 1, index: 14 },
    ],
    ["transfers exchanged", (b) => swap(b, 7, 8, true), { index: 8 }],
  ],
  CLASS_CAP_EXCEEDED: [
    [
      "one gas more than the share",
      (b) => {
        // Four liquidations of 900,000 gas are 20 % of 18M, beside 1.1M of system and 6M reserve.
        return withBlock(b, { gasLimit: 7_100_000n + 17_999_999n });
      },
      { flashblock: 1, index: 13, rank: 3 },
    ],
  ],
};

t.test("the scene itself is honest", async (t) => {
  const { block, laneData, state } = scene();
  t.match(verifyLanes(block, laneData, policy, state), { ok: true });
});

for (const code of VIOLATION_CODES) {
  t.test(`${code} is found`, async (t) => {
    for (const [name, change, at = {}] of PLANTS[code]) {
      const { state, ...built } = scene();
      const { block, laneData } = change(built, state);
      const verdict = verifyLanes(block, laneData, policy, state);
      t.match(verdict, { ok: false, code, data: at }, name);
    }
  });
}

t.test("what the rules allow is not refused", async (t) => {
  const { state, ...built } = scene();
  const allowed: Record<string, Built> = {
    "a nonce that an authorization raised": withTransaction(built, 15, { nonce: 99n }),
    "tips in any order": swap(built, 5, 6, true),
    "a block later than the next": withBlock(built, { timestamp: built.block.timestamp + 60 }),
    "ready numbers that fall from class to class": withNumbers(built, 4, {
      accepted: 1n,
      ready: 2n,
    }),
    "an empty flashblock": withLaneData(built, {
      flashblocks: [
        ...built.laneData.flashblocks,
        { ...built.laneData.flashblocks[1]!, txCount: 0 },
      ],
    }),
    "a share taken to the last gas": withBlock(built, { gasLimit: 7_100_000n + 18_000_000n }),
  };
  for (const [name, { block, laneData }] of Object.entries(allowed)) {
    t.match(verifyLanes(block, laneData, policy, state), { ok: true }, name);
  }
});

t.test("order hashes chain from flashblock to flashblock and from the parent block", async (t) => {
  const { block, laneData, state } = scene();
  const verdict = verifyLanes(block, laneData, policy, state);
  if (!verdict.ok) throw new Error(verdict.code);
  const { ranks, rules, orderHashes } = verdict.value;
  let parentOrderHash = state.orderHash;
  for (const [index, { txCount, timestampMs, leaderEpoch }] of laneData.flashblocks.entries()) {
    const start = index === 0 ? 0 : laneData.flashblocks[0]!.txCount;
    const leaves = block.transactions.slice(start, start + txCount).map((transaction, offset) => {
      const at = start + offset;
      const numbers = transaction.type === DEPOSIT_TYPE ? null : laneData.numbers[at - FIRST_USER]!;
      return {
        txHash: transaction.hash,
        rank: ranks[at]!,
        rule: rules[at]!,
        accepted: numbers?.accepted ?? 0n,
        ready: numbers?.ready ?? 0n,
        gasLimit: transaction.gasLimit,
      };
    });
    parentOrderHash = orderHash({
      chainId: 901,
      term: 1,
      lastForced: 0,
      blockNumber: 2,
      l1OriginNumber: block.l1OriginNumber,
      l1OriginHash: block.l1OriginHash,
      timestamp: block.timestamp,
      policyHash: policy.hash,
      leaderEpoch,
      index,
      parentOrderHash,
      txCount,
      laneRoot: laneRoot(leaves),
      timestampMs,
    });
    t.equal(orderHashes[index], parentOrderHash);
  }
  t.same(verdict.value.laneState, {
    blockNumber: 2,
    timestamp: block.timestamp,
    timestampMs: laneData.flashblocks[1]!.timestampMs,
    orderHash: parentOrderHash,
    lastForced: 0,
    leaderEpoch: 3,
    readyByRank: [1, 2, 3, 255].map((rank) => ({
      rank,
      ready: laneData.numbers
        .filter((_, at) => ranks[at + FIRST_USER] === rank)
        .reduce((highest, { ready }) => (ready > highest ? ready : highest), 0n),
    })),
  });
});

t.test("random damage never throws", async (t) => {
  const { block, laneData, state } = scene();
  const bytes = encodeLaneData(laneData);
  let verified = 0;
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const damaged = bytes.slice();
      damaged[at] = (damaged[at] ?? 0) ^ flip;
      const decoded = decodeLaneData(damaged);
      if (!decoded.ok) return;
      const verdict = verifyLanes(block, decoded.value, policy, state);
      if (verdict.ok) t.not(verdict.value.laneState.orderHash, state.orderHash);
      verified++;
    }),
    { numRuns: 500 },
  );
  t.ok(verified > 50, "the property was not vacuous");
});
