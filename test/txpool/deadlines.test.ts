/** The fast lane's promise (PROTOCOL 3): until its deadline, with its number, or a typed reason. */
import t from "tap";
import { account, createHarness, GWEI, RANK, transaction } from "./fixtures/pool.ts";

t.test("a fast one is dropped when a block above its deadline opens, ready or not", async (t) => {
  const { pool, add, dropped, openBlock } = createHarness();
  const ready = add(transaction({ sender: account(1), lane: "rescue" }));
  const gapped = add(transaction({ sender: account(2), lane: "rescue", nonce: 1n }));
  const normal = add(transaction({ sender: account(3) }));
  const underpriced = add(transaction({ sender: account(4), lane: "rescue", maxFee: GWEI }));
  for (let block = 0; block < ready.deadlineBlock - 1; block++) openBlock(2n * GWEI);
  t.same(dropped, [], "its last block is still good");
  t.equal(pool.best(RANK.rescue), ready);
  openBlock(2n * GWEI);
  t.same(
    dropped.map(({ hash, code }) => [hash, code]).sort(),
    [ready, gapped, underpriced].map(({ transaction: { hash } }) => [hash, "TX_EXPIRED"]).sort(),
  );
  t.equal(pool.best(RANK.normal), normal, "the normal lane has no deadline");
});

t.test("one that was passed over keeps its number, and is back in the next block", async (t) => {
  const { pool, add, openBlock } = createHarness();
  const first = add(transaction({ sender: account(1), lane: "rescue" }));
  const second = add(transaction({ sender: account(2), lane: "rescue" }));
  const number = first.ready;
  pool.passOver(first);
  t.equal(pool.best(RANK.rescue), second);
  t.equal(pool.oldestFast(), second.ready, "only what this block can still have counts");
  openBlock(0n);
  t.equal(pool.best(RANK.rescue), first);
  t.equal(first.ready, number);
  pool.passOver(first);
  openBlock(20n * GWEI);
  t.equal(first.ready, null, "one that cannot pay loses its number");
});

t.test("one that was passed over and whose account is throttled then waits once", async (t) => {
  const { pool, add, advance, openBlock } = createHarness();
  const item = add(transaction({ lane: "rescue" }));
  pool.passOver(item);
  pool.spend(account(1), 10_000);
  t.equal(item.ready, null);
  openBlock(0n);
  t.equal(pool.best(RANK.rescue), undefined);
  advance(60_000);
  openBlock(0n);
  t.equal(pool.best(RANK.rescue), item);
});

t.test("one whose place was held beyond its deadline does not come back", async (t) => {
  const { pool, add, dropped, openBlock, promised } = createHarness();
  const late = add(transaction({ lane: "rescue" }));
  const fees = { maxFee: 20n * GWEI, tip: 2n * GWEI };
  const replacement = pool.admit(transaction({ ...fees }), promised());
  for (let block = 0; block < late.deadlineBlock; block++) openBlock(0n);
  if (!replacement.ok) throw new Error(replacement.code);
  pool.withdraw(replacement.value);
  t.same(dropped, [{ hash: late.transaction.hash, code: "TX_EXPIRED" }]);
  t.equal(pool.best(RANK.rescue), undefined);
});

t.test("restored ones keep what they were promised", async (t) => {
  const { pool, dropped, openBlock, promised } = createHarness();
  const demoted = transaction({ sender: account(1) });
  pool.restore(demoted, { ...promised(), rank: RANK.rescue, isExecuted: false });
  t.same(dropped, [{ hash: demoted.hash, code: "CLASS_CHANGED" }]);
  const promoted = transaction({ sender: account(2), lane: "rescue" });
  pool.restore(promoted, { ...promised(), deadlineBlock: 0, rank: RANK.normal, isExecuted: false });
  for (let block = 0; block < 20; block++) openBlock(0n);
  t.equal(dropped.length, 1, "a promise without a deadline has none, in whichever lane");
  t.equal(pool.best(RANK.rescue)?.transaction, promoted);
});

t.test("one promised in a signed flashblock is included before it is executable", async (t) => {
  const { pool, dropped, promised, openBlock, setAccount } = createHarness();
  openBlock(GWEI);
  const [first, second] = [0n, 1n].map((nonce) => ({
    sent: transaction({ nonce, maxFee: 1n, tip: 1n }),
    promise: { ...promised(), rank: RANK.normal, isExecuted: nonce === 0n },
  }));
  const rival = transaction({ nonce: 0n, maxFee: 1n, tip: 2n });
  pool.restore(first!.sent, first!.promise);
  pool.restore(second!.sent, second!.promise);
  const last = { ...promised(), rank: RANK.normal, isExecuted: false };
  pool.restore(rival, last);
  t.same(dropped, [{ hash: rival.hash, code: "NONCE_TOO_LOW" }], "nothing takes its place");
  t.equal(pool.get(first!.sent.hash)?.ready, null);
  setAccount(account(1), 1n);
  pool.executedAgain(first!.promise.accepted, first!.sent);
  t.equal(pool.nextNonce(account(1)), 2n);
  openBlock(0n);
  t.equal(pool.best(RANK.normal)?.transaction, second!.sent);
});

t.test("row 24: the same transaction by every way in is there once", async (t) => {
  for (const lane of ["normal", "rescue"] as const) {
    const { pool, add, refusal, buildBest } = createHarness();
    const sent = transaction({ lane });
    add(sent);
    t.equal(refusal({ ...sent }), "ALREADY_KNOWN", "waiting");
    buildBest(RANK[lane]);
    t.equal(refusal({ ...sent }), "ALREADY_KNOWN", "executed");
    pool.blockSealed();
    pool.blockCommitted();
    t.equal(refusal({ ...sent }), "NONCE_TOO_LOW", "in the chain");
    t.same(pool.counts(), { pending: 0, queued: 0 });
  }
});

t.test("what follows one that is executed again is ready at once", async (t) => {
  const { pool, add, openBlock, setAccount } = createHarness();
  openBlock(0n);
  const first = add(transaction({ nonce: 0n }));
  pool.included(first);
  const second = add(transaction({ nonce: 1n }));
  t.equal(second.ready, null, "the account's state is that of the block before again");
  setAccount(account(1), 1n);
  pool.executedAgain(first.accepted, first.transaction);
  t.equal(pool.best(RANK.normal), second);
});
