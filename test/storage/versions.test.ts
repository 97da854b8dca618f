import fc from "fast-check";
import t from "tap";
import { toHex } from "../../lanes/bytes.ts";
import { decodeAccount, encodeAccount } from "../../node/storage/codecs.ts";
import { EMPTY_CODE_HASH } from "../../node/storage/state.ts";
import { EMPTY_TRIE_ROOT } from "../../node/primitives/header.ts";
import {
  decodeVersioned,
  encodeVersioned,
  nextVersion,
  oldestAbove,
  type Version,
} from "../../node/storage/versions.ts";

const heights = fc.uniqueArray(fc.oneof(fc.nat(10_000), fc.nat(2 ** 45)), {
  minLength: 1,
  maxLength: 60,
});

t.test(
  "a version names only blocks that changed the record, and the newest of each group",
  async (t) => {
    fc.assert(
      fc.property(heights, fc.uint8Array({ maxLength: 40 }), (unsorted, value) => {
        const blocks = unsorted.sort((a, b) => a - b);
        let version: Version | null = null;
        for (const [i, block] of blocks.entries()) {
          version = nextVersion(version, block);
          const older = blocks.slice(0, i);
          const expected = [8, 64, 512, 4096]
            .map((size) => older.findLast((each) => each < block - (block % size)))
            .filter((each) => each !== undefined);
          t.strictSame(version, { since: block, back: expected });
        }
        if (version === null) return;
        const record = encodeVersioned(version, value.length === 0 ? null : value);
        const decoded = decodeVersioned(record);
        t.strictSame(decoded.version, version);
        t.equal(decoded.value && toHex(decoded.value), value.length === 0 ? null : toHex(value));
        const below = blocks[0]! - 1;
        t.equal(oldestAbove(version, below), version.back.at(-1) ?? version.since);
        t.equal(oldestAbove(version, version.since - 1), version.since);
      }),
      { numRuns: 200 },
    );
  },
);

t.test("bytes that are no version are damage", async (t) => {
  for (const bytes of [[], [0x80], [5], [5, 9], [5, 1], [5, 1, 6], Array<number>(20).fill(0xff)])
    t.throws(() => decodeVersioned(Uint8Array.from(bytes)), { code: "STORAGE_CORRUPT" });
});

t.test("accounts come back from their records", async (t) => {
  const hash = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(toHex);
  const account = fc.record(
    {
      nonce: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
      balance: fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }),
      codeHash: fc.oneof(fc.constant(EMPTY_CODE_HASH), hash),
      storageRoot: fc.oneof(fc.constant(EMPTY_TRIE_ROOT), hash),
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(account, (each) => t.strictSame(decodeAccount(encodeAccount(each)), each)),
    { numRuns: 300 },
  );
  const plain = { nonce: 0n, balance: 0n, codeHash: EMPTY_CODE_HASH, storageRoot: EMPTY_TRIE_ROOT };
  t.equal(encodeAccount(plain).length, 1);
  t.equal(encodeAccount({ ...plain, nonce: 9n, balance: 10n ** 18n }).length, 10);
  const record = encodeAccount({ ...plain, codeHash: `0x${"12".repeat(32)}` });
  t.throws(() => decodeAccount(record.subarray(0, 20)), { code: "STORAGE_CORRUPT" });
});
