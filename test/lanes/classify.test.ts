import t from "tap";
import type { Hex } from "../../lanes/bytes.ts";
import {
  classify,
  hangsOnPrices,
  mayBeFast,
  NO_PRICES_YET,
  NORMAL_RANK,
  SYSTEM_RANK,
} from "../../lanes/classify.ts";
import { NO_RULE } from "../../lanes/flashblock.ts";
import type { PolicyFeed } from "../../lanes/policy-feeds.ts";
import { type AppliedValue, type FeedState, NO_FEED } from "../../lanes/price-state.ts";
import { SESSION_MAX } from "../../lanes/report.ts";
import { DEPOSIT_TYPE, type LaneTransaction } from "../../lanes/transaction.ts";
import { loadPolicy, MARKET, ORACLE, policyJson, PUBLISHER, RESCUE } from "./fixtures/policy.ts";

const policy = loadPolicy();
const NORMAL = { rank: NORMAL_RANK, rule: NO_RULE, className: null };
const update: LaneTransaction = {
  hash: `0x${"01".repeat(32)}`,
  type: 2,
  sender: PUBLISHER,
  to: ORACLE.toLowerCase() as Hex,
  nonce: 0n,
  value: 0n,
  gasLimit: 500_000n,
  selector: "0xaabbccdd",
};

t.test("a transaction that matches a rule in every part is fast", async (t) => {
  t.same(classify(update, policy, NO_PRICES_YET), { rank: 1, rule: 0, className: "oracle" });
  t.same(classify({ ...update, selector: "0x00000001" }, policy, NO_PRICES_YET).rank, 1);
  for (const type of [0, 1, 2])
    t.equal(classify({ ...update, type }, policy, NO_PRICES_YET).rank, 1);
  const rescue = { ...update, to: RESCUE, selector: "0x00000002", sender: MARKET } as const;
  t.same(classify({ ...rescue, value: 1n }, policy, NO_PRICES_YET), {
    rank: 2,
    rule: 1,
    className: "rescue",
  });
  const liquidation = { ...update, to: MARKET, selector: "0x00000003" } as const;
  t.same(classify(liquidation, policy, NO_PRICES_YET), {
    rank: 3,
    rule: 2,
    className: "liquidation",
  });
});

t.test("a transaction that misses any part is normal", async (t) => {
  const misses: Record<string, Partial<LaneTransaction>> = {
    "another target": { to: MARKET },
    "contract creation": { to: null },
    "another selector": { selector: "0xaabbccde" },
    "calldata without a selector": { selector: null },
    "another sender": { sender: MARKET },
    "value where the rule has none": { value: 1n },
    "more gas": { gasLimit: 500_001n },
    "a blob transaction": { type: 3 },
    "an EIP-7702 transaction": { type: 4 },
  };
  for (const [name, change] of Object.entries(misses)) {
    t.same(classify({ ...update, ...change }, policy, NO_PRICES_YET), NORMAL, name);
  }
});

t.test("deposits are the system's, whatever they call", async (t) => {
  const expected = { rank: SYSTEM_RANK, rule: NO_RULE, className: null };
  t.same(classify({ ...update, type: DEPOSIT_TYPE }, policy, NO_PRICES_YET), expected);
});

t.test("a rule that names feeds holds while all of them are open", async (t) => {
  const json = policyJson();
  const [feed] = json.feeds;
  const rule = json.fast.classes[2]!.rules[1]!;
  rule.feeds = ["ETH/USD", "BTC/USD"];
  const two = loadPolicy({ ...json, feeds: [feed!, { ...feed!, id: "BTC/USD" }] });
  const [eth, btc] = two.document.feeds as [PolicyFeed, PolicyFeed];
  const liquidation = { ...update, to: MARKET, selector: "0x00000004" } as const;
  const nowMs = 1_000_000;
  const applied = (change: Partial<AppliedValue> = {}): FeedState => ({
    ...NO_FEED,
    applied: {
      ...{ value: 1n, confidence: 0n, timeMs: nowMs, session: 0, status: 0, appliedMs: nowMs },
      ...change,
    },
  });
  const rankWith = (own: FeedState, other = applied(), graceEndMs = 0, timeMs = nowMs) => {
    const feeds = new Map([
      [eth.feedId, own],
      [btc.feedId, other],
    ]);
    return classify(liquidation, two, { prices: { feeds, graceEndMs, epoch: 1 }, timeMs }).rank;
  };
  t.equal(classify(liquidation, two, NO_PRICES_YET).rank, NORMAL_RANK, "no price yet");
  t.equal(rankWith(applied()), 3);
  const { readableAgeMs } = eth;
  t.equal(rankWith(applied({ timeMs: nowMs - readableAgeMs })), 3);
  t.equal(rankWith(applied({ timeMs: nowMs - readableAgeMs - 1 })), NORMAL_RANK, "stale");
  t.equal(rankWith(applied(), NO_FEED), NORMAL_RANK, "one of two is not enough");
  for (let session = 0; session <= SESSION_MAX; session++) {
    const isShut = session === 5 || session === 6;
    t.equal(rankWith(applied({ session })), isShut ? NORMAL_RANK : 3, `session ${session}`);
  }
  t.equal(rankWith(applied({ status: 1 })), 3, "a pending jump does not shut a market");
  t.equal(rankWith(applied(), applied(), nowMs + 1), NORMAL_RANK, "grace after an outage");
  t.equal(rankWith(applied(), applied(), nowMs), 3, "until its end");
  const shut = { prices: { feeds: new Map(), graceEndMs: nowMs + 1, epoch: 1 }, timeMs: nowMs };
  t.equal(classify(update, two, shut).rank, 1, "oracles never wait for prices");
  t.ok(mayBeFast(liquidation, two) && hangsOnPrices(liquidation, two));
  t.ok(mayBeFast(update, two) && !hangsOnPrices(update, two));
  t.notOk(
    mayBeFast({ ...liquidation, type: 4 }, two) || hangsOnPrices({ ...update, to: null }, two),
  );
});

t.test("the first matching rule of a class gives the number", async (t) => {
  const json = policyJson();
  const [rule] = json.fast.classes[0]!.rules;
  json.fast.classes[0]!.rules = [
    { ...rule!, maxGas: 100_000 },
    { ...rule!, maxGas: 900_000 },
    { ...rule!, maxGas: 900_000 },
  ];
  const nested = loadPolicy(json);
  t.equal(classify({ ...update, gasLimit: 100_000n }, nested, NO_PRICES_YET).rule, 0);
  t.equal(classify({ ...update, gasLimit: 100_001n }, nested, NO_PRICES_YET).rule, 1);
});
