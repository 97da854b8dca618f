import t from "tap";
import type { Hex } from "../../lanes/bytes.ts";
import { classify, NORMAL_RANK, SYSTEM_RANK } from "../../lanes/classify.ts";
import { NO_RULE } from "../../lanes/flashblock.ts";
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
  t.same(classify(update, policy), { rank: 1, rule: 0, className: "oracle" });
  t.same(classify({ ...update, selector: "0x00000001" }, policy).rank, 1);
  for (const type of [0, 1, 2]) t.equal(classify({ ...update, type }, policy).rank, 1);
  const rescue = { ...update, to: RESCUE, selector: "0x00000002", sender: MARKET } as const;
  t.same(classify({ ...rescue, value: 1n }, policy), { rank: 2, rule: 1, className: "rescue" });
  const liquidation = { ...update, to: MARKET, selector: "0x00000003" } as const;
  t.same(classify(liquidation, policy), { rank: 3, rule: 2, className: "liquidation" });
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
    t.same(classify({ ...update, ...change }, policy), NORMAL, name);
  }
});

t.test("deposits are the system's, whatever they call", async (t) => {
  const expected = { rank: SYSTEM_RANK, rule: NO_RULE, className: null };
  t.same(classify({ ...update, type: DEPOSIT_TYPE }, policy), expected);
});

t.test(
  "a rule that names a feed waits for prices: every feed is stale in this version",
  async (t) => {
    const liquidation = { ...update, to: MARKET, selector: "0x00000004" } as const;
    t.same(classify(liquidation, policy), NORMAL);
    const json = policyJson();
    json.fast.classes[2]!.rules[1]!.feeds = [];
    t.equal(classify(liquidation, loadPolicy(json)).rule, 3);
  },
);

t.test("the first matching rule of a class gives the number", async (t) => {
  const json = policyJson();
  const [rule] = json.fast.classes[0]!.rules;
  json.fast.classes[0]!.rules = [
    { ...rule!, maxGas: 100_000 },
    { ...rule!, maxGas: 900_000 },
    { ...rule!, maxGas: 900_000 },
  ];
  const nested = loadPolicy(json);
  t.equal(classify({ ...update, gasLimit: 100_000n }, nested).rule, 0);
  t.equal(classify({ ...update, gasLimit: 100_001n }, nested).rule, 1);
});
