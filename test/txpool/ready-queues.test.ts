/** The queues against a list that is sorted anew each time. */
import fc from "fast-check";
import t from "tap";
import { NORMAL_RANK } from "../../lanes/classify.ts";
import { createReadyQueues } from "../../node/txpool/ready-queues.ts";
import type { PooledTransaction } from "../../node/txpool/sender-queue.ts";
import { loadPolicy, policyJson } from "../lanes/fixtures/policy.ts";
import { transaction } from "./fixtures/pool.ts";

const FAST_RANK = 1;
const POLICY = loadPolicy(policyJson());

function item(rank: number, maxFee: bigint, tip: bigint, ready: bigint): PooledTransaction {
  return {
    transaction: transaction({ maxFee, tip }),
    accepted: 0n,
    timeMs: 0,
    deadlineBlock: 0,
    conditions: null,
    rank,
    rule: 0,
    durable: true,
    executing: false,
    ready,
    replaced: null,
    shortfalls: 0,
    aborts: 0,
    conflicts: 0,
    tip: 0n,
  };
}

/** The best of a rank, as PROTOCOL 3 orders: the oracle class by number, the normal lane by tip. */
function expected(
  items: ReadonlySet<PooledTransaction>,
  rank: number,
  baseFee: bigint,
): PooledTransaction | undefined {
  const tipOf = ({ transaction: { maxFeePerGas, maxPriorityFeePerGas } }: PooledTransaction) =>
    maxFeePerGas - baseFee < maxPriorityFeePerGas ? maxFeePerGas - baseFee : maxPriorityFeePerGas;
  return [...items]
    .filter((each) => each.rank === rank && each.transaction.maxFeePerGas >= baseFee)
    .sort((a, b) => {
      const byTip = rank === NORMAL_RANK ? Number(tipOf(b) - tipOf(a)) : 0;
      return byTip === 0 ? Number((a.ready ?? 0n) - (b.ready ?? 0n)) : byTip;
    })[0];
}

const step = fc.oneof(
  fc.record({
    kind: fc.constant("add" as const),
    rank: fc.constantFrom(FAST_RANK, NORMAL_RANK),
    maxFee: fc.bigInt(0n, 20n),
    tip: fc.bigInt(0n, 20n),
  }),
  fc.record({ kind: fc.constant("baseFee" as const), value: fc.bigInt(0n, 15n) }),
  fc.record({ kind: fc.constant("take" as const), rank: fc.constantFrom(FAST_RANK, NORMAL_RANK) }),
);

t.test("the best under every base fee is the best of a fresh sort", async (t) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const waiting = new Set<PooledTransaction>();
      let baseFee = 0n;
      let ready = 0n;
      const queues = createReadyQueues(POLICY, (left) => {
        if (left.transaction.maxFeePerGas >= baseFee) throw new Error("it can pay");
        if (!waiting.delete(left)) throw new Error("twice, or never added");
      });
      for (const one of steps) {
        if (one.kind === "add" && one.maxFee >= baseFee) {
          ready += 1n;
          const added = item(one.rank, one.maxFee, one.tip, ready);
          waiting.add(added);
          queues.add(added);
        }
        if (one.kind === "baseFee") {
          baseFee = one.value;
          queues.setBaseFee(baseFee);
          for (const { rank, transaction: each } of waiting)
            if (rank === FAST_RANK && each.maxFeePerGas < baseFee)
              throw new Error("a fast one that cannot pay keeps its number");
        }
        for (const rank of [FAST_RANK, NORMAL_RANK])
          if (queues.best(rank) !== expected(waiting, rank, baseFee))
            throw new Error("not the best");
        const best = one.kind === "take" ? queues.best(one.rank) : undefined;
        if (best === undefined) continue;
        waiting.delete(best);
        queues.remove(best);
      }
    }),
    { numRuns: 500 },
  );
  t.pass("500 histories");
});
