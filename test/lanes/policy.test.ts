import t from "tap";
import {
  concatHex,
  encodeAbiParameters,
  type Hex,
  keccak256,
  parseAbiParameters,
  stringToHex,
} from "viem";
import { classOfRank, parsePolicy } from "../../lanes/policy.ts";
import { loadPolicy, MARKET, ORACLE, policyJson, PUBLISHER, RESCUE } from "./fixtures/policy.ts";

const RULE = parseAbiParameters("uint64,address,bytes4[],address[],uint64,bool");
const hashOf = (types: string, values: unknown[]) =>
  keccak256(encodeAbiParameters(parseAbiParameters(types) as never, values as never));

/** The rule tree of the fixture's four rules, written out. */
function ruleRootByHand(): Hex {
  const rules = [
    [1n, ORACLE.toLowerCase() as Hex, ["0xaabbccdd", "0x00000001"], [PUBLISHER], 500_000n, false],
    [2n, RESCUE, ["0x00000002"], [], 800_000n, true],
    [3n, MARKET, ["0x00000003"], [], 1_500_000n, false],
    [3n, MARKET, ["0x00000004"], [], 1_500_000n, false],
  ] as const;
  const leaves = rules.map((rule, index) => {
    const field = keccak256(encodeAbiParameters(RULE, rule));
    const types = parseAbiParameters("bytes32,uint64,bytes32");
    const name = keccak256(stringToHex("ruleRoot"));
    return keccak256(concatHex(["0x00", encodeAbiParameters(types, [name, BigInt(index), field])]));
  });
  const left = keccak256(concatHex(["0x01", leaves[0]!, leaves[1]!]));
  const right = keccak256(concatHex(["0x01", leaves[2]!, leaves[3]!]));
  const top = keccak256(concatHex(["0x01", left, right]));
  return keccak256(concatHex(["0x02", "0x0000000000000004", top]));
}

t.test("the hash is over the canonical document and its rules", async (t) => {
  const policy = loadPolicy();
  t.equal(policy.ruleRoot, ruleRootByHand());
  t.equal(policy.hash, hashOf("bytes32,bytes32", [keccak256(policy.bytes), policy.ruleRoot]));
  t.same(JSON.parse(new TextDecoder().decode(policy.bytes)), policyJson());
  t.match(new TextDecoder().decode(policy.bytes), /^\{"blockTimeMs":1000,"chainId":901,"fast":\{/);
});

t.test("key order and white space do not change the hash, anything else does", async (t) => {
  const { version, chainId, ...rest } = policyJson();
  const { hash } = loadPolicy();
  t.equal(
    loadPolicy(JSON.parse(JSON.stringify({ ...rest, chainId, version }, null, 2))).hash,
    hash,
  );
  t.not(loadPolicy({ ...policyJson(), graceMs: 9999 }).hash, hash);
  const respelled = policyJson();
  respelled.fast.classes[0]!.rules[0]!.to = ORACLE.toLowerCase();
  t.equal(loadPolicy(respelled).ruleRoot, loadPolicy().ruleRoot, "the same rules");
  t.not(loadPolicy(respelled).hash, hash, "another document");
});

t.test("the document comes out typed, with defaults and in lower case", async (t) => {
  const { document } = loadPolicy();
  t.same(document.fast.classes[0], {
    name: "oracle",
    rank: 1,
    gasShareBps: 2000,
    order: "ready",
    rules: [
      {
        to: ORACLE.toLowerCase(),
        selectors: ["0xaabbccdd", "0x00000001"],
        senders: [PUBLISHER],
        maxGas: 500_000,
        value: false,
        feeds: [],
      },
    ],
  });
  t.equal(document.feedSet, `0x${"11".repeat(32)}`);
  t.same(document.feeds[0]?.feedId, keccak256(stringToHex("ETH/USD")));
  const { feedSet, ...bare } = policyJson();
  t.ok(feedSet);
  // PROTOCOL 1: the default feed set is keccak256(abi.encode(chainId)).
  t.equal(loadPolicy(bare).document.feedSet, hashOf("uint256", [901n]));
});

t.test("a rank has its class", async (t) => {
  const policy = loadPolicy();
  t.equal(classOfRank(policy, 1)?.name, "oracle");
  t.equal(classOfRank(policy, 3)?.name, "liquidation");
  for (const rank of [0, 4, 255]) t.equal(classOfRank(policy, rank), undefined);
});

t.test("policies without publishers, feeds or classes are fine", async (t) => {
  const json = policyJson();
  json.fast.classes = [];
  t.equal(
    loadPolicy({ ...json, publishers: [], feeds: [] }).ruleRoot,
    keccak256(concatHex(["0x02", "0x0000000000000000", `0x${"00".repeat(32)}`])),
  );
});

t.test("what is not JSON of a policy is refused, never thrown", async (t) => {
  for (const json of [null, undefined, 1, "x", [], {}, JSON.parse('{"__proto__":{}}')]) {
    const verdict = parsePolicy(json);
    t.match(verdict, { ok: false, code: "POLICY_INVALID", data: { path: "version" } });
  }
  const verdict = parsePolicy({ ...policyJson(), version: 2, novelty: true });
  t.match(verdict, { ok: false, data: { path: "version", expected: "1" } });
});
