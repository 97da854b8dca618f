/** Receipts: what a sequencer has signed holds, and nothing that differs from it in any part. */
import fc from "fast-check";
import t from "tap";
import type { AdmissionReceipt } from "../../lanes/admission.ts";
import { type Hex, toHex } from "../../lanes/bytes.ts";
import { checkReceipt } from "../../lanes/check-receipt.ts";
import { findEvidence } from "../../lanes/evidence.ts";
import { laneRoot, resultWords } from "../../lanes/flashblock.ts";
import { decodeLeaves } from "../../lanes/flashblock-leaves.ts";
import { type InclusionReceipt, inclusionReceipts } from "../../lanes/inclusion.ts";
import {
  admissionReceiptToJson,
  inclusionReceiptToJson,
  parseReceipt,
  type Receipt,
} from "../../lanes/receipt-json.ts";
import {
  decodeFlashblock,
  decodeSignedFlashblock,
  encodeFlashblock,
  encodeSignedFlashblock,
  flashblockBlockNumber,
  flashblockHashes,
  flashblockRanks,
} from "../../lanes/signed-flashblock.ts";
import { treeRoot } from "../../lanes/tree.ts";
import { admitted, executed, signedFlashblock, TRUST, txHash } from "./fixtures/promises.ts";

const place = fc
  .integer({ min: 1, max: 40 })
  .chain((count) => fc.tuple(fc.constant(count), fc.nat(count - 1)));

const check = (receipt: Receipt) => checkReceipt(receipt, TRUST);
const included = (count: number, index: number, change = {}): InclusionReceipt =>
  inclusionReceipts(signedFlashblock(executed(count, change))).receipt(index);

t.test("every receipt holds, and survives JSON", async (t) => {
  fc.assert(
    fc.property(place, ([count, index]) => {
      for (const [json, receipt] of [
        [admissionReceiptToJson(admitted(count, index)), admitted(count, index)],
        [inclusionReceiptToJson(included(count, index)), included(count, index)],
      ] as const) {
        const parsed = parseReceipt(JSON.parse(JSON.stringify(json)));
        if (!parsed.ok) throw new Error(JSON.stringify(parsed));
        t.same(parsed.value.receipt, receipt);
        t.same(check(parsed.value), { ok: true, value: null });
      }
    }),
    { numRuns: 500 },
  );
});

/** Every value in the JSON, by its path. */
function paths(json: unknown, at: readonly (string | number)[] = []): (string | number)[][] {
  if (typeof json !== "object" || json === null) return [[...at]];
  return Object.entries(json).flatMap(([key, value]) => paths(value, [...at, key]));
}

/** A value of the same form: another digit, another word. */
function other(value: unknown): unknown {
  if (value === "fast") return "normal";
  if (value === "normal") return "fast";
  if (value === "admission") return "inclusion";
  if (value === "inclusion") return "admission";
  const text = String(value);
  const last = text.at(-1) === "1" ? "2" : "1";
  return `${text.slice(0, -1)}${last}`;
}

t.test("no part of a receipt can be another", async (t) => {
  const receipts = [
    admissionReceiptToJson(admitted(5, 2)),
    admissionReceiptToJson(admitted(5, 3)),
    inclusionReceiptToJson(included(6, 1)),
    inclusionReceiptToJson(included(6, 5)),
  ];
  for (const json of receipts) {
    const text = JSON.stringify(json);
    for (const path of paths(json)) {
      const changed = JSON.parse(text) as Record<string, unknown>;
      const parent = path
        .slice(0, -1)
        .reduce<unknown>(
          (value, key) => (value as Record<string, unknown>)[key],
          changed,
        ) as Record<string, unknown>;
      const key = path.at(-1) ?? "";
      parent[key] = other(parent[key]);
      const parsed = parseReceipt(changed);
      const verdict = parsed.ok ? check(parsed.value) : parsed;
      t.match(verdict, { ok: false, code: "RECEIPT_INVALID" }, path.join("."));
    }
    for (const path of paths(json).filter(({ length }) => length === 1)) {
      const rest = Object.fromEntries(Object.entries(json).filter(([key]) => key !== path[0]));
      t.match(parseReceipt(rest), { ok: false, code: "RECEIPT_INVALID" }, `without ${path[0]}`);
    }
    t.match(parseReceipt({ ...json, more: 1 }), { ok: false, data: { path: "more" } });
  }
  fc.assert(
    fc.property(fc.anything(), (value) => !parseReceipt(value).ok),
    { numRuns: 500 },
  );
});

t.test("what one key signed does not hold for another key, chain or contract", async (t) => {
  const receipts: Receipt[] = [
    { type: "admission", receipt: admitted(4, 0) },
    { type: "inclusion", receipt: included(4, 0) },
  ];
  const { domain } = TRUST;
  for (const trust of [
    { ...TRUST, sequencer: `0x${"01".repeat(20)}` as const },
    { ...TRUST, domain: { ...domain, chainId: 902 } },
    { ...TRUST, domain: { ...domain, l1ChainId: 1 } },
    { ...TRUST, domain: { ...domain, settlement: `0x${"02".repeat(20)}` as const } },
  ])
    for (const each of receipts) t.match(checkReceipt(each, trust), { ok: false });
});

