import { hexToBytes } from "@noble/hashes/utils.js";
import t from "tap";
import { fromHex } from "../../lanes/bytes.ts";
import { fastLzLength } from "../../node/primitives/l1-data.ts";

/** Vectors of op-geth, core/types/rollup_cost_test.go, TestFlzCompressLen. */
t.test("the FastLZ length is op-geth's", (t) => {
  const contractCall = hexToBytes(
    "02f901550a758302df1483be21b88304743f94f80e51afb613d764fa61751affd3313c190a86bb870151bd62fd" +
      "12adb8e41ef24f3f000000000000000000000000000000000000000000000000000000000000006e0000000000" +
      "00000000000000af88d065e77c8cc2239327c5edb3a432268e5831000000000000000000000000000000000000" +
      "000000000000000000000003c1e500000000000000000000000000000000000000000000000000000000000000" +
      "0000000000000000000000000000000000000000000000000000000000000000a0000000000000000000000000" +
      "00000000000000000000000000000000000000148c89ed219d02f1a5be012c689b4f5b731827bebe0000000000" +
      "00000000000000c001a033fd89cb37c31b2cba46b6466e040c61fc9b2a3675a7f5f493ebd5ad77c497f8a07cdf" +
      "65680e238392693019b4092f610222e71b7cec06449cb922b93b6a12744e",
  );
  t.equal(fastLzLength(new Uint8Array(0)), 0);
  t.equal(fastLzLength(new Uint8Array(1000).fill(1)), 21);
  t.equal(fastLzLength(new Uint8Array(1000)), 21);
  t.equal(
    fastLzLength(fromHex("0xdd80808094095e7baea6a6c7c4c2dfeb977efac326af552d878080808080")),
    31,
  );
  t.equal(fastLzLength(contractCall), 202);
  t.end();
});
