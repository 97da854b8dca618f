import { RLP } from "@ethereumjs/rlp";
import fc from "fast-check";
import t from "tap";
import { bytesEqual, concatBytes } from "../../lanes/bytes.ts";
import {
  decodeRlp,
  encodeRlp,
  encodeRlpItems,
  rlpInteger,
  type RlpItem,
  rlpListHead,
  rlpListItems,
  rlpSafeInteger,
} from "../../lanes/rlp.ts";

const { item } = fc.letrec<{ item: RlpItem }>((tie) => ({
  item: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.uint8Array({ maxLength: 70 }),
    fc.array(tie("item"), { maxLength: 8 }),
  ),
}));

const encode = (value: RlpItem) => RLP.encode(value as Parameters<typeof RLP.encode>[0]);

t.test("decodes what was encoded", async (t) => {
  fc.assert(
    fc.property(item, (value) => {
      t.same(decodeRlp(encode(value), 8), value);
    }),
    { numRuns: 500 },
  );
});

t.test("encodes as another implementation does", async (t) => {
  const lengths = [0, 1, 55, 56, 255, 256, 65_535, 65_536, 2 ** 24 - 1, 2 ** 24];
  const strings = lengths.map((length) => new Uint8Array(length).fill(0x7f));
  const edges: RlpItem[] = [0x00, 0x7f, 0x80, 0xff].map((byte) => Uint8Array.of(byte));
  for (const value of [...strings, ...edges, strings, [strings, edges, []]])
    t.ok(bytesEqual(encodeRlp(value), encode(value)));
  fc.assert(
    fc.property(item, (value) => {
      t.same(encodeRlp(value), encode(value));
    }),
    { numRuns: 500 },
  );
});

t.test("a list is its head and its items", async (t) => {
  fc.assert(
    fc.property(fc.array(item, { maxLength: 8 }), (items) => {
      const encoded = encode(items);
      const content = encodeRlpItems(items);
      t.same(concatBytes(rlpListHead(content.length), content), encoded);
      t.same(rlpListItems(encoded), items.map(encode));
      t.equal(rlpListItems(encoded.subarray(0, -1)), null, "cut off");
      t.equal(rlpListItems(concatBytes(encoded, Uint8Array.of(0))), null, "with something behind");
    }),
    { numRuns: 500 },
  );
  t.equal(rlpListItems(encode(new Uint8Array(60))), null, "a byte string");
  t.equal(rlpListItems(Uint8Array.of(0xc1, 0x83)), null, "an item beyond the end");
});

t.test("any bytes are refused or are the one encoding of what they decode to", async (t) => {
  let accepted = 0;
  fc.assert(
    fc.property(item, fc.nat(), fc.nat(255), (value, at, byte) => {
      const bytes = encode(value).slice();
      bytes[at % bytes.length] = byte;
      const decoded = decodeRlp(bytes, 8);
      if (decoded === null) return;
      accepted++;
      t.ok(bytesEqual(encode(decoded), bytes));
    }),
    { numRuns: 2000 },
  );
  t.ok(accepted > 100, "the property was not vacuous");
});

t.test("refuses every other spelling", async (t) => {
  const cases: Record<string, number[]> = {
    "nothing at all": [],
    "a trailing byte": [0x80, 0x00],
    "a prefixed single byte": [0x81, 0x7f],
    "a long form of a short string": [0xb8, 0x01, 0x80],
    "a length with a leading zero": [0xb9, 0x00, 0x38, ...Array<number>(56).fill(0)],
    "a string beyond the end": [0x83, 0x01, 0x02],
    "a list beyond the end": [0xc2, 0x01],
    "an item beyond its list": [0xc2, 0x83, 0x01, 0x02, 0x03],
    "a length of eight bytes": [0xbf, 1, 0, 0, 0, 0, 0, 0, 0],
    "a length cut off": [0xb9, 0x01],
  };
  for (const [name, bytes] of Object.entries(cases)) {
    t.equal(decodeRlp(Uint8Array.from(bytes), 8), null, name);
  }
});

t.test("nesting is bounded, and costs nothing", async (t) => {
  let nested: RlpItem = [];
  for (let depth = 1; depth < 4; depth++) nested = [nested];
  t.same(decodeRlp(encode(nested), 4), nested);
  t.equal(decodeRlp(encode(nested), 3), null);
  // 900 kB of lists in lists: quadratic copying would take minutes here.
  const bomb = new Uint8Array(900_000);
  let at = bomb.length;
  for (let length = 0; at >= 4; length = bomb.length - at) {
    const head = length < 56 ? [0xc0 + length] : [0xf9 + (length > 0xffff ? 1 : 0)];
    if (length >= 56) {
      if (length > 0xffff) head.push(length >> 16);
      head.push((length >> 8) & 0xff, length & 0xff);
    }
    if (length >= 56 && length < 256) head.splice(0, head.length, 0xf8, length);
    at -= head.length;
    bomb.set(head, at);
  }
  t.equal(decodeRlp(bomb.subarray(at), 100), null);
});

t.test("integers are minimal and fit", async (t) => {
  t.equal(rlpInteger(Uint8Array.of(), 9), 0n);
  t.equal(rlpInteger(Uint8Array.of(1, 0), 2), 256n);
  t.equal(rlpInteger(Uint8Array.of(0, 1), 2), null, "a leading zero");
  t.equal(rlpInteger(Uint8Array.of(1, 0, 0), 2), null, "too long");
  t.equal(rlpInteger([], 9), null, "a list");
  t.equal(rlpInteger(undefined, 9), null);
  t.equal(rlpSafeInteger(Uint8Array.of(0x1f, ...Array<number>(6).fill(0xff))), 2 ** 53 - 1);
  t.equal(rlpSafeInteger(Uint8Array.of(0x20, 0, 0, 0, 0, 0, 0)), null);
});
