import t from "tap";
import type { PooledTransaction } from "../../node/txpool/sender-queue.ts";
import { account, createHarness, GWEI, type Harness, RANK, transaction } from "./fixtures/pool.ts";

t.test("only an account's next nonce is ever ready, whatever the order of arrival", async (t) => {
  const { pool, add, buildBest, promised } = createHarness();
  const [second, first, third] = [1n, 0n, 2n].map((nonce) => transaction({ nonce }));
  add(second!);
  t.equal(pool.best(RANK.normal), undefined, "a gap is not executable");
  const admitted = add(first!);
  t.equal(pool.best(RANK.normal), admitted);
  add(third!);
  t.equal(pool.best(RANK.normal), admitted);
  t.same(pool.counts(), { pending: 3, queued: 0 });
  t.equal(pool.nextNonce(account(1)), 3n);

  const built = [first!, second!, third!].map(() => buildBest(RANK.normal));
  t.same(
    built.map((item) => item?.transaction.nonce),
    [0n, 1n, 2n],
  );
  t.ok(promised().accepted > 6n, "three accepted and three ready numbers were given");
});

t.test("ready is greater than accepted, unique, and new after readiness was lost", async (t) => {
  const { pool, add, openBlock } = createHarness();
  const numbers = new Set<bigint>();
  const items = [1, 2, 3].map((sender) => add(transaction({ sender: account(sender) })));
  for (const item of items) {
    t.ok(item.ready !== null && item.ready > item.accepted);
    numbers.add(item.ready!);
  }
  const parked = items[0]!;
  const before = parked.ready!;
  pool.park(parked);
  t.equal(parked.ready, null);
  t.not(pool.best(RANK.normal), parked);
  const behind = add(transaction({ sender: account(1), nonce: 1n }));
  pool.drop(behind, "TX_INVALID");
  t.equal(parked.ready, null, "in this block it stays where it is");
  openBlock(0n);
  t.ok(parked.ready !== null && parked.ready > before);
  numbers.add(parked.ready!);
  t.equal(numbers.size, 4);
});

t.test("nothing is built before its journal record is durable", async (t) => {
  const { pool, add, buildBest, promised, openBlock } = createHarness();
  const admitted = pool.admit(transaction(), promised());
  t.ok(admitted.ok);
  t.equal(pool.best(RANK.normal), undefined);
  openBlock(0n);
  t.equal(pool.best(RANK.normal), undefined, "nor does a new block make it executable");

  const next = pool.admit(transaction({ nonce: 1n }), promised());
  if (admitted.ok) pool.activate(admitted.value);
  t.equal(buildBest(RANK.normal)?.transaction.nonce, 0n);
  t.equal(pool.best(RANK.normal), undefined, "nor does its predecessor's execution");
  if (next.ok) pool.activate(next.value);
  t.equal(buildBest(RANK.normal)?.transaction.nonce, 1n);
  t.ok(add(transaction({ nonce: 2n })));
});

t.test("normal order is by tip under the block's base fee, then by readiness", async (t) => {
  const { pool, add, openBlock } = createHarness();
  openBlock(5n * GWEI);
  const capped = add(transaction({ sender: account(1), maxFee: 6n * GWEI, tip: 6n * GWEI }));
  const generous = add(transaction({ sender: account(2), maxFee: 20n * GWEI, tip: 2n * GWEI }));
  const same = add(transaction({ sender: account(3), maxFee: 20n * GWEI, tip: 2n * GWEI }));
  const order = () => {
    const found = [];
    for (let item = pool.best(RANK.normal); item; item = pool.best(RANK.normal)) {
      found.push(item);
      pool.park(item);
    }
    return found;
  };
  t.same(order(), [generous, same, capped], "the tip is what the fee cap leaves over");
  openBlock(GWEI);
  t.same(order(), [capped, generous, same], "a lower base fee leaves more");
});

t.test("a class of order ready is served by readiness, one of order tip by tip", async (t) => {
  const { pool, add, openBlock } = createHarness();
  openBlock(0n);
  for (const lane of ["rescue", "liquidation"] as const) {
    const low = add(transaction({ sender: account(11), lane, nonce: 0n, tip: GWEI }));
    const high = add(transaction({ sender: account(12), lane, nonce: 0n, tip: 9n * GWEI }));
    t.equal(low.rank, RANK[lane]);
    t.equal(pool.best(RANK[lane]), lane === "rescue" ? low : high);
    pool.drop(low, "TX_INVALID");
    pool.drop(high, "TX_INVALID");
  }
});

