/** Transactions whose class hangs on prices, as prices come and go. ACCEPTANCE row 13. */
import t from "tap";
import { NO_PRICES_YET, type PricesAt } from "../../lanes/classify.ts";
import { NO_FEED } from "../../lanes/price-state.ts";
import type { UserTransaction } from "../../node/primitives/transaction.ts";
import { PoolClasses } from "../../node/txpool/pool-classes.ts";
import { loadPolicy } from "../lanes/fixtures/policy.ts";
import { ETH } from "../lanes/fixtures/reports.ts";
import {
  account,
  createHarness,
  GWEI,
  RANK,
  transaction,
  type TransactionChoices,
} from "./fixtures/pool.ts";

/** The feed's rule of the shared test policy. */
const SELECTOR = Uint8Array.of(0, 0, 0, 4);
const RULE = 3;

const priced = (choices: TransactionChoices = {}): UserTransaction => ({
  ...transaction({ ...choices, lane: "liquidation" }),
  data: SELECTOR,
});

const applied = {
  value: 1n,
  confidence: 0n,
  timeMs: 9,
  session: 0,
  status: 0,
  appliedMs: 9,
} as const;
const OPEN: PricesAt = {
  prices: { feeds: new Map([[ETH, { ...NO_FEED, applied }]]), graceEndMs: 0, epoch: 1 },
  timeMs: 10,
};

t.test("who waits in the normal lane is fast with the price, under a new number", async (t) => {
  const { pool, add, dropped } = createHarness();
  const item = add(priced());
  const other = add(transaction({ sender: account(2) }));
  t.equal(item.rank, RANK.normal);
  const number = item.ready ?? 0n;
  pool.repriced(OPEN);
  t.equal(pool.best(RANK.liquidation), item);
  t.match(item, { rank: RANK.liquidation, rule: RULE, deadlineBlock: 0 });
  t.ok((item.ready ?? 0n) > number && (item.ready ?? 0n) > (other.ready ?? 0n));
  t.equal(pool.best(RANK.normal), other);
  pool.repriced(NO_PRICES_YET);
  t.equal(item.rank, RANK.normal, "it was promised no lane");
  pool.included(other);
  t.equal(pool.best(RANK.normal), item);
  t.same(dropped, []);
});

t.test(
  "who was promised the fast lane is dropped without it, and what follows waits",
  async (t) => {
    const { pool, add, dropped } = createHarness();
    pool.repriced(OPEN);
    const item = add(priced());
    const next = add(priced({ nonce: 1n }));
    const cheap = add(transaction({ sender: account(2), lane: "liquidation" }));
    t.equal(item.rank, RANK.liquidation);
    t.ok(item.deadlineBlock > 0);
    pool.repriced({ ...OPEN, timeMs: 100_000 });
    const code = "CLASS_CHANGED";
    t.same(
      dropped,
      [item, next].map(({ transaction: { hash } }) => ({ hash, code })),
    );
    t.equal(pool.best(RANK.liquidation), cheap, "a rule without feeds");
    t.equal(pool.get(item.transaction.hash), undefined);
  },
);

t.test("who is not durable yet, or parked, waits in the other lane", async (t) => {
  const { pool, promised, add } = createHarness();
  const admitted = pool.admit(priced(), promised());
  if (!admitted.ok) throw new Error(admitted.code);
  const parked = add(priced({ sender: account(3) }));
  pool.park(parked);
  pool.repriced(OPEN);
  t.equal(pool.best(RANK.liquidation), parked);
  pool.included(parked);
  t.equal(pool.best(RANK.liquidation), undefined);
  pool.activate(admitted.value);
  t.equal(pool.best(RANK.liquidation), admitted.value);
});

t.test("what the engine has now is left alone, and what was executed is not dropped", async (t) => {
  const { pool, add, promised, dropped } = createHarness();
  const item = add(priced());
  item.executing = true;
  pool.repriced(OPEN);
  t.equal(item.rank, RANK.normal);
  item.executing = false;
  pool.repriced(NO_PRICES_YET);
  const sender = account(4);
  pool.restore(priced({ sender }), { ...promised(), rank: RANK.liquidation, isExecuted: true });
  pool.restore(priced({ sender: account(5) }), {
    ...{ ...promised(), rank: RANK.liquidation, isExecuted: false },
  });
  t.same(dropped, [], "prices that were promised may not be applied yet");
  pool.repriced({ ...NO_PRICES_YET, timeMs: 1 });
  t.match(dropped, [{ code: "CLASS_CHANGED" }]);
  t.equal(dropped.length, 1, "a signed flashblock holds the other");
});

t.test("a restored one stays fast where its price comes back first", async (t) => {
  const { pool, promised, dropped } = createHarness();
  pool.repriced(NO_PRICES_YET);
  const sender = account(5);
  pool.restore(priced({ sender }), { ...promised(), rank: RANK.liquidation, isExecuted: false });
  pool.repriced(OPEN);
  t.match(pool.best(RANK.liquidation), { transaction: { sender }, rule: RULE });
  t.same(dropped, []);
});

t.test("who is promoted keeps the room that it had, and may still be evicted", async (t) => {
  const { pool, add, refusal } = createHarness({ fastQueueLimit: 2, globalMax: 4 });
  for (let from = 1; from <= 4; from++) add(priced({ sender: account(from), tip: 1n }));
  pool.repriced(OPEN);
  t.equal(pool.best(RANK.liquidation)?.rank, RANK.liquidation);
  const fast = [11, 12].map((from) => transaction({ sender: account(from), lane: "rescue" }));
  t.same(fast.map(refusal), [null, null], "the fast lane is not full of them");
  t.equal(refusal(transaction({ sender: account(13), lane: "rescue" })), "POOL_FULL");
  t.equal(refusal(transaction({ sender: account(14), tip: 9n * GWEI })), null, "one leaves for it");
});

t.test("so many may wait for a price, and others are not in their way", async (t) => {
  const { pool, add, refusal } = createHarness({ globalMax: 2000 });
  for (let from = 1; from <= 1024; from++) add(priced({ sender: account(from) }));
  t.equal(refusal(priced({ sender: account(2000) })), "POOL_FULL");
  t.equal(refusal(transaction({ sender: account(2001) })), null);
  pool.repriced(OPEN);
  t.equal(refusal(priced({ sender: account(2002) })), null, "a fast one has its own room");
});

t.test("nobody is looked at while the same feeds are open", async (t) => {
  const classes = new PoolClasses(loadPolicy());
  const { add } = createHarness();
  let looks = 0;
  const item = add(priced());
  const watched = new Proxy(item, {
    get(target, name) {
      if (name === "transaction") looks += 1;
      return Reflect.get(target, name) as unknown;
    },
  });
  classes.added(watched);
  t.equal(classes.repriced(OPEN).length, 1);
  const before = looks;
  for (let timeMs = 11; timeMs < 20; timeMs++) t.same(classes.repriced({ ...OPEN, timeMs }), []);
  t.equal(looks, before);
  item.rank = RANK.liquidation;
  t.equal(classes.repriced({ ...OPEN, timeMs: 100_000 }).length, 1, "stale");
});
