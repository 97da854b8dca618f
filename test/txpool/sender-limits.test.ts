/** ACCEPTANCE rows 19 and 20: what an account may ask, and that only waste is held against it. */
import * as fc from "fast-check";
import t from "tap";
import { SenderLimits } from "../../node/txpool/sender-limits.ts";
import { account, createHarness, GWEI, RANK, transaction } from "./fixtures/pool.ts";

/** Strikes and milliseconds of waste that are forgiven at once, and how long one waits then. */
const STRIKES = 8;
const WASTE_MS = 250;
const THROTTLE_MS = 5_000;
const SENDERS_MAX = 16_384;

function createLimits(ratePerSecond = 10, burst = 20) {
  let nowMs = 0;
  const limits = new SenderLimits({ ratePerSecond, burst }, () => nowMs);
  return {
    limits,
    advance(ms: number) {
      nowMs += ms;
    },
  };
}

t.test("in any time an account gets its burst and its rate, no more and no less", async (t) => {
  const waits = fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 200 });
  fc.assert(
    fc.property(
      waits,
      fc.integer({ min: 1, max: 50 }),
      fc.integer({ min: 1, max: 60 }),
      (gaps, rate, burst) => {
        const { limits, advance } = createLimits(rate, burst);
        // The same bucket from its other side: tokens that are left.
        let tokens = burst;
        for (const gap of gaps) {
          advance(gap);
          tokens = Math.min(burst, tokens + (gap / 1000) * rate);
          const isClear = Math.abs(tokens - 1) > 1e-6;
          const taken = limits.takeFast(account(1));
          if (isClear && taken !== tokens >= 1) return false;
          if (taken) tokens -= 1;
        }
        return true;
      },
    ),
    { numRuns: 500 },
  );
  t.pass("500 sequences of up to 200 requests");
});

t.test("one account's rate is not another's", async (t) => {
  const { limits } = createLimits(1, 2);
  t.same(
    [1, 1, 1, 2].map((each) => limits.takeFast(account(each))),
    [true, true, false, true],
  );
});

t.test("strikes and wasted time throttle, and it passes by itself", async (t) => {
  const { limits, advance } = createLimits();
  const sender = account(1);
  for (let strike = 0; strike < STRIKES; strike++) limits.strike(sender);
  limits.spend(sender, WASTE_MS);
  t.notOk(limits.isThrottled(sender), "as much as that is forgiven");
  limits.spend(sender, 1);
  t.ok(limits.isThrottled(sender), "wasted time");
  t.notOk(limits.isThrottled(account(2)));
  advance(THROTTLE_MS - 1);
  t.ok(limits.isThrottled(sender));
  advance(1);
  t.notOk(limits.isThrottled(sender), "it has passed");
  limits.strike(sender);
  limits.strike(sender);
  t.ok(limits.isThrottled(sender), "but only one strike was forgiven meanwhile");
});

t.test("one that has wasted long waits as long", async (t) => {
  const { limits, advance } = createLimits();
  const sender = account(1);
  limits.spend(sender, 3 * THROTTLE_MS);
  limits.spend(sender, 2 * WASTE_MS);
  advance(3 * THROTTLE_MS - 1);
  t.ok(limits.isThrottled(sender), "a shorter one after it takes nothing away");
  advance(1);
  t.notOk(limits.isThrottled(sender));
});

t.test("work that is paid for never throttles, however much it is", async (t) => {
  fc.assert(
    fc.property(fc.array(fc.nat(50), { maxLength: 300 }), (gaps) => {
      const { limits, advance } = createLimits(5, 5);
      for (const gap of gaps) {
        advance(gap);
        limits.takeFast(account(1));
        limits.takeReplacement(account(1));
        if (limits.isThrottled(account(1))) return false;
      }
      return true;
    }),
    { numRuns: 500 },
  );
  t.pass("asking too often is refused, and no more than that");
});

t.test("other accounts do not wash one clean that is throttled", async (t) => {
  const { limits } = createLimits();
  for (let strike = 0; strike <= STRIKES; strike++) limits.strike(account(1));
  for (let other = 2; other < SENDERS_MAX * 2; other++) limits.takeFast(account(other));
  t.ok(limits.isThrottled(account(1)));
});

t.test("row 19: replacements have a rate, and each raises both fees by a tenth", async (t) => {
  const harness = createHarness();
  let fee = GWEI;
  harness.add(transaction({ maxFee: fee, tip: fee }));
  const codes: (string | null)[] = [];
  for (let round = 0; round < 100; round++) {
    harness.advance(10);
    fee = (fee * 11n) / 10n + 1n;
    const next = transaction({ maxFee: fee, tip: fee, gasLimit: 21_000n });
    const admitted = harness.pool.admit(next, harness.promised());
    codes.push(admitted.ok ? null : admitted.code);
    if (admitted.ok) harness.pool.activate(admitted.value);
  }
  const taken = codes.filter((code) => code === null).length;
  t.ok(taken >= 20 && taken <= 25, `${taken} of 100 in one second`);
  t.ok(codes.every((code) => code === null || code === "RATE_LIMITED"));
  harness.advance(1_000);
  const late = { maxFee: fee * 2n, tip: fee * 2n };
  t.equal(harness.refusal(transaction({ ...late })), null, "it goes on");
});

t.test("row 20: one who wastes work waits, is refused, and comes back", async (t) => {
  const { pool, add, refusal, advance, openBlock, dropped } = createHarness();
  const [cheat, honest] = [account(1), account(2)];
  const waiting = add(transaction({ sender: cheat, tip: 9n * GWEI }));
  const other = add(transaction({ sender: honest }));
  const number = waiting.ready!;
  for (let strike = 0; strike <= STRIKES; strike++) pool.strike(cheat);
  t.equal(waiting.ready, null, "its number is retired");
  t.equal(pool.best(RANK.normal), other);
  t.equal(refusal(transaction({ sender: cheat, nonce: 1n })), "SENDER_THROTTLED");
  t.equal(refusal(transaction({ sender: honest, nonce: 1n })), null);
  openBlock(0n);
  t.equal(waiting.ready, null, "a new block is no new start");
  advance(THROTTLE_MS);
  openBlock(0n);
  t.equal(pool.best(RANK.normal), waiting);
  t.ok(waiting.ready !== null && waiting.ready > number);
  t.equal(refusal(transaction({ sender: cheat, nonce: 1n })), null);
  t.same(dropped, [], "what was acknowledged has waited, not gone");
});

t.test("the fast lane's rate is refused before anything is promised", async (t) => {
  const { refusal, advance, pool, promised } = createHarness({ fastPerSender: 1_000 });
  const codes = [];
  for (let round = 0; round < 450; round++) {
    const fast = transaction({ lane: "rescue", sender: account(7) });
    const admitted = pool.admit(fast, promised());
    codes.push(admitted.ok ? null : admitted.code);
    if (admitted.ok) pool.withdraw(admitted.value);
  }
  const taken = codes.filter((code) => code === null).length;
  t.same(codes.slice(taken), Array(450 - taken).fill("RATE_LIMITED"));
  t.equal(taken, 400, "the policy's burst");
  advance(1_000);
  t.equal(refusal(transaction({ lane: "rescue", sender: account(7) })), null);
});
