/** ACCEPTANCE rows 16 to 18 and 20: who leaves a full lane, and who never does. */
import * as fc from "fast-check";
import t from "tap";
import { account, createHarness, GWEI, type Harness, RANK, transaction } from "./fixtures/pool.ts";

const evictedOf = ({ dropped }: Harness) =>
  dropped.filter(({ code }) => code === "EVICTED").map(({ hash }) => hash);

/** A full normal lane of accounts with one transaction each, of rising tips from 10 gwei. */
function createFull(size: number): { harness: Harness; hashes: string[] } {
  const harness = createHarness({ globalMax: size, accountMax: 64 });
  const hashes = [];
  for (let sender = 1; sender <= size; sender++) {
    const fee = BigInt(9 + sender) * GWEI;
    hashes.push(
      harness.add(transaction({ sender: account(sender), maxFee: fee, tip: fee })).transaction.hash,
    );
  }
  return { harness, hashes };
}

t.test("a newcomer pays a tenth more than the cheapest, which is told", async (t) => {
  const { harness, hashes } = createFull(4);
  const newcomer = account(99);
  const offer = (fee: bigint) =>
    harness.refusal(transaction({ sender: newcomer, maxFee: fee, tip: fee }));
  t.equal(offer(11n * GWEI - 1n), "POOL_FULL");
  t.same(harness.dropped, []);
  t.equal(offer(11n * GWEI), null);
  t.same(harness.dropped, [{ hash: hashes[0], code: "EVICTED" }]);
});

t.test("what counts is what is left over the base fee", async (t) => {
  const { harness, hashes } = createFull(3);
  harness.openBlock(11n * GWEI);
  // The first cannot pay, the second has no tip left: both are cheaper than they look.
  const loud = transaction({ sender: account(98), maxFee: 11n * GWEI, tip: 11n * GWEI });
  t.equal(harness.refusal(loud), null);
  t.same(evictedOf(harness), [hashes[0]]);
  const silent = transaction({ sender: account(99), maxFee: 11n * GWEI, tip: 11n * GWEI });
  t.equal(harness.refusal(silent), "POOL_FULL", "it has nothing left to offer");
});

t.test("an account's last nonce is worth no more than its cheapest", async (t) => {
  const harness = createHarness({ globalMax: 3, accountMax: 8 });
  const low = { maxFee: 100n * GWEI, tip: GWEI };
  harness.add(transaction({ sender: account(1), nonce: 0n, ...low }));
  const rich = { maxFee: 900n * GWEI, tip: 900n * GWEI };
  const tail = harness.add(transaction({ sender: account(1), nonce: 1n, ...rich }));
  harness.add(transaction({ sender: account(2), maxFee: 5n * GWEI, tip: 5n * GWEI }));
  harness.add(transaction({ sender: account(3), maxFee: 6n * GWEI, tip: 6n * GWEI }));
  t.same(evictedOf(harness), [tail.transaction.hash], "not the honest one of 5 gwei");
});

t.test("a transaction that came before its predecessor is no longer behind a gap", async (t) => {
  const harness = createHarness({ globalMax: 3, accountMax: 8 });
  const fees = { maxFee: 50n * GWEI, tip: 50n * GWEI };
  harness.add(transaction({ sender: account(1), nonce: 1n, ...fees }));
  harness.add(transaction({ sender: account(1), nonce: 2n, ...fees }));
  harness.add(transaction({ sender: account(1), nonce: 0n, ...fees }));
  t.equal(harness.refusal(transaction({ sender: account(2) })), "POOL_FULL");
  t.same(evictedOf(harness), []);
});

t.test("what follows a dropped one is the first to leave, whatever it offers", async (t) => {
  const harness = createHarness({ globalMax: 3, accountMax: 8 });
  const loud = { maxFee: 900n * GWEI, tip: 900n * GWEI };
  const first = harness.add(transaction({ sender: account(1), nonce: 0n, lane: "rescue" }));
  const behind = harness.add(transaction({ sender: account(1), nonce: 1n, ...loud }));
  harness.add(transaction({ sender: account(2) }));
  harness.add(transaction({ sender: account(3) }));
  harness.pool.drop(first, "TX_REVERTED");
  harness.add(transaction({ sender: account(4), maxFee: GWEI, tip: 1n }));
  t.same(evictedOf(harness), [behind.transaction.hash]);
});

t.test("what is being written or executed stays, and cannot be replaced", async (t) => {
  const harness = createHarness({ globalMax: 1 });
  const { pool, promised } = harness;
  const rich = { maxFee: 99n * GWEI, tip: 99n * GWEI };
  const admitted = pool.admit(transaction({ sender: account(1) }), promised());
  if (!admitted.ok) throw new Error(admitted.code);
  const newcomer = () => harness.refusal(transaction({ sender: account(2), ...rich }));
  t.equal(newcomer(), "POOL_FULL");
  pool.activate(admitted.value);
  admitted.value.executing = true;
  t.equal(newcomer(), "POOL_FULL");
  t.equal(harness.refusal(transaction({ sender: account(1), ...rich })), "SENDER_LIMIT");
  admitted.value.executing = false;
  t.equal(newcomer(), null);
});

