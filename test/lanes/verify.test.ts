import fc from "fast-check";
import t from "tap";
import { classify, NO_PRICES_YET } from "../../lanes/classify.ts";
import { laneRoot, orderHash } from "../../lanes/flashblock.ts";
import { decodeLaneData, encodeLaneData } from "../../lanes/lane-data.ts";
import { genesisLaneState } from "../../lanes/lane-state.ts";
import { DEPOSIT_TYPE } from "../../lanes/transaction.ts";
import { verifyLanes } from "../../lanes/verify.ts";
import { VIOLATION_CODES } from "../../lanes/violation.ts";
import {
  buildHonestly,
  type Built,
  CALL_NAMES,
  GAS_LIMIT,
  type Wish,
} from "./fixtures/honest-builder.ts";
import {
  FIRST_USER,
  GENESIS_TIME,
  numbersAfter,
  PLANTS,
  policy,
  scene,
  swap,
  withBlock,
  withLaneData,
  withNumbers,
  withTransaction,
} from "./fixtures/planted-violations.ts";
import { recoverSigner } from "../../node/primitives/signature.ts";

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
        const verdict = verifyLanes(built.block, built.laneData, policy, state, recoverSigner);
        if (!verdict.ok) throw new Error(JSON.stringify(verdict));
        const { laneState, ranks, rules, orderHashes } = verdict.value;
        const expected = built.block.transactions.map((tx) => classify(tx, policy, NO_PRICES_YET));
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
    { numRuns: 500 },
  );
  t.ok(transactions > 1000, "the blocks were not empty");
});

t.test("the scene itself is honest", async (t) => {
  const { block, laneData, state } = scene();
  t.match(verifyLanes(block, laneData, policy, state, recoverSigner), { ok: true });
});

for (const code of VIOLATION_CODES) {
  t.test(`${code} is found`, async (t) => {
    for (const [name, change, at = {}] of PLANTS[code]) {
      const { state, ...built } = scene();
      const { block, laneData } = change(built, state);
      const verdict = verifyLanes(block, laneData, policy, state, recoverSigner);
      t.match(verdict, { ok: false, code, data: at }, name);
    }
  });
}

t.test("what the rules allow is not refused", async (t) => {
  const { state, ...built } = scene();
  const allowed: Record<string, Built> = {
    "a nonce that an authorization raised": withTransaction(built, 15, { nonce: 99n }),
    "tips in any order": swap(built, 5, 6, true),
    "a block later than the next": withBlock(built, { timestamp: built.block.timestamp + 29 }),
    "ready numbers that fall from class to class": withNumbers(built, 4, numbersAfter(state)),
    "an empty flashblock": withLaneData(built, {
      flashblocks: [
        ...built.laneData.flashblocks,
        { ...built.laneData.flashblocks[1]!, txCount: 0 },
      ],
    }),
    "numbers of 72 bits": withNumbers(built, 15, {
      accepted: 2n ** 72n - 2n,
      ready: 2n ** 72n - 1n,
    }),
    "a transaction as large as the block": withTransaction(built, 15, { gasLimit: GAS_LIMIT }),
    "a block limit of 64 bits": withBlock(built, { gasLimit: 2n ** 64n - 1n }),
    "a share taken to the last gas": withBlock(built, { gasLimit: 7_100_000n + 18_000_000n }),
  };
  for (const [name, { block, laneData }] of Object.entries(allowed)) {
    t.match(verifyLanes(block, laneData, policy, state, recoverSigner), { ok: true }, name);
  }
});

t.test("order hashes chain from flashblock to flashblock and from the parent block", async (t) => {
  const { block, laneData, state } = scene();
  const verdict = verifyLanes(block, laneData, policy, state, recoverSigner);
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
    policyHash: policy.hash,
    accepted: laneData.numbers.reduce(
      (high, each) => (each.accepted > high ? each.accepted : high),
      0n,
    ),
    prices: state.prices,
    recent: [
      ...state.recent,
      {
        // Two flashblocks; 20 %, 10 % and 20 % of what system transactions and the reserve leave.
        classes: [
          { rank: 1, cap: 10_580_000n, gas: 800_000n },
          { rank: 2, cap: 5_290_000n, gas: 600_000n },
          { rank: 3, cap: 10_580_000n, gas: 3_600_000n },
        ],
        ready: [1, 2, 3, 255].map((rank) => ({
          rank,
          ready: laneData.numbers
            .filter((_, at) => ranks[at + FIRST_USER] === rank)
            .reduce((highest, { ready }) => (ready > highest ? ready : highest), 0n),
        })),
      },
    ],
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
      const verdict = verifyLanes(block, decoded.value, policy, state, recoverSigner);
      if (verdict.ok) t.not(verdict.value.laneState.orderHash, state.orderHash);
      verified++;
    }),
    { numRuns: 500 },
  );
  t.ok(verified > 50, "the property was not vacuous");
});
