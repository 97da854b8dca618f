import t from "tap";
import { benchPrecompiles } from "./precompiles.ts";

t.test("the benchmark measures opcodes and precompiles", async (t) => {
  const rows = [
    ...(await benchPrecompiles("opcode BALANCE")),
    ...(await benchPrecompiles("0x06")),
    ...(await benchPrecompiles("0x05 256 bytes")),
  ];
  t.same(
    rows.map(({ name, gas }) => [name, gas]),
    [
      ["opcode BALANCE, cold", 2_000_000],
      ["0x06 two points", 250],
      ["0x05 256 bytes, exponent 3", 441],
      ["0x05 256 bytes, exponent 15", 1124],
      ["0x05 256 bytes, exponent 32", 87_140],
    ],
  );
  t.ok(rows.every(({ msPerMgas }) => msPerMgas > 0 && Number.isFinite(msPerMgas)));
});