t.test("what is signed of another term, policy or class does not hold", async (t) => {
  const part = (receipt: Receipt): unknown => {
    const verdict = check(receipt);
    return verdict.ok || verdict.data["part"];
  };
  const admission = (change: { term?: number; policyHash?: Hex; rank?: number }): Receipt => ({
    type: "admission",
    receipt: admitted(4, 0, change),
  });
  const inclusion = (change: object, place = {}): Receipt => ({
    type: "inclusion",
    receipt: inclusionReceipts(signedFlashblock(executed(4, change, place))).receipt(0),
  });
  const classes = TRUST.policy.document.fast.classes.length;
  t.equal(part(admission({})), true);
  t.equal(part(admission({ term: 2 })), "term");
  t.equal(part(admission({ policyHash: txHash(9) })), "policyHash");
  t.equal(part(admission({ rank: classes })), true);
  t.equal(part(admission({ rank: classes + 1 })), "rank");
  t.equal(part(inclusion({})), true);
  t.equal(part(inclusion({ term: 2 })), "term");
  t.equal(part(inclusion({ policyHash: txHash(9) })), "policyHash");
  t.equal(part(inclusion({}, { rank: classes + 1 })), "rank");
  t.equal(part(inclusion({}, { rank: 1, rule: 60_000 })), "rule");
  t.equal(part(inclusion({}, { rank: 2, rule: 0 })), "rule", "a rule of another class");
});

t.test("a flashblock survives its bytes, and no other bytes are one", async (t) => {
  const flashblock = signedFlashblock(executed(7));
  const bytes = encodeSignedFlashblock(flashblock);
  t.same(decodeSignedFlashblock(bytes), { ok: true, value: flashblock });
  t.same(decodeFlashblock(encodeFlashblock(flashblock)).ok, true);
  t.equal(flashblockBlockNumber(bytes), 8);
  t.same(
    [...flashblockHashes(bytes)].map((hash) => toHex(hash)),
    [0, 1, 2, 3, 4, 5, 6].map(txHash),
  );
  t.same(flashblockRanks(bytes), [1, 1, 1, 1, 255, 255, 255]);
  const leaves = decodeLeaves(flashblock.leaves);
  if (!leaves.ok) throw new Error(leaves.code);
  t.equal(flashblock.header.laneRoot, laneRoot(leaves.value.map(({ lane }) => lane)));
  const results = leaves.value.map(({ result }) => resultWords(result));
  t.equal(flashblock.resultRoot, treeRoot("resultRoot", results));
  const unsigned = encodeFlashblock(flashblock);
  fc.assert(
    fc.property(fc.nat(unsigned.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const changed = unsigned.slice();
      changed[at] = (changed[at] ?? 0) ^ flip;
      const decoded = decodeFlashblock(changed);
      // A header's own fields are bound by the signature only.
      return !decoded.ok || !Buffer.from(encodeFlashblock(decoded.value)).equals(unsigned);
    }),
    { numRuns: 1000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (junk) => !decodeSignedFlashblock(junk).ok),
    { numRuns: 500 },
  );
  for (const cut of [1, 65, 70]) t.notOk(decodeFlashblock(unsigned.subarray(cut)).ok);
});

t.test("two promises that contradict each other are evidence", async (t) => {
  const of = (receipt: InclusionReceipt): Receipt => ({ type: "inclusion", receipt });
  const by = (receipt: AdmissionReceipt): Receipt => ({ type: "admission", receipt });
  const kind = (a: Receipt, b: Receipt) => [findEvidence(a, b)?.kind, findEvidence(b, a)?.kind];
  t.same(kind(of(included(4, 0)), of(included(4, 3))), [undefined, undefined]);
  t.same(kind(of(included(4, 0)), of(included(4, 0, { timestampMs: 1 }))), ["E1", "E1"]);
  t.same(kind(of(included(4, 0)), of(included(4, 1, { index: 3 }))), [undefined, undefined]);
  const low = included(4, 0);
  const wrong = { ...included(4, 3), lane: { ...included(4, 3).lane, rank: 0 } };
  t.same(kind(of(low), of(wrong)), ["E3", "E3"]);
  const twice = { ...admitted(4, 1), leaf: { ...admitted(4, 1).leaf, hash: txHash(77) } };
  t.same(kind(by(admitted(4, 1)), by(twice)), ["E4", "E4"]);
  t.same(kind(by(twice), of(included(4, 1, { index: 9 }))), ["E4", "E4"]);
  t.same(kind(by(admitted(4, 0)), of(included(4, 0))), [undefined, undefined]);
  const normal = { ...included(4, 0), lane: { ...included(4, 0).lane, rank: 255 } };
  t.same(kind(by(admitted(4, 0)), of(normal)), ["E4", "E4"], "promised fast, placed normal");
});
