import t from "tap";
import type { Clock } from "../../node/clock.ts";
import { createRateLimit } from "../../node/p2p/rate.ts";

function handClock(): Clock & { ms: number } {
  return {
    ms: 0,
    nowMs() {
      return this.ms;
    },
    monotonicMs() {
      return this.ms;
    },
    after: () => () => undefined,
  };
}

t.test("a burst, then the rate, each peer for itself", async (t) => {
  const clock = handClock();
  const limit = createRateLimit({ perSecond: 10, burst: 3 }, clock);
  const took = (peer: string, times: number) =>
    Array.from({ length: times }, () => limit.take(peer)).filter(Boolean).length;
  t.equal(took("a", 10), 3);
  t.equal(took("b", 10), 3);
  clock.ms = 100;
  t.equal(took("a", 10), 1);
  clock.ms = 60_000;
  t.equal(took("a", 10), 3, "never more than the burst");
});

t.test("what costs more takes more, or nothing", async (t) => {
  const limit = createRateLimit({ perSecond: 0, burst: 10 }, handClock());
  t.ok(limit.take("a", 7));
  t.notOk(limit.take("a", 4));
  t.ok(limit.take("a", 3));
  t.notOk(limit.take("a"));
});

t.test("who waits has its tokens when they are there, and not before", async (t) => {
  const clock = handClock();
  const waits: number[] = [];
  clock.after = (delayMs, callback) => {
    waits.push(delayMs);
    clock.ms += delayMs;
    callback();
    return () => undefined;
  };
  const limit = createRateLimit({ perSecond: 10, burst: 3 }, clock);
  await limit.wait("a", 3);
  t.same(waits, []);
  await limit.wait("a", 2);
  t.same(waits, [200]);
  t.notOk(limit.take("a"), "and they are gone");
  await t.rejects(limit.wait("a", 4), { code: "ERR_ASSERTION" });
});

t.test("memory is bounded: the peer not seen for longest is forgotten", async (t) => {
  const limit = createRateLimit({ perSecond: 0, burst: 1 }, handClock());
  t.ok(limit.take("first"));
  for (let i = 0; i < 1023; i++) limit.take(`peer ${i}`);
  t.notOk(limit.take("first"), "still known");
  for (let i = 0; i < 1024; i++) limit.take(`other ${i}`);
  t.ok(limit.take("first"), "forgotten");
});