t.test("bytes are a limit too, for who evicts and who replaces", async (t) => {
  const harness = createHarness();
  // One block of memory for all of them.
  const half = new Uint8Array(64 * 1024 * 1024);
  const big = (sender: number) => ({ ...transaction({ sender: account(sender) }), raw: half });
  harness.add(big(1));
  harness.add({ ...transaction({ sender: account(2) }), raw: half.subarray(2) });
  harness.add(transaction({ sender: account(3), maxFee: GWEI, tip: 1n }));
  const rich = { maxFee: 99n * GWEI, tip: 99n * GWEI };
  const larger = { ...transaction({ sender: account(4), ...rich }), raw: half };
  t.equal(harness.refusal(larger), "POOL_FULL", "the cheapest is too small to make room");
  const grown = { ...transaction({ sender: account(3), ...rich }), raw: half };
  t.equal(harness.refusal(grown), "POOL_FULL", "nor does a small one grow in its place");
  t.same(evictedOf(harness), []);
});

t.test("row 17: DETER-X, no high-fee future transaction evicts a pending one", async (t) => {
  const attack = fc.array(
    fc.record({
      sender: fc.integer({ min: 100, max: 140 }),
      nonce: fc.integer({ min: 1, max: 64 }),
      fee: fc.integer({ min: 100, max: 1_000_000 }),
      isWritten: fc.boolean(),
    }),
    { maxLength: 200 },
  );
  fc.assert(
    fc.property(attack, (sent) => {
      const { harness, hashes } = createFull(16);
      for (const { sender, nonce, fee, isWritten } of sent) {
        const price = BigInt(fee) * GWEI;
        const future = transaction({
          sender: account(sender),
          nonce: BigInt(nonce),
          maxFee: price,
          tip: price,
        });
        const admitted = harness.pool.admit(future, harness.promised());
        if (admitted.ok && isWritten) harness.pool.activate(admitted.value);
      }
      return hashes.every((hash) => harness.pool.get(hash as `0x${string}`) !== undefined);
    }),
    { numRuns: 500 },
  );
  t.pass("500 attacks of up to 200 transactions");
});

t.test("row 20: MemPurge, who evicts pays: it is executable and offers more", async (t) => {
  const sent = fc.array(
    fc.record({
      sender: fc.integer({ min: 1, max: 12 }),
      nonce: fc.constantFrom(0, 0, 0, 1, 1, 2, 3),
      maxFee: fc.integer({ min: 1, max: 60 }),
      tip: fc.integer({ min: 1, max: 60 }),
      baseFee: fc.option(fc.integer({ min: 0, max: 20 }), { freq: 8, nil: undefined }),
    }),
    { minLength: 40, maxLength: 120, size: "max" },
  );
  let evictions = 0;
  fc.assert(
    fc.property(sent, (steps) => {
      const harness = createHarness({ globalMax: 6, accountMax: 4 });
      let baseFee = 0n;
      const pooled = new Map<string, ReturnType<typeof transaction>>();
      for (const step of steps) {
        if (step.baseFee !== undefined) {
          baseFee = BigInt(step.baseFee);
          harness.openBlock(baseFee);
        }
        const next = transaction({
          sender: account(step.sender),
          nonce: BigInt(step.nonce),
          maxFee: BigInt(step.maxFee),
          tip: BigInt(Math.min(step.tip, step.maxFee)),
        });
        const before = new Map(pooled);
        const droppedBefore = harness.dropped.length;
        const admitted = harness.pool.admit(next, harness.promised());
        if (admitted.ok) harness.pool.activate(admitted.value);
        for (const { hash } of harness.dropped.slice(droppedBefore)) pooled.delete(hash);
        if (admitted.ok) pooled.set(next.hash, next);
        const [gone, ...more] = harness.dropped
          .slice(droppedBefore)
          .filter(({ code }) => code === "EVICTED");
        if (more.length > 0) return false;
        if (gone === undefined) continue;
        evictions++;
        const victim = before.get(gone.hash);
        if (victim === undefined || next.nonce !== 0n) return false;
        if (!isFair(victim, next, [...before.values()], baseFee)) return false;
      }
      return true;
    }),
    { numRuns: 500 },
  );
  t.ok(evictions > 500, `${evictions} evictions`);
});

type Sent = ReturnType<typeof transaction>;

const priceOf = ({ maxFeePerGas, maxPriorityFeePerGas }: Sent, baseFee: bigint): bigint =>
  maxFeePerGas - baseFee < maxPriorityFeePerGas ? maxFeePerGas - baseFee : maxPriorityFeePerGas;

