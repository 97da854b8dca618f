import t from "tap";
import { CLASSES_MAX, RULES_MAX, SELECTORS_MAX, SENDERS_MAX } from "../../lanes/policy-document.ts";
import { parsePolicy } from "../../lanes/policy.ts";
import { loadPolicy, MARKET, ORACLE, policyJson, PUBLISHER, RESCUE } from "./fixtures/policy.ts";

type Json = ReturnType<typeof policyJson>;
type Change = (json: Json) => void;

/** The path that a changed policy is refused at; "" where it is not refused. */
function refusedAt(change: Change): string {
  const json = policyJson();
  change(json);
  const verdict = parsePolicy(json);
  if (verdict.ok) return "";
  t.type(verdict.data["expected"], "string");
  return String(verdict.data["path"]);
}

const set = (path: string, value: unknown): Change => {
  const keys = path.split(/[.[\]]+/).filter((key) => key !== "");
  return (json) => {
    let at = json as unknown as Record<string, unknown>;
    for (const key of keys.slice(0, -1)) at = at[key] as Record<string, unknown>;
    at[keys.at(-1)!] = value;
  };
};

t.test("every field has its type and bounds, and the refusal names it", async (t) => {
  const CLASS = "fast.classes[0]";
  const RULE = `${CLASS}.rules[0]`;
  const bad: [string, ...unknown[]][] = [
    ["chainId", 0, -1, 1.5, "901", null],
    ["feedSet", "0x", 1, `0x${"zz".repeat(32)}`],
    ["blockTimeMs", 0, 999, 1500, "1000"],
    ["ttlBlocks", 0, 257],
    ["policyDelay", -1],
    ["maxFlashblocks", 0, 1025],
    ["systemReserveGas", -1, 2 ** 53],
    ["graceMs", -1],
    ["fast", null, []],
    ["fast.classes", {}, Array(CLASSES_MAX + 1).fill({})],
    [CLASS, "oracle"],
    [`${CLASS}.name`, "", "Oracle", "x".repeat(33), 1],
    [`${CLASS}.gasShareBps`, -1, 10_001],
    [`${CLASS}.order`, "accepted", null],
    [RULE, []],
    [`${RULE}.to`, "0x", ORACLE.slice(2), `${ORACLE}00`],
    [`${RULE}.selectors`, [], null, Array(SELECTORS_MAX + 1).fill("0x00000001")],
    [`${RULE}.senders`, PUBLISHER, Array(SENDERS_MAX + 1).fill(PUBLISHER)],
    [`${RULE}.maxGas`, 20_999, "500000"],
    [`${RULE}.value`, 0, "false"],
    ["fast.queueLimit", 0],
    ["fast.perSender.ratePerSecond", 0],
    ["fast.perSender.burst", 0],
    ["fast.perSender.maxPending", 0],
    ["normal.order", "ready"],
    ["normal.maxTxGas", 0],
    ["normal.heavyGas", -1],
    ["publishers", null],
    ["feeds", null],
  ];
  for (const [path, ...values] of bad) {
    for (const value of values) {
      t.equal(refusedAt(set(path, value)), path, `${path} = ${JSON.stringify(value)}`);
    }
  }
  t.equal(refusedAt(set(`${RULE}.selectors[1]`, "0x000001")), `${RULE}.selectors[1]`);
  t.equal(refusedAt(set(`${RULE}.senders[0]`, "0x01")), `${RULE}.senders[0]`);
});

t.test("unknown and missing keys are refused, at every depth", async (t) => {
  const parents = ["", "fast.", "fast.perSender.", "fast.classes[0].", "normal."];
  for (const parent of [...parents, "fast.classes[0].rules[0].", "publishers[0].", "feeds[0]."]) {
    t.equal(refusedAt(set(`${parent}extra`, 1)), `${parent}extra`);
  }
  const optional = new Set(["feedSet", "senders", "value", "feeds"]);
  const visit = (value: unknown, path: string) => {
    if (typeof value !== "object" || value === null) return;
    for (const key of Object.keys(value)) {
      const at = Array.isArray(value) ? `${path}[${key}]` : path === "" ? key : `${path}.${key}`;
      if (!Array.isArray(value) && !(optional.has(key) && path !== "") && key !== "feedSet") {
        const remove: Change = (json) => {
          const keys = at.split(/[.[\]]+/).filter((part) => part !== "");
          let parent = json as unknown as Record<string, unknown>;
          for (const part of keys.slice(0, -1)) parent = parent[part] as Record<string, unknown>;
          // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- this is the test
          delete parent[keys.at(-1)!];
        };
        t.equal(refusedAt(remove), at, `without ${at}`);
      }
      visit((value as Record<string, unknown>)[key], at);
    }
  };
  visit(policyJson(), "");
});

