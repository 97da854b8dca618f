/** The time machine: the same input has one answer, and the answer keeps the lanes' rules. */
import fc from "fast-check";
import t from "tap";
import { capOf } from "../../lanes/budget.ts";
import { classify, NO_PRICES_YET } from "../../lanes/classify.ts";
import { replay, type ReplayArrival, type ReplayBlock } from "../../lanes/replay.ts";
import { loadPolicy, MARKET, ORACLE, policyJson, PUBLISHER, RESCUE } from "./fixtures/policy.ts";

/** One block, so that some are late. */
const POLICY = loadPolicy({ ...policyJson(), ttlBlocks: 1 });
const GAS = { gasLimit: 30_000_000n, systemGas: 1_000_000n, systemReserveGas: 6_000_000 };
const GAS_PER_MS = 10_000;
const CALLS = {
  oracle: [ORACLE, "0x00000001"],
  rescue: [RESCUE, "0x00000002"],
  liquidation: [MARKET, "0x00000003"],
  normal: ["0x00000000000000000000000000000000000000ff", null],
} as const;

const blocks: ReplayBlock[] = Array.from({ length: 4 }, (_, at) => ({
  ...{ number: at + 1, startMs: 1000 * at, endMs: 1000 * (at + 1), baseFee: 5n, gas: GAS },
  isDepositOnly: false,
  prices: NO_PRICES_YET,
}));

const wish = fc.record({
  call: fc.constantFrom("oracle", "rescue", "liquidation", "normal", "normal", "normal"),
  sender: fc.nat(5),
  gas: fc.integer({ min: 21_000, max: 500_000 }),
  fee: fc.integer({ min: 3, max: 20 }),
  gapMs: fc.nat(120),
});

interface Wish {
  readonly call: string;
  readonly sender: number;
  readonly gas: number;
  readonly fee: number;
  readonly gapMs: number;
}

function arrivalsOf(wishes: readonly Wish[]): ReplayArrival[] {
  const nonces = new Map<string, bigint>();
  let nowMs = 0;
  return wishes.map(({ call, sender: by, gas, fee, gapMs }, at): ReplayArrival => {
    const [to, selector] = CALLS[call as keyof typeof CALLS];
    const account = `0x${String(by + 1).padStart(40, "0")}` as const;
    const sender = call === "oracle" ? (PUBLISHER as `0x${string}`) : account;
    const nonce = nonces.get(sender) ?? 0n;
    nonces.set(sender, nonce + 1n);
    nowMs += gapMs;
    return {
      accepted: BigInt(at + 1),
      arrivedMs: nowMs,
      maxFeePerGas: BigInt(fee),
      maxPriorityFeePerGas: BigInt(fee % 4),
      gas: BigInt(Math.ceil(gas / 2)),
      wasExecuted: true,
      transaction: {
        ...{ hash: `0x${String(at).padStart(64, "0")}`, type: 2, sender, nonce, value: 0n },
        ...{ to: to.toLowerCase() as `0x${string}`, selector, gasLimit: BigInt(gas) },
      },
    };
  });
}

t.test("one input has one answer, which keeps the rules", async (t) => {
  let executed = 0;
  let dropped = 0;
  fc.assert(
    fc.property(fc.array(wish, { maxLength: 60 }), (wishes) => {
      const arrivals = arrivalsOf(wishes);
      const { transactions } = replay(POLICY, arrivals, blocks, GAS_PER_MS);
      t.same(replay(POLICY, arrivals, blocks, GAS_PER_MS).transactions, transactions);
      t.equal(new Set(transactions.map(({ accepted }) => accepted)).size, arrivals.length);
      const byNumber = new Map(arrivals.map((each) => [each.accepted, each]));
      const taken = new Map<string, bigint>();
      const nonces = new Map<string, bigint>();
      for (const { accepted, rank, block, waitMs, drop } of transactions) {
        const { transaction } = byNumber.get(accepted)!;
        t.equal(rank, classify(transaction, POLICY, NO_PRICES_YET).rank);
        if (drop !== null) {
          t.not(rank, 255, "the normal lane has no deadline");
          dropped += 1;
        }
        if (block === null || waitMs === null) continue;
        executed += 1;
        t.ok(waitMs >= 0);
        const share = POLICY.document.fast.classes.find((each) => each.rank === rank);
        const key = `${block}:${rank}`;
        taken.set(key, (taken.get(key) ?? 0n) + transaction.gasLimit);
        if (share !== undefined) t.ok(taken.get(key)! <= capOf(share.gasShareBps, GAS));
        t.ok(transaction.nonce > (nonces.get(transaction.sender) ?? -1n), "nonces in order");
        nonces.set(transaction.sender, transaction.nonce);
      }
    }),
    { numRuns: 500 },
  );
  t.ok(executed > 1000 && dropped > 20, `${executed} executed, ${dropped} dropped`);
});

t.test("a class for a target takes its transactions out of the flood", async (t) => {
  const flood = Array.from({ length: 400 }, (_, at) => ({
    ...{ call: "normal", sender: at % 5, gas: 200_000, fee: 19, gapMs: 1 },
  }));
  const watched = Array.from({ length: 20 }, () => ({
    ...{ call: "rescue", sender: 5, gas: 100_000, fee: 8, gapMs: 10 },
  }));
  const arrivals = arrivalsOf([...flood, ...watched]);
  const json = policyJson();
  json.fast.classes[1]!.rules = [];
  const without = loadPolicy(json);
  const waits = (policy: typeof without) =>
    replay(policy, arrivals, blocks, GAS_PER_MS)
      .transactions.filter(({ accepted }) => accepted > 400n)
      .map(({ waitMs }) => waitMs ?? Infinity);
  const [slow, fast] = [waits(without), waits(POLICY)];
  t.ok(Math.max(...fast) < 50, `${Math.max(...fast)} ms`);
  t.ok(Math.min(...slow) > 100, `${Math.min(...slow)} ms`);
});

t.test("a nonce is executed once, in its turn, and only after the one before it", async (t) => {
  const wishes = Array.from({ length: 6 }, () => ({
    ...{ call: "normal", sender: 0, gas: 100_000, fee: 9, gapMs: 1 },
  }));
  const arrivals = arrivalsOf(wishes);
  /** The arrivals with these nonces instead; those marked were executed. */
  const outcomes = (nonces: readonly number[], executed: readonly number[] = [], from = blocks) =>
    replay(
      POLICY,
      arrivals.slice(0, nonces.length).map((each, at) => ({
        ...each,
        wasExecuted: executed.includes(at),
        transaction: { ...each.transaction, nonce: BigInt(nonces[at] ?? 0) },
      })),
      from,
      GAS_PER_MS,
    ).transactions.map(({ accepted, block, drop }) => [Number(accepted), drop ?? block]);
  t.same(
    outcomes([3, 4, 6, 7]),
    [
      ...[
        [1, 1],
        [2, 1],
        [3, null],
        [4, null],
      ],
    ],
    "behind a gap",
  );
  t.same(
    outcomes([3, 4, 6, 7], [2, 3]),
    [
      ...[
        [1, "NONCE_TOO_LOW"],
        [2, "NONCE_TOO_LOW"],
        [3, 1],
        [4, 1],
      ],
    ],
    "they came too late",
  );
  t.same(outcomes([4, 4, 3]), [
    [1, "REPLACED"],
    [3, 1],
    [2, 1],
  ]);
  const empty = blocks.map((block) => ({ ...block, isDepositOnly: block.number < 3 }));
  t.same(outcomes([3, 4], [0, 1], empty), [
    [1, 3],
    [2, 3],
  ]);
});
