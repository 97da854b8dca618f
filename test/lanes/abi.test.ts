import fc from "fast-check";
import t from "tap";
import { encodeAbiParameters, keccak256, parseAbiParameters } from "viem";
import {
  abiEncode,
  addressWord,
  hashWords,
  selectorWord,
  u64,
  u72,
  word,
} from "../../lanes/abi.ts";
import { type Hex, toHex } from "../../lanes/bytes.ts";

const hexOf = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((value) => toHex(value));
const uint = (bits: bigint) => fc.bigInt({ min: 0n, max: 2n ** bits - 1n });

t.test("static words are Solidity's", async (t) => {
  fc.assert(
    fc.property(uint(64n), fc.maxSafeNat(), uint(72n), hexOf(32), (big, small, wide, hash) => {
      const expected = encodeAbiParameters(parseAbiParameters("uint64,uint64,uint72,bytes32"), [
        big,
        BigInt(small),
        wide,
        hash,
      ]);
      const words = [u64(big), u64(small), u72(wide), word(hash)];
      t.equal(toHex(abiEncode(words)), expected);
      t.equal(hashWords(words), keccak256(expected));
    }),
    { numRuns: 500 },
  );
});

t.test("arrays go behind the heads, by offset", async (t) => {
  const rule = fc.tuple(
    uint(64n),
    hexOf(20),
    fc.array(hexOf(4)),
    fc.array(hexOf(20)),
    fc.boolean(),
  );
  fc.assert(
    fc.property(
      rule,
      ([rank, to, selectors, senders, value]: [bigint, Hex, Hex[], Hex[], boolean]) => {
        const encoded = abiEncode([
          u64(rank),
          addressWord(to),
          selectors.map(selectorWord),
          senders.map(addressWord),
          u64(value ? 1 : 0),
        ]);
        const types = parseAbiParameters("uint64,address,bytes4[],address[],bool");
        t.equal(toHex(encoded), encodeAbiParameters(types, [rank, to, selectors, senders, value]));
      },
    ),
    { numRuns: 500 },
  );
});

t.test("a value that does not fit is a programmer's error", async (t) => {
  for (const bad of [-1, 1.5, 2 ** 53, Number.NaN, -1n, 2n ** 64n]) {
    t.throws(() => u64(bad), RangeError, String(bad));
  }
  t.throws(() => u72(2n ** 72n), RangeError);
  t.throws(() => word("0x00"), RangeError);
  t.throws(() => addressWord("0x00"), RangeError);
  t.throws(() => selectorWord("0x0000000000"), RangeError);
  t.equal(toHex(u64(2 ** 53 - 1)), `0x${"00".repeat(24)}001fffffffffffff`);
});