t.test("the normal lane keeps at least half", async (t) => {
  t.equal(
    refusedAt(() => undefined),
    "",
    "2000 + 1000 + 2000 leave exactly half",
  );
  t.equal(refusedAt(set("fast.classes[1].gasShareBps", 1001)), "fast.classes");
});

t.test("class names are unique", async (t) => {
  t.equal(refusedAt(set("fast.classes[2].name", "oracle")), "fast.classes[2]");
});

t.test("rules of different classes do not overlap, whatever the spelling", async (t) => {
  const rule = (senders?: string[], to = ORACLE, selector = "0xaabbccdd"): Change =>
    set("fast.classes[2].rules[1]", {
      to,
      selectors: ["0x00000009", selector],
      maxGas: 21_000,
      ...(senders && { senders }),
    });
  const OTHER = RESCUE;
  const path = "fast.classes[2].rules[1]";
  t.equal(refusedAt(rule([PUBLISHER])), path, "the same sender");
  t.equal(refusedAt(rule([OTHER, PUBLISHER.toUpperCase().replace("0X", "0x")])), path);
  t.equal(refusedAt(rule()), path, "anybody includes the sender");
  t.equal(refusedAt(rule([])), path, "an empty list is anybody");
  t.equal(refusedAt(rule([PUBLISHER], ORACLE.toLowerCase(), "0xAABBCCDD")), path);
  t.equal(refusedAt(rule([OTHER], RESCUE, "0x00000002")), path, "the sender is among anybody");
  t.equal(refusedAt(rule([OTHER])), "", "other senders");
  t.equal(refusedAt(rule([PUBLISHER], MARKET)), "", "another target");
  t.equal(refusedAt(rule([PUBLISHER], ORACLE, "0xaabbccde")), "", "another selector");
  const sameClass = set("fast.classes[0].rules[1]", {
    to: ORACLE,
    selectors: ["0xaabbccdd"],
    maxGas: 900_000,
  });
  t.equal(refusedAt(sameClass), "", "within a class the first rule decides");
});

t.test("overlap is found behind any rules of the same class", async (t) => {
  const rules = (senders: (string[] | undefined)[]) =>
    senders.map((named) => ({
      to: MARKET,
      selectors: ["0x00000007"],
      maxGas: 21_000,
      ...(named && { senders: named }),
    }));
  const A = ORACLE;
  const B = RESCUE;
  const both = (first: (string[] | undefined)[], second: (string[] | undefined)[]) =>
    refusedAt((json) => {
      json.fast.classes[0]!.rules = rules(first);
      json.fast.classes[1]!.rules = rules(second);
    });
  t.equal(both([[A], undefined], [[B]]), "fast.classes[1].rules[0]");
  t.equal(both([[A]], [[B], undefined]), "fast.classes[1].rules[1]");
  t.equal(both([[A]], [[B], [B, A]]), "fast.classes[1].rules[1]");
  t.equal(both([[A], [A]], [[B], [B]]), "");
});

t.test("rules name feeds of the policy", async (t) => {
  t.equal(
    refusedAt(set("fast.classes[2].rules[1].feeds", ["ETH/USD", "BTC/USD"])),
    "fast.classes[2].rules[1].feeds[1]",
  );
});

t.test("254 classes and 1024 rules load, one more does not", async (t) => {
  const json = policyJson();
  const classes = Array.from({ length: CLASSES_MAX }, (_, at) => ({
    ...json.fast.classes[0]!,
    name: `class-${at}`,
    gasShareBps: 1,
    rules: [] as (typeof json.fast.classes)[0]["rules"],
  }));
  json.fast.classes = classes;
  const policy = loadPolicy(json);
  t.equal(policy.document.fast.classes.at(-1)?.rank, 254);
  const rules = (count: number) =>
    Array.from({ length: count }, () => policyJson().fast.classes[0]!.rules[0]!);
  classes[0]!.rules = rules(RULES_MAX - 1);
  classes[1]!.rules = rules(1).map((rule) => ({ ...rule, to: RESCUE }));
  t.equal(loadPolicy(json).rulesByTarget.get(RESCUE)?.[0]?.number, RULES_MAX - 1);
  classes[1]!.rules = [...classes[1]!.rules, ...classes[1]!.rules];
  t.match(parsePolicy(json), { ok: false, data: { path: "fast.classes" } });
});
