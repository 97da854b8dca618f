import t from "tap";
import {
  EMPTY_OMMERS_HASH,
  EMPTY_REQUESTS_HASH,
  EMPTY_TRIE_ROOT,
  type Header,
  headerFromRlp,
  headerHash,
  headerToRlp,
} from "../../node/primitives/header.ts";
import { HEADER } from "./fixtures/anvil-block.ts";
import { header } from "./fixtures/header.ts";

t.test("the hash is what another implementation gives the same block", async (t) => {
  t.equal(headerHash(header), HEADER.hash);
  t.equal(EMPTY_OMMERS_HASH, HEADER.sha3Uncles);
  t.equal(EMPTY_TRIE_ROOT, HEADER.withdrawalsRoot, "the block has no withdrawals");
  t.equal(EMPTY_REQUESTS_HASH, HEADER.requestsHash);
});

t.test("every field is in the hash", async (t) => {
  const seen = new Set([headerHash(header)]);
  for (const [name, value] of Object.entries<Header[keyof Header]>({ ...header })) {
    let other: unknown;
    if (typeof value === "string") other = `0x${"77".repeat((value.length - 2) / 2)}`;
    else if (value instanceof Uint8Array) other = Uint8Array.from([...value.subarray(1), 0x77]);
    else other = typeof value === "bigint" ? value + 1n : value + 1;
    const hash = headerHash({ ...header, [name]: other });
    t.notOk(seen.has(hash), name);
    seen.add(hash);
  }
});

t.test("decodes what it encodes, and nothing of another shape", async (t) => {
  const fields = headerToRlp(header);
  t.same(headerFromRlp(fields), { ok: true, value: header });
  t.equal(headerFromRlp(undefined).ok, false);
  t.equal(headerFromRlp([]).ok, false);
  t.equal(headerFromRlp(fields.slice(0, -1)).ok, false);
  t.equal(headerFromRlp([...fields, new Uint8Array(0)]).ok, false);
  for (const [index, field] of fields.entries()) {
    const refused = (value: unknown) => {
      const verdict = headerFromRlp(fields.with(index, value as Uint8Array));
      t.match(verdict, { ok: false, code: "BLOCK_MALFORMED" }, `field ${index}`);
    };
    refused([]);
    refused(new Uint8Array(257));
    refused(Uint8Array.from([0, ...field, ...(index === 12 ? new Uint8Array(32) : [])]));
  }
  for (const index of [8, 11]) {
    const verdict = headerFromRlp(fields.with(index, new Uint8Array(7).fill(0xff)));
    t.equal(verdict.ok, false, "numbers and times stay safe integers");
  }
});

t.test("a decoded header keeps nothing of the message it came in", async (t) => {
  const message = new Uint8Array(10_000);
  const fields = headerToRlp(header).map((field, index) => {
    message.set(field, index * 300);
    return message.subarray(index * 300, index * 300 + field.length);
  });
  const decoded = headerFromRlp(fields);
  t.ok(decoded.ok);
  if (!decoded.ok) return;
  t.not(decoded.value.logsBloom.buffer, message.buffer);
  t.not(decoded.value.extraData.buffer, message.buffer);
});