t.test("a replacement raises both fees by a tenth, rounded up", async (t) => {
  const { pool, add, refusal } = createHarness();
  const old = add(transaction({ maxFee: 101n, tip: 11n }));
  const offers: [bigint, bigint, string | null][] = [
    [111n, 13n, "REPLACEMENT_UNDERPRICED"],
    [112n, 12n, "REPLACEMENT_UNDERPRICED"],
    [101n, 11n, "REPLACEMENT_UNDERPRICED"],
    [112n, 13n, null],
  ];
  for (const [maxFee, tip, expected] of offers)
    t.equal(refusal(transaction({ maxFee, tip })), expected, `${maxFee} and ${tip}`);
  t.equal(pool.get(old.transaction.hash), undefined);
  t.equal(pool.best(RANK.normal), undefined, "the replacement is not durable yet");
});

/** A durable one and its replacement, admitted and not yet written. */
function replaceOne(harness: Harness): PooledTransaction[] {
  const first = harness.add(transaction());
  const bidding = transaction({ maxFee: 20n * GWEI, tip: 2n * GWEI });
  const second = harness.pool.admit(bidding, harness.promised());
  if (!second.ok) throw new Error(second.code);
  return [first, second.value];
}

t.test("one that is being written cannot be replaced", async (t) => {
  const harness = createHarness();
  replaceOne(harness);
  const higher = transaction({ maxFee: 90n * GWEI, tip: 9n * GWEI });
  t.equal(harness.refusal(higher), "SENDER_LIMIT");
});

t.test("what a replacement put out is reported when the replacement is durable", async (t) => {
  const harness = createHarness();
  const { pool, dropped } = harness;
  const [first, second] = replaceOne(harness);
  t.same(dropped, []);
  t.equal(pool.best(RANK.normal), undefined, "it is not built meanwhile");
  pool.activate(second!);
  t.same(dropped, [{ hash: first!.transaction.hash, code: "REPLACED" }]);
  t.equal(pool.best(RANK.normal), second);
  t.same(pool.counts(), { pending: 1, queued: 0 });
});

t.test("a replacement that could not be written gives the place back", async (t) => {
  const harness = createHarness();
  const { pool, dropped } = harness;
  const [first, second] = replaceOne(harness);
  pool.withdraw(second!);
  t.same(dropped, []);
  t.equal(pool.best(RANK.normal), first);
  t.equal(pool.get(first!.transaction.hash), first);
  t.same(pool.counts(), { pending: 1, queued: 0 });
});

t.test("a lost replacement gives nothing back whose nonce has passed", async (t) => {
  const harness = createHarness();
  const { pool, dropped, setAccount } = harness;
  const [, second] = replaceOne(harness);
  setAccount(account(1), 1n);
  harness.openBlock(0n);
  pool.withdraw(second!);
  t.same(
    dropped.map(({ code }) => code),
    ["NONCE_TOO_LOW", "NONCE_TOO_LOW"],
  );
  t.same(pool.counts(), { pending: 0, queued: 0 });
});

t.test("a replacement into the fast lane needs room there", async (t) => {
  const { add, refusal } = createHarness({ fastQueueLimit: 1, fastPerSender: 1 });
  const fees = { maxFee: 20n * GWEI, tip: 2n * GWEI };
  add(transaction({ sender: account(1), lane: "rescue" }));
  add(transaction({ sender: account(1), nonce: 1n }));
  t.equal(
    refusal(transaction({ sender: account(1), nonce: 1n, lane: "rescue", ...fees })),
    "SENDER_LIMIT",
  );
  add(transaction({ sender: account(2) }));
  t.equal(refusal(transaction({ sender: account(2), lane: "rescue", ...fees })), "POOL_FULL");
  t.equal(refusal(transaction({ sender: account(1), lane: "rescue", ...fees })), null);
});

t.test("the balance covers all pooled transactions of the account together", async (t) => {
  const { add, refusal, setAccount } = createHarness();
  const one = 30_000n * 10n * GWEI;
  setAccount(account(1), 0n, 2n * one + 5n);
  add(transaction({ nonce: 0n }));
  t.equal(refusal(transaction({ nonce: 1n, value: 6n })), "INSUFFICIENT_FUNDS");
  add(transaction({ nonce: 1n, value: 5n }));
  t.equal(refusal(transaction({ nonce: 2n, maxFee: 1n, tip: 1n })), "INSUFFICIENT_FUNDS");
  const raised = { maxFee: 11n * GWEI, tip: 2n * GWEI };
  t.equal(
    refusal(transaction({ nonce: 1n, ...raised })),
    "INSUFFICIENT_FUNDS",
    "a replacement counts instead of the old one, but counts",
  );
  setAccount(account(1), 0n, 3n * one);
  t.equal(refusal(transaction({ nonce: 1n, ...raised })), null);
});