/** The naive rule over a list: nonces of every account start at 0. */
function isFair(victim: Sent, newcomer: Sent, pooled: readonly Sent[], baseFee: bigint): boolean {
  const ofAccount = (sender: string) => pooled.filter((each) => each.sender === sender);
  const isGapped = ({ sender, nonce }: Sent): boolean =>
    ofAccount(sender).filter((each) => each.nonce < nonce).length < Number(nonce);
  if (isGapped(victim)) return true;
  if (pooled.some(isGapped)) return false;
  const accountPrice = (sender: string): bigint =>
    ofAccount(sender)
      .map((each) => priceOf(each, baseFee))
      .reduce((a, b) => (a < b ? a : b));
  const price = accountPrice(victim.sender);
  const isLast = ofAccount(victim.sender).every(({ nonce }) => nonce <= victim.nonce);
  const isCheapest = pooled.every(({ sender }) => accountPrice(sender) >= price);
  const offered = priceOf(newcomer, baseFee);
  return isLast && isCheapest && offered > price && (price < 0n || offered * 10n >= price * 11n);
}

t.test("row 18: DETER-Z, an account never holds more than it can pay together", async (t) => {
  const values = fc.array(fc.record({ nonce: fc.nat(9), value: fc.nat(500) }), { maxLength: 60 });
  fc.assert(
    fc.property(values, (sent) => {
      const { pool, promised, setAccount } = createHarness();
      const gas = 30_000n;
      const balance = 1_000n + 3n * gas;
      setAccount(account(1), 0n, balance);
      const costs = new Map<number, bigint>();
      for (const { nonce, value } of sent) {
        const next = { nonce: BigInt(nonce), value: BigInt(value), maxFee: 1n, tip: 1n };
        const admitted = pool.admit(transaction(next), promised());
        if (costs.has(nonce)) {
          if (admitted.ok) return false;
          continue;
        }
        const cost = gas + BigInt(value);
        const total = [...costs.values()].reduce((sum, each) => sum + each, cost);
        if (admitted.ok !== total <= balance) return false;
        if (admitted.ok) costs.set(nonce, cost);
      }
      return true;
    }),
    { numRuns: 500 },
  );
  t.pass("500 chains, as a naive sum has it");
});

t.test("row 18: a chain that has become unpayable leaves in as many steps as it has", async (t) => {
  const harness = createHarness({ globalMax: 100, accountMax: 64 });
  const chain = [];
  for (let nonce = 0n; nonce < 50n; nonce++) chain.push(harness.add(transaction({ nonce })));
  const honest = harness.add(transaction({ sender: account(2), maxFee: GWEI, tip: 1n }));
  harness.pool.drop(chain[0]!, "INSUFFICIENT_FUNDS");
  t.equal(harness.pool.best(RANK.normal), honest, "none of it is tried");
  for (let sender = 100; sender < 199; sender++)
    harness.add(transaction({ sender: account(sender), maxFee: GWEI, tip: 1n }));
  t.same(
    new Set(evictedOf(harness)),
    new Set(chain.slice(1).map(({ transaction: { hash } }) => hash)),
  );
});

t.test("row 16: a saturated fast lane leaves the normal lane its room, and back", async (t) => {
  const { add, refusal, pool, dropped } = createHarness({ globalMax: 8, fastQueueLimit: 8 });
  for (let sender = 1; sender <= 8; sender++)
    add(transaction({ sender: account(sender), lane: "liquidation" }));
  t.equal(refusal(transaction({ sender: account(9), lane: "liquidation" })), "POOL_FULL");
  const oldest = add(transaction({ sender: account(11), tip: 1n }));
  for (let sender = 12; sender <= 18; sender++) add(transaction({ sender: account(sender) }));
  const rich = { maxFee: 999n * GWEI, tip: 999n * GWEI };
  t.equal(refusal(transaction({ sender: account(20), lane: "liquidation", ...rich })), "POOL_FULL");
  t.same(dropped, [], "the fast lane neither evicts nor is evicted from");
  t.equal(pool.oldestNormal(oldest.ready! + 1n), oldest, "the one that has waited longest");
  t.equal(pool.oldestNormal(oldest.ready!), undefined);
});

t.test("in a lane of 10,000 a newcomer costs few comparisons", async (t) => {
  let looks = 0;
  const counted = (choices: Parameters<typeof transaction>[0]): Sent => {
    const sent = transaction(choices);
    const tip = sent.maxPriorityFeePerGas;
    return Object.defineProperty({ ...sent }, "maxPriorityFeePerGas", {
      get() {
        looks++;
        return tip;
      },
    });
  };
  const harness = createHarness({ globalMax: 10_000 });
  for (let sender = 1; sender <= 10_000; sender++) {
    const fee = BigInt(1 + ((sender * 7919) % 10_007)) * GWEI;
    harness.add(counted({ sender: account(sender), maxFee: fee, tip: fee }));
  }
  looks = 0;
  for (let round = 0; round < 100; round++) {
    const fee = BigInt(20_000 + round) * GWEI;
    harness.add(counted({ sender: account(20_000 + round), maxFee: fee, tip: fee }));
  }
  t.equal(evictedOf(harness).length, 100);
  t.ok(looks < 100 * 100, `${looks} looks at a fee for 100 evictions`);
});
