/** What makes a long normal transaction give way, and what does not. */
import t from "tap";
import { keptFor } from "../node/kept-for.ts";
import { FastSignal, PreemptionSignal } from "../node/preemption-signal.ts";
import { ReportSignal } from "../node/report-signal.ts";
import { loadPolicy, policyJson } from "./lanes/fixtures/policy.ts";
import { feedPolicy, heard } from "./lanes/fixtures/reports.ts";
import { RICH, transaction } from "./txpool/fixtures/pool.ts";

const NOW_MS = 1_800_000_000_000;

function raisedBy(signal: PreemptionSignal, work: () => void): boolean {
  signal.lower();
  work();
  return signal.isRaised();
}

t.test("a fast transaction does, once, where it can be new and is paid for", async (t) => {
  const signal = PreemptionSignal.create();
  const account = { nonce: 7n, balance: RICH };
  const fast = new FastSignal(signal, loadPolicy(policyJson()), () => account);
  const raises = (sent: ReturnType<typeof transaction>) =>
    raisedBy(signal, () => {
      fast.announce(sent);
    });
  const first = transaction({ lane: "liquidation", nonce: 7n });
  t.ok(raises(first));
  t.notOk(raises(first), "anybody can send it again");
  t.ok(raises(transaction({ lane: "liquidation", nonce: 9n })), "one before it may be on its way");
  t.notOk(raises(transaction({ lane: "liquidation", nonce: 6n })), "the chain has it");
  t.notOk(raises(transaction({ lane: "normal", nonce: 7n })));
  account.balance = 0n;
  t.notOk(raises(transaction({ lane: "liquidation", nonce: 7n })), "nobody pays");
  account.balance = RICH;
  for (let sent = 0; sent < 4096; sent++)
    fast.announce(transaction({ lane: "liquidation", nonce: 7n }));
  t.ok(raises(first), "so many are remembered");
});

t.test("a report does, once, and while it is fresh", async (t) => {
  const signal = PreemptionSignal.create();
  const reports = new ReportSignal(signal, feedPolicy(), { nowMs: () => NOW_MS });
  const raises = (sequence: bigint, ageMs = 0, hot = 0) =>
    raisedBy(signal, () => {
      reports.announce(heard(1, { sequence, hot, publishTimeMs: NOW_MS - ageMs }));
    });
  t.ok(raises(0n));
  t.ok(raises(5n));
  t.notOk(raises(5n), "once more");
  t.notOk(raises(4n), "out of turn");
  t.notOk(raises(6n, 2001), "too old for its feed");
  t.ok(raises(6n, 2000));
  t.ok(raises(1n, 0, 1), "each key has its own");
});

t.test("an answer is kept for a while, a failure is not", async (t) => {
  let nowMs = 0;
  let asked = 0;
  const ask = keptFor(250, { monotonicMs: () => nowMs }, async () => {
    asked += 1;
    if (asked === 3) throw new Error("gone");
    return Promise.resolve(asked);
  });
  t.same(await Promise.all([ask(), ask()]), [1, 1]);
  nowMs = 249;
  t.equal(await ask(), 1);
  nowMs = 250;
  t.equal(await ask(), 2);
  nowMs = 500;
  await t.rejects(ask(), { message: "gone" });
  t.equal(await ask(), 4);
  let release = (): void => undefined;
  const slow = keptFor(250, { monotonicMs: () => nowMs }, () => {
    asked += 1;
    return new Promise<number>((resolve) => {
      release = () => {
        resolve(asked);
      };
    });
  });
  const first = slow();
  nowMs = 1_000;
  const second = slow();
  release();
  t.same(await Promise.all([first, second]), [5, 5], "one is under way, however long");
  void slow();
  t.equal(asked, 6);
});
