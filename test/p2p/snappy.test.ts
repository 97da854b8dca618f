import fc from "fast-check";
import { compressSync } from "snappy";
import t from "tap";
import { bytesEqual } from "../../lanes/bytes.ts";
import { compress, compressedBytesMax, decompress } from "../../node/p2p/snappy.ts";

t.test("what is compressed comes back, within the promised size", async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
      const compressed = compress(bytes);
      const back = decompress(compressed, bytes.length);
      return (
        compressed.length <= compressedBytesMax(bytes.length) &&
        back.ok &&
        bytesEqual(back.value, bytes)
      );
    }),
  );
  t.pass("200 runs");
});

t.test("any bytes get a verdict, and never more than the bound", async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      const verdict = decompress(bytes, 1000);
      return !verdict.ok || verdict.value.length <= 1000;
    }),
  );
  t.pass("200 runs");
});

t.test("a bomb is refused by the length it declares", async (t) => {
  const bomb = compressSync(new Uint8Array(64 * 1024 * 1024));
  const before = process.memoryUsage().external;
  const verdict = decompress(bomb, 900_000);
  t.match(verdict, { ok: false, code: "BLOCK_TOO_LARGE", data: { bytes: 64 * 1024 * 1024 } });
  t.ok(process.memoryUsage().external - before < 1024 * 1024, "nothing was allocated for it");
});

t.test("a length that lies, is too long or is missing is malformed", async (t) => {
  const good = compress(new Uint8Array(100).fill(7));
  const lying = Uint8Array.of(99, ...good.subarray(1));
  for (const bytes of [lying, new Uint8Array(0), new Uint8Array(5).fill(0x80)])
    t.match(decompress(bytes, 1000), { ok: false, code: "BLOCK_MALFORMED" });
});
