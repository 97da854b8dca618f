import fc from "fast-check";
import t from "tap";
import { canonicalJson, JSON_DEPTH_MAX } from "../../lanes/canonical-json.ts";

const text = (value: unknown) => {
  const bytes = canonicalJson(value);
  return bytes === null ? null : new TextDecoder().decode(bytes);
};

t.test("RFC 8785 by example", async (t) => {
  t.equal(text({ b: [true, null, -7], a: "x" }), '{"a":"x","b":[true,null,-7]}');
  t.equal(text(-0), "0");
  // Section 3.2.2 and 3.2.3 of the RFC: escapes, and keys by UTF-16 code units.
  t.equal(text('€$\u000f\nA\'B"\\"/'), '"€$\\u000f\\nA\'B\\"\\\\\\"/"');
  const keys = { "€": 1, "\r": 2, דּ: 3, "1": 4, "😀": 5, "\u0080": 6, ö: 7 };
  t.same(
    [...(text(keys) ?? "").matchAll(/:(\d)/g)].map((match) => match[1]),
    ["2", "4", "6", "7", "1", "5", "3"],
  );
  t.equal(text(JSON.parse('{"__proto__":1}')), '{"__proto__":1}');
});

t.test("what has no canonical form is refused", async (t) => {
  const nested = (depth: number): unknown => (depth === 0 ? 1 : [nested(depth - 1)]);
  t.not(canonicalJson(nested(JSON_DEPTH_MAX)), null);
  t.equal(canonicalJson(nested(JSON_DEPTH_MAX + 1)), null);
  for (const bad of [1.5, 2 ** 53, 1e21, Infinity, Number.NaN, 1n, undefined, "\ud800", [0.1]]) {
    t.equal(canonicalJson(bad), null);
    t.equal(canonicalJson({ a: bad }), null);
  }
  t.equal(canonicalJson({ "\ud800": 1 }), null);
});

t.test("the bytes do not depend on the order of keys and parse to the same value", async (t) => {
  const leaf = fc.oneof(
    fc.maxSafeInteger(),
    fc.boolean(),
    fc.string({ unit: "grapheme" }),
    fc.constant(null),
  );
  const key = fc.string({ unit: "grapheme", maxLength: 4 }).filter((name) => name !== "__proto__");
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      leaf,
      fc.array(tie("value"), { maxLength: 4 }),
      fc.dictionary(key, tie("value"), { maxKeys: 5, noNullPrototype: true }),
    ),
  }));
  fc.assert(
    fc.property(value, (json) => {
      const canonical = text(json)!;
      t.same(JSON.parse(canonical), JSON.parse(JSON.stringify(json)));
      t.equal(text(reversed(json)), canonical);
    }),
    { numRuns: 500 },
  );
});

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, member]) => [key, reversed(member)]),
  );
}