t.test("what a transaction must be by itself", async (t) => {
  const { refusal, setAccount } = createHarness();
  setAccount(account(1), 5n);
  const cases: [Parameters<typeof transaction>[0], string][] = [
    [{ chainId: 1n, nonce: 5n }, "CHAIN_ID_MISMATCH"],
    [{ chainId: null, nonce: 5n }, "CHAIN_ID_MISMATCH"],
    [{ gasLimit: 16_777_217n, nonce: 5n }, "GAS_LIMIT_TOO_HIGH"],
    [{ gasLimit: 20_999n, nonce: 5n }, "INTRINSIC_GAS_TOO_LOW"],
    [{ gasLimit: 21_000n, nonce: 5n, lane: "rescue" }, "INTRINSIC_GAS_TOO_LOW"],
    [{ maxFee: 1n, tip: 2n, nonce: 5n }, "TIP_ABOVE_FEE_CAP"],
    [{ nonce: 4n }, "NONCE_TOO_LOW"],
    [{ nonce: 70n }, "NONCE_TOO_HIGH"],
    [{ nonce: 5n, value: 10n ** 30n }, "INSUFFICIENT_FUNDS"],
  ];
  for (const [choices, code] of cases) t.equal(refusal(transaction(choices)), code, code);
  const creation = { gasLimit: 16_000_000n, nonce: 5n };
  const initcode = (bytes: number) => ({
    ...transaction(creation),
    to: null,
    data: new Uint8Array(bytes),
  });
  t.equal(refusal(initcode(49_153)), "TX_INVALID", "EIP-3860");
  t.equal(refusal(transaction({ nonce: 69n, gasLimit: 16_777_216n })), null, "the limits are in");
  t.equal(refusal(initcode(49_152)), null);
});

t.test("a full normal lane refuses normal transactions and still takes fast ones", async (t) => {
  const { add, refusal, pool } = createHarness({ globalMax: 8, fastQueueLimit: 3 });
  for (let sender = 1; sender <= 8; sender++) add(transaction({ sender: account(sender) }));
  t.equal(refusal(transaction({ sender: account(9) })), "POOL_FULL");
  for (let sender = 11; sender <= 13; sender++)
    add(transaction({ sender: account(sender), lane: "rescue" }));
  t.equal(refusal(transaction({ sender: account(14), lane: "rescue" })), "POOL_FULL");
  t.same(pool.counts(), { pending: 11, queued: 0 }, "nobody was put out for a newcomer");
});

t.test("one account has its own limits, a smaller one in the fast lane", async (t) => {
  const { add, refusal } = createHarness({ accountMax: 4, fastPerSender: 2 });
  for (let nonce = 0n; nonce < 2n; nonce++) add(transaction({ nonce, lane: "rescue" }));
  t.equal(refusal(transaction({ nonce: 2n, lane: "rescue" })), "SENDER_LIMIT");
  for (let nonce = 2n; nonce < 4n; nonce++) add(transaction({ nonce }));
  t.equal(refusal(transaction({ nonce: 4n })), "SENDER_LIMIT");
});

t.test(
  "one whose fee cap the base fee has passed waits, and returns when it has fallen",
  async (t) => {
    const { pool, add, buildBest, dropped, refusal, openBlock } = createHarness();
    openBlock(GWEI);
    const cheap = add(transaction({ maxFee: 2n * GWEI, tip: 1n }));
    t.equal(pool.best(RANK.normal), cheap);
    openBlock(3n * GWEI);
    t.equal(pool.best(RANK.normal), undefined);
    t.equal(cheap.ready, null);
    const late = transaction({ sender: account(2), maxFee: 2n * GWEI, tip: 1n });
    t.equal(refusal(late), "FEE_CAP_TOO_LOW", "one that cannot pay now takes no room");
    openBlock(2n * GWEI);
    t.equal(buildBest(RANK.normal), cheap);
    t.equal(refusal(late), null);
    t.same(dropped, []);
  },
);

t.test("a dropped one is reported once, and what follows it waits for the gap", async (t) => {
  const { pool, add, dropped } = createHarness();
  const first = add(transaction({ nonce: 0n }));
  add(transaction({ nonce: 1n }));
  pool.drop(first, "INTRINSIC_GAS_TOO_LOW");
  pool.drop(first, "TX_INVALID");
  t.same(dropped, [{ hash: first.transaction.hash, code: "INTRINSIC_GAS_TOO_LOW" }]);
  t.equal(pool.best(RANK.normal), undefined);
  t.same(pool.counts(), { pending: 0, queued: 1 });
  const again = add(transaction({ nonce: 0n }));
  t.equal(pool.best(RANK.normal), again);
});

