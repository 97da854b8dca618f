import fc from "fast-check";
import t from "tap";
import { NORMAL_RANK } from "../../lanes/classify.ts";
import { createOrder, type OrderKey, orderOfRank } from "../../lanes/order.ts";
import { loadPolicy } from "./fixtures/policy.ts";

const policy = loadPolicy();
const order = createOrder(policy);

t.test("each rank has its order: the class's, or the normal lane's", async (t) => {
  t.same(
    [1, 2, 3, NORMAL_RANK].map((rank) => orderOfRank(policy, rank)),
    ["ready", "ready", "tip", "tip"],
  );
});

t.test("rank, then ready or tip", async (t) => {
  const keys: OrderKey[] = [
    { rank: NORMAL_RANK, ready: 1n, tip: 9n },
    { rank: 3, ready: 2n, tip: 1n },
    { rank: 3, ready: 8n, tip: 7n },
    { rank: 3, ready: 3n, tip: 7n },
    { rank: 1, ready: 9n, tip: 1n },
    { rank: 1, ready: 4n, tip: 0n },
    { rank: 2, ready: 6n, tip: 2n },
    { rank: 2, ready: 5n, tip: 2n },
  ];
  t.same(
    [...keys].sort(order).map(({ rank, ready }) => `${rank}:${ready}`),
    ["1:4", "1:9", "2:5", "2:6", "3:3", "3:8", "3:2", "255:1"],
  );
});

t.test("a total order: arrival does not matter", async (t) => {
  const keys = fc.uniqueArray(
    fc.record({
      rank: fc.constantFrom(1, 2, 3, NORMAL_RANK),
      ready: fc.bigInt(1n, 50n),
      tip: fc.bigInt(0n, 3n),
    }),
    { selector: ({ ready }) => ready, maxLength: 20 },
  );
  const shuffled = keys.chain((all) =>
    fc.tuple(
      fc.constant(all),
      fc.shuffledSubarray(all, { minLength: all.length, maxLength: all.length }),
    ),
  );
  fc.assert(
    fc.property(shuffled, ([all, other]) => {
      t.same([...all].sort(order), [...other].sort(order));
    }),
    { numRuns: 500 },
  );
});
