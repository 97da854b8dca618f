import t from "tap";
import { parsePolicy } from "../../lanes/policy.ts";
import { loadPolicy, policyJson } from "./fixtures/policy.ts";

type Json = ReturnType<typeof policyJson>;

/** The path that a policy with this feed is refused at; "" where it is not refused. */
function refusedAt(changes: Partial<Record<keyof Json["feeds"][0], unknown>>): string {
  const json = policyJson();
  const verdict = parsePolicy({ ...json, feeds: [{ ...json.feeds[0], ...changes }] });
  return verdict.ok ? "" : String(verdict.data["path"]);
}

function refusedPublishers(publishers: unknown[]): string {
  const verdict = parsePolicy({ ...policyJson(), publishers });
  return verdict.ok ? "" : String(verdict.data["path"]);
}

t.test("quorums: two thirds and one, jump quorum not below, none above N", async (t) => {
  t.equal(refusedAt({ quorum: 3 }), "feeds[0].quorum", "⌊10/3⌋ + 1 = 4 of 5");
  t.equal(refusedAt({ quorum: 4, jumpQuorum: 4 }), "");
  t.equal(refusedAt({ quorum: 5, jumpQuorum: 4 }), "feeds[0].jumpQuorum");
  t.equal(refusedAt({ quorum: 6 }), "feeds[0].quorum");
  t.equal(refusedAt({ jumpQuorum: 6 }), "feeds[0].jumpQuorum");
  t.equal(refusedAt({ publishers: [1, 2, 3], quorum: 2, jumpQuorum: 3 }), "feeds[0].quorum");
  t.equal(refusedAt({ publishers: [1, 2, 3], quorum: 3, jumpQuorum: 3 }), "");
});

t.test("a feed has at least three different, known publishers", async (t) => {
  t.equal(refusedAt({ publishers: [1, 2], quorum: 2, jumpQuorum: 2 }), "feeds[0].publishers");
  t.equal(refusedAt({ publishers: [1, 2, 3, 4, 4] }), "feeds[0].publishers[4]");
  t.equal(refusedAt({ publishers: [1, 2, 3, 4, 6] }), "feeds[0].publishers[4]");
});

t.test("readable for at least a heartbeat and an age", async (t) => {
  t.equal(refusedAt({ readableAgeMs: 2999 }), "feeds[0].readableAgeMs");
  t.equal(refusedAt({ readableAgeMs: 3000 }), "");
});

t.test("a price is positive; other kinds may be negative; min is not above max", async (t) => {
  t.equal(refusedAt({ min: "0" }), "feeds[0].min");
  t.equal(refusedAt({ min: "-1" }), "feeds[0].min");
  t.equal(refusedAt({ min: "-1", kind: "funding" }), "");
  t.equal(refusedAt({ min: "2", max: "1" }), "feeds[0].max");
  t.equal(refusedAt({ max: (2n ** 127n).toString() }), "feeds[0].max");
  t.equal(refusedAt({ max: (2n ** 127n - 1n).toString() }), "");
});

t.test("numbers in strings are plain decimals, and the rest has bounds", async (t) => {
  for (const bad of ["", "01", "1e3", "0x1", "1.5", " 1", "-0", 1, "9".repeat(60)]) {
    t.equal(refusedAt({ min: bad }), "feeds[0].min", JSON.stringify(bad));
  }
  t.equal(refusedAt({ deviationFloor: "-1" }), "feeds[0].deviationFloor");
  const bad: [keyof Json["feeds"][0], unknown][] = [
    ["id", ""],
    ["id", "ETH\u0000USD"],
    ["kind", "Price"],
    ["decimals", 37],
    ["group", -1],
    ["maxAgeMs", 0],
    ["heartbeatMs", 0],
    ["deviationBps", 10_001],
    ["minEpochMs", -1],
    ["maxJumpBps", 0],
    ["jumpWindowMs", 0],
    ["jumpHoldMs", -1],
  ];
  for (const [key, value] of bad) t.equal(refusedAt({ [key]: value }), `feeds[0].${key}`);
});

t.test("an epoch of all feeds fits what is kept for it", async (t) => {
  const json = policyJson();
  const refused = (count: number, systemReserveGas: number) => {
    const [feed] = json.feeds;
    const others = Array.from({ length: count - 1 }, (_, at) => ({ ...feed, id: `F${at}` }));
    const feeds = [feed, ...others];
    const verdict = parsePolicy({ ...json, feeds, systemReserveGas });
    return verdict.ok ? "" : String(verdict.data["path"]);
  };
  t.equal(refused(1, 350_000), "");
  t.equal(refused(1, 349_999), "systemReserveGas");
  const plenty = 1_000_000_000;
  t.equal(refused(170, plenty), "");
  t.equal(refused(200, plenty), "feeds", "200 feeds of five publishers do not fit the bytes");
});

t.test("feed ids are unique as the chain sees them", async (t) => {
  const json = policyJson();
  const feed = json.feeds[0]!;
  const parse = (feeds: Json["feeds"]) => parsePolicy({ ...json, feeds });
  t.match(parse([feed, feed]), { ok: false, data: { path: "feeds[1]" } });
  t.ok(parse([feed, { ...feed, id: "BTC/USD" }]).ok);
  const raw = `0x${"AB".repeat(32)}`;
  const both = [feed, { ...feed, id: raw }, { ...feed, id: raw.toLowerCase() }];
  t.match(parse(both), { ok: false, data: { path: "feeds[2]" } });
  const loaded = loadPolicy({ ...json, feeds: both.slice(0, 2) });
  t.equal(loaded.document.feeds[1]?.feedId, raw.toLowerCase(), "32-byte hex is used as it is");
});

t.test("publishers: one id each, one to four keys, no key twice", async (t) => {
  const [first, ...others] = policyJson().publishers;
  const key = `0x${"ab".repeat(20)}`;
  t.equal(refusedPublishers([{ ...first, keys: [] }, ...others]), "publishers[0].keys");
  t.equal(
    refusedPublishers([{ ...first, keys: Array(5).fill(key) }, ...others]),
    "publishers[0].keys",
  );
  t.equal(refusedPublishers([{ ...first, keys: [key, key] }, ...others]), "publishers[0].keys[1]");
  t.equal(refusedPublishers([{ ...first, id: 2 }, ...others]), "publishers[1]");
  t.equal(refusedPublishers([{ ...first, id: 0 }, ...others]), "publishers[0].id");
  t.equal(refusedPublishers([{ ...first, name: "" }, ...others]), "publishers[0].name");
  const upper = [others[0]?.keys[0]?.toUpperCase().replace("0X", "0x")];
  t.equal(refusedPublishers([{ ...first, keys: upper }, ...others]), "publishers[1].keys[0]");
});