t.test("a nonce that moved without a pooled transaction drops and wakes", async (t) => {
  const { pool, add, setAccount, dropped, openBlock } = createHarness();
  const passed = add(transaction({ nonce: 0n, maxFee: GWEI, tip: 1n }));
  const next = add(transaction({ nonce: 1n }));
  openBlock(5n * GWEI);
  t.equal(pool.best(RANK.normal), undefined, "the first is parked, the second behind it");
  setAccount(account(1), 1n);
  openBlock(5n * GWEI);
  t.same(dropped, [{ hash: passed.transaction.hash, code: "NONCE_TOO_LOW" }]);
  t.equal(pool.best(RANK.normal), next);
});

t.test("every account gets its look, however many there are", async (t) => {
  const { add, setAccount, dropped, openBlock } = createHarness({ globalMax: 600 });
  for (let sender = 1; sender <= 600; sender++)
    add(transaction({ sender: account(sender), maxFee: GWEI, tip: 1n }));
  openBlock(5n * GWEI);
  for (let sender = 1; sender <= 600; sender++) setAccount(account(sender), 1n);
  const leftAfter = [];
  for (let block = 0; block < 4; block++) {
    openBlock(5n * GWEI);
    leftAfter.push(600 - dropped.length);
  }
  t.same(leftAfter, [344, 256, 0, 0], "a bounded number a block, the round begun before goes on");
});

t.test("an executed one is answered by hash until its block is durable", async (t) => {
  const { pool, add, buildBest, refusal } = createHarness();
  const sent = transaction();
  add(sent);
  const item = buildBest(RANK.normal);
  t.equal(pool.get(sent.hash), item);
  t.equal(refusal(sent), "ALREADY_KNOWN");
  pool.blockSealed();
  const next = transaction({ nonce: 1n });
  add(next);
  buildBest(RANK.normal);
  pool.blockCommitted();
  t.ok(pool.get(next.hash) !== undefined, "it is in the block after, which is still open");
  t.equal(pool.get(sent.hash), undefined);
  t.equal(refusal(sent), "NONCE_TOO_LOW");
});

t.test("a known transaction is not taken twice", async (t) => {
  const { add, refusal, pool } = createHarness();
  const sent = transaction();
  add(sent);
  t.equal(refusal(sent), "ALREADY_KNOWN");
  t.same(pool.counts(), { pending: 1, queued: 0 });
});

t.test("restore passes over every limit, and reports what the chain has moved past", async (t) => {
  const { pool, setAccount, promised, dropped } = createHarness({ globalMax: 1, accountMax: 1 });
  setAccount(account(1), 1n, 0n);
  const old = transaction({ nonce: 0n });
  const kept = [1n, 2n, 3n].map((nonce) => transaction({ nonce }));
  for (const each of [old, ...kept])
    pool.restore(each, { ...promised(), rank: RANK.normal, isExecuted: false });
  t.same(dropped, [{ hash: old.hash, code: "NONCE_TOO_LOW" }]);
  t.same(pool.counts(), { pending: 3, queued: 0 });
  t.equal(pool.best(RANK.normal)?.transaction, kept[0]);
});

t.test("of two journaled with one nonce the later stands", async (t) => {
  const { pool, promised, dropped } = createHarness();
  const replaced = transaction();
  const replacement = transaction({ maxFee: 20n * GWEI, tip: 2n * GWEI });
  for (const each of [replaced, replacement])
    pool.restore(each, { ...promised(), rank: RANK.normal, isExecuted: false });
  t.same(dropped, [{ hash: replaced.hash, code: "REPLACED" }]);
  t.equal(pool.best(RANK.normal)?.transaction, replacement);
});

t.test("transactions behind a nonce gap have a room of their own, and it is small", async (t) => {
  const { add, refusal, pool } = createHarness({ globalMax: 5000 });
  for (let sender = 1; sender <= 1024; sender++)
    add(transaction({ sender: account(sender), nonce: 5n }));
  t.equal(refusal(transaction({ sender: account(2000), nonce: 5n })), "POOL_FULL");
  t.equal(refusal(transaction({ sender: account(2000), nonce: 0n })), null, "others are taken");
  t.equal(pool.counts().queued, 1024);
});

t.test("one that cannot be paid for is tried in three blocks, then dropped", async (t) => {
  const { pool, add, dropped, openBlock } = createHarness();
  const item = add(transaction({ nonce: 0n }));
  for (let block = 0; block < 3; block++) {
    t.equal(pool.best(RANK.normal), item);
    pool.short(item);
    t.equal(pool.best(RANK.normal), undefined, "not twice in one block");
    openBlock(GWEI);
  }
  t.same(dropped, [{ hash: item.transaction.hash, code: "INSUFFICIENT_FUNDS" }]);
  t.equal(pool.get(item.transaction.hash), undefined);
});
